"""Ties, items and people that change over HTTP, and the very next list."""

import math

import pytest
from asking import event, ids, list_of, post
from small_shop import item, recent
from waiting import wait_until

from coterie.data.changes import values_of, weight_of
from coterie.schema import TieKind
from serving.events.sqlite_rows import SqliteRows

NEW = {"title": "A new pan", "category": "Home/Kitchen", "brand": "Acme", "price": 12.5}


def listed(client, user="ana", k=50):
    return list_of(client, user, k=k)


def friends_of(answer):
    reasons = [reason for one in answer["items"] for reason in one["reasons"]]
    return {reason["friend"] for reason in reasons if reason.get("friend")}


def kept(answer, count=1):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["accepted"], body["applied"]) == (count, True)
    return body


def await_item(client, item_id):
    wait_until(lambda: client.get(f"/v1/items/{item_id}/similar").status_code == 200)


def shown_anywhere(client, item_id):
    """Where an item is shown, of all places."""
    found = {
        "list": ids(listed(client)),
        "popular": ids(listed(client, "nobody", 100)),
        "similar": [
            one["item"]["item_id"]
            for one in client.get(f"/v1/items/{item(0)}/similar?k=100").json()["items"]
        ],
        "words": [
            one["item"]["item_id"]
            for one in client.get(f"/v1/items/{item(0)}/similar?k=100&by=words").json()["items"]
        ],
        "search": ids(client.get("/v1/users/ana/search?q=kitchen%20thing&k=100").json()),
        "new": [one["item_id"] for one in client.get("/v1/new-items?limit=24").json()["items"]],
    }
    return {where for where, shown in found.items() if item_id in shown}


def test_what_is_out_of_stock_or_gone_is_never_shown_from_the_next_request_on(make_client):
    client, other = make_client(), make_client()
    place = item(20)
    assert shown_anywhere(client, place) == {"list", "popular", "similar", "words", "search"}
    kept(client.patch(f"/v1/items/{place}", json={"available": False}))
    for replica in (client, other):
        assert shown_anywhere(replica, place) == set()
        [known] = replica.get("/v1/items", params={"ids": place}).json()["items"]
        assert known["available"] is False
    kept(other.patch(f"/v1/items/{place}", json={"available": True}))
    assert "list" in shown_anywhere(client, place)
    kept(other.delete(f"/v1/items/{place}"))
    assert shown_anywhere(client, place) == set()
    assert client.get("/v1/items", params={"ids": place}).json()["items"] == []
    assert client.get(f"/v1/items/{place}/similar").status_code == 404


def test_the_newest_items_leave_out_what_is_sold_out(client):
    assert shown_anywhere(client, item(22)) >= {"new"}
    kept(client.patch(f"/v1/items/{item(22)}", json={"available": False}))
    assert "new" not in shown_anywhere(client, item(22))


def test_a_price_and_a_title_change_in_the_next_list(client):
    first = ids(listed(client))[0]
    kept(client.patch(f"/v1/items/{first}", json={"price": 1.25, "title": "Renamed pot"}))
    shown = listed(client)["items"][0]["item"]
    assert (shown["item_id"], shown["price"], shown["title"]) == (first, 1.25, "Renamed pot")
    assert shown["category"] == "Home/Kitchen"
    found = client.get("/v1/items", params={"q": "renamed"}).json()["items"]
    assert [one["item_id"] for one in found] == [first]
    kept(client.patch(f"/v1/items/{first}", json={"price": None}))
    assert "price" not in listed(client)["items"][0]["item"]


def searched(client, query, user="nobody"):
    answer = client.get(f"/v1/users/{user}/search", params={"q": query, "k": 100})
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


