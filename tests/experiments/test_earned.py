"""What a holdout says that recommendations earned, where the truth is planted."""

from collections import Counter

import numpy as np
import pytest
from held_shop import DAY_MS, HELD, NOW_MS, held_shop
from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.experiments.earned import DISCOVERIES, SESSION, earned
from coterie.experiments.sessions import a_count
from serving.telemetry.instruments import LogMetrics


@pytest.fixture(scope="module")
def told():
    return earned(HELD, *held_shop(), NOW_MS + 12 * DAY_MS)


@pytest.mark.parametrize(
    ("figure", "base", "more"),
    [
        ("purchase_rate", 1 / 3, 2 / 3),
        ("revenue", 3.0, 32.5),
        (SESSION, 1.0, 16.75),
        (DISCOVERIES, 0.0, 1.25),
    ],
)
def test_what_is_more_than_the_holdouts_is_told_with_an_interval(told, figure, base, more):
    one = told["metrics"][figure]
    assert one["base"] == pytest.approx(base, abs=0.3 * max(base, 0.1))
    assert one["difference"] == pytest.approx(more, rel=0.1)
    assert 0 < one["low"] < more < one["high"]
    whole = 600 if figure == SESSION else 300
    assert one["whole_difference"] == pytest.approx(one["difference"] * whole)


def test_where_purchases_came_from_is_told_as_shares(told):
    assert told["sessions"] == 600
    shares = told["shares"]
    assert shares["from_lists"]["value"] == pytest.approx(5 / 7, abs=0.05)
    assert shares["from_lists"]["low"] < 5 / 7 < shares["from_lists"]["high"]
    assert shares["by_friends"]["value"] == pytest.approx(0.2)
    assert shares["by_friends"]["low"] < 0.2 < shares["by_friends"]["high"]
    assert shares["discovered"]["value"] == 1.0
    assert Counter(one["of"] for one in shares.values())[375] == 2


def test_the_same_numbers_are_exported_and_go_with_the_holdout(told):
    registry = CollectorRegistry()
    metrics = LogMetrics(registry).earned

    def value(figure, bound):
        labels = {"experiment": "worth", "figure": figure, "bound": bound}
        return registry.get_sample_value(metric_names.EARNED, labels)

    metrics.show({"worth": told})
    session = told["metrics"][SESSION]
    assert value(SESSION, "value") == session["difference"]
    assert value(SESSION, "low") == session["low"]
    assert value("by_friends", "value") == pytest.approx(0.2)
    metrics.show({})
    assert np.isnan(value(SESSION, "value"))
    metrics.show({"worth": told})
    assert value(SESSION, "value") == session["difference"], "it is there again"


def test_revenue_a_session_is_a_ratio_of_sums_and_as_sure_as_shoppers_are():
    rng = np.random.default_rng(8)
    arm = np.arange(4000) % 2
    fond = rng.lognormal(0.0, 0.9, len(arm))
    count = 1.0 + rng.poisson(fond)
    spent = rng.binomial(count.astype(int), np.clip(0.1 * fond, 0, 0.9)) * 20.0
    told = a_count(arm, spent, count)
    for one in (0, 1):
        rows = np.flatnonzero(arm == one)
        assert told[rows].mean() == pytest.approx(spent[rows].sum() / count[rows].sum())
        again = rng.choice(rows, (500, len(rows)))
        ratios = spent[again].sum(axis=1) / count[again].sum(axis=1)
        assert told[rows].std() / np.sqrt(len(rows)) == pytest.approx(ratios.std(), rel=0.1)
