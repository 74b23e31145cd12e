"""What was bought, day by day: everything, by category, by item."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.behaviour.shop_log import DAY_MS, Doubles, ShopLog
from coterie.data.dataset import Ints

WEEK: Final = 7
MOST_DAYS: Final = 56 * WEEK
"""The last days are counted: older ones say little of the next weeks, and models take long."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Daily purchases in a tree: everything, c categories, and l leaves (items, and the rest)."""

    days: Doubles
    """Shape (1 + c + l, days): a parent is the sum of what is below it on each day."""
    category: Ints
    """The category of each leaf, shape (l,), 0 to c - 1."""
    item: Ints
    """The item of each leaf, shape (l,); -1 for all other items of its category together."""
    categories: tuple[str, ...]
    end_ms: int
    """The midnight after the last day."""

    @classmethod
    def of(cls, log: ShopLog, items: int) -> "Demand":
        """Count, with a leaf for each of the most bought items."""
        days = min(log.days, MOST_DAYS)
        begin_ms = log.end_ms - days * DAY_MS
        bought = log.bought & (log.events.ts_ms >= begin_ms)
        item = log.events.item_idx[bought]
        day = (log.events.ts_ms[bought] - begin_ms) // DAY_MS
        counts = np.bincount(item, minlength=len(log.category))
        most = np.sort(np.argsort(-counts, kind="stable")[: min(items, int((counts > 0).sum()))])
        width = len(log.categories)
        leaf_of = np.full(len(counts), -1, np.int64)
        leaf_of[most] = np.arange(len(most))
        rest = leaf_of < 0
        leaf_of[rest] = len(most) + log.category[rest]
        leaves = len(most) + width
        flat = np.bincount(leaf_of[item] * days + day, minlength=leaves * days)
        leaf_days = flat.reshape(leaves, days).astype(np.float64)
        category = np.concatenate([log.category[most], np.arange(width)])
        tops = np.zeros((width, days))
        np.add.at(tops, category, leaf_days)
        return cls(
            np.concatenate([tops.sum(axis=0, keepdims=True), tops, leaf_days]),
            category,
            np.concatenate([most, np.full(width, -1)]),
            log.categories,
            log.end_ms,
        )

    @property
    def upper(self) -> int:
        """How many of the series are no leaves: they come first."""
        return 1 + len(self.categories)

    def until(self, days: int) -> Doubles:
        """Give the days but for the last ones, shape (series, days - ``days``)."""
        return self.days[:, : self.days.shape[1] - days]


def weeks_of(days: Doubles) -> Doubles:
    """Add up whole weeks, counted from the last day; shape (series, weeks), the newest last."""
    whole = days.shape[1] // WEEK * WEEK
    kept = days[:, days.shape[1] - whole :]
    weeks: Doubles = kept.reshape(len(days), -1, WEEK).sum(axis=2)
    return weeks
