"""Intervals around forecasts: as wide as forecasts were off before (conformal), and no narrower.

Each level has its own: errors of categories cancel in part where they are added up, or they come
together, so neither tells of the other. What is off either way counts alike, so that a level of
one series, with few backtests, has enough to hold what is promised.

Series of a level are off together, so a hundred of them are no hundred witnesses: backtests are.
Of each it is asked how many times as far off it was as those before it had promised, and an
interval is as much wider as ``coverage`` of backtests needed, with one more than there were
allowed for. That is a ratio, so a shop that grows, or changes its pace, may do so as it did.
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


def fewest_tests(coverage: float) -> int:
    """Tell how many backtests an interval needs: of fewer, not even the widest promises so much."""
    fewest = _FEWEST
    while _rank(fewest - _FEWEST, coverage) > fewest - _FEWEST:
        fewest += 1
    return fewest


def half_widths(misses: Doubles, levels: Sequence[slice], coverage: float) -> Doubles:
    """Find how far an interval goes either way, in units of each series, shape (series, weeks).

    Args:
        misses: How far forecasts were off, in units, shape (tests, series, weeks); the newest
            test first.
        levels: Series of each level.
        coverage: Share of weeks that is to lie within.

    Returns:
        The widths; nan, where there are fewer tests than ``fewest_tests``.
    """
    widths = np.full(misses.shape[1:], np.nan)
    if len(misses) >= fewest_tests(coverage):
        for rows in levels:
            off = np.abs(misses[:, rows])
            widths[rows] = _reach(off, coverage) * _room(off, coverage)
    return widths


def _reach(off: Doubles, coverage: float) -> Doubles:
    """Find what the share of all that was off is within, by week ahead, shape (weeks,)."""
    reach: Doubles = np.quantile(
        off.reshape(-1, off.shape[2]), coverage, axis=0, method="inverted_cdf"
    )
    return reach


def _room(off: Doubles, coverage: float) -> float:
    """Find how many times as far off a test is as those before it had promised, 1 or more."""
    needed = sorted(
        np.quantile(
            off[test] / np.maximum(_reach(off[test + 1 :], coverage), 1e-9),
            coverage,
            method="inverted_cdf",
        )
        for test in range(len(off) - _FEWEST)
    )
    return max(1.0, float(needed[_rank(len(needed), coverage) - 1]))


def _rank(seen: int, coverage: float) -> int:
    # One more than were seen: the next is as likely to be the furthest off as any before.
    return int(np.ceil((seen + 1) * coverage - 1e-9))
