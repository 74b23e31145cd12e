"""Forecasts of planted demand: nearer than the last week again, and as sure as they say."""

from dataclasses import replace

import numpy as np
import pytest

from coterie.behaviour.demand import WEEK, Demand
from coterie.behaviour.forecast import LEVELS, NAIVE, OURS, Forecast, forecast_demand
from coterie.behaviour.settings import BehaviourSettings

SETTINGS = BehaviourSettings(weeks=2, windows=7)
WEEKS = 26
SEASON = np.array([1.0, 0.8, 0.8, 0.9, 1.2, 2.0, 1.6])


def demand_of(leaves):
    """A tree of two categories above leaves of shape (l, days)."""
    category = np.arange(len(leaves)) % 2
    tops = np.stack([leaves[category == top].sum(axis=0) for top in (0, 1)])
    return Demand(
        np.concatenate([tops.sum(axis=0, keepdims=True), tops, leaves]).astype(np.float64),
        category,
        np.arange(len(leaves)),
        ("A", "B"),
        0,
    )


@pytest.fixture(scope="module")
def forecast():
    rng = np.random.default_rng(3)
    rate = rng.uniform(2, 8, (40, 1)) * np.tile(SEASON, WEEKS)
    found = forecast_demand(demand_of(rng.poisson(rate)), SETTINGS)
    assert isinstance(found, Forecast)
    return found, rate[:, -WEEK:].sum(axis=1)


def test_where_days_have_a_season_forecasts_are_nearer_than_the_last_week_again(forecast):
    found, rate = forecast
    assert [level.level for level in found.levels] == list(LEVELS)
    items = found.levels[-1]
    assert items.mase[OURS] < 0.8 * items.mase[NAIVE]
    assert items.better[OURS] > 0.6
    assert all(level.mase[OURS] < level.mase[NAIVE] for level in found.levels)
    off = found.weeks[-len(rate) :].mean(axis=1) / rate - 1
    assert np.abs(off).mean() < 0.1


def test_intervals_of_a_steady_shop_hold_about_what_they_promise(forecast):
    found, _ = forecast
    items = found.levels[-1]
    assert 0.6 < items.coverage < 1
    assert found.no_interval == ""
    assert (found.low <= found.weeks).all()
    assert (found.weeks <= found.high).all()
    assert found.low.min() >= 0


def test_an_error_of_one_is_that_of_the_usual_step_from_week_to_week():
    # Up and down by two a day: the last week again is off by as much as weeks are apart.
    days = np.repeat(np.where(np.arange(10) % 2, 3.0, 1.0), WEEK)
    settings = replace(SETTINGS, windows=2)
    found = forecast_demand(demand_of(np.tile(days, (2, 1))), settings)
    everything = found.levels[0]
    assert everything.mase[NAIVE] == pytest.approx(0.5)
    assert everything.mase["mean of four weeks"] == pytest.approx(0.5)
    # Two backtests foresee a demand, and cannot say how far off it may be.
    assert np.isnan([found.low, found.high]).all()
    assert (everything.coverage, everything.width) == (None, None)
    assert found.no_interval == (
        "an interval that holds 80% of weeks needs 6 backtests, there are 2: it takes 84 days of "
        "events, and windows=6 or more"
    )


def test_a_log_that_is_too_short_is_told_what_it_needs():
    said = forecast_demand(demand_of(np.ones((2, 50))), SETTINGS)
    assert said == "needs 56 days of events, the log has 50"
