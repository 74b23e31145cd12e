"""A shop's events in a few numbers, for the report."""

from typing import Any

import numpy as np

from coterie.data.dataset import Interactions
from coterie.schema import EVENT_KINDS

STRETCHES = (86_400_000, 7 * 86_400_000, 30 * 86_400_000, 365 * 86_400_000)
"""Milliseconds of a day, a week, a month and a year: the finest that gives a readable plot."""
MOST_POINTS = 150
FEWEST_TIMES = 10
"""Data sets without times get one invented time a part: that is no history to plot."""


def shop_figures(events: Interactions) -> dict[str, Any]:
    """Count events by kind and over time, as plain values.

    Returns:
        ``events_by_kind`` (kind to count, kinds that occur), and, where events have times of
        their own, ``starts`` (ISO dates) and ``events_over_time`` (counts).
    """
    counts = np.bincount(events.kind, minlength=len(EVENT_KINDS))
    by_kind = {str(k): int(n) for k, n in zip(EVENT_KINDS, counts, strict=True) if n}
    return {"events_by_kind": by_kind, **_over_time(events)}


def _over_time(events: Interactions) -> dict[str, Any]:
    if len(np.unique(events.ts_ms)) < FEWEST_TIMES:
        return {}
    span = int(events.ts_ms.max() - events.ts_ms.min())
    stretch = next((s for s in STRETCHES if span / s <= MOST_POINTS), STRETCHES[-1])
    first = int(events.ts_ms.min()) // stretch
    counts = np.bincount(events.ts_ms // stretch - first)
    starts = ((first + np.arange(len(counts))) * stretch).astype("datetime64[ms]")
    dates = np.datetime_as_string(starts, unit="D")
    return {
        "starts": [str(date) for date in dates],
        "events_over_time": [int(count) for count in counts],
    }
