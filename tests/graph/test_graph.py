import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.graph import strength
from coterie.graph.figures import degree_counts, graph_figures
from coterie.graph.friends import friend_lists
from coterie.graph.interactions import interaction_matrix
from coterie.graph.strength import tie_strengths
from coterie.graph.ties import tie_matrix, tie_tensor
from coterie.schema import EVENT_KINDS, STRENGTHS


def events(*rows):
    """Events from (user, item) or (user, item, referrer)."""
    padded = [(*row, -1)[:3] for row in rows]
    user, item, referrer = (np.array(c, np.int64) for c in zip(*padded, strict=True))
    n = len(user)
    return Interactions(
        user, item, np.zeros(n, np.int8), np.full(n, np.nan, np.float32), np.arange(n), referrer
    )


def ties(*rows):
    """Ties from (src, dst) or (src, dst, weight)."""
    padded = [(*row, 1.0)[:3] for row in rows]
    m = len(padded)
    return Ties(
        np.array([r[0] for r in padded], np.int64),
        np.array([r[1] for r in padded], np.int64),
        np.zeros(m, np.int8),
        np.array([r[2] for r in padded], np.float32),
        np.zeros(m, np.int64),
    )


@pytest.fixture
def random_shop():
    rng = np.random.default_rng(3)
    users, items, n, m = 60, 40, 900, 400
    return TrainingSet(
        Interactions(
            rng.integers(0, users, n),
            rng.integers(0, items, n),
            rng.integers(0, 7, n).astype(np.int8),
            np.full(n, np.nan, np.float32),
            np.arange(n),
            np.where(rng.random(n) < 0.5, rng.integers(0, users, n), -1),
        ),
        Ties(
            rng.integers(0, users, m),
            rng.integers(0, users, m),
            rng.integers(0, 3, m).astype(np.int8),
            rng.random(m).astype(np.float32) + 0.1,
            np.zeros(m, np.int64),
        ),
        users,
        items,
    )


def plain_strengths(data):
    """The definition, pair by pair, with sets."""
    friends = {u: set() for u in range(data.num_users)}
    weight = {}
    for s, d, w in zip(data.ties.src_idx, data.ties.dst_idx, data.ties.weight, strict=True):
        if s != d:
            friends[s].add(d)
            friends[d].add(s)
            weight[s, d] = weight.get((s, d), 0.0) + float(w)
    log = data.interactions
    had = {u: set(log.item_idx[log.user_idx == u].tolist()) for u in range(data.num_users)}
    told = list(zip(log.user_idx.tolist(), log.referrer_idx.tolist(), strict=True))
    return {
        (s, d): [
            w,
            len(friends[s] & friends[d]),
            len(had[s] & had[d]),
            told.count((s, d)) + told.count((d, s)),
        ]
        for (s, d), w in weight.items()
    }


def test_interactions_are_counted_or_marked():
    log = events((0, 1), (0, 1), (2, 0))
    assert interaction_matrix(log, 3, 2, binary=False).toarray().tolist() == [
        [0, 2],
        [0, 0],
        [1, 0],
    ]
    marked = interaction_matrix(log, 3, 2)
    assert marked.toarray().tolist() == [[0, 1], [0, 0], [1, 0]]
    assert marked.dtype == np.float32


def test_an_interaction_outside_the_shape_is_refused_with_its_row():
    with pytest.raises(BadInputError, match="item row 5 is outside the graph's 2"):
        interaction_matrix(events((0, 5)), 3, 2)


def test_a_tie_outside_the_shape_is_refused():
    with pytest.raises(BadInputError, match="followee row 9"):
        tie_matrix(ties((0, 9)), 3)


def test_tie_matrix_is_directed_weighted_and_without_diagonal():
    known = ties((0, 1, 2.0), (0, 1, 0.5), (1, 1, 9.0), (2, 0, 3.0))
    assert tie_matrix(known, 3).toarray().tolist() == [[0, 2.5, 0], [0, 0, 0], [3, 0, 0]]
    assert tie_matrix(known, 3, weighted=False).toarray().tolist() == [
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 0],
    ]


def test_undirected_ties_take_the_larger_weight_of_the_two_directions():
    both = tie_matrix(ties((0, 1, 2.0), (1, 0, 0.5), (2, 0, 3.0)), 3, undirected=True).toarray()
    assert both.tolist() == [[0, 2, 3], [2, 0, 0], [3, 0, 0]]


@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize("undirected", [False, True])
def test_tensors_hold_the_same_as_matrices(random_shop, layout, undirected):
    tensor = tie_tensor(random_shop.ties, 60, undirected, layout=layout)
    expected = tie_matrix(random_shop.ties, 60, undirected).toarray()
    assert tensor.layout == {"coo": torch.sparse_coo, "csr": torch.sparse_csr}[layout]
    np.testing.assert_array_equal(tensor.to_dense().numpy(), expected)


def test_strengths_follow_their_definition_pair_by_pair(random_shop):
    pairs, features = tie_strengths(random_shop)
    expected = plain_strengths(random_shop)
    assert features.shape == (len(expected), len(STRENGTHS))
    keys = list(zip(pairs.src_idx.tolist(), pairs.dst_idx.tolist(), strict=True))
    assert keys == sorted(expected)
    wanted = np.log1p(np.array([expected[key] for key in keys]))
    np.testing.assert_allclose(features, wanted, rtol=1e-5)
    assert (wanted.max(axis=0) > 0).all()


def test_strengths_do_not_depend_on_the_size_of_chunks(random_shop, monkeypatch):
    _, whole = tie_strengths(random_shop)
    monkeypatch.setattr(strength, "_CHUNK_ENTRIES", 50)
    _, pieces = tie_strengths(random_shop)
    np.testing.assert_array_equal(whole, pieces)


