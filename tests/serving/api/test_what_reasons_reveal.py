"""What somebody can find out of another person's purchases: the threats of docs/discretion.md."""

import json

import pytest
from small_shop import friends_named, item, recent

from coterie.schema import EventKind
from serving.features.online_store import Friends

SECRET, COMMON = 117, 1
"""Rows of an item that nearly nobody had, and of one that many had."""
PUPPETS = ("puppet-0", "puppet-1", "puppet-2", "puppet-3", "puppet-4")


@pytest.fixture
def ask(client, features):
    """Ask for a shopper's list once the victim has had some items."""

    def asks(user, *rows, victim="victim", k=100):
        features.recent[victim] = recent(*rows)
        answer = client.get(f"/v1/users/{user}/recommendations?k={k}").json()
        answer.pop("list_id")
        return answer

    return asks


def tied(*friends, named=(), one_sided=()):
    flags = tuple(friend in named for friend in friends)
    both = tuple(friend not in one_sided for friend in friends)
    return Friends(friends, friends_named(*friends).strengths, flags, both)


def reasons(answer):
    return [reason for entry in answer["items"] for reason in entry["reasons"]]


def told_of(answer, row):
    """Reasons that say that somebody did something with an item."""
    return [
        reason
        for entry in answer["items"]
        for reason in entry["reasons"]
        if reason["kind"] == "friend" and reason.get("item_id") == item(row)
    ]


def as_stranger(answer):
    # Where the next page begins names the shopper.
    return {**answer, "user_id": "x", "next": None}


def test_a_curious_friend_of_one_person_gets_what_a_stranger_gets(ask, features):
    features.friends["curious"] = tied("victim")
    answer = as_stranger(ask("curious", SECRET, 5))
    assert answer["source"] == "popular"
    assert answer == as_stranger(ask("curious", 2)) == as_stranger(ask("nobody"))


def test_who_stops_following_somebody_back_is_told_of_no_more(ask, features, make_client):
    client = make_client()
    features.friends |= {"curious": tied("victim", named=["victim"]), "victim": tied("curious")}
    features.recent["victim"] = recent(SECRET, 5)
    path = "/v1/users/curious/recommendations?k=100"
    assert "victim" in {one.get("friend") for one in reasons(client.get(path).json())}
    ended = client.delete("/v1/users/victim/ties/curious?kind=follow")
    assert ended.status_code == 200, ended.text
    assert [one for one in reasons(client.get(path).json()) if one["kind"] == "friend"] == []


def test_a_curious_friend_learns_nothing_of_an_item_that_one_of_three_had(ask, features):
    features.friends["curious"] = tied("victim", "bea", "cleo")
    answer = ask("curious", SECRET, 5)
    assert answer["source"] == "friends"
    assert not told_of(answer, SECRET)
    assert not [reason for reason in reasons(answer) if "num_friends" in reason]


def test_a_curious_friend_does_not_see_through_a_named_one(ask, features):
    """Who is named beside the victim bought it: the number of both would tell."""
    features.friends["curious"] = tied("bea", "victim", "cleo", "shy", named=("bea",))
    features.recent["bea"] = recent(SECRET, 5)
    told = {reason["text"] for reason in told_of(ask("curious", SECRET, 9), SECRET)}
    assert told == {reason["text"] for reason in told_of(ask("curious", 9), SECRET)}
    assert "bea bought this" in told
    assert all(text.startswith("bea bought ") for text in told)


def test_two_colluding_friends_are_told_no_number_that_leaves_nobody_out(ask, features):
    """Both know what they bought themselves: a number of all three would tell of the victim."""
    features.friends["curious"] = tied("victim", "colluder", "bea")
    for friend in ("colluder", "bea"):
        features.recent[friend] = recent(SECRET)
    assert not told_of(ask("curious", SECRET), SECRET)
    features.friends["curious"] = tied("victim", "colluder", "bea", "cleo")
    assert {r["num_friends"] for r in told_of(ask("curious", SECRET), SECRET)} == {3}
    assert not told_of(ask("curious", 9), SECRET)


@pytest.mark.parametrize("puppets", [0, 2, 5])
def test_a_new_account_that_follows_a_victim_is_told_the_same_whatever_they_bought(
    ask, features, puppets
):
    """With accounts of its own around the victim, of which it knows what they had."""
    others = PUPPETS[:puppets]
    features.friends["new"] = tied("victim", *others, one_sided=("victim",))
    for puppet in others[:4]:
        features.recent[puppet] = recent(COMMON, SECRET)
    for puppet in others[4:]:
        features.recent[puppet] = recent(2)
    for row in (SECRET, COMMON):
        had, had_not = ask("new", row, 5), ask("new", 9, 5)
        assert {r["text"] for r in told_of(had, row)} == {r["text"] for r in told_of(had_not, row)}
        assert "victim" not in json.dumps(had)
        numbers = {reason.get("num_friends", 0) for reason in reasons(had)}
        assert max(numbers) <= puppets


def test_a_shop_may_draw_no_list_on_who_does_not_follow_back(make_client, features):
    client = make_client(reason_one_sided=False)
    features.friends["new"] = tied("victim", *PUPPETS, one_sided=("victim",))
    for puppet in PUPPETS:
        features.recent[puppet] = recent(COMMON)
    answers = []
    for row in (SECRET, 9):
        features.recent["victim"] = recent(row, 5)
        answer = client.get("/v1/users/new/recommendations?k=100").json()
        answer.pop("list_id")
        answers.append(answer)
    assert answers[0] == answers[1]


def test_a_shop_may_draw_lists_on_one_friend_of_whom_reasons_tell_nothing(make_client, features):
    client = make_client(list_min_people=1)
    features.friends["curious"] = tied("victim")
    told, order = [], []
    for rows in ((SECRET, 5), (2, 9)):
        features.recent["victim"] = recent(*rows)
        answer = client.get("/v1/users/curious/recommendations?k=100").json()
        assert answer["source"] == "friends"
        told.append({(reason["kind"], reason["text"]) for reason in reasons(answer)})
        order.append([entry["item"]["item_id"] for entry in answer["items"]])
        assert "victim" not in json.dumps(answer)
    assert told[0] == told[1]
    assert not [kind for kind, _ in told[0] if kind == "friend"]
    # What it costs the friend: the order of items tells of their taste.
    assert order[0] != order[1]


def test_a_curious_app_gets_two_digits_where_people_count_who_are_not_named(ask, features):
    """Exact parts of a hundred items would be as good as the history itself."""
    features.friends["curious"] = tied("victim", "bea", "cleo")
    features.recent["curious"] = recent(0, 4, kind=EventKind.CLICK)
    answer = ask("curious", SECRET, 5)
    for entry in answer["items"]:
        shares = [reason["share"] for reason in entry["reasons"]]
        assert all(share == round(share, 2) for share in shares)
        assert round(sum(shares), 6) == 1
        added = [reason["contribution"] for reason in entry["reasons"]]
        assert sum(added) == pytest.approx(entry["score"], abs=1e-9)
        assert entry["score"] == float(f"{entry['score']:.1e}")
        # What is left over goes to the largest.
        assert all(value == float(f"{value:.1e}") for value in sorted(added, key=abs)[:-1])
    scores = [entry["score"] for entry in answer["items"]]
    assert scores == sorted(scores, reverse=True)


def test_exact_numbers_are_told_where_all_friends_may_be_named(ask, features):
    features.friends["open"] = tied("victim", "bea", named=("victim", "bea"))
    shares = [reason["share"] for reason in reasons(ask("open", SECRET, 5))]
    assert any(share != round(share, 2) for share in shares)
