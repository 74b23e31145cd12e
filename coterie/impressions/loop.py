"""The feedback loop as a shop's own log shows it: do lists narrow, week by week, and by release?

A model learns from what its lists led to, so what was shown much may be shown more and more. In
every figure each shopper counts alike, and none grows or shrinks because more or less was logged.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.impressions.attribution import milliseconds
from coterie.schema import EventKind

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
WEEK_MS: Final = 7 * 86_400_000
HEAD: Final = 0.1
"""Of the items bought in the weeks before, the share that is called popular: the most bought."""
BEFORE_WEEKS: Final = 4
SHOPPERS: Final = 50
"""Below so many nothing is said: intervals are those for many."""
_Z: Final = 1.959964


def loop_figures(impressions: pa.Table, events: pa.Table) -> dict[str, Any]:
    """Follow what lists showed, and what was bought, over whole weeks from the first list on.

    Args:
        impressions: As ``read_impressions`` gives them.
        events: As ``read_exported_events`` gives them.

    Returns:
        Plain values. ``weeks``: of each ``start_ms``, ``shown`` and ``bought``; ``releases``: of
        each its ``name``, ``start_ms`` and ``shown``; ``change`` of ``shown`` and ``bought``: the
        overlap of the last week as a multiple of the first's, as ``value``, ``low`` and ``high``
        (95 %), None where weeks or shoppers are too few. What was shown or bought is told by
        ``shoppers``; ``overlap``, the chance that one of a shopper's items is the same as one of
        another's; ``alike``, its inverse: so many items that all have alike would overlap as much;
        and ``popular``, the share that the most bought items of the weeks before have.
    """
    bought = events.filter(pc.equal(events["event"], str(EventKind.PURCHASE)))
    num = impressions.num_rows
    who, what = (_coded(impressions[name], bought[name]) for name in ("user_id", "item_id"))
    at = np.concatenate(
        [milliseconds(impressions["shown_ts_ms"]), milliseconds(bought["ts"])]
    ).astype(np.int64)
    first = int(at[:num].min()) if num else 0
    # A week that is not over yet is left out.
    weeks = int(at[:num].max() - first + 1) // WEEK_MS if num else 0
    week, is_shown = (at - first) // WEEK_MS, np.arange(len(at)) < num
    items = int(what.max()) + 1 if len(what) else 0

    def popular(number: int) -> Bools:
        before = ~is_shown & (week < number) & (week >= number - BEFORE_WEEKS)
        return _popular(what[before], items)

    told, overlaps = [], []
    for number in range(weeks):
        pair = [
            _Overlap.of(who[rows], what[rows], popular(number))
            for part in (is_shown, ~is_shown)
            for rows in [part & (week == number)]
        ]
        overlaps.append(pair)
        told.append(
            {
                "start_ms": first + number * WEEK_MS,
                "shown": pair[0].as_json(),
                "bought": pair[1].as_json(),
            }
        )
    change = {
        name: _change(overlaps[0][kind], overlaps[-1][kind]) if weeks > 1 else None
        for kind, name in enumerate(("shown", "bought"))
    }
    releases: list[dict[str, Any]] = []
    names = np.asarray(impressions["release"].to_pylist(), np.str_)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        start = int(at[rows].min())
        # What was bought before it began is what it can have learned from.
        head = popular((start - first) // WEEK_MS)
        overlap = _Overlap.of(who[rows], what[rows], head)
        releases.append({"name": str(name), "start_ms": start, "shown": overlap.as_json()})
    releases.sort(key=lambda one: one["start_ms"])
    return {"weeks": told, "change": change, "releases": releases}


@dataclass(frozen=True, slots=True)
class _Overlap:
    """How much of the same shoppers have, with the spread of that."""

    shoppers: int
    value: float
    variance: float
    popular: float | None

    @classmethod
    def of(cls, who: Ints, what: Ints, popular: Bools) -> "_Overlap":
        """Measure it, of pairs of a shopper and an item, however often each."""
        if not len(who):
            return cls(0, math.nan, math.nan, None)
        of, row, often = np.unique(who, return_inverse=True, return_counts=True)
        num, items = len(of), int(what.max()) + 1
        # Shares of a shopper's items, each pair once.
        pair, count = np.unique(row.astype(np.int64) * items + what, return_counts=True)
        shopper, item = np.divmod(pair, items)
        share = count / often[shopper]
        whole = np.bincount(item, share, items)
        # Each shopper against all others: their own lists resemble each other by taste.
        own = np.bincount(shopper, share * share, num)
        others = np.bincount(shopper, share * whole[item], num) - own
        value = float(others.sum() / (num * (num - 1))) if num > 1 else math.nan
        variance = 4.0 * float((others / max(num - 1, 1)).var()) / num
        taken = float(share[popular[item]].sum() / num) if popular.any() else None
        return cls(num, value, variance, taken)

    @property
    def known(self) -> bool:
        return self.shoppers >= SHOPPERS and self.value > 0.0

    def as_json(self) -> dict[str, Any]:
        """Make plain values; None where shoppers are too few."""
        return {
            "shoppers": self.shoppers,
            "overlap": self.value if self.known else None,
            "alike": 1.0 / self.value if self.known else None,
            "popular": self.popular if self.known else None,
        }


def _change(before: _Overlap, after: _Overlap) -> dict[str, float] | None:
    """Hold two weeks against each other, as a ratio."""
    if not (before.known and after.known):
        return None
    # Shoppers of both weeks are mostly the same, which only makes the true spread smaller.
    spread = math.sqrt(sum(one.variance / one.value**2 for one in (before, after)))
    ratio = after.value / before.value
    return {
        "value": ratio,
        "low": ratio * math.exp(-_Z * spread),
        "high": ratio * math.exp(_Z * spread),
    }


def _coded(shown: pa.ChunkedArray, bought: pa.ChunkedArray) -> Ints:
    """Give names of both numbers, the shown ones first."""
    whole = pa.chunked_array([*shown.chunks, *bought.chunks], pa.string()).combine_chunks()
    return np.asarray(whole.dictionary_encode().indices.to_numpy(), np.int64)


def _popular(bought: Ints, items: int) -> Bools:
    """Say which items are the most bought tenth of those that were bought, shape (items,)."""
    count = np.bincount(bought, minlength=items)
    num = math.ceil(HEAD * int((count > 0).sum()))
    found = np.zeros(items, np.bool_)
    found[np.argsort(-count, kind="stable")[:num]] = True
    return found
