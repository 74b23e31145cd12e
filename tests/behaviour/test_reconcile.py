"""Forecasts that add up: as the general least-squares form gives them."""

import numpy as np
import pytest

from coterie.behaviour.demand import Demand, weeks_of
from coterie.behaviour.judging import auc, judge_chances
from coterie.behaviour.reconcile import reconcile
from tests.behaviour.test_activity import ROWS, log_of


def test_a_tree_is_reconciled_as_by_the_general_form():
    rng = np.random.default_rng(0)
    category = np.array([0, 0, 1, 1, 1])
    sums = np.zeros((1 + 2 + 5, 5))
    sums[0] = 1
    sums[1 + category, np.arange(5)] = 1
    sums[3:] = np.eye(5)
    forecast = sums @ rng.uniform(15, 20, (5, 3)) + rng.uniform(-2, 2, (8, 3))
    variance = rng.uniform(1, 4, 8)
    inverse = np.diag(1 / variance)
    leaves = np.linalg.solve(sums.T @ inverse @ sums, sums.T @ inverse @ forecast)
    assert leaves.min() > 0, "nothing is cut off here"
    assert reconcile(forecast, variance, category) == pytest.approx(sums @ leaves)


def test_nothing_is_forecast_below_0_and_sums_hold():
    forecast = np.array([[1.0], [0.0], [6.0], [0.5], [0.0], [9.0]])
    found = reconcile(forecast, np.ones(6), np.array([0, 0, 1]))[:, 0]
    assert found.min() >= 0
    assert found[0] == pytest.approx(found[1] + found[2]) == pytest.approx(found[3:].sum())
    assert found[1] == pytest.approx(found[3] + found[4])


def test_demand_is_counted_once_at_every_level():
    demand = Demand.of(log_of(ROWS), items=2)
    assert demand.days.shape == (1 + 2 + 4, 190)
    assert demand.days.sum(axis=1).tolist() == [4, 3, 1, 3, 1, 0, 0]
    assert demand.item.tolist() == [0, 2, -1, -1]
    assert demand.category.tolist() == [0, 1, 0, 1]
    assert weeks_of(demand.days)[0].sum() == 3, "what is no whole week is left out"


def test_of_two_learners_the_better_is_told_apart():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 1, 2000)
    happened = rng.random(2000) < truth
    scores, gains = judge_chances(happened, {"knows": truth, "guesses": rng.random(2000)})
    assert scores["knows"].auc.low > 0.8 > 0.55 > scores["guesses"].auc.high
    assert gains["guesses"].low > 0.2
    assert scores["knows"].calibration_error < 0.04 < scores["guesses"].calibration_error
    assert auc(np.array([True, False]), np.array([0.2, 0.3])) == 0


def test_chances_that_do_not_happen_as_often_as_they_say_are_off_the_line():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 1, 4000)
    happened = rng.random(4000) < truth
    scores, _ = judge_chances(happened, {"right": truth, "too sure": truth**3})
    bins = scores["right"].reliability
    assert sum(one.shoppers for one in bins) == 4000
    assert all(abs(one.foreseen - one.happened) < 0.07 for one in bins)
    assert max(one.happened - one.foreseen for one in scores["too sure"].reliability) > 0.3
    assert scores["right"].calibration_error < 0.03 < 0.2 < scores["too sure"].calibration_error
