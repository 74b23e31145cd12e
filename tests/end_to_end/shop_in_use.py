"""A simulated shop taken all the way: through the pipeline, into a release, onto a port."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import httpx
import psutil
from ports import free_port
from tiny_shop import Trained

from coterie.data.simulate import ShopConfig, simulate
from pipelines.processes import child

CONFIG = ShopConfig(num_users=300, num_items=200, num_events=12_000, unused=0.05)
ARGUMENTS = {
    # How well it learns is asked elsewhere: here, that what was learned is what is served.
    "settings": '{"loop.max_epochs": 3}',
    "min_gain": "-1",
    # Ray's workers take long to start; they have a test of their own.
    "workers": "0",
    "baselines": "popularity social",
    "version": "v1",
}
RUNS = "runs"
"""Folder where the pipeline leaves its standing."""
READY_S = 180
"""Ray starts, then its replicas, each with torch: 90 s were too few on a busy machine."""


@dataclass(frozen=True)
class Made:
    """Paths of what the pipeline left."""

    clean: str
    store: str
    evaluation: str
    report: str
    bundle: str


def run_training(home: Path) -> Made:
    """Simulate a shop and run the training pipeline on it, as a person would."""
    simulate(CONFIG).write(str(home / "raw"))
    root = home / "pipeline"
    command = [sys.executable, "-m", "pipelines.local", "--root", str(root)]
    given = ARGUMENTS | {"source": str(home / "raw"), "status": str(home / RUNS)}
    done = subprocess.run(
        [*command, *(f"{name}={value}" for name, value in given.items())],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rollout" not in done.stdout, "that is for refresh"
    return Made(**json.loads((root / "result.json").read_text()))


class Served:
    """The app on a port of its own, in a process of its own."""

    def __init__(self, process, http: httpx.Client, log: Path):
        self._process, self.http, self._log = process, http, log

    def await_ready(self) -> None:
        last = time.monotonic() + READY_S
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < last, self._log.read_text()
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def interrupt(self) -> tuple[int, list[psutil.Process]]:
        """Ctrl-C: the exit status, and who of all the app's processes is still there."""
        family = psutil.Process(self._process.pid).children(recursive=True)
        assert len(family) > 5, "Ray and HAProxy should be among them"
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(timeout=60)
        _, left = psutil.wait_procs(family, timeout=20)
        session = [one for one in psutil.process_iter() if _session(one.pid) == self._process.pid]
        return status, [*left, *session]

    def list_of(self, user_id: str, k: int = 10) -> dict:
        answer = self.http.get(f"/v1/users/{user_id}/recommendations", params={"k": k})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def exactly(self, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer to a request line that nobody mends."""
        url = self.http.base_url
        with closing(HTTPConnection(url.host, url.port, timeout=30)) as connection:
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()

    def family(self, word: str) -> list[psutil.Process]:
        """The app's processes that have a word in their command line."""
        every = psutil.Process(self._process.pid).children(recursive=True)
        return [one for one in every if word in " ".join(_command(one))]


@contextmanager
def serve(made: Made | Trained, home: Path, release: str = "", environment: dict | None = None):
    """The real app, ready to answer."""
    options = ["--storefront", "--release", release or made.bundle, "--features", made.store]
    options += ["--shoppers", made.clean, "--state", str(home / "state")]
    with running(options, home, environment or {}) as served:
        yield served


@contextmanager
def running(options: list[str], home: Path, environment: dict):
    """The app with these options, ready to answer."""
    port, log = free_port(), home / "serving.log"
    command = [sys.executable, "-m", "serving.app", "--port", str(port), *options]
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
    with log.open("w") as output, child(command, environment, output) as process, http:
        served = Served(process, http, log)
        served.await_ready()
        yield served


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
