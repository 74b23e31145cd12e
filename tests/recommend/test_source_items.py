"""Items that a list draws on, and what is read of them."""

import numpy as np
import pytest
from scipy import sparse

from coterie.data.distinct import Distinct
from coterie.recommend.nearest import among
from coterie.recommend.source_items import SourceItems


@pytest.mark.parametrize("num", [0, 1, 7, 200])
def test_values_are_found_as_numpy_finds_them(num):
    array = np.random.default_rng(num).integers(-9, 9, num)
    found = Distinct.of(array)
    values, which = np.unique(array, return_inverse=True)
    assert (found.values.tolist(), found.which.tolist()) == (values.tolist(), which.tolist())
    sizes = np.diff(found.offsets)
    assert np.repeat(found.values, sizes).tolist() == array[found.order].tolist()
    assert all((np.diff(part) > 0).all() for part in np.split(found.order, found.offsets[1:-1]))


@pytest.mark.parametrize("kept", [False, True])
def test_entries_add_up_row_by_row(kept):
    rng = np.random.default_rng(0)
    tables = {name: rng.normal(size=(50, 4)).astype(np.float32) for name in "ab"}
    items, weights = rng.integers(50, size=80), rng.normal(size=80)
    asked = SourceItems(items, kept)
    for _ in range(2):
        for name, table in tables.items():
            for first in (0, 30, 80):
                wanted = weights[first:] @ table[items[first:]].astype(np.float64)
                found = asked.weighted_sum(name, table, weights[first:], first)
                np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_rows_that_are_kept_are_read_once():
    table = np.ones((5, 2), np.float32)
    kept, anew = SourceItems(np.array([3, 3, 1]), kept=True), SourceItems(np.array([3, 3, 1]))
    assert kept.rows("a", table) is kept.rows("a", table)
    assert anew.rows("a", table) is not anew.rows("a", table)
    assert kept.rows("b", 2 * table).tolist() == [[2.0, 2.0], [2.0, 2.0]]


@pytest.mark.parametrize("num", [0, 1, 6])
def test_entries_of_some_rows_and_columns_are_those_of_the_whole_matrix(num):
    rng = np.random.default_rng(num)
    near = sparse.random(20, 20, 0.3, format="csr", random_state=num)
    items, columns = rng.permutation(20)[:num], rng.permutation(20)[:5]
    assert among(near, items, columns).tolist() == near.toarray()[items][:, columns].tolist()
