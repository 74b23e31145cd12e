"""A shop's dated events, as all figures of behaviour are computed from them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Dataset, Interactions, Ints, Ties
from coterie.data.polarity import liked
from coterie.data.splits import UNDATED_MS
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, EventKind

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

DAY_MS: Final = 86_400_000
NO_CATEGORY: Final = "other"


@dataclass(frozen=True, slots=True)
class ShopLog:
    """n dated events by time, of people who may be used, and what else is known of their shop."""

    events: Interactions
    bought: Bools
    """Which of them are purchases, or other targets where a shop logs no purchases; shape (n,)."""
    value: Doubles
    """What was paid, shape (n,); 0 for what is no purchase. Where a shop tells no prices each
    purchase counts as 1."""
    priced: bool
    """Whether ``value`` is money."""
    ties: Ties
    category: Ints
    """Of each item, an index of ``categories``."""
    categories: tuple[str, ...]
    """First parts of the items' categories, by name."""
    num_users: int
    end_ms: int
    """The midnight (UTC) after the last event: what is told is known then."""

    @classmethod
    def of(cls, dataset: Dataset) -> "ShopLog":
        """Take the dated events of a shop.

        Raises:
            BadInputError: Fewer than two days have events with times, or nothing was bought.
        """
        events = dataset.events.take(
            (dataset.part < 0) & (dataset.events.ts_ms > 0) & (dataset.events.ts_ms != UNDATED_MS)
        )
        if not len(events) or events.ts_ms[-1] - events.ts_ms[0] < DAY_MS:
            raise BadInputError(
                f"behaviour needs events with times, over some weeks: {len(events):,} events have "
                "one, outside any bundled split"
            )
        purchase = events.kind == EVENT_KINDS.index(EventKind.PURCHASE)
        bought = purchase if purchase.any() else liked(events)
        if not bought.any():
            raise BadInputError("behaviour needs purchases, or carts, ratings or reviews: no event")
        priced = bool(purchase.any() and np.isfinite(events.value[purchase]).any())
        paid = np.nan_to_num(events.value.astype(np.float64)) if priced else np.ones(len(events))
        number, names = _categories(dataset)
        return cls(
            events=events,
            bought=bought,
            value=np.where(bought, paid, 0.0),
            priced=priced,
            ties=dataset.ties,
            category=number,
            categories=names,
            num_users=len(dataset.users),
            end_ms=int(events.ts_ms[-1] // DAY_MS + 1) * DAY_MS,
        )

    @property
    def begin_ms(self) -> int:
        """The midnight before the first event."""
        return int(self.events.ts_ms[0] // DAY_MS) * DAY_MS

    @property
    def days(self) -> int:
        """Days from the first to the last."""
        return (self.end_ms - self.begin_ms) // DAY_MS

    def between(self, first_ms: int, last_ms: int) -> slice:
        """Find the events from one moment until before another."""
        low, high = np.searchsorted(self.events.ts_ms, [first_ms, last_ms])
        return slice(int(low), int(high))

    def until(self, moment_ms: int) -> "ShopLog":
        """Forget what happened at a moment and later, as if it had not happened yet."""
        kept = self.between(0, moment_ms)
        ties = self.ties.take(self.ties.since_ms < moment_ms)
        return ShopLog(
            events=self.events.take(np.arange(kept.stop)),
            bought=self.bought[kept],
            value=self.value[kept],
            priced=self.priced,
            ties=ties,
            category=self.category,
            categories=self.categories,
            num_users=self.num_users,
            end_ms=moment_ms,
        )


def _categories(dataset: Dataset) -> tuple[Ints, tuple[str, ...]]:
    """Give each item the number of its category's first part, and name these."""
    paths = dataset.catalogue["category"].to_pylist()
    tops = [(path or "").split("/")[0].split(">")[0].strip() or NO_CATEGORY for path in paths]
    names, number = np.unique(np.array(tops, np.str_), return_inverse=True)
    return number.astype(np.int64), tuple(names.tolist())
