"""How often people would have taken things by themselves: taste, activity and the crowd."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.adoptions import DAY_MS, Adoptions
from coterie.network.people import Doubles, add_up

_SMOOTHING_DAYS = 3
_MAX_STEPS = 400
"""In which popularity is counted: bounds memory, items times steps."""
_PRIOR = 5.0
"""Adoptions in the proportions of everybody's that each one's own are mixed with."""


@dataclass(frozen=True, slots=True)
class Background:
    """Adoptions a day that one would expect without ties, up to one factor.

    How active a person is, times their share of the item's category over everybody's, times how
    often the item was taken around that day: so what everybody buys at that time, and what this
    person buys anyway, is no sign of influence. Nobody takes anything before they came.
    """

    start_ms: int
    step_ms: int
    """Length of what is called a day here: longer, where a log is of years."""
    came_ms: Ints
    """Time of each person's first event, shape (num_people,)."""
    active: Doubles
    """Adoptions of each person over the mean, while they were there, shape (num_people,)."""
    fondness: Doubles
    """Shape (num_people, categories): share of the category over everybody's."""
    category: Ints
    """Of each item."""
    taken: Doubles
    """Adoptions of each item until the begin of each day, a person, shape (items, days + 1)."""

    @classmethod
    def of(
        cls, adoptions: Adoptions, category: Ints, came_ms: Ints, own: Doubles | None = None
    ) -> "Background":
        """Estimate it from adoptions.

        Args:
            adoptions: All.
            category: Of each item; -1: unknown. The 63 most frequent count, the rest is one.
            came_ms: Time of each person's first event of any kind, shape (num_people,).
            own: Chance that each adoption was nobody else's doing; None: all were.
        """
        own = np.ones(len(adoptions)) if own is None else own
        start, end = int(adoptions.ts_ms.min()), int(adoptions.ts_ms.max())
        people, items = len(came_ms), len(category)
        category = _frequent(category, adoptions.item)
        num = int(category.max(initial=0)) + 1
        of_item = category[adoptions.item]
        everybody = np.bincount(of_item, own, num) + 1e-9
        everybody = everybody / everybody.sum()
        counts = np.bincount(adoptions.user * num + of_item, own, people * num)
        counts = counts.reshape(people, num)
        total = counts.sum(axis=1)
        fondness = (counts + _PRIOR * everybody) / (total + _PRIOR)[:, None] / everybody
        there = np.clip((end - came_ms) / (end - start), 0.02, 1.0)
        mean = max(total.sum() / there.sum(), 1e-9)
        active = (total / mean + 1.0) / (there + 1.0)
        step = max(DAY_MS, (end - start) // _MAX_STEPS)
        day = (adoptions.ts_ms - start) // step
        days = int(day.max()) + 1
        sold = add_up(adoptions.item * days + day, own, items * days)
        # Those who were there on a day are fewer than all.
        among = np.bincount(np.clip((came_ms - start) // step, 0, days), minlength=days + 1)
        among = np.maximum(np.cumsum(among)[:days], 1)
        smooth = _smooth(sold.reshape(items, days)) / among
        taken = np.concatenate([np.zeros((items, 1)), np.cumsum(smooth, axis=1)], axis=1)
        return cls(start, step, came_ms, active, fondness, category, taken)

    def expected(self, user: Ints, item: Ints, from_ms: Ints, to_ms: Ints) -> Doubles:
        """Count the adoptions to expect between two moments, shape (n,)."""
        from_ms = np.maximum(from_ms, self.came_ms[user])
        to_ms = np.maximum(to_ms, from_ms)
        sold = self._until(item, to_ms) - self._until(item, from_ms)
        found: Doubles = self.active[user] * self.fondness[user, self.category[item]] * sold
        return found

    def rate(self, user: Ints, item: Ints, ts_ms: Ints) -> Doubles:
        """Count the adoptions to expect on the day of a moment, shape (n,)."""
        half = DAY_MS // 2
        return self.expected(user, item, ts_ms - half, ts_ms + half)

    def _until(self, item: Ints, ts_ms: Ints) -> Doubles:
        last = self.taken.shape[1] - 1
        days = np.clip((ts_ms - self.start_ms) / self.step_ms, 0, last)
        whole = np.minimum(days.astype(np.int64), last - 1)
        low, high = self.taken[item, whole], self.taken[item, whole + 1]
        found: Doubles = low + (high - low) * (days - whole)
        return found


def _frequent(category: Ints, item: Ints, groups: int = 64) -> Ints:
    """Keep the most frequent categories, numbered from 1; 0 is all else."""
    known = category[item]
    counts = np.bincount(known[known >= 0], minlength=1)
    kept = np.argsort(-counts, kind="stable")[: groups - 1]
    number = np.zeros(len(counts) + 1, np.int64)
    number[kept] = np.arange(1, len(kept) + 1)
    return np.where((category >= 0) & (category < len(counts)), number[category], 0)


def _smooth(sold: Doubles) -> Doubles:
    """Average over the days around each, so that a single sale does not explain itself."""
    days = sold.shape[1]
    total = np.concatenate([np.zeros((len(sold), 1)), np.cumsum(sold, axis=1)], axis=1)
    low = np.maximum(np.arange(days) - _SMOOTHING_DAYS, 0)
    high = np.minimum(np.arange(days) + _SMOOTHING_DAYS + 1, days)
    found: Doubles = (total[:, high] - total[:, low]) / (high - low)
    return found