def test_a_search_knows_a_changed_title_at_once_and_forgets_the_old_one(make_client):
    client, other = make_client(), make_client()
    assert item(21) in searched(client, "climbing thing 21")[:1]
    said = {"title": "Zephyr harness", "category": None, "description": None}
    kept(client.patch(f"/v1/items/{item(21)}", json=said))
    for replica in (client, other):
        assert searched(replica, "zephyr") == searched(replica, "zefyr harnes") == [item(21)]
        assert item(21) not in searched(replica, "climbing thing 21")
        # What it says of itself is what it is like others by.
        like = replica.get(f"/v1/items/{item(21)}/similar?by=words&k=5").json()
        assert like["item"]["title"] == "Zephyr harness"
    kept(client.patch(f"/v1/items/{item(25)}", json={"title": "Zephyr rope"}))
    assert searched(other, "zephyr", "ana")[:1] in ([item(21)], [item(25)])
    assert set(searched(other, "zephyr")) == {item(21), item(25)}
    kept(client.patch(f"/v1/items/{item(25)}", json={"available": False}))
    kept(other.delete(f"/v1/items/{item(21)}"))
    for replica in (client, other):
        assert searched(replica, "zephyr") == []


def test_a_search_finds_a_new_item_until_it_is_sold_out_or_gone(make_client):
    client, other = make_client(), make_client()
    kept(client.put("/v1/items/pan-9000", json=NEW | {"description": "Of hammered copper"}))
    for replica in (client, other):
        await_item(replica, "pan-9000")
        assert searched(replica, "a new pan")[0] == "pan-9000"
        assert searched(replica, "copper", "ana") == ["pan-9000"]
        assert "pan-9000" in searched(replica, "kitchen")
        like = replica.get(f"/v1/items/{item(0)}/similar?by=words&k=100").json()["items"]
        assert "pan-9000" in [one["item"]["item_id"] for one in like]
    kept(client.patch("/v1/items/pan-9000", json={"available": False}))
    assert searched(client, "copper") == searched(other, "copper") == []
    kept(client.patch("/v1/items/pan-9000", json={"available": True}))
    assert searched(other, "copper") == ["pan-9000"]
    kept(other.delete("/v1/items/pan-9000"))
    assert searched(client, "copper") == searched(other, "copper") == []


def test_a_change_that_comes_late_changes_nothing(client):
    late = {"available": False, "ts": "2026-01-01T00:00:00Z"}
    kept(client.patch(f"/v1/items/{item(20)}", json={"available": True}))
    kept(client.patch(f"/v1/items/{item(20)}", json=late))
    assert "list" in shown_anywhere(client, item(20))


def test_a_change_counts_once_by_its_id(client):
    body = {"available": False, "change_id": "c-1"}
    kept(client.patch(f"/v1/items/{item(20)}", json=body))
    again = client.patch(f"/v1/items/{item(20)}", json=body | {"available": True}).json()
    assert (again["accepted"], again["duplicate"]) == (0, 1)
    assert shown_anywhere(client, item(20)) == set()


def test_an_id_of_a_change_is_none_of_an_event(client):
    assert post(client, event("e-1")).json()["accepted"] == 1
    kept(client.patch(f"/v1/items/{item(20)}", json={"available": False, "change_id": "e-1"}))


def test_a_new_item_is_listed_asked_for_bought_and_a_reason(make_client):
    client, other = (make_client(reason_min_share=0.0) for _ in range(2))
    kept(client.put("/v1/items/pan-9000", json=NEW))
    for replica in (client, other):
        await_item(replica, "pan-9000")
        similar = replica.get("/v1/items/pan-9000/similar", params={"k": 5}).json()
        assert similar["item"] | NEW == similar["item"]
        assert similar["item"]["new"] is True
        assert {one["item"]["category"] for one in similar["items"]} == {"Home/Kitchen"}
        answer = listed(replica)
        [shown] = [one for one in answer["items"] if one["item"]["item_id"] == "pan-9000"]
        assert shown["item"]["new"] is True
        [popular] = [r["text"] for r in shown["reasons"] if r["kind"] == "popular"]
        assert popular == "New in the shop"
        total = sum(reason["contribution"] for reason in shown["reasons"])
        assert total == pytest.approx(shown["score"], abs=1e-4)
    assert post(client, event("e-1", "lou", "pan-9000")).json()["unknown_item"] == []
    answer = listed(client, "lou")
    assert "pan-9000" not in ids(answer)
    assert any(r.get("item_id") == "pan-9000" for one in answer["items"] for r in one["reasons"])
    kept(client.delete("/v1/items/pan-9000"))
    assert "pan-9000" not in ids(listed(other))


