"""Intervals around forecasts: as wide as forecasts were off before (conformal), and no narrower.

Each level has its own: errors of categories cancel in part where they are added up, or they come
together, so neither tells of the other. What is off either way counts alike, so that a level of
one series, with few backtests, has enough to hold what is promised. A shop that changes its pace
is off by more from test to test: how far newer tests were beyond what older ones had promised
widens the interval.
"""

from collections.abc import Sequence

import numpy as np

from coterie.behaviour.shop_log import Doubles

_FEWEST = 2
"""Backtests that foretell how far off a newer one is."""


def units_of(forecast: Doubles, steps: Doubles, upper: int) -> Doubles:
    """Give what errors of each series are measured in, shape (series,).

    Sums grow, and their errors with them: those of everything and of categories are shares of what
    is foreseen a week (of a usual step, where that is more). Items, most weeks of which are nearly
    empty, have their usual steps.

    Args:
        forecast: Shape (series, weeks).
        steps: From week to week before, shape (series,).
        upper: How many of the series are no items.
    """
    units = steps.copy()
    units[:upper] = np.maximum(forecast[:upper].mean(axis=1), steps[:upper])
    return units


def half_widths(misses: Doubles, levels: Sequence[slice], coverage: float) -> Doubles:
    """Find how far an interval goes either way, in units of each series, shape (series, weeks).

    Args:
        misses: How far forecasts were off, in units, shape (tests, series, weeks); the newest
            test first.
        levels: Series of each level.
        coverage: Share of weeks that is to lie within.
    """
    widths = np.empty(misses.shape[1:])
    for rows in levels:
        off = np.abs(misses[:, rows])
        widths[rows] = _reach(off, coverage) * _growth(off, coverage)
    return widths


def _reach(off: Doubles, coverage: float) -> Doubles:
    """Find what the share of all that was off is within, by week ahead, shape (weeks,)."""
    pooled = off.reshape(-1, off.shape[2])
    # One more than there were: the next is as likely to be the furthest off as any before.
    share = min(1.0, np.ceil((len(pooled) + 1) * coverage) / len(pooled))
    reach: Doubles = np.quantile(pooled, share, axis=0, method="higher")
    return reach


def _growth(off: Doubles, coverage: float) -> float:
    """Find how many times as far newer tests were off as those before them had promised, 1 or
    more."""
    beyond = [
        off[test] / np.maximum(_reach(off[test + 1 :], coverage), 1e-9)
        for test in range(len(off) - _FEWEST)
    ]
    return max(1.0, float(np.quantile(beyond, coverage))) if beyond else 1.0
