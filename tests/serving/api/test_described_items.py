"""What a language model said of items: search finds by it, and a question filters by it."""

import hashlib
import json

import pyarrow as pa
import pytest
from search_shop import OneEncoder, WordEncoder, write_release_with_vectors
from small_shop import item

from coterie.release.described import STATEMENTS
from serving.lists.wanted import ItemFilter, digest_of
from tests.llm_api import KEY, MODEL, LlmApi

SAID = (
    (5, "attribute", "material stainless steel", "text"),
    (9, "attribute", "material stainless steel", "model"),
    (13, "attribute", "material steelwork", "text"),
    (17, "keyword", "carabiner", "text"),
    (21, "title_zh", "登山扣", "model"),
)
PLAIN = {
    "query": "climbing",
    "price_min": None,
    "price_max": None,
    "in_stock": False,
    "recipient": None,
    "category": None,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    rows = [dict(zip(STATEMENTS.names, one, strict=True)) for one in SAID]
    table = pa.Table.from_pylist(rows, STATEMENTS)
    return write_release_with_vectors(tmp_path_factory.mktemp("told") / "v1", described=table)


@pytest.fixture
def api():
    with LlmApi(lambda *_: PLAIN | {"attributes": []}).answering() as api:
        yield api


@pytest.fixture
def client(make_client, told, api):
    named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY}
    return make_client(told, encoders=OneEncoder(WordEncoder()), **named)


def found(client, query):
    answer = client.get("/v1/users/zoe/search", params={"q": query}).json()
    return [one["item"]["item_id"] for one in answer["items"]]


def ask(client, question, user):
    answer = client.post(f"/v1/users/{user}/ask", json={"question": question})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["read"], [one["item"]["item_id"] for one in body["items"]]


@pytest.mark.parametrize(("query", "row"), [("carabiner", 17), ("登山扣", 21)])
def test_search_finds_an_item_by_what_was_said_of_it(client, query, row):
    assert found(client, query)[:1] == [item(row)]


def test_it_is_forgotten_with_the_words_that_it_was_said_of(client, api):
    client.patch(f"/v1/items/{item(17)}", json={"price": 1.5})
    assert found(client, "carabiner")[:1] == [item(17)], "a price is no word"
    for row in (17, 5):
        client.patch(f"/v1/items/{item(row)}", json={"title": "Rope"})
    assert item(17) not in found(client, "carabiner")
    api.speak = lambda *_: PLAIN | {"attributes": ["stainless steel"]}
    read, shown = ask(client, "climbing thing of stainless steel", "zoe")
    assert "attributes" not in read, "nobody states it any more"
    assert len(shown) > 1


def test_a_question_asks_for_what_items_own_texts_state(client, api):
    api.speak = lambda *_: PLAIN | {"attributes": ["stainless steel", "made of gold"]}
    read, shown = ask(client, "climbing thing of Stainless  Steel", "ana")
    assert read["attributes"] == ["stainless steel"], "gold stands in no question"
    assert shown == [item(5)], "a model brought the other's, and steelwork is another word"
    form = api.asked[-1]["response_format"]["json_schema"]["schema"]
    assert "attributes" in form["required"]
    assert "stainless" not in api.asked[-1]["messages"][-1]["content"].replace(
        json.dumps("climbing thing of Stainless  Steel"), ""
    ), "it sees no item's text"


@pytest.mark.parametrize(
    ("attributes", "rows"),
    [
        (["stainless steel"], [5]),
        (["Material", "STEELWORK"], [13]),
        (["steel", "steelwork"], []),
        (["carabiner"], []),
    ],
)
@pytest.mark.parametrize("path", ["search", "recommendations"])
def test_lists_are_filtered_by_what_items_own_texts_state(client, path, attributes, rows):
    params = {"attribute": attributes} | ({"q": "thing"} if path == "search" else {"k": 24})
    answer = client.get(f"/v1/users/zoe/{path}", params=params)
    assert answer.status_code == 200, answer.text
    assert [one["item"]["item_id"] for one in answer.json()["items"]] == [*map(item, rows)]


def test_what_no_item_states_is_let_go(client, api):
    api.speak = lambda *_: PLAIN | {"attributes": ["wood"]}
    read, shown = ask(client, "climbing thing of wood", "lou")
    assert "attributes" not in read
    assert len(shown) == 12


def test_a_shop_without_descriptions_asks_for_none(make_client, release, api):
    named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY}
    api.speak = lambda *_: PLAIN
    _, shown = ask(make_client(release, **named), "climbing thing", "ana")
    assert shown
    form = api.asked[-1]["response_format"]["json_schema"]["schema"]
    assert "attributes" not in form["properties"]


def test_pages_of_before_there_were_attributes_go_on():
    told = '[{"brands": [], "categories": ["Home"], "exclude": [], "in_stock": false, '
    told += '"price_max": null, "price_min": null}]'
    known = hashlib.blake2b(told.encode(), digest_size=len(digest_of())).digest()
    assert digest_of(ItemFilter(("Home",))) == known
    assert digest_of(ItemFilter(("Home",), attributes=("oak",))) != known
