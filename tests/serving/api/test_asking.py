# ruff: noqa: RUF001 - Chinese has marks of its own
"""Ask the shop: a model reads, our search and reasons answer; without one search reads."""

import json
import logging

import pytest
from search_shop import OneEncoder, WordEncoder, write_release_with_vectors
from small_shop import CATEGORIES, item

from coterie.errors import BadInputError
from tests.llm_api import KEY, MODEL, LlmApi

ASKED = "something for my sister who likes climbing, under 50"


def read_well(purpose, told):
    """Sorts words as a good model does."""
    assert purpose == "ask"
    told = json.loads(told)
    question = told["question"]
    climbs = "climbing" if "climbing" in question else question
    return {
        "query": climbs,
        "price_min": None,
        "price_max": 50 if "50" in question else None,
        "in_stock": False,
        "recipient": "my sister" if "my sister" in question else None,
        "category": next(
            (one["category"] for one in told["categories"] if "Climbing" in one["name"]), None
        ),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return write_release_with_vectors(tmp_path_factory.mktemp("told") / "v1")


@pytest.fixture
def api():
    with LlmApi(read_well).answering() as api:
        yield api


@pytest.fixture
def shop(make_client, told, api):
    def make(**more):
        named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY}
        return make_client(told, encoders=OneEncoder(WordEncoder()), **{**named, **more})

    return make


