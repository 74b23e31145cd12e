"""Ids have one form: what ingest took can be asked for and posted, however it is written."""

import csv
import uuid
from urllib.parse import quote

import pyarrow as pa
import pytest
from asking import ODD, assert_problem, event, receipt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_shop import friends_named, item, recent, write_small_release
from test_normalizing import asked_as_it_is

from coterie.data.ids import MAX_ID, normal_id
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from serving.api.directory import ShopperDirectory


def takes(text):
    try:
        return bool(normal_id(text))
    except BadInputError:
        return False


IDS = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=40)).filter(takes)


def encoded(text):
    """As a path holds it; dots too, which clients would take for steps."""
    return quote(text, safe="").replace(".", "%2E")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(user=IDS, other=IDS)
@example(user="..", other="a/b")
@example(user="Zoe\u0308", other="%2F")
def test_whatever_is_an_id_can_be_asked_for_and_posted(client, features, user, other):
    features.recent, features.friends = {}, {}
    first, second = (f"{uuid.uuid4()}{other}" for _ in range(2))
    one = {"event_id": first, "user_id": user, "item_id": item(20), "event": "purchase"}
    more = {"event_id": second, "user_id": user, "item_id": other, "event": "view"}
    more |= {"referrer_user_id": other, "list_id": other}
    if takes(first):
        told = client.post("/v1/events", json={"events": [one, more]}).json()
        assert told["refused"] == []
        assert told["unknown_item"] == [normal_id(other)]
        assert list(features.recent) == [normal_id(user)]
        assert set(features.recent[normal_id(user)].item_ids) == {item(20), normal_id(other)}
    answer = asked_as_it_is(client, f"/v1/users/{encoded(user)}/recommendations?k=2")
    assert answer.status_code == 200, answer.text
    assert answer.json()["user_id"] == normal_id(user)
    assert asked_as_it_is(client, f"/v1/users/{encoded(user)}").json()["user_id"] == normal_id(user)
    missing = assert_problem(asked_as_it_is(client, f"/v1/items/{encoded(other)}/similar"), 404)
    assert "catalogue" in missing["detail"]
    found = client.get("/v1/items", params={"ids": [other, item(2)]}).json()["items"]
    assert [entry["item_id"] for entry in found] == [item(2)]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(min_size=1, max_size=300).filter(lambda text: not takes(text)))
@example(text="x" * (MAX_ID + 1))
@example(text="\u202e")
def test_whatever_is_none_is_refused_everywhere(client, text):
    if "\ud800" <= max(text) <= "\udfff":
        return  # no text that could be sent
    told = client.post("/v1/events", json={"events": [event(user_id=text)]})
    assert told.status_code == 422
    path = f"/v1/users/{encoded(text)}/recommendations"
    assert_problem(asked_as_it_is(client, path), 422)
    assert_problem(client.get("/v1/items", params={"ids": text}), 422)


@pytest.fixture
def odd_shop(features, make_client, folder):
    """Whose items and shoppers have odd ids."""
    kept = list(dict.fromkeys(normal_id(text) for text in ODD))
    odd = write_small_release(folder / "odd", "odd", kept)
    for user in kept:
        features.recent[user] = recent(90, 94)
    return make_client(odd)


@pytest.mark.parametrize("text", ODD)
def test_an_odd_id_has_a_history_and_a_page_of_its_own(odd_shop, text):
    path = f"/v1/users/{encoded(text)}/recommendations?k=3&explain=false"
    assert asked_as_it_is(odd_shop, path).json()["source"] == "own"
    similar = asked_as_it_is(odd_shop, f"/v1/items/{encoded(text)}/similar?k=3").json()
    assert similar["item"]["item_id"] == normal_id(text)
    found = odd_shop.get("/v1/items", params={"ids": text}).json()["items"]
    assert [entry["item_id"] for entry in found] == [normal_id(text)]
    told = odd_shop.post("/v1/events", json={"events": [event(item_id=text, user_id=text)]})
    assert told.json() == receipt(accepted=1)


def test_an_encoded_slash_divides_nothing_and_a_plain_one_does(odd_shop):
    assert asked_as_it_is(odd_shop, "/v1/items/SKU%2F12/similar").status_code == 200
    assert asked_as_it_is(odd_shop, "/v1/items/SKU%2f12/similar").status_code == 200
    missing = assert_problem(asked_as_it_is(odd_shop, "/v1/items/SKU/12/similar"), 404)
    assert "nothing is here" in missing["detail"]
    twice = asked_as_it_is(odd_shop, "/v1/items/%252F/similar").json()
    assert twice["item"]["item_id"] == "%2F"
    # What need not be encoded is the same when it is.
    assert asked_as_it_is(odd_shop, "/%76%31/items/SKU%2F12/%73imilar").status_code == 200


def test_cases_08_and_09_what_ingest_took_is_found_again(odd_shop, features, folder):
    """From files through ingest: the ids of its tables are those that requests are brought to."""
    users = ["a/b", "  Zoe\u0308 ", "12.0", "\U0001f98a" * MAX_ID]
    items = ["SKU/12", "%2F", "Zoe\u0308", "a b"]
    shop = {
        "events": [
            {
                "event_id": f"e{n}",
                "user_id": user,
                "item_id": items[n],
                "event": "purchase",
                "ts": "2024-01-01T00:00:00Z",
            }
            for n, user in enumerate(users)
        ],
        "ties": [{"src_user_id": users[0], "dst_user_id": users[1], "kind": "friend"}],
        "items": [{"item_id": one, "title": "Thing"} for one in items],
    }
    (folder / "in").mkdir()
    for name, rows in shop.items():
        with (folder / "in" / f"{name}.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    ingest(str(folder / "in"), str(folder / "out"))
    dataset = load_dataset(str(folder / "out"))
    features.recent.clear()
    features.friends["a/b"] = friends_named(normal_id(users[1]))
    for user in dataset.users.ids.to_pylist():
        features.recent[user] = recent(90)
    for user in users:
        path = f"/v1/users/{encoded(user)}/recommendations?k=3"
        assert asked_as_it_is(odd_shop, path).json()["source"] == "own"
    known = set(dataset.items.ids.to_pylist())
    for one in items:
        answer = asked_as_it_is(odd_shop, f"/v1/items/{encoded(one)}/similar").json()
        assert answer["item"]["item_id"] in known


def test_shoppers_are_found_in_whatever_form_their_ids_are_typed(make_client, folder):

    directory = ShopperDirectory(pa.array(["Zo\u00eb", "nancy", "NULLA"]))
    for typed, found in [("Zoe\u0308", "Zo\u00eb"), (" nan ", "nancy"), ("NULL", "NULLA")]:
        assert directory.find(typed, 5).shoppers == [found]
    assert directory.find(" ", 5).total == 3


def test_logs_have_one_pseudonym_for_all_forms_of_an_id(client, caplog):
    with caplog.at_level("INFO", "coterie.serving"):
        for typed in ("Zoe%CC%88", "Zo%C3%AB", "%20Zo%C3%AB", "a%2Fb", "%00"):
            client.get(f"/v1/users/{typed}/recommendations")
    said = [one.fields["user"] for one in caplog.records if "user" in one.fields]
    assert len(said) == 5
    assert len(set(said[:3])) == 1
    assert len(set(said)) == 3


def test_simulated_ids_are_in_the_one_form():
    shop = simulate(ShopConfig(num_users=40, num_items=30, num_events=300))
    for ids in (shop.world.user_ids, shop.world.item_ids):
        assert [normal_id(one) for one in ids.tolist()] == ids.tolist()
