"""A shopper's circle over HTTP: who is in it, and which ties between others are told."""

from dataclasses import replace

import pytest
from asking import assert_problem
from small_shop import friends_named


@pytest.fixture
def village(features):
    """Ana knows bea, cleo, dora and shy; all of these know each other, and shy is not named."""
    others = ("bea", "cleo", "dora", "shy")
    features.friends = {
        one: friends_named("ana", *(other for other in others if other != one)) for one in others
    }
    features.friends["ana"] = friends_named(*others, named=(True, True, True, False))
    return features


def circle(client, user="ana", **query):
    answer = client.get(f"/v1/users/{user}/circle", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def friends(client, user="ana", **query):
    return [one["user_id"] for one in circle(client, user, **query)["friends"]]


def ties(client, user="ana"):
    return {(one["one"], one["other"]) for one in circle(client, user)["ties"]}


ALL = {("bea", "cleo"), ("bea", "dora"), ("cleo", "dora")}


def test_a_circle_has_who_may_be_named_and_their_ties(client, village):
    whole = circle(client)
    assert [one["user_id"] for one in whole["friends"]] == ["bea", "cleo", "dora"]
    assert [one["group"] for one in whole["friends"]] == [1, 1, 1]
    assert ties(client) == ALL
    assert friends(client, k=2) == ["bea", "cleo"]
    assert circle(client, k=2)["ties"] == [{"one": "bea", "other": "cleo"}]
    assert circle(client, "stranger") == {"user_id": "stranger", "friends": [], "ties": []}


def test_who_may_not_be_named_is_not_told_of_and_changes_nothing(client, village):
    whole = circle(client)
    assert "shy" not in str(whole)
    village.friends["ana"] = village.friends["ana"].take([0, 1, 2])
    village.friends.pop("shy")
    for one in ("bea", "cleo", "dora"):
        known = village.friends[one]
        village.friends[one] = known.take([p for p, of in enumerate(known.ids) if of != "shy"])
    assert circle(client) == whole


@pytest.mark.parametrize("said", [(False, True), (True, False), (False, False)])
def test_who_says_no_is_gone_with_all_ties(client, village, said):
    village.consent["bea"] = said
    assert friends(client) == ["cleo", "dora"]
    assert ties(client) == {("cleo", "dora")}


@pytest.mark.parametrize("said", ["may_be_named", "may_be_used"])
def test_a_live_no_holds_at_once(client, village, said):
    assert client.put("/v1/users/bea", json={said: False}).status_code == 200
    assert friends(client) == ["cleo", "dora"]
    assert ties(client) == {("cleo", "dora")}
    assert client.put("/v1/users/bea", json={said: True}).status_code == 200
    assert ties(client) == ALL


@pytest.mark.parametrize("said", ["may_be_named", "may_be_used"])
def test_who_says_no_sees_friends_and_no_ties_of_others(client, village, said):
    assert client.put("/v1/users/ana", json={said: False}).status_code == 200
    assert friends(client) == ["bea", "cleo", "dora"]
    assert ties(client) == set()


def test_a_tie_is_told_where_both_follow_and_both_may_be_named_to_each_other(client, village):
    whole = village.friends["bea"]
    village.friends["bea"] = whole.take([0, 2, 3])  # bea does not follow cleo
    assert ties(client) == ALL - {("bea", "cleo")}
    village.friends["bea"] = replace(whole, named=(True, False, True, True))
    assert ties(client) == ALL - {("bea", "cleo")}


def test_a_tie_that_ends_live_is_gone_and_a_new_one_is_there(client, village):
    path = "/v1/users/bea/ties/cleo"
    assert client.delete(path, params={"kind": "friend"}).status_code == 200
    assert ties(client) == ALL - {("bea", "cleo")}
    assert client.put(path, json={"kind": "follow"}).status_code == 200
    assert ties(client) == ALL - {("bea", "cleo")}
    assert client.put(path, json={"kind": "friend"}).status_code == 200
    assert ties(client) == ALL


def test_who_was_erased_is_gone_from_every_circle(client, village):
    assert client.delete("/v1/users/bea").status_code == 200
    assert friends(client) == ["cleo", "dora"]
    assert ties(client) == {("cleo", "dora")}
    assert circle(client, "bea")["friends"] == []


def test_sentences_are_of_what_both_know_and_in_the_readers_language(client, village):
    answer = client.get("/v1/users/ana/circle", headers={"Accept-Language": "zh"})
    assert answer.headers["content-language"] == "zh"
    reasons = [reason for one in answer.json()["friends"] for reason in one["reasons"]]
    assert {reason["kind"] for reason in reasons} == {"tie"}
    assert not any(reason["text"].isascii() for reason in reasons)


def test_a_circle_is_bounded(client, village):
    for k in (0, 51):
        assert_problem(client.get("/v1/users/ana/circle", params={"k": k}), 422)
