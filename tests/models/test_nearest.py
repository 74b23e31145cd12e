"""The nearest of each item, found without sorting long rows or comparing all with all."""

import numpy as np
import pytest
from scipy import sparse

from coterie.models import content_graph
from coterie.models.content_graph import nearest_in_vectors, nearest_in_words
from coterie.models.neighbours import largest
from coterie.models.vector_groups import compared_with


def by_sorting(dense, most, first):
    """Of each row the columns of its largest entries over 0, of equals the lower, but its own."""
    rows = []
    for row, values in enumerate(dense):
        order = np.lexsort((np.arange(len(values)), -values))
        others = [c for c in order if values[c] > 0 and c != row + first]
        rows.append(set(others[:most]))
    return rows


@pytest.mark.parametrize("most", [1, 3, 40])
@pytest.mark.parametrize("kinds", [3, 10_000])  # of values: many equals, or none
def test_long_rows_and_short_ones_keep_their_largest(most, kinds):
    rng = np.random.default_rng(most)
    dense = rng.integers(1, kinds, (60, 700)) * (rng.random((60, 700)) < rng.random((60, 1)))
    dense[0], dense[1, 5:] = 0, 0
    shuffled = sparse.csr_matrix(dense.astype(np.float32))
    for row in range(60):  # in no order, as products are
        span = slice(*shuffled.indptr[row : row + 2])
        order = rng.permutation(span.stop - span.start)
        shuffled.indices[span] = shuffled.indices[span][order]
        shuffled.data[span] = shuffled.data[span][order]
    kept = largest(shuffled, most, 7)
    row = np.searchsorted(shuffled.indptr, kept, side="right") - 1
    found = [set(shuffled.indices[kept[row == r]].tolist()) for r in range(60)]
    assert found == by_sorting(dense, most, 7)
    assert (np.diff(kept) > 0).all()


@pytest.fixture(scope="module")
def words():
    """Words of 300 items, (300, 200): some that many have, and rare ones; rows of length 1."""
    rng = np.random.default_rng(1)
    share = np.concatenate([np.full(6, 0.5), np.full(194, 0.02)])
    weight = (rng.random((300, 200)) < share) * np.log(1 / share)
    weight[:, 0] += 0.01
    length = np.linalg.norm(weight, axis=1, keepdims=True)
    return sparse.csr_matrix((weight / length).astype(np.float32))


def test_few_items_are_compared_by_all_words(words):
    alike = (words @ words.T).toarray()
    found = nearest_in_words(words, 5)
    assert [set(found[[row]].indices.tolist()) for row in range(300)] == by_sorting(alike, 5, 0)


def test_many_items_are_found_by_rare_words_and_compared_by_all(words, monkeypatch):
    monkeypatch.setattr(content_graph, "REACH", 100)
    monkeypatch.setattr(content_graph, "_PAIRS", 64)
    asked, nearest = [], content_graph.nearest

    def heard(inputs, *rest):
        asked.append(inputs.T.tocsr())
        return nearest(inputs, *rest)

    monkeypatch.setattr(content_graph, "nearest", heard)
    alike = (words @ words.T).toarray()
    np.fill_diagonal(alike, 0)
    found = nearest_in_words(words, 5)
    # Nobody is compared by words that most have; who has no other, by the rarest of them.
    items = np.diff(words.tocsc().indptr)
    reached = asked[0].astype(bool) @ items
    rarest = [items[words[[row]].indices].min() for row in range(300)]
    assert (reached <= np.maximum(100, rarest)).all()
    assert np.diff(asked[0].indptr).min() == 1
    row = np.repeat(np.arange(300), np.diff(found.indptr))
    np.testing.assert_allclose(found.data, alike[row, found.indices], rtol=1e-5)
    best = -np.sort(-alike, axis=1)[:, :5]
    assert np.diff(found.indptr).max() == 5
    assert found.power(2).sum() > 0.98 * np.square(best).sum()


@pytest.fixture(scope="module")
def vectors():
    """Vectors of 2,000 items of 40 kinds, and 900 that are all the same; rows of length 1."""
    rng = np.random.default_rng(2)
    drawn = rng.normal(size=(40, 16))[rng.integers(40, size=2_000)] * 1.5
    drawn = np.concatenate([drawn + rng.normal(size=drawn.shape), np.full((900, 16), 0.7)])
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_few_vectors_are_compared_with_all_but_those_that_say_nothing(vectors):
    some = vectors[:400].copy()
    some[::7] = 0.0
    found = nearest_in_vectors(some, 5)
    assert [set(found[[row]].indices.tolist()) for row in range(400)] == by_sorting(
        some @ some.T, 5, 0
    )
    assert nearest_in_vectors(some[:1], 5).nnz == nearest_in_vectors(some[:0], 5).nnz == 0


def test_many_vectors_are_compared_with_those_of_the_nearest_groups(vectors, monkeypatch):
    monkeypatch.setattr(content_graph, "VECTOR_REACH", 600)
    asked = []

    def heard(given, reach):
        for pair in compared_with(given, reach):
            asked.append(pair)
            yield pair

    monkeypatch.setattr(content_graph, "compared_with", heard)
    found = nearest_in_vectors(vectors, 5)
    assert sorted(np.concatenate([rows for rows, _ in asked]).tolist()) == [*range(2_900)]
    assert max(len(among) for _, among in asked) <= 600
    assert all(np.isin(rows, among).all() for rows, among in asked)
    row = np.repeat(np.arange(2_900), np.diff(found.indptr))
    assert (row != found.indices).all()
    assert np.diff(found.indptr).max() == 5
    alike = vectors @ vectors.T
    np.testing.assert_allclose(found.data, alike[row, found.indices], rtol=1e-5)
    np.fill_diagonal(alike, 0)
    best = -np.sort(-alike, axis=1)[:, :5]
    assert found.sum() > 0.99 * best.sum()
