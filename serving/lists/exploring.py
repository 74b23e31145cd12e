"""New and rarely shown items that some lists show once, to learn whom they please: bounded, and
never for long."""

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.impressions.attribution import CLICKS
from coterie.recommend.exploration import chances
from coterie.recommend.exploration import choose as choose_by
from coterie.recommend.rules import Explore
from serving.events.event import Event

PLACE: Final = 4
"""Where a list shows what it explores, from 0: seen, and not the first. Shorter lists do not."""
_REMEMBERED: Final = 100_000
"""Items whose counts are kept."""


_USUAL: Final = 0.05
"""Share of shown items that are clicked, before anything is counted."""
_USUAL_COUNTS: Final = 100.0
"""Items that this counts as."""


@dataclass(slots=True)
class _Tally:
    shown: int = 0
    clicked: int = 0


@dataclass(frozen=True, slots=True)
class Pick:
    """An item that a list shows to learn of it."""

    item_id: str
    chance: float
    """With which it was chosen of those that could be, in (0, 1]."""


class Explorer:
    """Chooses which item a list shows to learn of it, by Thompson sampling; of one replica.

    Lists and events come to replicas by chance, so what passes through one tells it the same as the
    whole would, only later. Several threads may ask.
    """

    def __init__(self, share: float = 0.0, enough: int = 1000) -> None:
        """Begin without having shown anything.

        Args:
            share: Of shoppers, each day others, whose lists at home show one new item, where no
                rule of the shop says otherwise.
            enough: Lists with an item, here, after which it is not explored any more.
        """
        self._share, self._enough = share, enough
        self._tallies: dict[str, _Tally] = {}
        self._all = _Tally()
        self._lock = threading.Lock()

    def share_at(self, surface: str, rule: Explore | None) -> float:
        """Give the share of shoppers whose lists explore in a place of the shop."""
        if rule is not None:
            return rule.share
        return self._share if surface == "home" else 0.0

    def explores(self, user_id: str, share: float | None = None) -> bool:
        """Tell whether the lists of a shopper show an item to learn of it today."""
        share = self._share if share is None else share
        return share > 0.0 and self._drawn(user_id) < share * 2**64

    def usual(self) -> float:
        """Give the share of shown items that are clicked."""
        found = self._all
        return (_USUAL * _USUAL_COUNTS + found.clicked) / (_USUAL_COUNTS + found.shown)

    def open(self, item_ids: Sequence[str], below: int | None = None) -> list[bool]:
        """Tell of which items too little is known yet.

        Args:
            item_ids: Which.
            below: Lists that are enough for one; for a new one if not given.
        """
        below = self._enough if below is None else min(below, self._enough)
        with self._lock:
            found = [self._tallies.get(one) for one in item_ids]
            return [one is None or one.shown < below for one in found]

    def choose(self, user_id: str, item_ids: Sequence[str]) -> str | None:
        """Choose one of the new items that a shopper may be shown; None: enough is known of all."""
        left = [one for one, is_open in zip(item_ids, self.open(item_ids), strict=True) if is_open]
        pick = self.pick(user_id, left, [self.usual()] * len(left))
        return None if pick is None else pick.item_id

    def pick(self, user_id: str, item_ids: Sequence[str], promise: Sequence[float]) -> Pick | None:
        """Choose one of some items by what was counted of each and what its score promises.

        A shopper gets the same one all day, as long as there are the same items with counts as
        these: what is shown, and clicked, more often is better known, and drawn nearer to its rate.

        Args:
            user_id: Who is to see it.
            item_ids: What may be chosen; None is given if there is nothing.
            promise: Of each, the share of lists that its score promises to be clicked.
        """
        if not item_ids:
            return None
        with self._lock:
            known = sorted(
                (one, odds, tally.shown, tally.clicked)
                for one, odds in zip(item_ids, promise, strict=True)
                for tally in [self._tallies.get(one) or _NOTHING]
            )
        names, odds, shown, clicked = zip(*known, strict=True)
        rng = np.random.default_rng(self._drawn(user_id))
        counts = np.array([odds, shown, clicked], np.float64)
        chance = chances(counts[1], np.minimum(counts[2], counts[1]), counts[0], rng)
        row = int(choose_by(chance, rng))
        return Pick(names[row], float(chance[row]))

    def note_shown(self, item_ids: Iterable[str]) -> None:
        """Note items that a list shows, whatever brought them there."""
        with self._lock:
            for item_id in item_ids:
                self._tallies.setdefault(item_id, _Tally()).shown += 1
                self._all.shown += 1
            while len(self._tallies) > _REMEMBERED:
                del self._tallies[next(iter(self._tallies))]

    def note_events(self, events: Iterable[Event]) -> None:
        """Note what shoppers did with items that lists showed here."""
        if not self._tallies:
            return
        with self._lock:
            for event in events:
                tally = self._tallies.get(event.item_id) if event.list_id else None
                if tally is not None and event.event in CLICKS:
                    tally.clicked += 1
                    self._all.clicked += 1

    @staticmethod
    def _drawn(user_id: str) -> int:
        text = f"{int(time.time() // 86_400)}\x1f{user_id}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


_NOTHING: Final = _Tally()
NO_EXPLORER: Final = Explorer()