def test_many_items_at_once_each_for_itself(client):
    answer = client.post(
        "/v1/items",
        json={
            "items": [
                {"item_id": "n1", **NEW},
                {"item_id": item(20), "op": "patch", "available": False},
                {"item_id": item(24), "op": "delete"},
                {"item_id": "n2", "title": "No price", "price": -1},
            ]
        },
    )
    assert answer.status_code == 207
    body = answer.json()
    assert body["accepted"] == 3
    [refused] = body["refused"]
    assert (refused["index"], refused["where"]) == (3, "body.items[3].price")
    assert "below 0" in refused["reason"]
    assert shown_anywhere(client, item(20)) | shown_anywhere(client, item(24)) == set()
    wait_until(lambda: "n1" in ids(listed(client)))


def test_a_new_tie_is_in_the_next_list_of_both(client, features):
    features.consent["max"] = (True, True)
    assert friends_of(listed(client, "max")) == set()
    kept(client.put("/v1/users/max/ties/cleo", json={"kind": "friend"}))
    assert "cleo" in friends_of(listed(client, "max"))
    assert "max" in friends_of(listed(client, "cleo"))
    kept(client.delete("/v1/users/cleo/ties/max"), len(TieKind))
    assert friends_of(listed(client, "max")) == friends_of(listed(client, "cleo")) == set()


def test_who_was_brought_by_somebody_is_tied_to_them_where_the_shop_wants_it(make_client, folder):
    brought = [event(f"r{n}", "max", item(30 + n), referrer_user_id="cleo") for n in range(3)]
    quiet = make_client()
    assert post(quiet, *brought).json()["accepted"] == 3
    assert friends_of(listed(quiet, "max")) == set()
    client = make_client(referral_weight=0.1)
    for sent in (brought[:2], brought):
        sent = [one | {"event_id": f"x{one['event_id']}"} for one in sent]
        post(client, *sent)
    assert client.get("/v1/users/max").json()["num_friends"] == 1
    # Anybody may say that somebody brought them: that names nobody.
    assert friends_of(listed(client, "max")) == friends_of(listed(client, "cleo")) == set()
    rows = SqliteRows(folder / "events.sqlite")
    assert weight_of(values_of(rows.ties_of("max")["cleo", "referral"])) == pytest.approx(0.3)
    rows.close()


def test_who_follows_is_told_no_name_until_they_are_followed_back(client):
    kept(client.put("/v1/users/max/ties/cleo", json={"kind": "follow"}))
    assert client.get("/v1/users/max").json()["num_friends"] == 1
    assert friends_of(listed(client, "max")) == friends_of(listed(client, "cleo")) == set()
    kept(client.put("/v1/users/cleo", json={"may_be_named": True}))
    assert friends_of(listed(client, "max")) == set()
    kept(client.put("/v1/users/cleo/ties/max", json={"kind": "follow"}))
    assert "cleo" in friends_of(listed(client, "max"))
    assert "max" in friends_of(listed(client, "cleo"))


def test_a_tie_that_ends_leaves_the_next_list(client):
    assert "bea" in friends_of(listed(client))
    kept(
        client.post(
            "/v1/ties",
            json={
                "ties": [
                    {"src_user_id": "ana", "dst_user_id": "bea", "kind": "friend", "op": "delete"}
                ]
            },
        )
    )
    assert "bea" not in friends_of(listed(client))


def test_a_tie_is_as_strong_as_training_would_say(client, features, folder):
    features.recent["eve"] = recent(2, 6, 7)
    kept(client.put("/v1/users/max/ties/eve", json={"weight": 3.0}))
    rows = SqliteRows(folder / "events.sqlite")
    for follower, followee in (("max", "eve"), ("eve", "max")):
        state = rows.ties_of(follower)[followee, "friend"]
        assert state["strengths"][0] == pytest.approx([math.log(4), 0.0, math.log(3), 0.0])
    rows.close()


