"""The door of the API, where ids of people become pseudonyms: paths, bodies, tokens, pages."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from asking import assert_problem, event, ids, list_of, post
from small_shop import friends_named, item, recent

from coterie.access.keys import make_key, written
from coterie.access.scopes import Scope
from coterie.data.pseudonyms import PseudonymKeys
from coterie.schema import TieKind
from serving.features.online_store import FakeFeatures

FIRST, SECOND = "1" * 32, "2" * 32
KEYS, BOTH = PseudonymKeys([FIRST]), PseudonymKeys([FIRST, SECOND])
ANA, BEA = KEYS.of("ana"), KEYS.of("bea")
LOOKS_LIKE_ONE = "has the form of a pseudonym: send the id that the shop has"


@pytest.fixture
def features():
    """What a pipeline under the key leaves."""
    return FakeFeatures(
        recent={ANA: recent(0, 4, 12), BEA: recent(1, 5, 9)},
        friends={ANA: friends_named(BEA)},
    )


@pytest.fixture
def shop(make_client):
    return make_client(pseudonym_key=FIRST, storefront=False)


def logged(client):
    [batch] = [client.parts.writer._eraser._log.unexported(100, 1, 0.0)]
    return batch.entries


def test_a_list_is_found_under_the_shops_own_id_however_it_is_written(shop):
    told = list_of(shop, "ana")
    assert (told["user_id"], told["source"]) == (ANA, "own")
    for text in ("%61na", " ana ", "ana"):  # also where the query string is known already
        assert list_of(shop, text)["user_id"] == ANA
    friends = {reason.get("friend") for one in told["items"] for reason in one["reasons"]}
    assert friends - {None} == {BEA}


def test_events_are_kept_of_pseudonyms_and_the_next_list_knows(shop):
    before = ids(list_of(shop, "ana"))
    plain = event("e1", "ana", before[0], referrer_user_id="bea")
    checked = event("e2", "12.0", item(7), text="read by the check")
    asked = event("e3", "ana", item(9), "share", invited_user_id="bea")
    assert post(shop, plain, checked, asked).status_code == 200
    found = {
        one.event_id: (one.user_id, one.referrer_user_id, one.invited_user_id)
        for one in logged(shop)
    }
    assert found == {
        "e1": (ANA, BEA, None),
        "e2": (KEYS.of("12"), None, None),
        "e3": (ANA, None, BEA),
    }
    assert before[0] not in ids(list_of(shop, "ana"))


def test_ties_and_consents_are_kept_of_pseudonyms(shop):
    assert shop.put("/v1/users/max/ties/ana", json={"kind": "follow"}).status_code == 200
    batch = [{"src_user_id": "max", "dst_user_id": "bea", "kind": "follow"}]
    assert shop.post("/v1/ties", json={"ties": batch}).status_code == 200
    assert shop.put("/v1/users/bea", json={"may_be_named": False}).status_code == 200
    assert shop.delete("/v1/users/max/ties/ana", params={"kind": "trust"}).status_code == 200
    max_ = KEYS.of("max")
    assert [one.key for one in logged(shop)] == [
        (max_, ANA, "follow"),
        (max_, BEA, "follow"),
        (BEA,),
        (max_, ANA, TieKind.TRUST),
    ]
    ties = shop.get("/v1/users/max/data").json()["ties"]
    assert {one["user_id"] for one in ties if one["there"]} == {ANA, BEA}


@pytest.mark.parametrize("who", [ANA, PseudonymKeys([SECOND]).of("ana")])
def test_nobody_is_let_in_by_the_pseudonym_of_another(shop, who):
    """Shoppers who choose their ids might choose what a reason showed them."""
    problem = assert_problem(shop.get(f"/v1/users/{who}/recommendations"), 422)
    assert problem["errors"] == [{"where": "path.user_id", "message": LOOKS_LIKE_ONE}]
    assert_problem(shop.put(f"/v1/users/ana/ties/{who}", json={}), 422)
    sent = post(shop, event("e1", who), event("e2", "ana", referrer_user_id=who), event("e3"))
    assert sent.status_code == 207
    assert [(one["where"], one["reason"]) for one in sent.json()["refused"]] == [
        ("body.events[0].user_id", LOOKS_LIKE_ONE),
        ("body.events[1].referrer_user_id", LOOKS_LIKE_ONE),
    ]
    ties = [{"src_user_id": "ana", "dst_user_id": who, "kind": "follow"}]
    assert (
        LOOKS_LIKE_ONE in assert_problem(shop.post("/v1/ties", json={"ties": ties}), 422)["detail"]
    )


def test_a_wrong_path_is_told_after_who_asks_is_known(make_client, folder):
    kept, key = make_key("lists", [Scope.LISTS], datetime.now(UTC))
    (folder / "keys.json").write_text(written([kept]))
    shop = make_client(pseudonym_key=FIRST, storefront=False, keys=str(folder / "keys.json"))
    path = f"/v1/users/{ANA}/recommendations"
    assert shop.get(path).status_code == 401
    assert shop.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 422


def test_a_shoppers_token_is_bound_to_what_stands_for_them(make_client, folder):
    kept, key = make_key("lists", [Scope.LISTS], datetime.now(UTC))
    (folder / "keys.json").write_text(written([kept]))
    shop = make_client(pseudonym_key=FIRST, storefront=False, keys=str(folder / "keys.json"))
    made = shop.post("/v1/users/ana/tokens", headers={"Authorization": f"Bearer {key}"}).json()
    assert made["user_id"] == ANA
    own = {"Authorization": f"Bearer {made['token']}"}
    assert shop.get("/v1/users/ana/recommendations", headers=own).status_code == 200
    assert shop.get("/v1/users/bea/recommendations", headers=own).status_code == 403


def test_pages_of_the_demonstration_name_people_by_pseudonyms(make_client):
    pages = make_client(pseudonym_key=FIRST, storefront=True)
    assert list_of(pages, ANA)["items"] == list_of(pages, "ana")["items"]
    assert pages.get(f"/v1/users/{ANA}").json()["friends"][0]["user_id"] == BEA
    other = PseudonymKeys([SECOND]).of("ana")
    assert_problem(pages.get(f"/v1/users/{other}/recommendations"), 422)


def test_the_directory_finds_a_whole_id(make_client):
    pages = make_client(pseudonym_key=FIRST, storefront=True)
    pages.parts.directory._ids = pa.array([ANA, BEA])
    for q in ("ana", ANA, ANA[:20]):
        assert ANA in pages.get("/v1/shoppers", params={"q": q}).json()["shoppers"]
    assert pages.get("/v1/shoppers", params={"q": "an-a"}).json()["total"] == 0


def test_the_arm_that_is_told_is_the_one_that_answers(make_client):
    token = "t" * 32
    shop = make_client(pseudonym_key=FIRST, storefront=False, admin_token=token)
    answer = shop.get(
        "/v1/admin/rollouts/explain",
        params={"at": "2026-01-01T00:00:00Z", "user": "ana"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text


def test_who_was_erased_before_there_was_this_key_stays_out(make_client):
    before = make_client(pseudonym_key=FIRST, storefront=False)
    assert before.delete("/v1/users/ana").status_code == 200
    plain = make_client(storefront=False)
    assert plain.delete("/v1/users/max").status_code == 200
    after = make_client(pseudonym_key=f"{FIRST}\n{SECOND}", storefront=False)
    for who in ("ana", "max"):
        assert_problem(post(after, event("e1", who)), 422)
        for path in (f"/v1/users/{who}", f"/v1/users/{who}/ties/bea", f"/v1/users/bea/ties/{who}"):
            assert "erased" in assert_problem(after.put(path, json={}), 422)["detail"]
        ties = [{"src_user_id": "bea", "dst_user_id": who, "kind": "follow"}]
        assert_problem(after.post("/v1/ties", json={"ties": ties}), 422)
        assert after.get(f"/v1/users/{who}/data").json()["erased"] is True
        led = event(f"led-{who}", "bea", item(30), referrer_user_id=who)
        asked = event(f"asked-{who}", "bea", item(30), "share", invited_user_id=who)
        assert post(after, led, asked).json()["accepted"] == 2
    events = [one for one in logged(after) if hasattr(one, "event_id")]
    assert len(events) == 4
    assert {(one.referrer_user_id, one.invited_user_id) for one in events} == {(None, None)}
    for who in ("ana", "max"):
        assert after.delete(f"/v1/users/{who}/erasure").json()["lifted"] is True
        assert post(after, event(f"back-{who}", who)).status_code == 200
