"""What became of invitations: counted by category, and nobody is told of."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from coterie.network.invitations import LEAST_PEOPLE, count_invitations
from coterie.schema import EVENTS, ITEMS, USERS

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
CATEGORIES = {"pan": "Home/Kitchen", "pot": "Home/Kitchen", "rope": "Sports>Climbing", "odd": None}


def did(user, item, event, day, referrer=None, invited=None):
    return (user, item, event, BEGIN + timedelta(days=day), referrer, invited)


def tables(rows, refused=()):
    """A shop's clean tables of a few events, and an end of its log a year later."""
    rows = [*rows, did("late", "pan", "view", 365)]
    names = ("user_id", "item_id", "event", "ts", "referrer_user_id", "invited_user_id")
    whole = {column.name: pa.nulls(len(rows), column.type) for column in EVENTS.arrow}
    whole |= dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    whole["event_id"] = [f"e{place}" for place in range(len(rows))]
    known = {column.name: pa.nulls(len(CATEGORIES), column.type) for column in ITEMS.arrow}
    known |= {"item_id": list(CATEGORIES), "category": list(CATEGORIES.values())}
    users = {"user_id": list(refused), "may_be_named": [True] * len(refused)}
    users["may_be_used"] = [False] * len(refused)
    return {
        "events": pa.table(whole, schema=EVENTS.arrow),
        "items": pa.table(known, schema=ITEMS.arrow),
        "users": pa.table(users, schema=USERS.arrow),
    }


FRIENDS = ["bea", "cleo", "dora", "emil", "fay", "gus"]


def asks(item, *whom, day=0.0, by="ana"):
    return [did(by, item, "share", day, invited=one) for one in whom]


def counted(rows, days=14.0, **more):
    return count_invitations(tables(rows, **more), days)


def test_what_somebody_did_after_they_were_asked_counts_once_and_in_time():
    found = counted(
        [
            *asks("pan", *FRIENDS),
            *asks("pan", "bea", by="max", day=1),
            did("bea", "pan", "view", 2, referrer="max"),
            did("bea", "pan", "purchase", 3),
            did("bea", "pan", "purchase", 4),
            did("cleo", "pan", "click", 13.9),
            did("dora", "pan", "purchase", 14.1),
            did("emil", "pot", "purchase", 2),
            did("fay", "pan", "view", 1, referrer="stranger"),
            did("gus", "pan", "dislike", 1),
        ]
    )
    whole = found.whole
    assert (whole.people, whole.invited) == (6, 6)
    assert (whole.opened, whole.through, whole.taken) == (3, 1, 1)


def test_who_had_it_and_who_was_asked_just_now_are_not_counted():
    found = counted(
        [
            did("bea", "pan", "purchase", -1),
            did("cleo", "pan", "view", -1),
            *asks("pan", *FRIENDS),
            *asks("rope", "bea", day=360),
        ]
    )
    assert (found.had_it, found.waiting) == (1, 1)
    assert (found.whole.people, found.whole.invited) == (5, 5)


def test_a_category_of_few_people_is_not_told_by_itself():
    some = asks("rope", *FRIENDS[: LEAST_PEOPLE - 1]) + asks("odd", "gus")
    found = counted([*asks("pan", *FRIENDS), *asks("pot", "bea"), *some])
    assert [(one.category, one.people, one.invited) for one in found.categories] == [
        ("Home", 6, 7),
        ("other", 5, 5),
    ]
    lone = counted([*asks("pan", *FRIENDS), *asks("odd", "gus")])
    assert [(one.category, one.people) for one in lone.categories] == [("other", 6)]
    assert sum(one.invited for one in found.categories) == found.whole.invited


def test_of_fewer_people_nothing_is_told():
    assert counted(asks("pan", *FRIENDS[: LEAST_PEOPLE - 1])) is None
    assert counted([did("ana", "pan", "share", 0)]) is None


@pytest.mark.parametrize("refused", ["bea", "ana"])
def test_who_may_not_be_used_counts_on_neither_side(refused):
    rows = [*asks("pan", *FRIENDS), did("bea", "pan", "purchase", 2)]
    found = counted(rows, refused=[refused])
    if refused == "ana":
        assert found is None
    else:
        assert (found.whole.people, found.whole.taken) == (5, 0)


def test_figures_are_json_and_name_nobody():
    told = json.dumps(counted(asks("pan", *FRIENDS)).figures())
    assert not any(f'"{name}"' in told for name in (*FRIENDS, "ana"))
