"""A batch of events: the bad ones are named, the good ones are kept."""

import json

import pytest
from asking import assert_problem, event, ids, list_of, post, receipt
from small_shop import item, write_small_release

from serving.features.recent import RecentList
from serving.ingestion.intake import FIELDS

BAD = {
    "kind": ({"event": "like"}, "event", "'like': none of view"),
    "no kind": ({"event": None}, "event", "missing, expected one of view"),
    "field": ({"evnt": 1}, "evnt", "did you mean event?"),
    "split": ({"split": "train"}, "split", "no such field"),
    "value": ({"value": "much"}, "value", "'much': no number"),
    "value not finite": ({"value": float("nan")}, "value", "nan: not a finite number"),
    "value too large": ({"value": 1e39}, "value", "1e+39: over 1e+12"),
    "value a list": ({"value": [1]}, "value", "a list: a list or an object, expected one value"),
    "value yes": ({"value": True}, "value", "true: true or false, expected"),
    "refund": ({"event": "purchase", "value": -1}, "value", "-1: below 0"),
    "stars": ({"event": "rating", "value": 9}, "value", "9: over 5"),
    "thumb": ({"event": "rating"}, "value", "a rating without its value"),
    "half a shopper": ({"user_id": 12.5}, "user_id", "12.5: a number with a fraction"),
    "inexact": ({"item_id": 1e17}, "item_id", "1e+17: a number with a fraction, or too large"),
    "review": ({"event": "review", "value": 6}, "value", "6: over 5"),
    "no id": ({"event_id": ""}, "event_id", "''"),
    "no shopper": ({"user_id": None}, "user_id", "missing, expected text of 1 to 256"),
    "long": ({"user_id": "x" * 257}, "user_id", "longer than 256"),
    "yes is no id": ({"user_id": False}, "user_id", "false: true or false"),
    "object": ({"item_id": {"id": 1}}, "item_id", "an object"),
    "word for nothing": ({"item_id": "NULL"}, "item_id", "'NULL'"),
    "digits lost": ({"item_id": "1.2E+11"}, "item_id", "'1.2E+11'"),
    "control": ({"referrer_user_id": "a\nb"}, "referrer_user_id", "control characters"),
    "no share": ({"invited_user_id": "bea"}, "invited_user_id", "of an event that is no share"),
    "with oneself": (
        {"event": "share", "user_id": "bea", "invited_user_id": "bea"},
        "invited_user_id",
        "a share with oneself",
    ),
    "invited control": (
        {"event": "share", "invited_user_id": "a\nb"},
        "invited_user_id",
        "control characters",
    ),
    "half a character": ({"text": "\ud800"}, "text", "half of a character"),
    "half in an id": ({"user_id": "\ud800"}, "user_id", "half of a character"),
    "list": ({"list_id": "a\0"}, "list_id", "control characters"),
    "list of lists": ({"list_id": ["a"]}, "list_id", "a list"),
    "no time": ({"ts": "yesterday"}, "ts", "'yesterday': no time in ISO 8601"),
    "empty time": ({"ts": ""}, "ts", "expected ISO 8601"),
    "day number": ({"ts": 45678}, "ts", "day number"),
    "old": ({"ts": "2001-01-01"}, "ts", "from 3650 days ago"),
    "future": ({"ts": "2199-01-01"}, "ts", "in the future"),
}


def good(**more):
    return event(**more)


@pytest.mark.parametrize(("change", "field", "reason"), BAD.values(), ids=list(BAD))
def test_a_bad_event_is_named_and_takes_no_other_with_it(client, change, field, reason):
    batch = [good(event_id="a"), event("bad") | change, good(event_id="c", user_id="max")]
    answer = post_as_it_is(client, batch)
    assert answer.status_code == 207
    told = answer.json()
    assert (told["accepted"], told["duplicate"], told["applied"]) == (2, 0, True)
    (refused,) = told["refused"]
    assert refused["index"] == refused["place"]
    assert (refused["index"], refused["where"]) == (1, f"body.events[1].{field}")
    assert reason in refused["reason"]
    name = change.get("event_id", "bad")
    assert refused.get("event_id") == name
    # What is left is mended and sent again, or all of it is.
    again = post(client, good(event_id="a"), event("bad", kind="view"), good(event_id="c"))
    assert again.json() == receipt(accepted=1, duplicate=2)


