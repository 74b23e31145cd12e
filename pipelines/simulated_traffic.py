"""Simulated traffic: a simulated shop's people ask a served shop for lists and answer them."""

import threading
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from coterie.data.simulate.world import World
from coterie.errors import CoterieError
from pipelines.client import Client

SHOPPERS: Final = 8
"""Size of a group: its shoppers ask one after the other, then send their events together."""
GROUP_S: Final = 1.0
"""For so long a group asks: on a slow machine it is smaller, or the clicks on its first lists would
come after their window of two seconds, and tell nothing of a release."""
LENGTH: Final = 10
"""Items of a list that a shopper asks for."""
FIELDS: Final = ("user_id", "item_id", "event", "value")


class SimulatedTraffic:
    """Shoppers in threads of their own, for as long as the context lasts."""

    def __init__(self, shop: Client, world: World, threads: int = 2, pause_s: float = 0.02):
        """Prepare the threads; shoppers come when the context is entered.

        Args:
            shop: The served shop that they ask.
            world: The simulator's truth of what each of them likes.
            threads: Groups of shoppers at a time.
            pause_s: Seconds between two lists of a group: a laptop is used for other things, too.
        """
        self._shop, self._world, self._pause_s = shop, world, pause_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._come, args=(seed,), daemon=True)
            for seed in range(threads)
        ]
        self.lists = 0
        """Lists that shoppers were shown so far."""
        self.failed = 0
        """Requests so far that had no answer, or one that is an error."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def _come(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        known = self._world.user_ids
        while not self._stop.is_set():
            users = rng.choice(known, SHOPPERS, replace=False).tolist()
            answers = self._ask_all(users)
            if not answers:
                time.sleep(0.2)
                continue
            events = self._answer(answers, rng)
            if events:
                self._count(lists=0, failed=not self._send(events))

    def _ask_all(self, user_ids: list[str]) -> list[dict[str, Any]]:
        """Ask for the lists of a group, one after the other, while its time lasts."""
        answers, last = [], time.monotonic() + GROUP_S
        for user_id in user_ids:
            answer = self._ask(user_id)
            if answer is not None:
                answers.append(answer)
            if time.monotonic() > last:
                break
        return answers

    def _ask(self, user_id: str) -> dict[str, Any] | None:
        time.sleep(self._pause_s)
        try:
            answer = self._shop.recommendations(user_id, LENGTH)
        except CoterieError:
            self._count(lists=0, failed=True)
            return None
        self._count(lists=1, failed=False)
        return answer

    def _answer(
        self, answers: list[dict[str, Any]], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Draw what shoppers do with their lists.

        Returns:
            Events, each with the id of the list that it follows from, if any: a return needs none.
        """
        users = [answer["user_id"] for answer in answers]
        lists = [[item["item"]["item_id"] for item in answer["items"]] for answer in answers]
        list_ids = {
            (user, item): answer["list_id"]
            for user, items, answer in zip(users, lists, answers, strict=True)
            for item in items
        }
        rows = self._world.answer(users, lists, rng).select(FIELDS).to_pylist()
        return [_event(row, list_ids.get((row["user_id"], row["item_id"]))) for row in rows]

    def _send(self, events: list[dict[str, Any]]) -> bool:
        try:
            receipt = self._shop.post("/v1/events", {"events": events})
        except CoterieError:
            return False
        return not receipt["refused"]

    def _count(self, lists: int, failed: bool) -> None:
        with self._lock:
            self.lists += lists
            self.failed += failed


def _event(row: Mapping[str, Any], list_id: str | None) -> dict[str, Any]:
    given = {**row, "event_id": uuid.uuid4().hex, "list_id": list_id}
    return {name: value for name, value in given.items() if value is not None}
