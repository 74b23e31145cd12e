"""Ways to let fake accounts count for less, which need not know who is one.

Each takes a shop's events and ties, and leaves out what is not trusted. What is left out counts for
nobody else; a shopper keeps a list of their own entries.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from coterie.attacks.fakes import DAY_MS, without_accounts
from coterie.data.dataset import TrainingSet
from coterie.graph.strength import tie_strengths
from coterie.schema import STRENGTHS

PROBATION_DAYS: Final = 14
RUSH: Final = 2.0
"""Entries of an item in a week, as a multiple of what all weeks let expect, that count at most."""
FEWEST: Final = 3
"""Entries of an item in a week that count in any case."""


def grounded(data: TrainingSet) -> TrainingSet:
    """Leave out ties of people without a common friend."""
    pairs, strengths = tie_strengths(data)
    common = strengths[:, STRENGTHS.index("common_neighbours")]
    return replace(data, ties=pairs.take(common > 0))


def on_probation(data: TrainingSet) -> TrainingSet:
    """Let accounts whose first event is of the last days count for nobody."""
    events = data.interactions
    first = np.full(data.num_users, np.iinfo(np.int64).max)
    np.minimum.at(first, events.user_idx, events.ts_ms)
    young = first > int(events.ts_ms.max()) - PROBATION_DAYS * DAY_MS
    return without_accounts(data, np.flatnonzero(young))


def without_rushes(data: TrainingSet) -> TrainingSet:
    """Let of each item's entries of a week so many count at most, drawn by chance."""
    events = data.interactions
    week = (events.ts_ms - events.ts_ms.min()) // (7 * DAY_MS)
    weeks = int(week.max()) + 1
    share = np.bincount(week, minlength=weeks) / len(events)
    total = np.bincount(events.item_idx, minlength=data.num_items)
    key = events.item_idx * weeks + week
    # What a rush adds must not raise what is expected of it: the median week tells an item's pace.
    seen = np.bincount(key, minlength=data.num_items * weeks).reshape(data.num_items, weeks)
    pace = np.median(seen / np.maximum(share, 1e-9), axis=1)
    most = np.maximum(FEWEST, RUSH * np.minimum(pace, total)[:, None] * share).ravel()
    order = np.lexsort((np.random.default_rng(0).random(len(key)), key))
    first = np.searchsorted(key[order], key[order])
    kept = np.sort(order[np.arange(len(key)) - first < most[key[order]]])
    return replace(data, interactions=events.take(kept))


DEFENCES: Final = {
    "grounded": grounded,
    "probation": on_probation,
    "rush": without_rushes,
}
TRIED: Final = ("grounded", "probation")
"""Those whose price is not so high that nobody would pay it."""
