"""Items that enter the shop while a release is served, added to it in a thread beside the lists."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from coterie.data.changes import RowState

Arm = TypeVar("Arm")
RESTS: Final = 3.0
"""How many times as long as it worked the thread then rests: the rest of a core is for lists."""
LONGEST_REST_S: Final = 2.0


class JoiningItems(Generic[Arm]):
    """Adds new items to releases, all that wait together.

    To add one item takes as long as to add a thousand: a release's vectors are put together anew.
    So what comes meanwhile waits, and the first of many does not.
    """

    def __init__(self, add: Callable[[Arm, Mapping[str, RowState]], None]) -> None:
        """Begin with nothing to do.

        Args:
            add: Adds states of items, by id, to a release; called in one thread.
        """
        self._add = add
        self._thread = ThreadPoolExecutor(1, "items")
        self._lock = threading.Lock()
        self._waiting: list[tuple[Arm, dict[str, RowState]]] = []

    def put(self, arm: Arm, states: Mapping[str, RowState]) -> None:
        """Have items added, as soon as may be; a later state of an item replaces an earlier one."""
        with self._lock:
            for other, waiting in self._waiting:
                if other is arm:
                    waiting.update(states)
                    return
            self._waiting.append((arm, dict(states)))
        self._thread.submit(self._next)

    def _next(self) -> None:
        with self._lock:
            arm, states = self._waiting.pop(0)
        began = time.thread_time()
        self._add(arm, states)
        time.sleep(min(LONGEST_REST_S, RESTS * (time.thread_time() - began)))
