import json
import time

import pytest
from asking import event, ids, list_of, post, receipt
from small_shop import NUM_ITEMS, item, make_router


def test_a_list_has_k_items_best_first_and_none_that_the_shopper_had(client):
    listed = list_of(client, "ana", k=10)
    assert len(listed["items"]) == 10
    assert [entry["rank"] for entry in listed["items"]] == list(range(1, 11))
    scores = [entry["score"] for entry in listed["items"]]
    assert scores == sorted(scores, reverse=True)
    assert not {item(0), item(4), item(12)} & set(ids(listed))


def test_an_unavailable_item_is_never_shown(client):
    assert item(8) not in ids(list_of(client, "ana", k=100))


@pytest.mark.parametrize(
    ("user", "source"), [("ana", "own"), ("max", "own"), ("lou", "friends"), ("nobody", "popular")]
)
def test_a_list_says_what_it_draws_on(client, user, source):
    assert list_of(client, user)["source"] == source


def test_a_stranger_gets_popular_items_and_a_reason_that_says_so(client):
    listed = list_of(client, "nobody", k=3)
    assert ids(listed) == [item(0), item(1), item(2)]
    assert [r["kind"] for entry in listed["items"] for r in entry["reasons"]] == ["popular"] * 3


def test_the_reasons_of_an_item_add_up_to_its_score(client):
    for entry in list_of(client, "ana", k=20)["items"]:
        parts = [reason["contribution"] for reason in entry["reasons"]]
        assert sum(parts) == pytest.approx(entry["score"], abs=1e-5)
        assert sum(r["share"] for r in entry["reasons"]) == pytest.approx(1, abs=1e-5)


def test_friends_who_bought_the_item_are_named_and_nothing_is_said_of_the_shy_one(client):
    listed = list_of(client, "ana", k=100)
    (entry,) = [e for e in listed["items"] if e["item"]["item_id"] == item(1)]
    (reason,) = [r for r in entry["reasons"] if r.get("item_id") == item(1)]
    assert reason["text"] in {
        "bea and 1 more person you know bought this",
        "cleo and 1 more person you know bought this",
    }
    assert reason["num_friends"] == 2
    assert "shy" not in json.dumps(listed)


def test_reasons_are_left_out_when_nobody_asks(client):
    listed = list_of(client, "ana", explain=False)
    assert all("reasons" not in entry for entry in listed["items"])


def test_the_next_list_takes_an_event_into_account(client):
    before = list_of(client, "max")
    answer = post(client, event("e9", "max", ids(before)[0]))
    assert answer.status_code == 200
    assert answer.json() == receipt(accepted=1)
    after = list_of(client, "max")
    assert ids(before)[0] not in ids(after)


@pytest.mark.parametrize(
    "against",
    [
        [event("r", "max", item(2), "return")],
        [event("r", "max", item(2), "dislike")],
        [event("r", "max", item(2), "rating", value=1)],
        [event("r", "max", item(2), "review", value=2.5, text="Broke at once")],
    ],
    ids=["return", "dislike", "bad rating", "bad review"],
)
def test_to_turn_an_item_down_takes_back_that_it_was_bought(client, against):
    def reasons(listed):
        found = [r for entry in listed["items"] for r in entry["reasons"]]
        return {item_id for reason in found for item_id in reason.get("item_ids", [])}

    assert item(2) in reasons(list_of(client, "max", k=50))
    assert post(client, *against).status_code == 200
    listed = list_of(client, "max", k=100)
    assert item(6) in reasons(listed)
    assert item(2) not in reasons(listed) | set(ids(listed))
    assert post(client, event("again", "max", item(2), "cart")).status_code == 200
    assert item(2) in reasons(list_of(client, "max", k=50))


def test_a_view_moves_the_list_towards_its_category(client):
    def books(listed):
        return sum(entry["item"]["category"].startswith("Sports") for entry in listed["items"])

    before = books(list_of(client, "max"))
    post(client, *(event(f"e{row}", "max", item(row), "view") for row in (1, 5, 9, 13, 17, 21)))
    assert books(list_of(client, "max")) > before


def test_a_friends_event_changes_the_list_of_who_follows_them(client):
    before = list_of(client, "lou", k=5)
    post(client, *(event(f"e{row}", "bea", item(row)) for row in (2, 6, 10, 14, 18, 22, 26)))
    assert ids(list_of(client, "lou", k=5)) != ids(before)


def test_the_same_event_twice_counts_once(client):
    first, second = post(client, event()), post(client, event(), event("e2"))
    assert first.json()["accepted"] == 1
    assert second.json() == receipt(accepted=1, duplicate=1)


