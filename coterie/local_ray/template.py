"""A process that has imported what Ray's workers need, and forks itself for each of them.

Each worker would import the same for itself, one after the other: seven of them took 30 s of a core
until a shop was served, and each had memory of its own for it (ADR 47).
"""

import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from coterie.local_ray import worker

STOP_S: Final = 5.0
JOB: Final = "RAY_JOB_ID"
FIRST_JOB: Final = "01000000"
"""Of a node that was just started. Ray's library reads it, and the number of the process with which
workers are to end, when it is loaded, so a template has to foresee them."""
APART: Final = 4_096
"""Random ids of Ray's between where one worker begins and the next."""
_LENGTH: Final = 4
"""Bytes of the number that says how long a request is."""


@contextmanager
def worker_template(modules: Sequence[str]) -> Iterator[Path | None]:
    """Start a template, which ends on leaving; what Ray reads from the environment has to be there.

    Args:
        modules: To import, in this order; ``module:function`` calls what imports more. Workers that
            are asked for meanwhile have what is there by then.

    Yields:
        The script that Ray is to run as its workers; None where processes cannot be forked safely,
        as on macOS.
    """
    if sys.platform != "linux":
        yield None
        return
    # Sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        script = Path(shutil.copy(worker.__file__, folder))
        # Named so long that there is room for the names that Ray gives its workers.
        command = [sys.executable, "-m", __name__, folder, *modules]
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield script
        finally:
            process.kill()
            process.wait(STOP_S)
            assert process.stdin is not None
            process.stdin.close()


class Template:
    """Answers those who ask for a worker."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(64)

    def load(self, module: str) -> None:
        """Import a module, or call a function of one; what fails a worker will meet again."""
        name, _, function = module.partition(":")
        try:
            found = importlib.import_module(name)
            if function:
                getattr(found, function)()
        except Exception as error:
            print(f"{module} is not loaded ahead: {error}", file=sys.stderr)

    def answer(self, until: int | None = None) -> dict[str, Any] | None:
        """Fork for those who ask.

        Args:
            until: A stream; goes on until its other end is closed. Without it, answers those who
                wait already.

        Returns:
            In a new worker, what it was told; in the template None.
        """
        while True:
            watched: list[Any] = [self._listener, *([] if until is None else [until])]
            ready = select.select(watched, [], [], None if until is not None else 0)[0]
            if self._listener not in ready:
                return None
            with self._listener.accept()[0] as asking:
                told = self._fork(asking)
            if told is not None:
                return told

    def _fork(self, asking: socket.socket) -> dict[str, Any] | None:
        """Answer one who asks; return what the new worker was told, in that alone."""
        asking.settimeout(STOP_S)
        try:
            length, streams, *_ = socket.recv_fds(asking, _LENGTH, 2)
            body = b""
            while len(body) < int.from_bytes(length, "big"):
                body += asking.recv(1 << 20) or _give_up()
        except OSError:
            return None  # it runs what Ray would have run
        told: dict[str, Any] = json.loads(body)
        fits = told["environment"].get(JOB) == FIRST_JOB
        if fits:
            _draw_ids()
        if not fits or os.fork():
            for stream in streams:
                os.close(stream)
            asking.sendall(b"+" if fits else b"-")
            return None
        self._listener.close()
        for place, stream in enumerate(streams, start=1):
            os.dup2(stream, place)
            os.close(stream)
        return told


def _draw_ids() -> None:
    """Draw ids that no worker gets: Ray's library has a generator of them, and forks copies of it.

    Importing Ray Serve draws the first. A worker's first is of an object by which it tries the
    node's store: of two that tried it in the same millisecond the store refused one, Ray's library
    ended that worker, and Ray waited a minute before it started another.
    """
    ray = sys.modules.get("ray")
    if ray is not None:
        for _ in range(APART):
            ray.ObjectRef.from_random()


def _give_up() -> NoReturn:
    raise ConnectionError("who asked is gone")


def become_worker(told: dict[str, Any]) -> None:
    """Run Ray's worker in this process, as if it had been started so."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    if "numpy.random" in sys.modules:
        # Python's own generator takes a new seed in a fork; NumPy's does not.
        sys.modules["numpy.random"].seed()
    script = worker.usual(worker.WORKER)
    sys.argv = [script, *told["arguments"]]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


def main(folder: str, modules: Sequence[str]) -> None:
    """Be a template until the other end of our input is closed."""
    # As Ray does it for its processes: Ctrl-C is for who started them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Nobody waits for our workers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.environ |= {JOB: FIRST_JOB, "RAY_RAYLET_PID": str(os.getppid())}
    template = Template(str(Path(folder, worker.SOCKET)))
    told = None
    # Garbage is looked for again and again while there is none.
    gc.disable()
    for module in modules:
        template.load(module)
        if (told := template.answer()) is not None:
            break
    if told is None:
        # Or workers would write to the memory that they share with us when they look for garbage.
        gc.freeze()
        told = template.answer(until=sys.stdin.fileno())
    gc.enable()
    if told is not None:
        become_worker(told)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
