"""Demand of the next weeks, by item and category: forecasts that add up, with intervals.

Each way to forecast is tried at several earlier ends of the log. The last of them measures; the
others choose a way for each level, and make the intervals (``intervals``: as far off as forecasts
of the level were). Where they are too few for what an interval is to promise, there is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from coterie.behaviour.demand import WEEK, Demand, weeks_of
from coterie.behaviour.intervals import fewest_tests, half_widths, units_of
from coterie.behaviour.reconcile import reconcile
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import Bools, Doubles
from coterie.errors import BadInputError

NAIVE: Final = "seasonal naive"
OURS: Final = "reconciled"
ALL: Final = "all together"
"""The mean of all ways of a level."""
LEVELS: Final = ("everything", "categories", "items")
_WAYS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    NAIVE: ("SeasonalNaive", {"season_length": WEEK}),
    "mean of four weeks": ("WindowAverage", {"window_size": 28}),
    "smoothed": ("SimpleExponentialSmoothingOptimized", {}),
    "Theta": ("DynamicOptimizedTheta", {"season_length": WEEK}),
    "ETS": ("AutoETS", {"season_length": WEEK}),
    "Croston": ("CrostonSBA", {}),
}
_UPPER: Final = (NAIVE, "mean of four weeks", "Theta", "ETS", ALL)
_LEAVES: Final = (NAIVE, "mean of four weeks", "smoothed", "Croston", ALL)
"""Of items, most days of which are 0: models of trend and season have nothing to hold on to."""


@dataclass(frozen=True, slots=True)
class LevelScores:
    """How good forecasts of a level are, measured on the last backtest."""

    level: str
    series: int
    mase: dict[str, float]
    """Mean absolute error of weeks, as a share of the mean step from week to week before it, by
    way; 1 and more is no better than to say the last week again. Mean over series that moved."""
    better: dict[str, float]
    """Share of series on which a way has less error than the seasonal naive one."""
    chosen: str
    """The way that was best at earlier ends of the log, before forecasts were made to add up."""
    coverage: float | None
    """Share of weeks within the interval of ours; none, where there was too little before."""
    width: float | None
    """Mean width of these, as a share of the mean step."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Purchases in each of the next weeks, by series of ``demand``."""

    demand: Demand
    weeks: Doubles
    """Shape (series, weeks)."""
    low: Doubles
    high: Doubles
    """Both nan where there is no interval."""
    levels: tuple[LevelScores, ...]
    windows: int
    """Backtests."""
    no_interval: str
    """Why there is none, or empty."""


def forecast_demand(demand: Demand, settings: BehaviourSettings) -> "Forecast | str":
    """Forecast, and measure how well that went before.

    Returns:
        The forecast; or, where the log is too short, why there is none.
    """
    horizon = settings.weeks * WEEK
    days = demand.days.shape[1]
    # Those that make intervals end before the last begins, whose weeks nobody has seen then.
    ends = [horizon, *(2 * horizon + w * WEEK for w in range(settings.windows - 1))]
    ends = [back for back in ends if days - back >= 4 * WEEK]
    if len(ends) < 2:
        return f"needs {2 * horizon + 4 * WEEK} days of events, the log has {days}"
    tests = [Backtest.of(demand, back, horizon) for back in ends]
    last, earlier = tests[0], tests[1:]
    measured = Reconciled(demand, earlier, _scale(demand.until(2 * horizon)))
    ours = measured.weeks(last.daily)
    low, high = measured.interval(ours, last.scale, settings.coverage)
    levels = tuple(
        _score(level, rows, last, ours, (low, high), measured.chosen)
        for level, rows in levels_of(demand)
    )
    final = Reconciled(demand, tests, last.scale)
    weeks = final.weeks(_daily(demand.days, demand.upper, horizon))
    low, high = final.interval(weeks, _scale(demand.days), settings.coverage)
    why = _too_few(len(ends), horizon, settings.coverage)
    return Forecast(demand, weeks, low, high, levels, len(ends), why)


def _too_few(tests: int, horizon: int, coverage: float) -> str:
    needed = fewest_tests(coverage)
    if tests >= needed:
        return ""
    days = 2 * horizon + (needed - 2) * WEEK + 4 * WEEK
    return (
        f"an interval that holds {coverage:.0%} of weeks needs {needed} backtests, there are "
        f"{tests}: it takes {days} days of events, and windows={needed} or more"
    )


@dataclass(frozen=True, slots=True)
class Backtest:
    """Forecasts by every way from an earlier end of the log, and what came."""

    daily: dict[str, Doubles]
    """Shape (series, horizon) by way; nan where a way is not for the level."""
    came: Doubles
    """Shape (series, weeks)."""
    scale: Doubles
    """Step of each series from week to week until then, shape (series,)."""

    @classmethod
    def of(cls, demand: Demand, back: int, horizon: int) -> "Backtest":
        """Forecast from ``back`` days before the end of the log."""
        known = demand.until(back)
        after = demand.days[:, known.shape[1] : known.shape[1] + horizon]
        return cls(_daily(known, demand.upper, horizon), weeks_of(after), _scale(known))


