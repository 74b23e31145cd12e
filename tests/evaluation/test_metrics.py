"""Every metric against the plainest possible reading of its definition, and by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import BadInputError
from coterie.evaluation import metrics
from coterie.evaluation.item_sets import ItemSets

SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, 2.0])


@st.composite
def tables(draw):
    """A small table of scores with many ties, masked items, and a list length."""
    users, items = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    cells = draw(st.lists(SCORES, min_size=users * items, max_size=users * items))
    masked = draw(st.lists(st.booleans(), min_size=users * items, max_size=users * items))
    return (
        np.array(cells, np.float32).reshape(users, items),
        np.array(masked).reshape(users, items),
        draw(st.integers(1, 11)),
    )


@st.composite
def shops(draw):
    """Lists without repeats, and sets of held-out and of had items."""
    users, items, k = draw(st.integers(1, 6)), draw(st.integers(1, 8)), draw(st.integers(1, 8))
    lists = np.full((users, k), -1, np.int64)
    for row in range(users):
        shown = draw(st.permutations(range(items)))[: draw(st.integers(0, min(k, items)))]
        lists[row, : len(shown)] = shown
    wanted = [draw(st.sets(st.integers(0, items - 1), min_size=1)) for _ in range(users)]
    had = [draw(st.sets(st.integers(0, items - 1))) for _ in range(users)]
    return lists, wanted, had, items


def sets_of(rows, num_items):
    pairs = [(user, item) for user, items in enumerate(rows) for item in items]
    user_idx, item_idx = np.array(pairs, np.int64).reshape(-1, 2).T
    return ItemSets.of(user_idx, item_idx, len(rows), num_items)


@given(tables())
def test_top_lists_are_those_of_a_full_sort(table):
    scores, masked, k = table
    before = scores.copy()
    found = metrics.topk(scores, k, sets_of([np.flatnonzero(m) for m in masked], scores.shape[1]))
    for row in range(len(scores)):
        shown = [i for i in range(scores.shape[1]) if not masked[row, i]]
        shown = [i for i in shown if scores[row, i] > -np.inf]
        best = sorted(shown, key=lambda i, row=row: (-scores[row, i], i))[:k]
        assert found[row].tolist() == best + [-1] * (k - len(best))
    np.testing.assert_array_equal(scores, before)


def test_equal_scores_go_to_the_lower_row_across_the_cut():
    assert metrics.topk(np.zeros((2, 1000), np.float32), 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_a_shoppers_list_does_not_depend_on_the_batch():
    scores = np.random.default_rng(3).integers(0, 4, (40, 300)).astype(np.float32)
    alone = np.vstack([metrics.topk(scores[i : i + 1], 10) for i in range(40)])
    np.testing.assert_array_equal(metrics.topk(scores, 10), alone)


def test_nan_scores_and_empty_lists_are_refused():
    with pytest.raises(BadInputError, match="nan"):
        metrics.topk(np.array([[0.0, np.nan]]), 1)
    with pytest.raises(BadInputError, match="k=0"):
        metrics.topk(np.zeros((1, 3)), 0)


def naive_accuracy(shown, wanted, k):
    hits = [item in wanted for item in shown[:k]]
    dcg = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits) if hit)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))
    return {
        "recall": sum(hits) / len(wanted),
        "ndcg": dcg / ideal,
        "precision": sum(hits) / k,
        "hit_rate": float(any(hits)),
    }


@given(shops(), st.integers(1, 8))
def test_accuracy_is_what_its_definitions_say(shop, k):
    lists, wanted, _, items = shop
    k = min(k, lists.shape[1])
    held_out = sets_of(wanted, items)
    found = metrics.accuracy(held_out.contain(lists), held_out.sizes, k)
    assert set(found) == set(metrics.ACCURACY)
    for row, want in enumerate(wanted):
        expected = naive_accuracy(lists[row].tolist(), want, k)
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected)


def test_accuracy_by_hand():
    held_out = sets_of([{7, 2, 5}], 10)
    hits = held_out.contain(np.array([[7, 1, 5, -1]]))
    assert hits.tolist() == [[True, False, True, False]]
    found = {name: v[0] for name, v in metrics.accuracy(hits, held_out.sizes, 4).items()}
    # DCG = 1 + 1/2; ideal of three = 1 + 0.63093 + 0.5
    assert found == pytest.approx(
        {"recall": 2 / 3, "ndcg": 1.5 / 2.1309298, "precision": 0.5, "hit_rate": 1.0}
    )
    # With one place only one of the three can be right: a full NDCG, a third of the recall.
    first = metrics.accuracy(hits, held_out.sizes, 1)
    assert (first["ndcg"][0], first["recall"][0]) == (1.0, pytest.approx(1 / 3))


def test_metrics_beyond_the_list_or_without_held_out_items_are_refused():
    hits = np.zeros((1, 5), np.bool_)
    with pytest.raises(BadInputError, match="lists of 10 items"):
        metrics.accuracy(hits, np.array([1]), 10)
    with pytest.raises(BadInputError, match="leave them out"):
        metrics.accuracy(hits, np.array([0]), 5)


@given(shops())
def test_recall_by_length_is_recall_at_each_length(shop):
    lists, wanted, _, items = shop
    held_out = sets_of(wanted, items)
    hits = held_out.contain(lists)
    curve = metrics.recall_by_length(hits, held_out.sizes)
    each = [
        metrics.accuracy(hits, held_out.sizes, k)["recall"].mean()
        for k in range(1, lists.shape[1] + 1)
    ]
    assert curve.tolist() == pytest.approx(each)


def naive_diversity(shown, had, items):
    owners = [{user for user, mine in enumerate(had) if item in mine} for item in range(items)]

    def cosine(one, two):
        if not owners[one] or not owners[two]:
            return 0.0
        both = len(owners[one] & owners[two])
        return both / math.sqrt(len(owners[one]) * len(owners[two]))

    pairs = list(itertools.combinations([i for i in shown if i >= 0], 2))
    return sum(1 - cosine(a, b) for a, b in pairs) / len(pairs) if pairs else 0.0


@given(shops(), st.lists(st.integers(-1, 2), min_size=8, max_size=8))
@settings(deadline=None)
def test_variety_is_what_its_definitions_say(shop, category):
    lists, _, had, items = shop
    sets = sets_of(had, items)
    novelty, diversity = metrics.novelty(lists, sets), metrics.diversity(lists, sets)
    by_category = metrics.category_diversity(lists, np.array(category[:items], np.int64))
    for row, entries in enumerate(lists.tolist()):
        shown = [i for i in entries if i >= 0]
        share = [(sum(i in h for h in had) + 1) / (len(had) + 1) for i in shown]
        surprise = [-math.log2(s) for s in share]
        assert novelty[row] == pytest.approx(sum(surprise) / len(shown) if shown else 0.0)
        assert diversity[row] == pytest.approx(naive_diversity(entries, had, items), abs=1e-6)
        pairs = list(itertools.combinations([category[i] for i in shown], 2))
        unlike = [a != b or a < 0 for a, b in pairs]
        assert by_category[row] == pytest.approx(sum(unlike) / len(pairs) if pairs else 0.0)
    assert metrics.coverage(lists, items) == len({i for i in lists.ravel() if i >= 0}) / items


def test_variety_by_hand():
    # Items 0 and 1 are had by the same two shoppers, item 2 by another, item 3 by nobody.
    had = sets_of([{0, 1}, {0, 1}, {2}], 4)
    lists = np.array([[0, 1], [0, 2], [3, -1]])
    assert metrics.diversity(lists, had) == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    bits = [-math.log2(3 / 4), -math.log2(3 / 4) / 2 - math.log2(2 / 4) / 2, 2.0]
    assert metrics.novelty(lists, had) == pytest.approx(bits)
    assert metrics.coverage(lists, 8) == 0.5
    same, other = np.array([[0, 1, 2]]), np.array([4, 4, -1, -1])
    assert metrics.category_diversity(same, other) == pytest.approx([2 / 3])


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [([[1, 2, 1]], "twice"), ([[0, 9, 1]], "item 9 of 4"), ([[0, -2, 1]], "of 4")],
)
def test_malformed_lists_are_refused(lists, complaint):
    with pytest.raises(BadInputError, match=complaint):
        metrics.check_lists(np.array(lists), 4)


def test_padding_twice_is_no_repeat():
    metrics.check_lists(np.array([[3, -1, -1], [-1, -1, -1]]), 4)


@given(shops(), st.data())
def test_taken_sets_are_those_of_the_users_asked(shop, data):
    _, _, had, items = shop
    sets = sets_of(had, items)
    rows = data.draw(st.lists(st.integers(0, len(had) - 1), max_size=8))
    taken = sets.take(np.array(rows, np.int64))
    assert taken.matrix().toarray().astype(bool).tolist() == [
        [item in had[row] for item in range(items)] for row in rows
    ]


def test_pairs_outside_the_vocabulary_are_refused():
    for user, item in ((2, 0), (-1, 0), (0, 5), (0, -1)):
        with pytest.raises(BadInputError, match="outside"):
            ItemSets.of(np.array([user]), np.array([item]), 2, 5)
