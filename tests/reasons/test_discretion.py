"""Whom lists draw on, offline as when served, and that both sides of a tie have to want it."""

import numpy as np
import pytest

from coterie.data.circle import AS_SERVED, EVERYBODY, Circle, CircleRule
from coterie.data.dataset import Ties
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.graph.friends import FriendLists
from coterie.graph.mutual import mutual_friends
from coterie.reasons.discretion import Discretion
from serving.settings import read_settings


def drawn(named, mutual=None, history=None, **how):
    named = np.array(named, bool)
    both = np.ones(len(named), bool) if mutual is None else np.array(mutual, bool)
    did = np.ones(len(named), bool) if history is None else np.array(history, bool)
    return CircleRule(**how).drawn_on(Ragged.of(np.array([len(named)])), named, both, did).tolist()


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


def test_each_shopper_has_friends_enough_or_not_alone():
    rows, named = Ragged.of(np.array([2, 0, 3])), np.array([1, 0, 0, 0, 0], bool)
    all_of_them = np.ones(5, bool)
    kept = AS_SERVED.drawn_on(rows, named, all_of_them, all_of_them)
    assert kept.tolist() == [True, False, True, True, True]
    assert EVERYBODY.drawn_on(rows, named, all_of_them, all_of_them).all()


def test_nobody_can_be_left_out_where_all_may_be_named_and_follow_in_turn():
    src, dst = np.array([0, 1]), np.array([1, 0])
    open_minded = Circle(CircleRule(one_sided=False), np.ones(2, bool))
    assert not open_minded.leaves_out(src, dst)
    assert open_minded.leaves_out(src[:1], dst[:1])
    assert Circle(AS_SERVED, np.array([True, False])).leaves_out(src, dst)
    assert not Circle(EVERYBODY, np.array([True, False])).leaves_out(src[:1], dst[:1])


@pytest.mark.parametrize("rule", [AS_SERVED, EVERYBODY, CircleRule(2, one_sided=False)])
def test_a_rule_comes_back_from_plain_values(rule):
    assert CircleRule.from_json(rule.as_json()) == rule


def test_figures_of_before_the_rule_were_of_all_friends():
    assert CircleRule.from_json({}) == EVERYBODY


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"COTERIE_REASON_MIN_PEOPLE": "5"},
        {"COTERIE_REASON_MIN_PEOPLE": "5", "COTERIE_LIST_MIN_PEOPLE": "2"},
        {"COTERIE_LIST_MIN_PEOPLE": "0", "COTERIE_REASON_ONE_SIDED": "off"},
        {"COTERIE_LIST_MIN_PEOPLE": "1", "COTERIE_REASON_ONE_SIDED": " True "},
    ],
)
def test_who_measures_reads_the_variables_of_serving_as_serving_does(environment):
    served = read_settings({"COTERIE_RELEASE": "r", **environment}).discretion.circle
    assert CircleRule.read(environment) == served


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("COTERIE_LIST_MIN_PEOPLE", "two"),
        ("COTERIE_LIST_MIN_PEOPLE", "-1"),
        ("COTERIE_REASON_MIN_PEOPLE", "0"),
        ("COTERIE_REASON_MIN_PEOPLE", "99999"),
        ("COTERIE_REASON_ONE_SIDED", "maybe"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused_by_both(variable, text):
    with pytest.raises(BadInputError, match=r"expected"):
        CircleRule.read({variable: text})
    with pytest.raises(BadInputError, match=r"expected"):
        read_settings({"COTERIE_RELEASE": "r", variable: text})


@pytest.mark.parametrize("wrong", [{"min_people": True}, {"one_sided": 1}])
def test_a_rule_of_other_types_is_refused(wrong):
    with pytest.raises(BadInputError, match="expected"):
        CircleRule.from_json(wrong)


@pytest.mark.parametrize(
    "wrong", [{"min_people": 0}, {"min_share": 1.0}, {"min_share": -0.1}, {"rare_below": -1}]
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(BadInputError, match="expected"):
        Discretion(**wrong)
