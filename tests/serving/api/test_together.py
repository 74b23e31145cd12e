"""Whom to share with, lists for groups, and people to know, over HTTP."""

import time
from dataclasses import replace

import pytest
from asking import assert_problem, event, post
from small_shop import friends_named, item, recent

from coterie.schema import EventKind
from serving.features.online_store import Friends
from serving.features.recent import RecentList

KITCHEN, CLIMBING, BOOKS, GARDEN = 0, 1, 2, 3
"""Rows of the small shop's items are of these, by their remainder by four."""


def answer(client, path, **query):
    got = client.get(path, params=query)
    assert got.status_code == 200, got.text
    return got.json()


def invited(client, row, user="ana", **query):
    found = answer(client, f"/v1/users/{user}/items/{item(row)}/invitees", **query)
    return [one["user_id"] for one in found["invitees"]]


@pytest.fixture
def circle(features):
    """Ana's friends: two climbers, a cook, a reader, and one who may not be named."""
    features.recent |= {
        "bea": recent(1, 5, 9),
        "cleo": recent(1, 13, 17),
        "cook": recent(8, 12, 16),
        "reader": recent(2, 6, 10),
        "shy": recent(17, 21, 25),
    }
    names = ("bea", "cleo", "cook", "reader", "shy")
    features.friends["ana"] = friends_named(*names, named=(True, True, True, True, False))
    return features


def test_who_climbs_is_asked_to_what_climbers_like(client, circle):
    assert set(invited(client, 29)) == {"bea", "cleo"}
    assert invited(client, 28) == ["cook"]
    assert invited(client, 30, k=1) == ["reader"]


def test_who_may_not_be_named_is_never_asked_and_changes_nothing(client, circle):
    whole = answer(client, f"/v1/users/ana/items/{item(29)}/invitees")
    assert "shy" not in str(whole)
    circle.friends["ana"] = circle.friends["ana"].take([0, 1, 2, 3])
    assert answer(client, f"/v1/users/ana/items/{item(29)}/invitees") == whole


def test_who_does_not_follow_back_is_not_asked(client, circle):
    one = circle.friends["ana"]
    circle.friends["ana"] = replace(one, named=(False, *one.named[1:]), mutual=(False, *[True] * 4))
    assert invited(client, 29) == ["cleo"]


def test_who_has_it_or_turned_it_down_is_missing_like_who_likes_other_things(client, circle):
    assert "bea" not in invited(client, 5)
    circle.recent["bea"] = recent(1, 9)
    assert "bea" in invited(client, 5)
    down = recent(5, kind=EventKind.DISLIKE)
    had = recent(1, 9)
    circle.recent["bea"] = RecentList(
        down.item_ids + had.item_ids, down.kinds + had.kinds, (had.ts_ms[0] + 1, *had.ts_ms)
    )
    assert "bea" not in invited(client, 5)
    circle.recent["cleo"] = replace(
        recent(1, 13), had_ids=(item(5),), had_kinds=(6,), had_wanted_ms=(5,)
    )
    assert "cleo" not in invited(client, 5)


def test_who_was_asked_often_is_asked_no_more_for_a_while(client, circle):
    now_ms = int(time.time() * 1000)
    recents, day_ms = circle.recent, 86_400_000
    strength = circle.friends["ana"].strengths
    circle.friends["ana"] = replace(circle.friends["ana"], strengths=(0.9, *strength[1:]))
    first = invited(client, 29)
    recents[first[0]] = replace(recents[first[0]], asked_ms=(now_ms,) * 4)
    assert invited(client, 29) == first[::-1]
    recents[first[0]] = replace(recents[first[0]], asked_ms=(now_ms,) * 5)
    assert invited(client, 29) == first[1:]
    recents[first[0]] = replace(recents[first[0]], asked_ms=(now_ms - 31 * day_ms,) * 5)
    assert invited(client, 29) == first


def test_a_shop_says_how_often_is_often_and_for_how_long_it_counts(make_client, circle):
    ago = int(time.time() * 1000) - 8 * 86_400_000
    for friend in ("bea", "cleo"):
        circle.recent[friend] = replace(circle.recent[friend], asked_ms=(ago, ago - 1))
    assert set(invited(make_client(most_invitations=3), 29)) == {"bea", "cleo"}
    assert invited(make_client(most_invitations=2), 29) == []
    assert len(invited(make_client(most_invitations=2, invitation_days=7.0), 29)) == 2
    circle.recent["bea"] = replace(circle.recent["bea"], asked_ms=())
    assert invited(make_client(most_invitations=0), 29) == []


def test_nobody_is_asked_to_what_is_not_for_sale(client, circle):
    assert invited(client, 8) == []
    assert_problem(client.get("/v1/users/ana/items/no-such/invitees"), 404)


def test_a_closer_friend_is_asked_first(client, circle):
    circle.recent["cleo"] = circle.recent["bea"]
    close = (0.7, 0.7, 0.7, 0.7, 0.7, 2.0, 2.0, 2.0)
    circle.friends["ana"] = Friends(("bea", "cleo"), close, (True, True))
    assert invited(client, 29) == ["cleo"], "one of two at most"
    circle.friends["ana"] = Friends(("bea", "cleo"), close[4:] + close[:4], (True, True))
    assert invited(client, 29) == ["bea"]


