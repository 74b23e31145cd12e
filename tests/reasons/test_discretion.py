"""Whom lists draw on, offline as when served, and that both sides of a tie have to want it."""

import numpy as np
import pytest

from coterie.data.dataset import Ties
from coterie.errors import BadInputError
from coterie.graph.friends import FriendLists
from coterie.graph.mutual import mutual_friends
from coterie.reasons.discretion import Discretion


def drawn(named, mutual=None, history=None, **how):
    named = np.array(named, bool)
    both = np.ones(len(named), bool) if mutual is None else np.array(mutual, bool)
    did = np.ones(len(named), bool) if history is None else np.array(history, bool)
    return Discretion(**how).drawn_on(named, both, did).tolist()


def test_of_fewer_than_three_people_who_are_not_named_a_list_draws_on_none():
    assert drawn([1, 0, 0]) == [True, False, False]
    assert drawn([1, 0, 0, 0]) == [True] * 4
    assert drawn([1, 0, 0], min_people=2) == [True] * 3


def test_people_without_a_history_hide_nobody():
    assert drawn([0, 0, 0], history=[1, 0, 0]) == [False] * 3
    assert drawn([1, 0, 0, 0], history=[1, 1, 1, 0]) == [True, False, False, False]


def test_people_who_do_not_follow_in_turn_may_be_left_out():
    assert drawn([0] * 4, [1, 1, 1, 0]) == [True] * 4
    assert drawn([0] * 4, [1, 1, 1, 0], one_sided=False) == [True, True, True, False]
    assert drawn([0] * 3, [1, 1, 0], one_sided=False) == [False] * 3


def test_a_tie_is_mutual_where_both_directions_are_there():
    src, dst = np.array([0, 1, 0, 2]), np.array([1, 0, 2, 1])
    zeros = np.zeros(4, np.int64)
    ties = Ties(src, dst, zeros.astype(np.int8), np.ones(4, np.float32), zeros)
    friends = FriendLists(
        np.array([0, 2, 3, 4]), np.array([1, 2, 0, 1]), np.ones((4, 4), np.float32)
    )
    assert mutual_friends(friends, ties).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    "wrong", [{"min_people": 0}, {"min_share": 1.0}, {"min_share": -0.1}, {"rare_below": -1}]
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(BadInputError, match="expected"):
        Discretion(**wrong)
