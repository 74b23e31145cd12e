"""New items that some lists show once, to learn whom they please: bounded, and never for long."""

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.impressions.attribution import CLICKS
from serving.events.event import Event

PLACE: Final = 4
"""Where a list shows what it explores, from 0: seen, and not the first. Shorter lists do not."""
DRAWS: Final = 64
"""By which the chance of an item is estimated."""
_RNG: Final = np.random.default_rng()
_REMEMBERED: Final = 10_000
"""Items whose counts are kept."""


@dataclass(slots=True)
class _Tally:
    shown: int = 0
    clicked: int = 0


class Explorer:
    """Chooses which new item a list shows, by Thompson sampling; of one replica.

    Lists and events come to replicas by chance, so what passes through one tells it the same as the
    whole would, only later. Several threads may ask.
    """

    def __init__(self, share: float = 0.0, enough: int = 1000) -> None:
        """Begin without having shown anything.

        Args:
            share: Of shoppers, each day others, whose lists show one new item.
            enough: Lists with an item, here, after which it is not explored any more.
        """
        self._share, self._enough = share, enough
        self._tallies: dict[str, _Tally] = {}
        self._lock = threading.Lock()

    def explores(self, user_id: str) -> bool:
        """Tell whether the lists of a shopper show a new item today."""
        return self._share > 0.0 and self._drawn(user_id) < self._share * 2**64

    def choose(self, user_id: str, item_ids: Sequence[str]) -> str | None:
        """Choose one of the new items that a shopper may be shown; None: enough is known of all.

        A shopper gets the same one all day, as long as there are the same items with counts as
        these: what is shown, and clicked, more often is better known, and drawn nearer to its rate.
        """
        with self._lock:
            known = [(one, self._tallies.get(one) or _Tally()) for one in sorted(item_ids)]
            left = [(one, t.shown, t.clicked) for one, t in known if t.shown < self._enough]
        if not left:
            return None
        clicked = np.array([c for _, _, c in left], np.float64)
        shown = np.maximum([s for _, s, _ in left], clicked)
        rng = np.random.default_rng(self._drawn(user_id))
        return left[int(rng.beta(1.0 + clicked, 1.0 + shown - clicked).argmax())][0]

    @property
    def share(self) -> float:
        """Share of shoppers whose lists show one new item."""
        return self._share

    def chance(self, item_ids: Sequence[str], item_id: str) -> float:
        """Estimate how likely it is that a shopper is shown one of these new items by the lot, over
        all days: as often as so many draws choose it, and never 0."""
        with self._lock:
            known = [(one, self._tallies.get(one) or _Tally()) for one in item_ids]
            left = [(one, t.shown, t.clicked) for one, t in known if t.shown < self._enough]
        clicked = np.array([c for _, _, c in left], np.float64)
        shown = np.maximum([s for _, s, _ in left], clicked)
        drawn = _RNG.beta(1.0 + clicked, 1.0 + shown - clicked, (DRAWS, len(left))).argmax(axis=1)
        place = next((n for n, (one, _, _) in enumerate(left) if one == item_id), -1)
        return self._share * (float((drawn == place).sum()) + 1.0) / (DRAWS + 1.0)

    def note_shown(self, item_ids: Iterable[str]) -> None:
        """Note new items that a list shows, whatever brought them there."""
        with self._lock:
            for item_id in item_ids:
                self._tallies.setdefault(item_id, _Tally()).shown += 1
            while len(self._tallies) > _REMEMBERED:
                del self._tallies[next(iter(self._tallies))]

    def note_events(self, events: Iterable[Event]) -> None:
        """Note what shoppers did with new items that lists showed here."""
        if not self._tallies:
            return
        with self._lock:
            for event in events:
                tally = self._tallies.get(event.item_id) if event.list_id else None
                if tally is not None and event.event in CLICKS:
                    tally.clicked += 1

    @staticmethod
    def _drawn(user_id: str) -> int:
        text = f"{int(time.time() // 86_400)}\x1f{user_id}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


NO_EXPLORER: Final = Explorer()
