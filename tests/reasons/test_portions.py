"""Reasons of a whole list at once are those of each item by itself."""

import numpy as np
import pytest

from coterie.reasons.portions import Portions
from coterie.reasons.rounding import in_units, in_units_by_column

ROWS, SHOWN = 6, 9
NAMED = np.array([True, False, True, True, False, False])


@pytest.mark.parametrize("digits", [2, 6])
@pytest.mark.parametrize("seed", range(10))
def test_each_column_is_shared_out_as_if_it_stood_alone(seed, digits):
    rng = np.random.default_rng(seed)
    parts = rng.exponential(size=(ROWS, SHOWN)).round(seed % 4)
    parts[rng.integers(1, ROWS + 1) :] = 0.0
    parts[:, 0] = 0.0
    found = in_units_by_column(parts, digits)
    assert found.T.tolist() == [in_units(column, digits) for column in parts.T.tolist()]


def one_by_one(net, gross, untold, least):
    """The reasons of one item: rows in their order, with what each adds."""
    told = [row for row in range(ROWS) if 0 < gross[row] >= least]
    small = [row for row in range(ROWS) if 0 < gross[row] < least]
    told.sort(key=lambda row: (not NAMED[row], -gross[row]))
    found = [(row, net[row], gross[row]) for row in told]
    others = [
        sum((of[row] for row in small), one) for one, of in zip(untold, (net, gross), strict=True)
    ]
    if others[1] > 0:
        found.append((ROWS, *others))
    shares = in_units([one[2] for one in found], 6)
    return [(*one, share) for one, share in zip(found, shares, strict=True)]


@pytest.mark.parametrize("seed", range(10))
def test_reasons_of_a_list_are_those_of_each_item(seed):
    rng = np.random.default_rng(seed)
    net = rng.normal(size=(ROWS, SHOWN)).round(1)
    net[rng.random(net.shape) < 0.3] = 0.0
    gross, untold = np.abs(net), rng.normal(size=SHOWN).round(seed % 2)
    least = np.full(SHOWN, 0.5)
    made = Portions.of(net, gross, NAMED, (untold, np.abs(untold)), least, 6)
    for place in range(SHOWN):
        columns = (of[place] for of in (made.rows, made.net, made.gross, made.share))
        wanted = one_by_one(
            net[:, place], gross[:, place], (untold[place], abs(untold[place])), least[place]
        )
        found = list(zip(*columns, strict=True))
        assert found == [pytest.approx(one, abs=1e-12) for one in wanted]
        assert [one[0] for one in found] == [one[0] for one in wanted]


def test_a_list_of_nothing_has_no_reasons():
    nothing = np.zeros((ROWS, 0))
    made = Portions.of(nothing, nothing, NAMED, (np.zeros(0), np.zeros(0)), np.zeros(0), 6)
    assert made == Portions([], [], [], [])
