"""Reasons in a sentence over HTTP: a model's words where they hold, the template's elsewhere."""

import json

import pytest
from waiting import wait_until

from serving.lists import spoken_reasons
from tests.llm_api import KEY, MODEL, LlmApi

SAME = {
    "bought": "purchased",
    "买过": "购买过",
}


def reword(purpose, told):
    """Says each fact with another word for what was done."""
    assert purpose == "wording"
    parts = []
    for one in json.loads(told)["facts"]:
        text = one["text"]
        for word, other in SAME.items():
            text = text.replace(word, other)
        parts.append({"fact": one["fact"], "text": text})
    return {"parts": parts}


@pytest.fixture
def api():
    with LlmApi(reword).answering() as api:
        yield api


@pytest.fixture
def shop(make_client, api, monkeypatch):
    monkeypatch.setattr(spoken_reasons, "DEADLINE_S", 60.0)

    def make(**more):
        return make_client(llm=api.address, llm_model=MODEL, llm_key=KEY, **more)

    with_loop = []

    def entered(**more):
        # One event loop for all requests, as in a replica.
        client = make(**more)
        client.__enter__()
        with_loop.append(client)
        return client

    yield entered
    for client in with_loop:
        client.__exit__(None, None, None)


def listed(client, user="ana", language="en", **more):
    answer = client.get(
        f"/v1/users/{user}/recommendations",
        params={"wording": "model", "k": 10, **more},
        headers={"Accept-Language": language},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.parametrize(("language", "word"), [("en", "purchased"), ("zh", "购买过")])
def test_reasons_are_said_in_a_sentence(shop, language, word):
    items = listed(shop(), language=language)
    spoken = [one["sentence"] for one in items if one["sentence"]["by"] == "model"]
    assert spoken
    assert all(word in one["text"] for one in spoken)
    named = [one for one in items if any(r.get("friend") == "bea" for r in one["reasons"])]
    assert any("bea" in one["sentence"]["text"] for one in named)


def test_the_model_is_told_of_nobody_and_of_no_item(shop, api):
    listed(shop())
    told = json.dumps(api.asked)
    assert api.asked
    for secret in ("bea", "cleo", "shy", "ana", "Climbing", "Kitchen", "item-0"):
        assert secret not in told, secret


def test_all_shoppers_share_a_sentence_and_lists_stay_as_they_are(shop, api):
    client = shop()
    first = listed(client)
    asked = len(api.asked)
    told = [one["messages"][-1]["content"] for one in api.asked]
    assert len(told) == len(set(told)), "items of a list share them too"
    assert listed(client) == first
    assert len(api.asked) == asked
    plain = client.get("/v1/users/ana/recommendations", params={"k": 10}).json()["items"]
    for one in first:
        del one["sentence"]
    assert plain == first


def test_what_is_invented_is_not_shown(shop, api):
    def invent(purpose, told):
        said = reword(purpose, told)
        said["parts"][0]["text"] += ", the best price in town"
        return said

    api.speak = invent
    client = shop()
    items = listed(client)
    assert {one["sentence"]["by"] for one in items} == {"template"}
    for one in items:
        assert one["sentence"]["text"] in [reason["text"] for reason in one["reasons"]]
    counts = client.get("/metrics").text
    assert 'coterie_worded_reasons_total{outcome="invented"} 10.0' in counts


def test_what_comes_late_is_there_the_next_time(shop, api):
    api.first_s = 0.3
    client = shop()
    app = client.app
    while not hasattr(app, "state"):
        app = app._app
    parts = app.state.language
    parts.reasons._deadline_s = 0.01
    assert {one["sentence"]["by"] for one in listed(client)} == {"template"}
    wait_until(lambda: not parts.reasons._pending)
    assert "model" in {one["sentence"]["by"] for one in listed(client)}


@pytest.mark.parametrize("status", [401, 503])
def test_a_model_that_fails_leaves_the_template(shop, api, status):
    api.status = status
    client = shop()
    items = listed(client)
    assert {one["sentence"]["by"] for one in items} == {"template"}
    asked = len(api.asked)
    listed(client)
    assert len(api.asked) == asked, "not again at once"


def test_without_a_model_templates_stand(client):
    assert {one["sentence"]["by"] for one in listed(client)} == {"template"}
    items = client.get("/v1/users/ana/recommendations").json()["items"]
    assert not any("sentence" in one for one in items)