def post_as_it_is(client, batch, query=""):
    """With what JSON knows and httpx refuses: NaN, halves of characters."""
    content = json.dumps({"events": batch})
    return client.post(
        f"/v1/events{query}", content=content, headers={"content-type": "application/json"}
    )


@pytest.mark.parametrize("one", [None, 3, "x", [], [event()], True])
def test_what_is_no_event_is_named(client, one):
    told = post(client, one, event()).json()
    assert told["accepted"] == 1
    assert told["refused"][0]["where"] == "body.events[0]"
    assert told["refused"][0]["event_id"] is None
    assert "expected an object with event_id" in told["refused"][0]["reason"]


def test_a_batch_of_which_none_fits_is_a_problem_that_names_each(client):
    batch = [event(f"e{n}", kind="like") for n in range(500)]
    body = assert_problem(post(client, *batch), 422)
    wheres = [one["where"] for one in body["errors"]]
    assert wheres == [f"body.events[{n}].event" for n in range(500)]
    assert "500 of 500 do not fit" in body["detail"]


def test_each_of_many_bad_ones_is_named_in_the_receipt(client):
    batch = [event(f"e{n}", kind="like" if n % 2 else "view") for n in range(500)]
    told = post(client, *batch).json()
    assert told["accepted"] == 250
    assert [one["index"] for one in told["refused"]] == list(range(1, 500, 2))


def test_case_04_what_ingest_refuses_is_refused_at_once(client):
    batch = [BAD[name][0] for name in ("refund", "stars", "thumb")]
    body = assert_problem(post(client, *(event(f"e{n}") | b for n, b in enumerate(batch))), 422)
    assert [one["where"] for one in body["errors"]] == [f"body.events[{n}].value" for n in range(3)]


def test_all_or_none_is_to_be_had(client, features):
    before = features.recent["ana"]
    answer = post_as_it_is(
        client, [event("a"), event("b", kind="like"), event("c", kind="x")], "?atomic=true"
    )
    body = assert_problem(answer, 422)
    assert [one["where"] for one in body["errors"]] == [f"body.events[{n}].event" for n in (1, 2)]
    assert "atomic=true" in body["detail"]
    assert features.recent["ana"] == before
    answer = post_as_it_is(client, [event("a"), event("b", item_id="new")], "?atomic=true")
    assert answer.json() == receipt(accepted=2, unknown_item=["new"])


def test_of_two_events_with_one_id_the_first_good_one_counts(client, features):
    told = post(
        client,
        event("e", "new", item(1), "like"),
        event("e", "new", item(2)),
        event(" e ", "new", item(3)),
        event("e", "new", item(4)),
    ).json()
    assert (told["accepted"], told["duplicate"], len(told["refused"])) == (1, 2, 1)
    assert features.recent["new"].item_ids == (item(2),)


def test_case_17_an_event_of_a_new_item_is_kept_and_the_item_named(client, features):
    batch = [
        event("b1", "u1", item(1), "view"),
        event("b2", "u1", "new-this-morning", "view"),
        event("b3", "u2", item(2), "cart"),
        event("b4", "u2", "new-this-morning", "cart"),
    ]
    answer = post(client, *batch)
    assert answer.status_code == 200
    assert answer.json() == receipt(accepted=4, unknown_item=["new-this-morning"])
    assert set(features.recent["u1"].item_ids) == {item(1), "new-this-morning"}


