"""How many weeks the intervals of forecasts hold, by level, over many ends of each log.

A log is cut at the end of each of its weeks (the last ``MOST`` of those that leave four weeks to
learn from). From each cut the next four weeks are forecast, and intervals are made of backtests
that end before those weeks begin. ``RULES`` are the one of ``coterie.behaviour.intervals`` and
the one before it, whose backtests were two weeks apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from coterie.behaviour.demand import WEEK, Demand
from coterie.behaviour.forecast import Backtest, Reconciled, levels_of
from coterie.behaviour.intervals import fewest_tests, half_widths, units_of
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import Doubles

MOST: Final = 9
Widths = Callable[[Doubles, Sequence[slice], float], Doubles]


def mean_growth(misses: Doubles, levels: Sequence[slice], coverage: float) -> Doubles:
    """Make intervals as before: the share of all that tests older than each would have needed."""
    widths = np.empty(misses.shape[1:])
    for rows in levels:
        off = np.abs(misses[:, rows])
        beyond = [
            off[test] / np.maximum(_reach(off[test + 1 :], coverage), 1e-9)
            for test in range(len(off) - 2)
        ]
        more = max(1.0, float(np.quantile(beyond, coverage))) if beyond else 1.0
        widths[rows] = _reach(off, coverage) * more
    return widths


def _reach(off: Doubles, coverage: float) -> Doubles:
    pooled = off.reshape(-1, off.shape[2])
    share = min(1.0, np.ceil((len(pooled) + 1) * coverage) / len(pooled))
    reach: Doubles = np.quantile(pooled, share, axis=0, method="higher")
    return reach


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to make intervals."""

    widths: Widths
    tests: int
    """Backtests, at most."""
    step: int
    """Days between these."""
    fewest: int


def rules(settings: BehaviourSettings) -> dict[str, Rule]:
    """Give the ways that are compared."""
    fewest = fewest_tests(settings.coverage)
    return {
        "before": Rule(mean_growth, 5, 2 * WEEK, 1),
        "now": Rule(half_widths, settings.windows - 1, WEEK, fewest),
    }


def measure_intervals(demand: Demand, settings: BehaviourSettings) -> dict[str, Any]:
    """Measure coverage and width by level and rule, means over ends of the log."""
    horizon = settings.weeks * WEEK
    oldest = demand.days.shape[1] - 4 * WEEK
    furthest = min(oldest, 2 * horizon + (MOST + settings.windows - 3) * WEEK)
    tests = {
        back: Backtest.of(demand, back, horizon) for back in range(horizon, furthest + 1, WEEK)
    }
    # Only ends that every rule can say something of.
    needed = horizon + (fewest_tests(settings.coverage) - 1) * WEEK
    ends = [back for back in tests if back + needed in tests][:MOST]
    found: dict[str, Any] = {"ends": len(ends), "levels": {}}
    for name, rule in rules(settings).items():
        cells = [_at(demand, tests, back, rule, settings) for back in ends]
        for at, (level, rows) in enumerate(levels_of(demand)):
            held, width = np.array([cell[at] for cell in cells]).T
            found["levels"].setdefault(level, {"series": rows.stop - rows.start})[name] = {
                "held": round(float(held.mean()), 4),
                "least": round(float(held.min()), 4),
                "last": round(float(held[0]), 4),
                "width": round(float(width.mean()), 4),
            }
    return found


def _at(
    demand: Demand,
    tests: dict[int, Backtest],
    back: int,
    rule: Rule,
    settings: BehaviourSettings,
) -> list[tuple[float, float]]:
    """Give of each level the share of weeks held, and the width as a share of what is foreseen."""
    first = back + settings.weeks * WEEK
    used = [tests[at] for n in range(rule.tests) if (at := first + n * rule.step) in tests]
    assert len(used) >= rule.fewest
    fitted, test = Reconciled(demand, used, tests[first].scale), tests[back]
    weeks = fitted.weeks(test.daily)
    levels = levels_of(demand)
    wide = rule.widths(fitted.misses(), [rows for _, rows in levels], settings.coverage)
    wide *= units_of(weeks, test.scale, demand.upper)[:, None]
    low, high = np.maximum(weeks - wide, 0.0), weeks + wide
    held = (test.came >= low) & (test.came <= high)
    return [
        (
            float(held[rows].mean()),
            float((high - low)[rows].mean() / max(float(weeks[rows].mean()), 1e-9)),
        )
        for _, rows in levels
    ]
