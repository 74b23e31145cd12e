"""The share of a catalogue that lately shown lists cover."""

import numpy as np

from serving.rollouts.list_checks import CatalogueCoverage


def test_it_is_that_of_the_last_lists_together():
    rng = np.random.default_rng(0)
    coverage, shown = CatalogueCoverage(60, 50, lists=7), []
    for _ in range(200):
        rows = rng.integers(0, 60, rng.integers(0, 12)).tolist()  # one may be there twice
        shown = [*shown, rows][-7:]
        assert coverage.note(rows) == len({row for one in shown for row in one}) / 50


def test_nothing_available_is_no_division_by_zero():
    assert CatalogueCoverage(3, 0).note([1]) == 1.0
