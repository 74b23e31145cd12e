"""Threads in which one arm makes its lists, so that one that hangs holds up nobody else."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

THREADS: Final = 2
"""An arm's, while there are two arms."""
COMPARED_WITHIN_S: Final = 10.0
"""What compares two lists for longer hangs, and is waited for no more: who waits for ever counts as
busy, and a canary that is busy is asked nothing by which it could be judged."""


class ArmWorkers:
    """Threads of one arm."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(THREADS, name)
        self.waiting = 0
        """Calls that were begun and have not ended."""

    async def run(self, work: Callable[[], Any], timeout_s: float | None) -> Any:
        """Call ``work`` in a thread; only the event loop does so: ``waiting`` needs no lock.

        Raises:
            TimeoutError: It took longer, counted from now.
            DismissedError: There was no beginning it: the arms changed meanwhile.
        """
        context = contextvars.copy_context()  # so that spans know their request
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        except RuntimeError as error:
            raise DismissedError from error
        self.waiting += 1
        try:
            return await asyncio.wait_for(future, timeout_s)
        finally:
            self.waiting -= 1

    def dismiss(self) -> None:
        """Begin nothing more; what was begun ends by itself, and what hangs is not waited for."""
        self._pool.shutdown(wait=False)


class DismissedError(Exception):
    """Of workers who were asked after their arm was gone."""