def test_an_event_twice_in_one_batch_counts_once(client):
    assert post(client, event(), event()).json()["duplicate"] == 1


@pytest.mark.parametrize("ts", ["2999-01-01T00:00:00Z", "1902-01-01T00:00:00Z", 17000, "x", ""])
def test_a_time_that_cannot_be_is_refused(client, ts):
    answer = post(client, event(ts=ts))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.events[0].ts"


def test_an_event_keeps_its_own_time(client, features):
    post(client, event(ts="2025-06-01T12:00:00+02:00", user_id="new"))
    assert features.recent["new"].ts_ms == (1748772000000,)


def test_an_event_without_a_time_happened_now(client, features):
    before = time.time()
    post(client, event(user_id="new"))
    assert before - 1 < features.recent["new"].ts_ms[0] / 1000 < time.time() + 1


def test_events_are_kept_while_the_feature_store_is_down_and_applied_later(client, features):
    features.down = True
    answer = post(client, event("e1", "max", item(20)))
    assert (answer.status_code, answer.json()["applied"]) == (202, False)
    features.down = False
    assert post(client, event("e2", "max", item(24))).json()["applied"]
    assert {item(20), item(24)} <= set(features.recent["max"].item_ids)


def test_similar_items_share_a_category(client):
    answer = client.get(f"/v1/items/{item(3)}/similar?k=5").json()
    assert {entry["item"]["category"] for entry in answer["items"]} == {"Garden/Tools"}
    assert item(3) not in [entry["item"]["item_id"] for entry in answer["items"]]


def test_items_are_found_by_id_and_by_words(client):
    found = client.get("/v1/items", params={"ids": [item(7), "none", item(2)]}).json()["items"]
    assert [entry["item_id"] for entry in found] == [item(7), item(2)]
    found = client.get("/v1/items?q=climbing+THING&limit=3").json()["items"]
    assert [entry["item_id"] for entry in found] == [item(1), item(5), item(9)]


def test_the_storefront_offers_shoppers_with_ties_first_and_none_who_may_not_be_used(client):
    sample = client.get("/v1/shoppers").json()
    assert set(sample["shoppers"][:2]) == {"ana", "bea"}
    assert sample["shoppers"][2:] == ["max"]
    assert client.get("/v1/shoppers?q=an").json() == {"shoppers": ["ana"], "total": 1}


def test_a_shopper_is_shown_with_history_and_named_friends(client):
    shown = client.get("/v1/users/ana").json()
    assert [entry["item"]["item_id"] for entry in shown["history"]] == [item(0), item(4), item(12)]
    assert [friend["user_id"] for friend in shown["friends"]] == ["bea", "cleo"]
    assert shown["num_friends"] == 3
    assert "shy" not in json.dumps(shown)


def test_people_are_shown_by_no_endpoint_without_the_storefront(release, features, folder):
    from fastapi.testclient import TestClient

    from serving.api.application import create_app
    from serving.api.dependencies import AppParts
    from serving.api.directory import ShopperDirectory
    from serving.settings import Settings
    from serving.telemetry.metrics import ServingMetrics

    metrics = ServingMetrics()
    router = make_router(release, features, metrics)
    parts = AppParts(Settings(release="x"), router, None, metrics, ShopperDirectory.empty())
    shut = TestClient(create_app(parts))
    # Of a shopper there is consent to be put, and nothing to be got.
    for path, status in (("/", 404), ("/v1/shoppers", 404), ("/v1/users/ana", 405)):
        assert shut.get(path).status_code == status
    assert shut.get("/v1/users/ana/recommendations").status_code == 200


def test_ready_names_the_release_and_needs_the_feature_store(client, features, release):
    assert client.get("/readyz").json() == {
        "status": "ready",
        "release": "v1",
        "digest": release.digest,
    }
    features.down = True
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_list_may_be_longer_than_what_is_left(client):
    assert len(list_of(client, "ana", k=100)["items"]) == 100
    assert NUM_ITEMS - 4 >= 100


@pytest.mark.parametrize(
    ("accepted", "language", "text"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh", "位您认识的人买过这件商品"),
        ("de", "en", "bought this"),
    ],
)
def test_reasons_come_in_the_language_that_is_accepted(client, accepted, language, text):
    answer = client.get(
        "/v1/users/ana/recommendations?k=100", headers={"Accept-Language": accepted}
    )
    assert answer.headers["Content-Language"] == language
    assert answer.headers["Vary"] == "Accept-Language"
    told = [r["text"] for entry in answer.json()["items"] for r in entry["reasons"]]
    assert any(text in one for one in told)