def test_reasons_tell_what_is_between_two_people_and_nothing_that_one_did(client, circle):
    found = answer(client, f"/v1/users/ana/items/{item(29)}/invitees")
    for one in found["invitees"]:
        assert {reason["kind"] for reason in one["reasons"]} <= {"taste", "tie"}
        assert "item-" not in str(one["reasons"])
        assert "thing" not in " ".join(r["text"] for r in one["reasons"]).replace("things", "")
    said = client.get(f"/v1/users/ana/items/{item(29)}/invitees", headers={"Accept-Language": "zh"})
    assert said.headers["content-language"] == "zh"
    texts = [r["text"] for one in said.json()["invitees"] for r in one["reasons"]]
    assert texts
    assert all(not text.isascii() for text in texts)


def share(client, invited_id, event_id="s1", user="ana", row=29):
    body = event(event_id, user, item(row), "share", invited_user_id=invited_id)
    answer = post(client, body)
    assert answer.status_code == 200, answer.text


def test_whom_somebody_was_invited_by_an_event_counts_for_who_asks_next(client, circle):
    first = invited(client, 29)
    for num in range(5):
        at = {"ts": int(time.time() * 1000) - num}
        body = event(f"s{num}", "max", item(30), "share", invited_user_id=first[0], **at)
        assert post(client, body, body).json()["duplicate"] == 1
    assert len(circle.recent[first[0]].asked_ms) == 5
    assert invited(client, 29) == first[1:]


def test_who_was_asked_keeps_their_own_history_and_gets_no_new_taste(client, circle):
    before = circle.recent["bea"]
    share(client, "bea")
    after = circle.recent["bea"]
    assert replace(after, asked_ms=()) == before
    assert item(29) in circle.recent["ana"].item_ids
    post(client, event("e2", "bea", item(33)))
    assert circle.recent["bea"].asked_ms == after.asked_ms
    share(client, "stranger", "s2")
    assert circle.recent["stranger"].item_ids == ()


def test_who_was_invited_finds_it_in_their_data_and_has_it_forgotten(client, circle):
    share(client, "bea")
    told = answer(client, "/v1/users/bea/data")
    log, asked = told["log"], told["asked"]
    assert [one.split(".")[0] for one in asked] == [log[0]["ts"].split(".")[0]]
    assert [(one["referred"], one["fields"]) for one in log] == [(True, {"event_id": "s1"})]
    own = answer(client, "/v1/users/ana/data")["log"]
    assert own[0]["fields"]["invited_user_id"] == "bea"
    receipt = client.delete("/v1/users/bea").json()
    assert (receipt["log_events"], receipt["log_referrals"]) == (0, 1)
    assert "bea" not in circle.recent
    own = answer(client, "/v1/users/ana/data")["log"]
    assert [one["fields"].get("invited_user_id") for one in own if one["kind"] == "event"] == [None]


def test_invitations_are_counted_from_the_share_to_what_is_taken(client, circle):
    share(client, "bea")
    share(client, "bea")
    looked = event("v1", "bea", item(29), "view", referrer_user_id="ana")
    taken = event("p1", "bea", item(29), referrer_user_id="ana")
    post(client, looked, taken, event("p2", "cleo", item(29)))
    metrics = client.get("/metrics").text
    for step, count in (("sent", 1), ("visited", 2), ("taken", 1)):
        assert f'coterie_invitations_total{{step="{step}"}} {count}.0' in metrics


def together(client, *users, **query):
    return answer(client, "/v1/groups/recommendations", user=list(users), **query)


def kinds(found):
    return [int(one["item"]["item_id"][5:]) % 4 for one in found["items"]]


def test_a_group_gets_something_for_each(client, circle):
    for rule in ("fair", "average", "least_misery"):
        found = together(client, "bea", "cook", k=10, rule=rule)
        assert (found["rule"], len(found["items"])) == (rule, 10)
    assert {KITCHEN, CLIMBING} <= set(kinds(together(client, "bea", "cook", k=6)))
    # Two of three climb: whoever has got little so far is not forgotten.
    assert kinds(together(client, "bea", "cleo", "cook", k=6)).count(KITCHEN) >= 1


def test_a_group_is_shown_nothing_that_one_of_them_had_or_that_is_not_for_sale(client, circle):
    found = together(client, "bea", "cook", k=100)
    shown = {one["item"]["item_id"] for one in found["items"]}
    assert len(shown) == 100
    assert not shown & {*circle.recent["bea"].item_ids, *circle.recent["cook"].item_ids, item(8)}
    some = together(client, "bea", "cook", k=20, category="Books")
    assert set(kinds(some)) == {BOOKS}


