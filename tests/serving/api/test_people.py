"""What is kept of a person, to have and to have removed, over HTTP."""

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from asking import assert_problem, event, ids, list_of, post
from small_shop import item

from coterie.impressions import person
from coterie.impressions.table import ShownList, impressions_table, read_impressions
from serving.events.sqlite_log import SqliteLog
from serving.ingestion.sweep import Sweeper

WHO = "bea"


def data(client, user=WHO, **query):
    answer = client.get(f"/v1/users/{user}/data", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def erase(client, user=WHO):
    answer = client.delete(f"/v1/users/{user}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def say_something(client, who=WHO):
    """Events, ties in both directions, and a consent."""
    answer = post(
        client,
        event("e1", who, item(3)),
        event("e2", who, item(4), "view"),
        event("e3", "ana", item(5), referrer_user_id=who),
    )
    assert answer.status_code == 200, answer.text
    for path, body in (
        (f"/v1/users/{who}/ties/cleo", {"kind": "follow", "weight": 2}),
        (f"/v1/users/max/ties/{who}", {"kind": "trust"}),
        (f"/v1/users/{who}", {"may_be_named": False}),
    ):
        assert client.put(path, json=body).status_code == 200


def test_a_person_gets_all_that_is_kept_of_them(client, features):
    say_something(client)
    features.studies[WHO] = {
        "shopper_network": {"community": 3.0},
        "shopper_behaviour": {"segment_name": "come often", "buys_7d": 0.4},
    }
    found = data(client)
    assert found["network"] == {"community": 3.0}
    assert found["behaviour"] == {"segment_name": "come often", "buys_7d": 0.4}
    assert found["erased"] is False
    assert found["consents"] == {"may_be_named": False, "may_be_used": True, "said_live": True}
    assert {one["item_id"] for one in found["recent"]} >= {item(3), item(4), item(1)}
    assert [one["user_id"] for one in found["friends"]] == ["cleo"]
    [own, of_others] = found["ties"]
    assert (own["user_id"], own["kind"], own["fields"]["weight"]) == ("cleo", "follow", 2.0)
    assert (of_others["user_id"], of_others["direction"]) == (None, "from")


def pages(client, limit, user=WHO):
    found, after = [], ""
    while True:
        page = data(client, user, limit=limit, after=after)
        assert len(page["ties"]) + len(page["log"]) <= 2 * limit
        found.append(page)
        if page["next"] is None:
            return found
        after = page["next"]


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_page_by_page_each_thing_comes_once(client, limit):
    say_something(client)
    found = pages(client, limit)
    assert len([one for page in found for one in page["ties"]]) == 2
    log = [one for page in found for one in page["log"]]
    assert len(log) == 6
    events = [one["fields"]["event_id"] for one in log if one["kind"] == "event"]
    assert events == ["e1", "e2", "e3"]
    # What somebody else did is theirs.
    assert [one["fields"] for one in log if one["referred"]] == [{"event_id": "e3"}]
    assert [page["recent"] is None for page in found] == [False] + [True] * (len(found) - 1)


def test_an_event_that_is_older_than_what_is_kept_is_refused(make_client):
    client, now = make_client(keep_days=10), datetime.now(UTC)
    old, young = (
        event(name, WHO, item(3), ts=(now - timedelta(days=days)).isoformat())
        for name, days in (("old", 11), ("young", 9))
    )
    answer = post(client, old, young)
    assert answer.status_code == 207
    assert "from 10 days ago" in answer.text
    assert [one["fields"]["event_id"] for one in data(client)["log"]] == ["young"]


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_what_only_looks_like_an_id_is_somebody_elses(client, limit):
    """Others' events with an item, a text or a list that is called like the person."""
    alike = [
        event("alike", "ana", WHO),
        event("said", "ana", item(1), "review", value=5, text=WHO),
        event("named", "ana", item(1), list_id=WHO),
    ]
    assert post(client, *alike[:2], event("own", WHO, item(2)), alike[2]).status_code == 200
    log = [one for page in pages(client, limit) for one in page["log"]]
    assert [one["fields"]["event_id"] for one in log] == ["own"]


def test_a_page_that_no_page_named_is_refused(client):
    for after in ("ties:", "log:x", "7", "ties:1x"):
        assert_problem(client.get(f"/v1/users/{WHO}/data", params={"after": after}), 422)


def test_who_is_erased_is_gone_from_the_next_answer_of_every_replica(make_client):
    client, other = make_client(), make_client()
    say_something(client)
    first = erase(client)
    assert (first["again"], first["log_events"], first["log_referrals"]) == (False, 2, 1)
    assert (first["log_changes"], first["features"], first["friends"]) == (3, 1, 2)
    for replica in (client, other):
        found = data(replica)
        assert (found["erased"], found["recent"], found["friends"]) == (True, [], [])
        assert found["consents"] is None
        assert (found["ties"], found["log"]) == ([], [])
        for user in ("ana", "lou", "max"):
            assert WHO not in replica.get(f"/v1/users/{user}/recommendations").text
            assert WHO not in replica.get(f"/v1/users/{user}").text
        assert list_of(replica, WHO)["source"] == "popular"
        assert WHO not in replica.get("/v1/shoppers").json()["shoppers"]
    second = erase(other)
    assert (second["again"], second["erased"]) == (True, first["erased"])


def test_nothing_is_taken_of_who_is_erased_until_that_is_lifted(client):
    say_something(client)
    erase(client)
    answer = post(client, event("e4", WHO), event("e5", "ana", referrer_user_id=WHO))
    assert answer.status_code == 207
    [refused] = answer.json()["refused"]
    assert (refused["index"], refused["where"]) == (0, "body.events[0].user_id")
    assert "erased" in refused["reason"]
    assert_problem(post(client, event("e6", WHO)), 422)
    for path in (f"/v1/users/{WHO}", f"/v1/users/{WHO}/ties/max", f"/v1/users/max/ties/{WHO}"):
        assert "erased" in assert_problem(client.put(path, json={}), 422)["detail"]
    assert data(client)["log"] == []
    assert client.delete(f"/v1/users/{WHO}/erasure").json() == {"user_id": WHO, "lifted": True}
    assert client.delete(f"/v1/users/{WHO}/erasure").json()["lifted"] is False
    assert post(client, event("e7", WHO, item(9))).json()["accepted"] == 1
    assert [one["item_id"] for one in data(client)["recent"]] == [item(9)]


def test_lists_of_friends_go_on_without_who_was_erased(client, features):
    before = list_of(client, "lou")
    assert before["source"] == "friends"
    erase(client, "bea")
    erase(client, "shy")
    after = list_of(client, "lou")
    assert after["source"] == "popular"
    assert ids(after) != ids(before)
    assert features.friends["lou"].ids == ()


def test_a_consent_that_is_withdrawn_counts_in_the_next_list_and_its_reasons(client):
    def friends(user="ana"):
        told = [one for entry in list_of(client, user)["items"] for one in entry["reasons"]]
        return {one["friend"] for one in told if one.get("friend")}

    assert "bea" in friends()
    assert client.put("/v1/users/bea", json={"may_be_used": False}).status_code == 200
    assert "bea" not in friends()
    assert "bea" not in client.get("/v1/users/ana").text
    assert client.put("/v1/users/cleo", json={"may_be_used": False}).status_code == 200
    assert client.put("/v1/users/shy", json={"may_be_used": False}).status_code == 200
    kinds = {one["kind"] for e in list_of(client, "ana")["items"] for one in e["reasons"]}
    assert not {kind for kind in kinds if kind.startswith("friend")}


def test_only_holders_of_the_token_may_ask_or_erase(make_client):
    token = "0123456789abcdef0123"
    client = make_client(change_token=token)
    for method, path in (("GET", "/data"), ("DELETE", ""), ("DELETE", "/erasure")):
        asked = f"/v1/users/{WHO}{path}"
        assert_problem(client.request(method, asked), 401)
        allowed = client.request(method, asked, headers={"Authorization": f"Bearer {token}"})
        assert allowed.status_code == 200


def impressions_of(folder, *people):
    """One file a list, as replicas write them."""
    (folder / "impressions").mkdir(parents=True)
    for number, who in enumerate(people):
        one = ShownList(
            f"list-{number}", who, 5_000 + number, "home", "v1", "", "may", "a", (item(3), item(4)),
            (0.5, 1.0), made_ms=2.0, teams=("a", "b"), credits=(1.0, -1.0),
            by_friends=(0.25, None),
        )  # fmt: skip
        name = f"{number:08x}-{5_000 + number:015d}_00000000-{5_000 + number:015d}_00000002"
        pq.write_table(impressions_table([one]), folder / "impressions" / f"{name}.parquet")


def test_a_person_gets_what_they_were_shown_and_who_is_erased_is_in_no_list(
    make_client, folder, monkeypatch
):
    exported = folder / "exported"
    client = make_client(event_export=str(exported))
    assert [page["shown"] for page in pages(client, 500)] == [[], []], "there is no file yet"
    impressions_of(exported, WHO, "ana", WHO, "max", WHO)
    monkeypatch.setattr(person.shown_to, "__defaults__", (2,))
    say_something(client)
    found = pages(client, 2)
    lists = [one for page in found for one in page["shown"]]
    assert [one["list_id"] for one in lists] == ["list-0", "list-2", "list-4"]
    assert [len(page["shown"]) for page in found[-3:]] == [1, 1, 1]
    first = lists[0]
    assert (first["arm"], first["surface"], first["ts"]) == ("a", "home", "1970-01-01T00:00:05Z")
    assert [tuple(one.values()) for one in first["items"]] == [
        (0, item(3), 0.5, "a", 1.0, 0.25),
        (1, item(4), 1.0, "b", -1.0, None),
    ]
    assert len([one for page in found for one in page["ties"]]) == 2
    erase(client)
    log = SqliteLog(folder / "events.sqlite")
    Sweeper(log, str(exported)).sweep()
    log.close()
    rows = read_impressions(str(exported))
    assert rows["user_id"].to_pylist() == ["ana", "ana", "max", "max"]
    assert data(client)["next"] is None
    assert [page["shown"] for page in pages(client, 500, "nobody")][-1] == []