def test_an_unknown_item_changes_no_list_and_hides_nobodys_history(client, features):
    before = list_of(client, "ana")
    post(client, *(event(f"n{n}", "ana", f"new-{n}") for n in range(50)))
    after = list_of(client, "ana")
    assert ids(after) == ids(before)
    assert after["source"] == "own"
    shown = client.get("/v1/users/ana").json()
    assert [one["item"]["item_id"] for one in shown["history"]] == [item(0), item(4), item(12)]


def test_who_only_had_unknown_items_is_a_stranger_still(client):
    post(client, event("n", "newcomer", "new"))
    assert list_of(client, "newcomer")["source"] == "popular"
    assert client.get("/v1/users/newcomer").json()["history"] == []


def test_an_item_that_only_the_canary_knows_is_known(make_client, folder):
    client = make_client(canary=write_small_release(folder / "v2", "v2", ["of-the-canary"]))
    told = post(client, event("a", item_id="of-the-canary"), event("b", item_id="of-none")).json()
    assert told == receipt(accepted=2, unknown_item=["of-none"])


def test_unknown_items_take_places_like_others_and_the_oldest_make_way(client, features):
    features.recent["old"] = RecentList((item(1),), (0,), (1,))
    post(client, *(event(f"n{n}", "old", f"new-{n}") for n in range(200)))
    assert item(1) not in features.recent["old"].item_ids
    assert len(features.recent["old"]) == 200


@pytest.mark.parametrize(
    ("ts", "ms"),
    [
        ("2025-06-01T12:00:00+02:00", 1748772000000),
        ("2025-06-01T10:00:00", 1748772000000),
        ("2025-06-01 10:00:00 UTC", 1748772000000),
        ("20250601", 1748736000000),
        ("2025-06-01", 1748736000000),
        (1748772000, 1748772000000),
        ("1748772000", 1748772000000),
        (1748772000.25, 1748772000250),
        (1748772000123, 1748772000123),
        (1748772000123456, 1748772000123),
        (1748772000123456789, 1748772000123),
    ],
)
def test_times_are_read_as_in_files(client, features, ts, ms):
    assert post(client, event(ts=ts, user_id="new")).json() == receipt(accepted=1)
    assert features.recent["new"].ts_ms == (ms,)


def test_a_long_text_is_cut_and_said_to_be(client):
    long, short = "a" * 20_001, "a" * 20_000
    told = post(client, event("a", text=short), event("b", text=long), event("c", text=None))
    assert told.json() == receipt(accepted=3, shortened=[1])


@pytest.mark.parametrize(
    ("user", "kept"),
    [(12, "12"), (12.0, "12"), ("12.0", "12"), (-3, "-3"), (10**30, "1" + "0" * 30)],
)
def test_a_number_for_an_id_is_its_digits(client, features, user, kept):
    assert post(client, event(user_id=user)).json() == receipt(accepted=1)
    assert kept in features.recent


def test_returns_and_dislikes_are_taken_and_kinds_in_any_case(client):
    batch = [event("a", kind="return"), event("b", kind="dislike"), event("c", kind=" View ")]
    assert post(client, *batch).json() == receipt(accepted=3)


def test_refused_events_are_counted_by_a_bounded_label(client):
    post(client, event("a"), event("b", kind="like"), event("c", user_id=""))
    told = client.get("/metrics").text
    assert 'coterie_events_total{kind="other",outcome="refused"} 1.0' in told
    assert 'coterie_events_total{kind="purchase",outcome="refused"} 1.0' in told
    assert 'coterie_events_total{kind="purchase",outcome="accepted"} 1.0' in told


def test_a_batch_that_is_partly_kept_while_features_are_down_says_so(client, features):
    features.down = True
    answer = post(client, event("a"), event("b", kind="like"))
    assert (answer.status_code, answer.json()["applied"]) == (207, False)


def test_the_description_names_the_fields_that_are_taken(client):
    described = client.get("/openapi.json").json()["components"]["schemas"]
    assert set(described["EventIn"]["properties"]) == set(FIELDS)
    events = described["EventBatch"]["properties"]["events"]
    assert set(events["items"]["properties"]) == set(FIELDS)
