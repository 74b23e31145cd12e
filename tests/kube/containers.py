"""Containers: their processes, and what probes make of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PERIOD_S, TIMEOUT_S, FAILURES = 10, 1, 3
"""Of a probe that does not say."""
BACKOFF_S = 10.0
"""Before a second restart; twice as long before each further one."""
LONGEST_S = 300.0


@dataclass
class Process:
    """What a container's process does, seen from outside."""

    listens_after_s: float = 1.0
    """After its start; infinite: never."""
    answers_in_s: float = 0.0
    """A probe waits for so long."""
    ends_after_s: float = math.inf
    exit_code: int = 0
    stops_in_s: float = 0.0
    """After it was told to stop, its preStop hook included."""
    listens: Callable[[], bool] = lambda: True
    """What else it takes to answer."""
    ready: Callable[[], bool] = lambda: True
    """What a readiness probe asks beyond that."""
    exits: Callable[[], int | None] = lambda: None
    """Its exit code, once it has ended by itself."""
    stop: Callable[[], object] = lambda: None
    """Called when it has to go."""


@dataclass
class Run:
    """A container, from its first process to its last."""

    make: Callable[[], Process]
    began: float
    process: Process
    ended: float | None = None
    restarts: int = 0
    exit_code: int = 0
    started: bool = False
    """Its startup probe has succeeded."""
    ready: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    """By probe, in a row."""
    asked: dict[str, int] = field(default_factory=dict)
    """By probe, in which period it was asked last."""

    @property
    def seen(self) -> tuple[object, ...]:
        """What its pod's status says of it."""
        return self.ready, self.started, self.restarts, self.ended, self.exit_code

    def answers(self, now: float) -> bool:
        up = self.ended is None and now >= self.began + self.process.listens_after_s
        return up and self.process.listens()

    def step(self, container: Any, now: float, again: bool) -> None:
        """What became of it; ``again``: it is started anew where it ends."""
        if self.ended is None and self._ends(now):
            self.ready = False
        if self.ended is not None:
            if again and now >= self.ended + self._backoff():
                self._restart(now)
            return
        if "startupProbe" in container and not self.started:
            self.started = self._ask(container, "startupProbe", now) is True
            if self._given_up(container, "startupProbe"):
                self._restart(now)
            return
        self.started = True
        self._ask(container, "livenessProbe", now)
        if self._given_up(container, "livenessProbe"):
            self._restart(now)
            return
        good = "readinessProbe" not in container or self._ask(container, "readinessProbe", now)
        if good:
            self.ready = True
        elif self._given_up(container, "readinessProbe"):
            self.ready = False

    def stop(self, now: float) -> None:
        if self.ended is None:
            self.process.stop()
            self.ended, self.ready = now, False

    def _ends(self, now: float) -> bool:
        code = self.process.exits()
        if code is None and now >= self.began + self.process.ends_after_s:
            code = self.process.exit_code
        if code is None:
            return False
        self.ended, self.exit_code = now, code
        return True

    def _backoff(self) -> float:
        return min(LONGEST_S, BACKOFF_S * 2 ** (self.restarts - 1)) if self.restarts else 0.0

    def _restart(self, now: float) -> None:
        self.stop(now)
        self.process = self.make()
        self.began, self.ended, self.restarts = now, None, self.restarts + 1
        self.started = self.ready = False
        self.failures.clear()
        self.asked.clear()

    def _ask(self, container: Any, which: str, now: float) -> bool | None:
        """What a probe says; None where there is none, or where it is not its time."""
        probe = container.get(which)
        since = now - self.began
        if probe is None or since < probe.get("initialDelaySeconds", 0):
            return None
        turn = int(since / probe.get("periodSeconds", PERIOD_S))
        if self.asked.get(which) == turn:
            return None
        self.asked[which] = turn
        in_time = self.process.answers_in_s < probe.get("timeoutSeconds", TIMEOUT_S)
        good = in_time and self.answers(now)
        good = good and (which != "readinessProbe" or self.process.ready())
        self.failures[which] = 0 if good else self.failures.get(which, 0) + 1
        return good

    def _given_up(self, container: Any, which: str) -> bool:
        limit = container.get(which, {}).get("failureThreshold", FAILURES)
        return self.failures.get(which, 0) >= limit
