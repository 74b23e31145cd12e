"""Which friends want an item, and who of them is asked."""

import numpy as np
import pytest

from coterie.recommend.shoppers import Histories
from coterie.schema import STRENGTHS
from coterie.together.invitees import (
    AskedFriends,
    AskingRule,
    as_shoppers,
    fits,
    log_odds,
    rank_invitees,
    sample_of,
    wants,
)

SCORES = np.array([[3.0, 1, 2, 3], [30, 10, 20, 30], [0, 1, 2, 3]], np.float32)
"""The item's score, and those of three others, of a friend, of one who wants ten times as much,
and of one who would rather have the others."""
KNOWN = np.zeros(3, np.bool_)


def asked_friends(asked=(0, 0, 0), tie=(0, 0, 0)):
    strengths = np.zeros((3, len(STRENGTHS)), np.float32)
    strengths[:, STRENGTHS.index("shares")] = tie
    return AskedFriends(np.ones(3), np.full(3, 9), strengths, np.array(asked))


def test_a_fit_is_told_beside_ones_own_other_scores():
    fit = fits(SCORES, KNOWN)
    assert fit[0] == pytest.approx(fit[1])
    assert fit[0] > 0 > fit[2]


def test_a_want_tells_apart_who_wants_everything():
    want = wants(SCORES, KNOWN)
    assert want[1] > want[0] > want[2]


def test_of_who_is_not_known_nothing_is_told():
    lost = np.array([False, False, True])
    assert fits(SCORES, lost)[2] == wants(SCORES, lost)[2] == 0
    assert wants(SCORES, ~KNOWN).tolist() == [0, 0, 0]


def test_what_was_passed_on_counts_and_being_asked_takes_away():
    odds = log_odds(asked_friends(asked=(0, 4, 0), tie=(0, 0, 1)))
    assert odds[2] > odds[0] > odds[1]


def test_who_has_it_does_not_want_it_or_was_asked_enough_is_left_out():
    friends = asked_friends(asked=(0, 5, 0))
    fit, has_it = np.array([0.5, 0.5, -0.1]), np.zeros(3, np.bool_)
    assert rank_invitees(friends, fit, has_it, 5).place.tolist() == [0]
    assert rank_invitees(friends, fit, np.array([True, False, False]), 5).place.tolist() == []
    wider = AskingRule(most_asked=6, least_fit=-1.0, share=1.0)
    assert sorted(rank_invitees(friends, fit, has_it, 5, wider).place.tolist()) == [0, 1, 2]
    assert len(rank_invitees(friends, fit, has_it, 2, wider).place) == 2
    half = AskingRule(most_asked=6, least_fit=-1.0)
    assert len(rank_invitees(friends, fit, has_it, 5, half).place) == 2, "two of three"


def test_each_friend_has_the_one_who_shares_for_their_only_friend():
    offsets = np.array([0, 1, 3, 3])
    histories = Histories.of(
        offsets, np.array([7, 8, 9]), np.zeros(3, np.int8), np.arange(3), np.zeros(3, np.int64)
    )
    shoppers = as_shoppers(histories, np.ones((2, len(STRENGTHS))))
    assert len(shoppers) == 2
    assert shoppers.histories.item_idx.tolist() == [8, 9, 7]
    assert shoppers.friends.person.tolist() == [2, 2]
    assert shoppers.friends.offsets.tolist() == [0, 1, 2]


def test_a_sample_is_of_what_is_for_sale_and_the_same_again():
    allowed = np.arange(2000) % 2 == 0
    rows = sample_of(allowed, most=100)
    assert len(set(rows.tolist())) == 100
    assert allowed[rows].all()
    assert rows.tolist() == sample_of(allowed, most=100).tolist()
    assert sample_of(allowed, most=5000).tolist() == np.flatnonzero(allowed).tolist()
