"""What works behind the API, moved on by a clock of the test."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .api import FakeApi
from .endpoints import Endpoints
from .eviction import Evictions
from .kuberay import Operator
from .nodes import Nodes
from .workloads import Workloads

BEGIN = 1_800_000_000
"""When the world begins, as its objects say it."""


class World:
    def __init__(self, api: FakeApi, nodes: int = 3):
        self.api = api
        self.now = 0.0
        """Seconds since it began."""
        api.clock = lambda: BEGIN + self.now
        self.workloads = Workloads(api)
        self.nodes = Nodes(api, nodes)
        self.endpoints = Endpoints(api)
        self.evictions = Evictions(api)
        self.operator = Operator(api, self.nodes, self.endpoints)
        # KubeRay first: it acts on what others did a step ago, and looks see that as well.
        self.parts = (
            self.operator, self.workloads, self.nodes, self.endpoints, self.evictions
        )  # fmt: skip
        self.looks: list[Callable[[], None]] = []
        """Called after each step: what a test measures."""
        self.running: list[subprocess.Popen[bytes]] = []
        """Programs that really run for a container."""

    def step(self, seconds: float = 0.5) -> None:
        with self.api.lock:
            self.now += seconds
            for part in self.parts:
                part.step(self.now)
            for look in self.looks:
                look()

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step()

    def until(self, condition: Callable[[], object], seconds: float = 600) -> float:
        """Go on until something holds; how long it took.

        Raises:
            AssertionError: It did not come to that.
        """
        begin = self.now
        while not condition():
            assert self.now < begin + seconds, f"not within {seconds:g} s"
            self.step()
        return self.now - begin

    @property
    def busy(self) -> bool:
        return any(process.poll() is None for process in self.running)

    @contextmanager
    def going_on(self, pace_s: float = 0.01) -> Iterator[None]:
        """It goes on by itself, while helm or kubectl waits: half a second each ``pace_s``.

        Its hours would be over before a program that really runs has begun: then it goes slowly.
        """
        over, broken = threading.Event(), []

        def run() -> None:
            while not over.wait(0.1 if self.busy else pace_s):
                try:
                    self.step()
                except Exception as error:
                    broken.append(error)
                    raise

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if broken:
            raise broken[0]
