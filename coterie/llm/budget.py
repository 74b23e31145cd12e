"""How much a language model may be asked: tokens an hour, and calls at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from coterie.errors import UnavailableError
from coterie.llm.question import Question

HOUR_S: Final = 3600.0
CHARACTERS: Final = 2
"""Of a question, at least, for each of its tokens: a character of Chinese may be one. What is set
aside is settled by what the model says it took."""


class BusyError(UnavailableError):
    """Too many ask at once."""


class SpentError(UnavailableError):
    """The tokens of this hour are spent."""


class TokenBudget:
    """A bucket of tokens that fills over an hour; 0 sets no bound. Safe in several threads."""

    def __init__(self, per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with an hour's tokens."""
        self._per_hour, self._clock = per_hour, clock
        self._lock, self._left, self._at = threading.Lock(), float(per_hour), clock()

    def take(self, question: Question) -> int:
        """Set aside what a question may take at most.

        Raises:
            SpentError: So much is not left.
        """
        most = (len(question.rules) + len(question.told)) // CHARACTERS + question.max_tokens
        if not self._per_hour:
            return most
        with self._lock:
            now = self._clock()
            filled = (now - self._at) * self._per_hour / HOUR_S
            self._left, self._at = min(self._per_hour, self._left + filled), now
            if self._left < most:
                raise SpentError(
                    f"the language model's {self._per_hour} tokens of an hour are spent"
                )
            self._left -= most
        return most

    def settle(self, taken: int, used: int) -> None:
        """Give back what was set aside and not used; what was used beyond it is taken."""
        with self._lock:
            self._left += taken - used


class Turns:
    """So many at a time; who has to wait too long is told so."""

    def __init__(self, at_once: int) -> None:
        """Let ``at_once`` in."""
        self._free = threading.BoundedSemaphore(at_once)

    @contextmanager
    def one(self, within_s: float) -> Iterator[None]:
        """Take a turn.

        Raises:
            BusyError: None was free in time.
        """
        if not self._free.acquire(timeout=within_s):
            raise BusyError(f"the language model was busy for {within_s:g} s")
        try:
            yield
        finally:
            self._free.release()
