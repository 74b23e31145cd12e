"""Child processes that never outlive us, nor do their children."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO, Final

import psutil

from pipelines import die_with_parent

PATIENCE_S: Final = 20.0
"""How long a process may take to end by itself once asked to."""
INTERRUPTED: Final = 130
"""Exit status of who was asked to stop."""


class StopRequestedError(BaseException):
    """Ctrl-C or SIGTERM came. No ``Exception``: nothing but the outermost caller handles it."""


@contextmanager
def stoppable(before_unwinding: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into ``StopRequestedError``, once.

    A second signal is ignored: the first one is cleaning up already.

    Args:
        before_unwinding: Called before the exception is raised: what it passes through may wait,
            as ``subprocess.Popen`` does for its process.
    """
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            before_unwinding()
            raise StopRequestedError

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], output: IO[str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process in a session of its own, so that Ctrl-C reaches us alone; end it on leaving,
    and when we are killed.

    Args:
        command: Program and arguments.
        environment: Variables besides our own.
        output: Where both its streams go; our own where None.
    """
    process = subprocess.Popen(  # noqa: S603 (our own program)
        [sys.executable, "-m", die_with_parent.__name__, str(os.getpid()), *command],
        env={**os.environ, **environment},
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process.pid)
        process.wait()


def end(pid: int, patience_s: float = PATIENCE_S) -> None:
    """End a process and all that descend from it: ask it, wait, then end what is left.

    The descendants are found before the process ends: afterwards nothing tells whose they were.
    """
    family = _family(pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.terminate()
        psutil.wait_procs([process], timeout=patience_s)
    _, left = psutil.wait_procs({*family, *_family(pid)}, timeout=2.0)
    # Ray's own processes ignore SIGTERM while they wait for each other.
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=5.0)


def end_children() -> None:
    """End all that descend from this process, at once."""
    left = psutil.Process().children(recursive=True)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=5.0)


def _family(pid: int) -> list[psutil.Process]:
    """List a process and its descendants, or whoever is left of its session once it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return [one for one in psutil.process_iter() if _session(one.pid) == pid]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
