"""What is known of a shopper: whom lists draw on, and whether numbers would tell of the unnamed."""

import itertools

import pytest
from small_shop import friends_named, recent

from coterie.data.circle import CircleRule
from serving.features.online_store import ShopperRow
from serving.features.recent import RecentList
from serving.lists.shopper_features import ShopperFeatures

NAMED = list(itertools.product((True, False), repeat=3))


def known_of(named, lists):
    friends = friends_named("bea", "cleo", "dora", named=named)
    return ShopperFeatures("ana", ShopperRow(friends=friends), lists)


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("min_people", [1, 2, 3])
def test_friends_who_may_not_be_named_are_drawn_on_from_so_many_on(named, min_people):
    known = known_of(named, [recent(row) for row in range(3)])
    left = known.drawn_on(CircleRule(min_people), lambda _: 0)
    enough = named.count(False) >= min_people
    wanted = [one for one, may in zip(known.row.friends.ids, named, strict=True) if may or enough]
    assert list(left.row.friends.ids) == wanted
    assert len(left.friends) == len(wanted)


@pytest.mark.parametrize("named", NAMED)
def test_numbers_are_exact_only_where_nobody_unnamed_counts(named):
    with_history = known_of(named, [recent(row) for row in range(3)])
    assert with_history.counts_unnamed is not all(named)
    assert not known_of(named, [RecentList()] * 3).counts_unnamed
    only_last = known_of(named, [RecentList(), RecentList(), recent(1)])
    assert only_last.counts_unnamed is not named[2]