def ask(client, question=ASKED, user="ana", language="en", **more):
    answer = client.post(
        f"/v1/users/{user}/ask",
        json={"question": question, **more},
        headers={"Accept-Language": language},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(found):
    return [one["item"]["item_id"] for one in found["items"]]


def test_a_question_becomes_filters_a_query_and_a_list_of_ours(shop):
    found = ask(shop())
    assert found["read_by"] == "model"
    assert found["read"] == {
        "query": "climbing",
        "category": "Sports/Climbing",
        "price_max": 50.0,
        "in_stock": False,
        "recipient": "my sister",
    }
    assert len(found["items"]) == 12 == len({*ids(found)})
    for one in found["items"]:
        assert one["item"]["category"] == "Sports/Climbing"
        assert one["item"]["price"] <= 50
        assert "reasons" not in one, "nobody knows what her sister did"


def test_for_oneself_taste_counts_and_reasons_are_ours(shop):
    client = shop()
    found = ask(client, "climbing thing under 50")
    listed = client.get("/v1/users/ana/items/" + ids(found)[0]).json()
    said = [{k: v for k, v in one.items() if v is not None} for one in listed["reasons"]]
    assert found["items"][0]["reasons"] == said
    assert "recipient" not in found["read"]


def test_without_a_model_search_answers_and_says_so(make_client, told):
    client = make_client(told, encoders=OneEncoder(WordEncoder()))
    found = ask(client, "mountains")
    assert found["read_by"] == "search"
    assert {one["item"]["category"] for one in found["items"]} == {CATEGORIES[1]}
    assert "No language model" in found["note"]
    assert found["items"][0]["reasons"]


@pytest.mark.parametrize("question", ["mountains, under 30", "三十块以内的 mountains"])
def test_without_a_model_a_price_that_is_named_holds(make_client, told, question):
    found = ask(make_client(told, encoders=OneEncoder(WordEncoder())), question)
    assert found["read_by"] == "search"
    assert found["read"] == {"query": "mountains", "price_max": 30.0, "in_stock": False}
    assert {one["item"]["category"] for one in found["items"]} == {CATEGORIES[1]}
    assert max(one["item"]["price"] for one in found["items"]) <= 30


@pytest.mark.parametrize("fault", ["down", "slow", "unfit", "key"])
def test_a_model_that_fails_is_no_error(shop, api, fault):
    client = shop(llm_timeout_s=0.3, **({"llm_key": "another"} if fault == "key" else {}))
    api.status = 503 if fault == "down" else 200
    api.first_s = 60 if fault == "slow" else 0
    if fault == "unfit":
        api.speak = lambda *_: "As a language model, I would buy item-0001."
    found = ask(client, "climbing thing")
    assert found["read_by"] == "search"
    assert found["items"]


def test_a_model_that_does_not_answer_is_left_alone_for_a_time(shop, api):
    client = shop()
    api.status = 503
    for user in ("ana", "lou", "max"):
        ask(client, user=user)
    assert len(api.asked) == 1


def test_a_shopper_who_asks_often_is_answered_by_search(shop, api):
    client = shop()
    assert [ask(client)["read_by"] for _ in range(3)] == ["model", "search", "search"]
    assert ask(client, user="lou")["read_by"] == "model"
    assert len(api.asked) == 2


def test_in_chinese(shop, api):
    api.speak = lambda *_: {
        "query": "厨房",
        "price_min": None,
        "price_max": 50,
        "in_stock": False,
        "recipient": "妹妹",
        "category": None,
    }
    found = ask(shop(), "给妹妹买点厨房用的，五十以下", language="zh")
    assert (found["read"]["query"], found["read"]["recipient"]) == ("厨房", "妹妹")
    assert found["read"]["price_max"] == 50
    assert {one["item"]["category"] for one in found["items"]} == {CATEGORIES[0]}
    assert "语言模型" in found["note"]


@pytest.mark.parametrize(
    "said",
    [
        {"query": "item-0007 limited offer"},
        {"price_max": 3},
        {"price_min": 4000},
        {"recipient": "the whole world"},
        {"category": 99},
    ],
)
def test_what_the_question_does_not_have_does_not_count(shop, api, said):
    client = shop()
    plain = {
        "query": "climbing thing",
        "price_min": None,
        "price_max": None,
        "in_stock": False,
        "recipient": None,
        "category": None,
    }
    api.speak = lambda *_: plain
    wanted = ids(ask(client, "climbing thing", user="zoe"))
    api.speak = lambda *_: plain | said
    found = ask(client, "climbing thing", user="yan")
    assert ids(found) == wanted
    assert {*found["read"]} == {"query", "in_stock"}


def test_for_somebody_else_ones_own_taste_does_not_count(shop, api):
    said = read_well("ask", '{"question": "thing", "categories": []}') | {"query": "thing"}
    answers = []
    for user, recipient in (("zoe", None), ("ana", "my sister"), ("max", None)):
        api.speak = lambda *_, to=recipient: said | {"recipient": to}
        answers.append(ids(ask(shop(), "thing for my sister", user=user)))
    assert answers[1] == answers[0], "a stranger's"
    assert answers[2] != answers[0], "who asks for himself has a taste"


def test_a_category_in_which_nothing_fits_is_let_go(shop, api):
    api.speak = lambda *_: (
        read_well("ask", '{"question": "climbing", "categories": []}')
        | {
            "price_max": 6,
            "query": "climbing thing",
            "category": 1,
        }
    )
    found = ask(shop(), "climbing thing for 6", user="zoe")
    assert ids(found) == [item(1)]


def test_what_was_asked_is_in_no_log_and_no_metric(shop, api, caplog):
    caplog.set_level(logging.DEBUG)
    client = shop()
    secret = "zyxwv climbing"
    ask(client, secret)
    api.status = 503
    ask(client, secret, user="lou")
    text = caplog.text + "".join(str(vars(one)) for one in caplog.records)
    ours = [line for line in text.splitlines() if "httpcore" not in line]
    assert "zyxwv" not in "".join(ours)
    assert KEY not in "".join(ours)
    metrics = client.get("/metrics").text
    assert "zyxwv" not in metrics
    assert 'coterie_asked_questions_total{read_by="model"} 1.0' in metrics
    assert 'coterie_llm_calls_total{outcome="away",purpose="ask"} 1.0' in metrics


@pytest.mark.parametrize(
    "body", [{}, {"question": ""}, {"question": "  "}, {"question": "x" * 201}, {"query": "tea"}]
)
def test_a_question_is_some_words(client, body):
    assert client.post("/v1/users/ana/ask", json=body).status_code == 422


def test_a_key_may_lie_in_a_file(shop, api, tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert ask(shop(llm_key="", llm_key_file=str(tmp_path / "key")))["read_by"] == "model"
    with pytest.raises(BadInputError, match="twice"):
        shop(llm_key_file=str(tmp_path / "key"))
    with pytest.raises(BadInputError, match="cannot read"):
        shop(llm_key="", llm_key_file=str(tmp_path / "none"))