class Reconciled:
    """The best way for each level at some ends of the log, made to add up."""

    def __init__(self, demand: Demand, tests: Sequence[Backtest], scale: Doubles) -> None:
        self._demand, self._tests = demand, tests
        self.chosen = {
            level: _best(rows, tests, scale, _UPPER if level != LEVELS[-1] else _LEAVES)
            for level, rows in levels_of(demand)
        }
        errors = np.stack([self._raw(test.daily) - test.came for test in tests])
        # What was never off is not sure for that: no variance below that of a count.
        mean = np.maximum(demand.days.mean(axis=1) * WEEK, 0.05)
        self._variance = np.maximum((errors**2).mean(axis=(0, 2)), mean)

    def weeks(self, daily: dict[str, Doubles]) -> Doubles:
        """Make forecasts that add up, shape (series, weeks)."""
        return reconcile(self._raw(daily), self._variance, self._demand.category)

    def interval(self, weeks: Doubles, scale: Doubles, coverage: float) -> tuple[Doubles, Doubles]:
        """Put an interval around forecasts, shape (series, weeks) both.

        Args:
            weeks: The forecasts.
            scale: Step of each series from week to week until now, shape (series,).
            coverage: Share of weeks that is to lie within.

        Returns:
            The ends, nan where there are too few tests.
        """
        levels = [rows for _, rows in levels_of(self._demand)]
        wide = half_widths(self.misses(), levels, coverage)
        wide *= units_of(weeks, scale, self._demand.upper)[:, None]
        return np.maximum(weeks - wide, 0.0), weeks + wide

    def misses(self) -> Doubles:
        """Tell how far forecasts of each test were off, in the units of ``intervals.units_of``.

        Returns:
            Shape (tests, series, weeks).
        """
        found = []
        for test in self._tests:
            then = self.weeks(test.daily)
            units = units_of(then, test.scale, self._demand.upper)
            found.append((test.came - then) / units[:, None])
        return np.stack(found)

    def _raw(self, daily: dict[str, Doubles]) -> Doubles:
        parts = [
            weeks_of(daily[self.chosen[level]][rows]) for level, rows in levels_of(self._demand)
        ]
        return np.concatenate(parts)


def levels_of(demand: Demand) -> list[tuple[str, slice]]:
    """Give the series of each level."""
    bounds = (slice(0, 1), slice(1, demand.upper), slice(demand.upper, len(demand.days)))
    return list(zip(LEVELS, bounds, strict=True))


def _best(rows: slice, tests: Sequence[Backtest], scale: Doubles, ways: Sequence[str]) -> str:
    def error(way: str) -> float:
        off = [np.abs(weeks_of(t.daily[way][rows]) - t.came[rows]).mean(axis=1) for t in tests]
        return float((np.mean(off, axis=0) / scale[rows]).mean())

    return min(ways, key=error)


def _score(
    level: str,
    rows: slice,
    test: Backtest,
    ours: Doubles,
    interval: tuple[Doubles, Doubles],
    chosen: dict[str, str],
) -> LevelScores:
    ways = _UPPER if level != LEVELS[-1] else _LEAVES
    weeks = {way: weeks_of(test.daily[way][rows]) for way in ways} | {OURS: ours[rows]}
    came, step = test.came[rows], test.scale[rows]
    errors = {way: np.abs(told - came).mean(axis=1) / step for way, told in weeks.items()}
    low, high = interval[0][rows], interval[1][rows]
    told = bool(np.isfinite(high).all())
    return LevelScores(
        level=level,
        series=len(came),
        mase={way: float(error.mean()) for way, error in errors.items()},
        better={way: float((error < errors[NAIVE]).mean()) for way, error in errors.items()},
        chosen=chosen[level],
        coverage=float(((came >= low) & (came <= high)).mean()) if told else None,
        width=float(((high - low) / step[:, None]).mean()) if told else None,
    )


def _scale(days: Doubles) -> Doubles:
    """Measure the mean step of each series from week to week, shape (series,).

    A series that hardly moved is taken to move as a count of its size does.
    """
    weeks = weeks_of(days)
    step = np.abs(np.diff(weeks, axis=1)).mean(axis=1)
    least: Doubles = np.sqrt(np.maximum(weeks.mean(axis=1), 0.25)) / 2
    scale: Doubles = np.maximum(step, least)
    return scale


def _daily(days: Doubles, upper: int, horizon: int) -> dict[str, Doubles]:
    """Forecast each series by each way that is for its level, shape (series, horizon)."""
    found = {way: np.full((len(days), horizon), np.nan) for way in (*_WAYS, ALL)}
    for rows, ways in ((range(upper), _UPPER), (range(upper, len(days)), _LEAVES)):
        single = [way for way in ways if way != ALL]
        for way in single:
            model = _model(way)
            for row in rows:
                found[way][row] = np.maximum(model(days[row], horizon), 0.0)
        part = slice(rows.start, rows.stop)
        found[ALL][part] = np.mean([found[way][part] for way in single], axis=0)
    return found


def _model(way: str) -> Callable[[Doubles, int], Doubles]:
    """Make a forecaster of one series; a series without a purchase stays without.

    Raises:
        BadInputError: Statsforecast is not installed.
    """
    try:
        from statsforecast import models
    except ImportError as error:
        raise BadInputError(
            f"forecasts need statsforecast ({error}): install coterie with the extra train"
        ) from error
    name, settings = _WAYS[way]
    model = getattr(models, name)(**settings)

    def forecast(days: Doubles, horizon: int) -> Doubles:
        active = _active(days)
        if not active.any():
            return np.zeros(horizon)
        # Days before an item was there say nothing of it; four weeks are needed in any case.
        begin = min(int(active.argmax()), len(days) - 4 * WEEK)
        return np.asarray(model.forecast(y=days[begin:], h=horizon)["mean"], np.float64)

    return forecast


def _active(days: Doubles) -> Bools:
    return days > 0
