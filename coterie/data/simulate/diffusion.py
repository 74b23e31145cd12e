"""How news of purchases travels along ties."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.data.ragged import Ragged
from coterie.data.simulate.people import Acquaintance
from coterie.data.simulate.visits import BOUGHT, Visits

_MEAN_DAYS = 5.0
"""Days from a friend's purchase to the visit that it may cause, at the earliest the next day."""
_OLD_NEWS_DAYS = 21


@dataclass(frozen=True, slots=True)
class Heard:
    """What reaches followers, as columns of shape (h,)."""

    user: Ints
    item: Ints
    friend: Ints
    source: Ints
    """Row of the friend's visit among all visits."""
    shared: npt.NDArray[np.bool_]
    closeness: Floats

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Heard":
        """Take the rows of an index or a mask, in that order."""
        return Heard(*(getattr(self, f.name)[rows] for f in fields(self)))


class Diffusion:
    """News on its way: what friends bought or shared, kept until the day it arrives."""

    def __init__(self, ties: Acquaintance, num_users: int) -> None:
        order = np.argsort(ties.dst, kind="stable")
        self._follower = ties.src[order]
        self._closeness = ties.closeness[order]
        self._since = ties.since[order]
        self._followers_of = Ragged.of_rows(ties.dst, num_users)
        self._on_the_way: dict[int, list[Heard]] = {}

    def spread(self, visits: Visits, first_row: int, day: int, rng: np.random.Generator) -> None:
        """Send word of a day's purchases and shares to those who already follow.

        Args:
            visits: The day's.
            first_row: Row of their first among all visits.
            day: The day.
            rng: Draws how long the news takes.
        """
        rows = np.flatnonzero((visits.reach == BOUGHT) | visits.shared)
        told, tie = self._followers_of.take(visits.user[rows])
        row = rows[told.row]
        delay = 1 + rng.exponential(_MEAN_DAYS, len(tie)).astype(np.int64)
        kept = (self._since[tie] <= day) & (delay <= _OLD_NEWS_DAYS)
        tie, row, delay = tie[kept], row[kept], delay[kept]
        heard = Heard(
            user=self._follower[tie],
            item=visits.item[row],
            friend=visits.user[row],
            source=row + first_row,
            shared=visits.shared[row],
            closeness=self._closeness[tie],
        )
        for days in range(1, _OLD_NEWS_DAYS + 1):
            self._on_the_way.setdefault(day + days, []).append(heard.take(delay == days))

    def due(self, day: int) -> Heard:
        """Hand out the news that arrives on a day; it is asked for once."""
        parts = self._on_the_way.pop(day, [])
        if not parts:
            none = np.zeros(0, np.int64)
            return Heard(none, none, none, none, none.astype(np.bool_), none.astype(np.float32))
        return Heard(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Heard)))