def test_consent_that_is_withdrawn_takes_effect_in_the_next_list(make_client):
    client, other = make_client(), make_client()
    assert {"bea", "cleo"} <= friends_of(listed(client))
    kept(client.put("/v1/users/bea", json={"may_be_named": False}))
    assert friends_of(listed(other)) & {"bea", "cleo"} == {"cleo"}
    before = other.get("/v1/users/ana").json()["num_friends"]
    kept(client.put("/v1/users/bea", json={"may_be_used": False}))
    assert other.get("/v1/users/ana").json()["num_friends"] == before - 1
    kept(client.put("/v1/users/bea", json={"may_be_named": True, "may_be_used": True}))
    assert {"bea", "cleo"} <= friends_of(listed(other))


def test_who_withdraws_is_no_longer_offered_on_any_replica(make_client):
    client, other = make_client(), make_client()
    offered = other.get("/v1/shoppers").json()
    assert {"ana", "bea", "max"} == set(offered["shoppers"])
    kept(client.put("/v1/users/bea", json={"may_be_used": False}))
    left = other.get("/v1/shoppers").json()
    assert (set(left["shoppers"]), left["total"]) == ({"ana", "max"}, 2)
    assert other.get("/v1/shoppers?q=be").json() == {"shoppers": [], "total": 0}
    kept(client.put("/v1/users/bea", json={"may_be_named": False}))
    assert other.get("/v1/shoppers").json() == left, "another word does not take it back"
    kept(client.put("/v1/users/bea", json={"may_be_used": True}))
    assert other.get("/v1/shoppers").json() == offered


def test_a_live_tie_tells_nothing_of_who_refuses(client, features):
    features.consent |= {"shy": (False, True), "zoe": (True, False)}
    features.recent["zoe"] = features.recent["cleo"]
    for other in ("shy", "zoe"):
        kept(client.put(f"/v1/users/max/ties/{other}", json={"kind": "follow"}))
    answer = client.get("/v1/users/max").json()
    assert (answer["num_friends"], answer["friends"]) == (1, [])
    assert friends_of(listed(client, "max")) == set()


def test_only_who_has_the_token_changes_anything_where_there_is_one(make_client):
    client = make_client(change_token="of-the-shop-itself")
    path, body = f"/v1/items/{item(20)}", {"available": False}
    for sent in ({}, {"Authorization": "Bearer of-somebody-else-here"}):
        for method, to, what in (
            ("PATCH", path, body),
            ("DELETE", path, None),
            ("PUT", "/v1/users/bea", {"may_be_used": False}),
            ("POST", "/v1/ties", {"ties": [{"src_user_id": "a", "dst_user_id": "b"}]}),
        ):
            assert client.request(method, to, json=what, headers=sent).status_code == 401
    assert "list" in shown_anywhere(client, item(20))
    headers = {"Authorization": "Bearer of-the-shop-itself"}
    kept(client.patch(path, json=body, headers=headers))
    assert shown_anywhere(client, item(20)) == set()


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("PUT", "/v1/items/a", {"price": 1}, "title"),
        ("PUT", "/v1/items/a", {"title": "A", "price": -1}, "price"),
        ("PATCH", "/v1/items/a", {"available": "perhaps"}, "available"),
        ("PATCH", "/v1/items/a", {"stock": 3}, "stock"),
        ("PATCH", "/v1/items/a", {"price": 1, "ts": "2190-01-01"}, "ts"),
        ("PUT", "/v1/users/ana/ties/ana", {}, "dst_user_id"),
        ("PUT", "/v1/users/ana/ties/bea", {"kind": "foe"}, "kind"),
        ("PUT", "/v1/users/ana/ties/bea", {"weight": 0}, "weight"),
        ("PUT", "/v1/users/ana", {"may_be_used": "hm"}, "may_be_used"),
        ("POST", "/v1/items", {"items": []}, "items"),
        ("POST", "/v1/ties", {"ties": [{"src_user_id": "a"}]}, "dst_user_id"),
    ],
)
def test_what_does_not_fit_is_named(client, method, path, body, where):
    answer = client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert where in answer.text


def test_a_change_id_with_nothing_in_it_is_refused(client):
    """Taken for none, each of two equal changes would count."""
    for sent in ("", " "):
        answer = client.patch(f"/v1/items/{item(3)}", json={"price": 1, "change_id": sent})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"] == "body.change_id"
