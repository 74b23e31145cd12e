"""Intervals hold what they promise, also of one series, of a shop that grows, and of few tests."""

import numpy as np
import pytest

from coterie.behaviour.intervals import fewest_tests, half_widths, units_of

LEVELS = (slice(0, 1), slice(1, 4), slice(4, 40))


def held(draws, coverage):
    """Share of the newest test's weeks within what those before it promise, by level."""
    within = np.zeros((len(draws), len(LEVELS)))
    for at, misses in enumerate(draws):
        inside = np.abs(misses[0]) <= half_widths(misses[1:], LEVELS, coverage)
        within[at] = [inside[rows].mean() for rows in LEVELS]
    return within.mean(axis=0)


def test_every_level_holds_its_promise_where_the_past_is_like_the_future():
    rng = np.random.default_rng(0)
    # Errors of all series come together, and are larger the higher the level: nothing cancels.
    common = rng.normal(size=(300, 8, 1, 4))
    misses = common * np.repeat([8.0, 3.0, 1.0], [1, 3, 36])[:, None] + rng.normal(
        size=(300, 8, 40, 4)
    )
    shares = held(misses, 0.8)
    assert (shares > 0.78).all()
    assert shares[2] < 0.93, "not by being endlessly wide"


def test_a_shop_that_is_off_by_more_from_test_to_test_gets_more_room():
    rng = np.random.default_rng(1)
    growing = 1.6 ** -np.arange(8)[:, None, None]
    misses = growing * rng.uniform(-1, 1, (200, 8, 40, 4))
    shares = held(misses, 0.8)
    assert (shares > 0.7).all(), "without more room a third to a quarter"
    steady = np.ones((7, 40, 4))
    assert half_widths(steady, LEVELS, 0.8) == pytest.approx(1.0)
    grown = half_widths(growing[1:] * np.ones((7, 40, 4)), LEVELS, 0.8)
    assert (grown > growing[1] * 1.5).all()


def test_series_that_are_all_off_together_are_one_witness_and_get_more_room():
    rng = np.random.default_rng(3)
    # What all were off by differs from test to test, by much; what each was off by beside, little.
    common = rng.normal(size=(300, 8, 1, 1)) * np.ones((1, 1, 40, 4))
    misses = common + 0.1 * rng.normal(size=(300, 8, 40, 4))
    assert (held(misses, 0.8) > 0.78).all()


def test_too_few_tests_promise_nothing():
    off = np.random.default_rng(2).normal(size=(8, 40, 4))
    assert (fewest_tests(0.8), fewest_tests(0.5), fewest_tests(0.9)) == (6, 3, 11)
    assert np.isnan(half_widths(off[:5], LEVELS, 0.8)).all()
    assert np.isfinite(half_widths(off[:6], LEVELS, 0.8)).all()
    assert np.isnan(half_widths(off, LEVELS, 0.9)).all()


def test_sums_are_measured_in_what_is_foreseen_and_items_in_their_steps():
    forecast = np.array([[100.0, 300.0], [0.0, 0.0], [5.0, 5.0]])
    assert units_of(forecast, np.array([7.0, 9.0, 2.0]), 2).tolist() == [200, 9, 2]
