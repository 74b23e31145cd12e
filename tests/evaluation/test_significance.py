"""Intervals hold what they should hold, and p-values are uniform where there is nothing to find."""

import itertools

import numpy as np
import pytest
from scipy import stats

from coterie.errors import BadInputError
from coterie.evaluation.significance import (
    FEWEST,
    Estimate,
    ResamplingConfig,
    bootstrap_means,
    estimate,
    paired_test,
    sign_flip_p,
)


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    # Recall-like: many zeros, a long tail.
    rng = np.random.default_rng(11)
    draws = rng.binomial(1, 0.4, (300, 500)) * rng.beta(1, 3, (300, 500))
    truth = 0.4 * 0.25
    for level in (0.80, 0.95):
        config = ResamplingConfig(resamples=400, level=level)
        found = estimate(draws.T, config)
        held = np.mean([e.low <= truth <= e.high for e in found])
        # 300 intervals: two standard errors are 4.6 and 2.5 points.
        assert held == pytest.approx(level, abs=0.05)


def test_bootstrap_means_have_the_standard_error_of_the_mean():
    values = np.random.default_rng(0).exponential(size=(800, 2)) * [1.0, 5.0]
    means = bootstrap_means(values, ResamplingConfig(resamples=4000))
    expected = values.std(axis=0) / np.sqrt(800)
    assert means.std(axis=0) == pytest.approx(expected, rel=0.06)
    assert means.mean(axis=0) == pytest.approx(values.mean(axis=0), rel=0.01)


def test_resamples_pair_the_columns():
    values = np.random.default_rng(1).random(50)
    means = bootstrap_means(np.column_stack([values, values + 1]))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1.0)


def test_resamples_do_not_depend_on_the_block_size(monkeypatch):
    values = np.random.default_rng(1).random((100, 2))
    whole = bootstrap_means(values)
    monkeypatch.setattr("coterie.evaluation.significance.CELLS", 700)
    np.testing.assert_allclose(bootstrap_means(values), whole)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(1).random((100, 1))
    assert estimate(values) == estimate(values)
    assert estimate(values) != estimate(values, ResamplingConfig(seed=1))


def test_p_values_are_uniform_when_there_is_no_difference():
    rng = np.random.default_rng(5)
    skewed = rng.exponential(size=(400, 40)) * rng.choice([-1, 1], (400, 40))
    found = [sign_flip_p(row, ResamplingConfig(flips=399, seed=i)) for i, row in enumerate(skewed)]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_p_value_is_that_of_all_sign_patterns():
    differences = np.array([0.5, 0.25, 0.25, -0.1, 0.0, 0.3])
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    sums = np.abs(signs @ differences)
    exact = np.mean(sums >= abs(differences.sum()) - 1e-12)
    found = sign_flip_p(differences, ResamplingConfig(flips=40_000))
    assert found == pytest.approx(exact, abs=0.01)


def test_p_value_is_two_sided_and_never_zero():
    better = np.full(200, 0.1)
    config = ResamplingConfig(flips=999)
    assert sign_flip_p(better, config) == sign_flip_p(-better, config) == 1 / 1000
    assert sign_flip_p(np.zeros(50)) == 1.0


def test_a_paired_test_finds_a_small_steady_gain_that_unpaired_intervals_overlap():
    rng = np.random.default_rng(2)
    other = rng.beta(0.3, 2, 600)
    ours = other + rng.normal(0.01, 0.03, 600)
    alone = estimate(np.column_stack([ours, other]))
    assert alone[0].low < alone[1].high
    test = paired_test(ours, other)
    assert test.difference.low > 0
    assert test.p_value < 0.001
    assert test.difference.mean == pytest.approx(ours.mean() - other.mean())
    assert test.relative.mean == pytest.approx(ours.mean() / other.mean() - 1)
    assert test.relative.low < test.relative.mean < test.relative.high


def test_a_model_that_finds_nothing_gives_no_relative_gain():
    test = paired_test(np.full(20, 0.1), np.zeros(20))
    assert test.relative is None
    assert test.difference.mean == pytest.approx(0.1)


def test_a_handful_of_shoppers_gets_a_figure_but_no_certainty():
    few = np.linspace(0, 1, FEWEST - 1)
    assert estimate(few[:, None]) == [Estimate(0.5)]
    test = paired_test(few, few / 2)
    assert (test.p_value, test.difference.low, test.relative.low) == (None, None, None)


def test_nobody_and_strangers_cannot_be_compared():
    with pytest.raises(BadInputError, match="at least one shopper"):
        estimate(np.zeros((0, 2)))
    with pytest.raises(BadInputError, match="same shoppers: 3, 4"):
        paired_test(np.zeros(3), np.zeros(4))
    with pytest.raises(BadInputError, match="level"):
        ResamplingConfig(level=1.0)
