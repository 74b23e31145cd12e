"""Walks with restart, and people suggested by them."""

import numpy as np
import pytest

from benchmarks import network_walks
from benchmarks.network_walks import suggest
from coterie.data.dataset import Interactions, TrainingSet
from coterie.errors import BadInputError
from coterie.network.walks import steps_of, walk_scores
from tests.network.test_network_structure import ties_of


def data_of(pairs, num_users, weight=None):
    ints = np.zeros(0, np.int64)
    none = Interactions(ints, ints, ints.astype(np.int8), ints.astype(np.float32), ints, ints)
    return TrainingSet(none, ties_of(pairs, weight), num_users, 1)


def test_a_friend_of_many_friends_comes_first():
    """0 knows 1, 2 and 3; all three know 4, one knows 5; 6 is too far away to matter much."""
    pairs = [[0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [3, 4], [3, 5], [5, 6]]
    people, scores = suggest(data_of(pairs, 9), np.array([0, 8]), k=4)
    assert people[0].tolist() == [4, 5, 6, -1]
    assert scores[0, 0] > scores[0, 1] > scores[0, 2] > scores[0, 3] == 0
    assert people[1].tolist() == [-1] * 4, "who knows nobody has no suggestion"


def test_whom_one_follows_is_not_suggested_but_a_follower_is():
    people, _ = suggest(data_of([[0, 1], [2, 0], [1, 3]], 4), np.array([0]), k=3)
    assert people[0].tolist() == [2, 3, -1]


def test_a_strong_tie_leads_further_than_a_weak_one():
    pairs = [[0, 1], [0, 2], [1, 3], [2, 4]]
    people, _ = suggest(data_of(pairs, 5, [1, 9, 1, 1]), np.array([0]), k=2)
    assert people[0].tolist() == [4, 3]


def test_scores_are_those_of_a_walk_with_restart():
    rng = np.random.default_rng(0)
    data = data_of(rng.integers(0, 20, (60, 2)), 20)
    walk = steps_of(data.ties, 20).toarray()
    exact = 0.3 * np.linalg.inv(np.eye(20) - 0.7 * walk)
    found = walk_scores(steps_of(data.ties, 20), np.arange(20), steps=60).toarray()
    np.testing.assert_allclose(found, exact, atol=2e-4)


def test_people_are_answered_alike_in_batches(monkeypatch):
    rng = np.random.default_rng(0)
    data, users = data_of(rng.integers(0, 30, (90, 2)), 30), np.arange(30)[::-1]
    whole = suggest(data, users, 5)
    monkeypatch.setattr(network_walks, "_BATCH", 7)
    for one, other in zip(whole, suggest(data, users, 5), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("users", "k"), [([9], 3), ([-1], 3), ([0], 0)])
def test_what_cannot_be_asked_is_refused(users, k):
    with pytest.raises(BadInputError):
        suggest(data_of([[0, 1]], 2), np.array(users), k)