def test_of_who_may_not_be_used_nothing_is_drawn_on(client, circle):
    circle.consent["cook"] = (True, False)
    with_cook = together(client, "bea", "cook", k=20)
    assert with_cook == together(client, "bea", "nobody", k=20)
    circle.consent.pop("cook")
    assert together(client, "bea", "cook", k=20) != with_cook
    assert client.put("/v1/users/cook", json={"may_be_used": False}).status_code == 200
    assert together(client, "bea", "cook", k=20) == with_cook
    assert client.put("/v1/users/cook", json={"may_be_used": True}).status_code == 200
    assert client.delete("/v1/users/cook").status_code == 200
    assert together(client, "bea", "cook", k=20) == with_cook


def test_strangers_get_what_most_people_had(client):
    found = together(client, "nobody", "somebody", k=3)
    assert [one["item"]["item_id"] for one in found["items"]] == [item(0), item(1), item(2)]


def test_a_group_has_two_people_at_least_and_each_once(client):
    for users in (["bea"], ["bea", "bea"], [f"u{n}" for n in range(51)], []):
        assert_problem(client.get("/v1/groups/recommendations", params={"user": users}), 422)


def test_rules_of_the_shop_hold_for_groups(make_client, circle, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"rules: [{{rule: pin, items: [{item(119)}], label: sponsored}}]")
    found = together(make_client(rules=str(rules)), "bea", "cook", k=5)
    assert found["items"][0]["item"]["item_id"] == item(119)
    assert found["items"][0]["sponsored"] is True
    assert "sponsored" not in found["items"][1] or found["items"][1]["sponsored"] is None


@pytest.fixture
def village(features):
    """Ana knows bea and cleo; dora knows both, emil knows one of them, and all know them back."""
    features.friends |= {
        "ana": friends_named("bea", "cleo"),
        "bea": friends_named("ana", "dora", "emil"),
        "cleo": friends_named("ana", "dora"),
        "dora": friends_named("bea", "cleo"),
        "emil": friends_named("bea"),
    }
    return features


def suggested(client, user="ana", **query):
    return [one["user_id"] for one in answer(client, f"/v1/users/{user}/people", **query)["people"]]


def test_who_shares_most_friends_is_suggested_first(client, village):
    assert suggested(client) == ["dora", "emil"]
    assert suggested(client, k=1) == ["dora"]
    assert suggested(client, "stranger") == []


def test_taste_decides_between_two_who_share_as_many_friends(client, village):
    village.friends["cleo"] = friends_named("ana")
    village.friends["dora"] = friends_named("bea")
    village.recent |= {"dora": recent(2, 6), "emil": recent(20, 24)}
    assert suggested(client) == ["emil", "dora"]
    village.recent |= {"emil": recent(2, 6), "dora": recent(20, 24)}
    assert suggested(client) == ["dora", "emil"]


@pytest.mark.parametrize("said", [(False, True), (True, False)])
@pytest.mark.parametrize("who", ["ana", "dora"])
def test_both_sides_have_to_agree(client, village, who, said):
    village.consent[who] = said
    assert suggested(client) == ([] if who == "ana" else ["emil"])


@pytest.mark.parametrize("said", ["may_be_named", "may_be_used"])
def test_what_is_said_live_of_consent_holds_at_once(client, village, said):
    assert client.put("/v1/users/dora", json={said: False}).status_code == 200
    assert suggested(client) == ["emil"]
    assert client.put("/v1/users/ana", json={said: False}).status_code == 200
    assert suggested(client) == []


def test_who_was_erased_is_not_suggested(client, village):
    assert client.delete("/v1/users/dora").status_code == 200
    assert suggested(client) == ["emil"]


def test_a_tie_of_one_side_suggests_nobody(client, village):
    """Whoever makes ties to others by themselves is shown to nobody, and is shown nobody."""
    village.friends["emil"] = Friends()
    assert suggested(client) == ["dora"]
    village.friends["bea"] = friends_named("dora", "emil")
    village.friends["cleo"] = friends_named("dora")
    assert suggested(client) == []


def test_who_a_common_friend_is_is_not_told(client, village):
    found = answer(client, "/v1/users/ana/people")
    assert "bea" not in str(found)
    assert "cleo" not in str(found)
    assert "2" not in str([one["reasons"] for one in found["people"]])


def test_who_is_known_already_is_not_suggested(client, village):
    village.friends["ana"] = friends_named("bea", "cleo", "dora")
    assert suggested(client) == ["emil"]
    village.friends["emil"] = friends_named("bea", "ana")
    assert suggested(client) == []


def counting(features):
    """Which reads of features follow from here on."""
    reads = []

    class Counted(type(features)):
        __slots__ = ()

        def __getattribute__(self, name):
            if name in ("shopper", "with_friends", "recent_lists", "consents", "friends_of"):
                reads.append(name)
            return super().__getattribute__(name)

    features.__class__ = Counted
    return reads


@pytest.mark.parametrize(
    ("path", "query", "most"),
    [
        (f"/v1/users/ana/items/{item(29)}/invitees", {}, 2),
        ("/v1/users/ana/people", {}, 6),
        ("/v1/groups/recommendations", {"user": ["ana", "bea", "cleo", "dora", "emil"]}, 2),
    ],
)
def test_reads_do_not_grow_with_people(client, village, path, query, most):
    reads = counting(village)
    answer(client, path, **query)
    assert 0 < len(reads) <= most