def test_a_shop_without_ties_has_no_strengths_and_no_friends(random_shop):
    pairs, features = tie_strengths(random_shop.without_ties())
    assert features.shape == (0, 4)
    friends = friend_lists(pairs, features, 60)
    assert friends.offsets.tolist() == [0] * 61


def test_strengths_of_a_shop_without_events_know_ties_only():
    nothing = Interactions(*(column[:0] for column in vars_of(events((0, 0)))))
    _, features = tie_strengths(TrainingSet(nothing, ties((0, 1, np.e - 1)), 2, 3))
    np.testing.assert_allclose(features, [[1, 0, 0, 0]], rtol=1e-6)


def vars_of(log):
    return [log.user_idx, log.item_idx, log.kind, log.value, log.ts_ms, log.referrer_idx]


def test_a_list_holds_the_strongest_friends_first_and_no_more_than_asked():
    known = ties((0, 1), (0, 2), (0, 3), (2, 0))
    features = np.array([[1, 0, 0, 0], [0, 2, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]], np.float32)
    friends = friend_lists(known, features, 4, max_friends=2)
    assert friends.offsets.tolist() == [0, 2, 2, 3, 3]
    assert friends.person.tolist() == [2, 3, 0]
    np.testing.assert_array_equal(friends.strengths, features[[1, 2, 3]])


def test_equal_friends_stand_in_the_order_of_their_rows_however_ties_come():
    rows = [(0, 3), (0, 1), (0, 2)]
    for order in itertools.permutations(rows):
        friends = friend_lists(ties(*order), np.ones((3, 4), np.float32), 4)
        assert friends.person.tolist() == [1, 2, 3]


def test_friends_of_some_users_are_their_rows_and_nobody_has_none(random_shop):
    whole = friend_lists(*tie_strengths(random_shop), 60, max_friends=5)
    some = whole.take(np.array([7, -1, 3]))
    parts = [whole.person[whole.offsets[u] : whole.offsets[u + 1]].tolist() for u in (7, 3)]
    assert some.person.tolist() == parts[0] + parts[1]
    assert some.offsets.tolist() == [0, len(parts[0]), len(parts[0]), len(parts[0] + parts[1])]


def test_friends_refuse_strengths_of_other_ties():
    with pytest.raises(BadInputError, match="1 ties but 2 rows"):
        friend_lists(ties((0, 1)), np.ones((2, 4), np.float32), 2)


def test_figures_of_a_small_graph_are_those_counted_by_hand():
    # A triangle 0-1-2 (0 and 1 both ways), 3 hangs on 2, 4 is alone.
    known = ties((0, 1), (1, 0), (1, 2), (2, 0), (3, 2))
    log = events((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 2), (3, 3))
    figures = graph_figures(TrainingSet(log, known, 5, 4))
    assert figures["ties"] == 5
    assert figures["reciprocity"] == pytest.approx(2 / 5)
    assert figures["components"] == 2
    assert figures["largest_component"] == pytest.approx(4 / 5)
    assert figures["shoppers_without_ties"] == pytest.approx(1 / 5)
    assert figures["friends_max"] == 3
    # Six of ten ordered paths close: three round the triangle, two ways each.
    assert figures["clustering"] == pytest.approx(0.6, abs=0.01)
    # Jaccard: 0-1: 1 (twice), 1-2 and 2-0: 1/3, 3-2: 0.
    assert figures["item_overlap_tied"] == pytest.approx((1 + 1 + 2 / 3 + 0) / 5)
    # All six pairs of active shoppers alike likely.
    assert figures["item_overlap_random"] == pytest.approx((1 + 2 / 3) / 6, abs=0.01)
    assert figures["density"] == pytest.approx(7 / 20)


def test_figures_of_a_shop_without_ties_say_nan_not_nonsense(random_shop):
    figures = graph_figures(random_shop.without_ties())
    assert figures["ties"] == 0
    assert figures["components"] == 60
    assert np.isnan(figures["clustering"])
    assert np.isnan(figures["homophily"])


def test_degree_counts_add_up_to_everybody(random_shop):
    counts = degree_counts(random_shop)
    assert {name: int(c.sum()) for name, c in counts.items()} == {
        "items_a_shopper": 60,
        "shoppers_an_item": 40,
        "friends_a_shopper": 60,
        "followers_a_shopper": 60,
    }
    pairs, _ = tie_strengths(random_shop)
    degrees = counts["friends_a_shopper"]
    assert int((degrees * np.arange(len(degrees))).sum()) == len(pairs)


def test_what_was_turned_down_is_no_common_item_and_no_item_of_the_figures():
    kind = np.array([EVENT_KINDS.index(k) for k in ("purchase", "rating", "view", "return")])
    log = Interactions(
        np.array([0, 1, 0, 1, 1]),
        np.array([5, 5, 6, 6, 6]),
        kind[[0, 1, 0, 2, 3]].astype(np.int8),
        np.array([9, 1, 9, np.nan, np.nan], np.float32),
        np.arange(1, 6),
        np.array([-1, 0, -1, -1, 0]),
    )
    friends = ties((0, 1, np.e - 1))
    _, features = tie_strengths(TrainingSet(log, friends, 2, 8))
    np.testing.assert_allclose(features, [[1, 0, 0, 0]], rtol=1e-6)
    figures = graph_figures(TrainingSet(log, friends, 2, 8))
    assert (figures["events"], figures["interactions"]) == (5, 2)
    liked = replace(log, value=np.full(5, 4, np.float32), kind=np.full(5, kind[1], np.int8))
    _, features = tie_strengths(TrainingSet(liked, friends, 2, 8))
    np.testing.assert_allclose(np.expm1(features[0, 2:]), [2, 2], rtol=1e-6)
