"""Texts of sellers and shoppers that give orders change no list and no reason.

The model of these tests obeys whatever it sees, so what is tried is the guard, and not a model.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from asking import event, post
from injections import INJECTIONS, LEAK, TARGET, Gullible
from search_shop import MEANT, OneEncoder, WordEncoder
from small_shop import CATEGORIES, NUM_ITEMS, item, write_small_release
from test_asking import ask, read_well
from test_spoken_reasons import reword

from coterie.release.encoders import ReleasedEncoder
from serving.lists import spoken_reasons
from tests.llm_api import KEY, MODEL, LlmApi


def well(purpose, told):
    return reword(purpose, told) if purpose == "wording" else read_well(purpose, told)


def write(folder, monkeypatch, texts):
    """A release whose titles and descriptions say what sellers want."""
    made = pa.table

    def hostile(columns, **how):
        if "title" in columns and texts:
            titles = [
                f"{one} {texts[row % len(texts)]}" for row, one in enumerate(columns["title"])
            ]
            columns = {**columns, "title": titles, "description": titles[::-1]}
        return made(columns, **how)

    monkeypatch.setattr(pa, "table", hostile)
    text = np.eye(len(CATEGORIES))[np.arange(NUM_ITEMS) % len(CATEGORIES)]
    encoder = ReleasedEncoder(WordEncoder.name, WordEncoder.digest)
    release = write_small_release(folder, content={"text": (text, encoder)})
    monkeypatch.undo()
    return release


@pytest.fixture
def shops(make_client, tmp_path, monkeypatch):
    """Two apps of one hostile catalogue: one with a model that obeys, one with a good one."""
    release = write(tmp_path / "hostile", monkeypatch, INJECTIONS)
    monkeypatch.setattr(spoken_reasons, "DEADLINE_S", 60.0)
    obeys = Gullible(well)
    with LlmApi(obeys).answering() as bad, LlmApi(well).answering() as good:
        clients = []
        for api in (bad, good):
            named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY}
            client = make_client(release, encoders=OneEncoder(WordEncoder()), **named)
            client.__enter__()
            clients.append(client)
        yield (*clients, bad, obeys)
        for client in clients:
            client.__exit__(None, None, None)


def listed(client, user, language):
    answer = client.get(
        f"/v1/users/{user}/recommendations",
        params={"wording": "model", "k": 30},
        headers={"Accept-Language": language},
    )
    found = answer.json()
    del found["list_id"]
    return found


def test_titles_that_give_orders_change_no_list_and_no_reason(shops):
    bad, good, api, obeys = shops
    for user in ("ana", "lou", "max", "nobody"):
        for language in ("en", "zh"):
            assert listed(bad, user, language) == listed(good, user, language)
    assert api.asked, "it was asked"
    assert obeys.obeyed == 0, "it saw no order"


def test_titles_that_give_orders_change_no_answer(shops):
    bad, good, api, obeys = shops
    for number, question in enumerate([*MEANT, "climbing thing under 50"]):
        user = f"stranger-{number}"
        assert ask(bad, question, user) == ask(good, question, user)
    assert api.asked
    assert obeys.obeyed == 0


def test_reviews_that_give_orders_change_no_list_and_no_answer(shops):
    bad, good, api, obeys = shops
    said = [
        event(f"r{row}", "bea", item(row), "review", value=5, text=text)
        for row, text in enumerate(INJECTIONS)
    ]
    # Both apps read one log.
    assert post(bad, *said).json()["accepted"] == len(INJECTIONS)
    for user in ("lou", "bea"):
        assert listed(bad, user, "en") == listed(good, user, "en")
    assert ask(bad, "climbing thing", "lou") == ask(good, "climbing thing", "lou")
    assert api.asked
    assert obeys.obeyed == 0, "no model reads a review"


def test_a_question_that_gives_orders_is_a_search_for_its_words(make_client, told):
    obeys = Gullible(well)
    shop = {"encoders": OneEncoder(WordEncoder())}
    with LlmApi(obeys).answering() as api:
        bad = make_client(told, **shop, llm=api.address, llm_model=MODEL, llm_key=KEY)
        plain = make_client(told, **shop)
        for number, order in enumerate(INJECTIONS):
            question, user = f"climbing {order}"[:200], f"stranger-{number}"
            found, searched = ask(bad, question, user), ask(plain, question, user)
            assert obeys.obeyed == number + 1, "the shopper's own words it does see"
            assert LEAK not in json.dumps(found)
            # Of all that it says, what is in the question counts: no price, and nobody.
            assert {*found["read"]} <= {"query", "in_stock"}, order
            assert found["items"] == searched["items"], order


def test_a_model_that_lies_always_changes_no_list(make_client, told, monkeypatch):
    monkeypatch.setattr(spoken_reasons, "DEADLINE_S", 60.0)
    with LlmApi(Gullible(well, always=True)).answering() as api:
        named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY}
        with make_client(told, **named) as client:
            lies, plain = (
                client.get("/v1/users/ana/recommendations", params={"wording": wording}).json()
                for wording in ("model", "template")
            )
    said = [one.pop("sentence") for one in lies["items"]]
    assert lies["items"] == plain["items"]
    assert {one["by"] for one in said} == {"template"}
    assert not any(word in json.dumps(said) for word in (LEAK, TARGET, "evil"))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    from search_shop import write_release_with_vectors

    return write_release_with_vectors(tmp_path_factory.mktemp("told") / "v1")


def test_there_are_enough_of_them_in_both_languages():
    assert len(INJECTIONS) >= 25
    chinese = [one for one in INJECTIONS if any("\u4e00" <= letter <= "\u9fff" for letter in one)]
    assert 8 <= len(chinese) <= len(INJECTIONS) - 8
