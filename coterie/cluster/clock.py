"""One clock for controllers on nodes whose own clocks differ: the API server's."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

STEPPED_S: Final = 2.0
"""A server's time that lags what we thought by more was set back; less is the answer's way."""


class ServerClock:
    """Seconds since 1970 as the API server has them, to within a second.

    A rollout's times lie in its rollout store, and the next controller goes on from them: by a
    clock that is ten minutes ahead it would take a step of ten minutes for over at once.
    """

    def __init__(
        self,
        passed: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.time,
    ):
        """Take ``passed`` for the time between answers, and ``own`` before the first."""
        self._passed, self._own = passed, own
        self._ahead: float | None = None

    def __call__(self) -> float:
        """Give the API server's time; this process's own before the first answer."""
        return self._own() if self._ahead is None else self._passed() + self._ahead

    def heard(self, date: str) -> None:
        """Take the ``Date`` of an answer; one that is none is left out."""
        try:
            ahead = parsedate_to_datetime(date).timestamp() - self._passed()
        except (TypeError, ValueError):
            return
        # It is cut to the second, and old once it is here: of all, the latest is nearest.
        if self._ahead is None or ahead > self._ahead or ahead < self._ahead - STEPPED_S:
            self._ahead = ahead
