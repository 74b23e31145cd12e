"""One client for any chat address: its answers are held to a form, and what it takes to bounds."""

import contextlib
import threading
import time

import pytest

from coterie.errors import BadInputError, UnavailableError
from coterie.llm.budget import SpentError, TokenBudget
from coterie.llm.endpoint import ChatEndpoint, ChatSettings
from coterie.llm.forms import read_form
from coterie.llm.question import MAX_QUESTION, Question
from tests.llm_api import KEY, MODEL, LlmApi

FORM = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 9}},
    "required": ["word"],
    "additionalProperties": False,
}
ASKED = Question("ask", "Say a word.", '{"of": "tea"}', FORM, max_tokens=50)


@pytest.fixture
def api():
    with LlmApi(lambda *_: {"word": "pot"}).answering() as api:
        yield api


@pytest.fixture
def heard():
    return []


@pytest.fixture
def model(api, heard):
    """Make a client of the address."""

    def make(key=KEY, **more):
        return ChatEndpoint(ChatSettings(api.address, MODEL, **more), key, heard.append)

    return make


def test_what_it_answers_in_the_form_comes_back_with_what_it_took(api, model, heard):
    reply = model().ask(ASKED)
    assert reply.value == {"word": "pot"}
    [used] = heard
    assert (used.purpose, used.outcome) == ("ask", "answered")
    assert (used.tokens_in, used.tokens_out) == (reply.tokens_in, reply.tokens_out)
    assert used.tokens_in > 0 < used.tokens_out
    [body] = api.asked
    assert body["response_format"]["json_schema"]["schema"] == FORM
    assert body["max_tokens"] == 50
    assert [one["role"] for one in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == ASKED.told, "what people wrote stands apart"


@pytest.mark.parametrize(
    "said",
    [
        "pot",
        "",
        "[]",
        "null",
        '{"word": 3}',
        '{"word": "much too long a word"}',
        '{"word": "pot", "also": "this"}',
        '{"word": "pot", "word": "pan"}',
        '{"word": NaN}',
        '{"word": "pot"} and more',
        '{"word": "po',
        pytest.param("[" * 20_000, id="nested"),
    ],
)
def test_what_is_not_of_the_form_is_no_answer(api, model, heard, said):
    api.speak = lambda *_: said
    with pytest.raises(BadInputError):
        model().ask(ASKED)
    assert [one.outcome for one in heard] == ["unfit"]


def test_a_fence_around_an_answer_is_no_part_of_it():
    assert read_form('```json\n{"word": "pot"}\n```', FORM) == {"word": "pot"}


def test_what_is_wrong_with_an_answer_is_told_without_its_words():
    with pytest.raises(BadInputError) as told:
        read_form('{"word": "a secret of somebody"}', FORM)
    assert "secret" not in str(told.value)
    assert "'word'" in str(told.value)


def test_a_key_that_is_refused_is_not_repeated(model, heard):
    with pytest.raises(BadInputError, match="status 401") as told:
        model("another").ask(ASKED)
    assert KEY not in str(told.value)
    assert [one.outcome for one in heard] == ["refused"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_be_otherwise_next_time_is_asked_again(api, model, heard, status):
    api.status = status
    asked = model(patience_s=60, wait_s=0.01)
    waiting = threading.Thread(target=lambda: asked.ask(ASKED))
    waiting.start()
    while len(api.asked) < 2:
        time.sleep(0.01)
    api.status = 200
    waiting.join(60)
    assert not waiting.is_alive()
    assert heard[-1].outcome == "answered"
    assert {one.outcome for one in heard[:-1]} == {"away"}


def test_once_is_enough_where_nobody_is_patient(api, model):
    api.status = 503
    with pytest.raises(UnavailableError):
        model().ask(ASKED)
    assert len(api.asked) == 1


def test_what_takes_too_long_is_given_up(api, model, heard):
    api.first_s = 60
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        model(timeout_s=0.2).ask(ASKED)
    assert time.monotonic() - began < 30
    assert [one.outcome for one in heard] == ["away"]


def test_no_more_than_so_many_are_asked_at_a_time(api, model):
    api.first_s = 0.05
    asked = model(at_once=2, timeout_s=60)
    threads = [threading.Thread(target=lambda: asked.ask(ASKED)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert (len(api.asked), api.most_at_once) == (6, 2)


def test_who_waits_too_long_for_a_turn_is_told(api, model, heard):
    api.first_s = 60
    asked = model(at_once=1, timeout_s=0.5)

    def ask_first():
        with contextlib.suppress(UnavailableError):
            asked.ask(ASKED)

    first = threading.Thread(target=ask_first)
    first.start()
    while not api.asked:
        time.sleep(0.01)
    quick = ChatEndpoint(ChatSettings(api.address, MODEL, timeout_s=0.05), KEY, heard.append)
    quick._turns = asked._turns
    with pytest.raises(UnavailableError, match="busy"):
        quick.ask(ASKED)
    first.join(60)
    assert "busy" in {one.outcome for one in heard}


def test_the_tokens_of_an_hour_are_spent_and_come_back(api, model, heard):
    asked = model(tokens_per_hour=100)
    asked.ask(ASKED)
    with pytest.raises(SpentError):
        asked.ask(ASKED)
    assert heard[-1].outcome == "over_budget"
    assert len(api.asked) == len(heard) - 1, "who has none left asks nobody"


def test_what_was_set_aside_and_not_used_may_be_used():
    now = [0.0]
    budget = TokenBudget(100, lambda: now[0])
    taken = budget.take(ASKED)
    assert 50 < taken < 100
    with pytest.raises(SpentError):
        budget.take(ASKED)
    budget.settle(taken, 5)
    budget.settle(budget.take(ASKED), 90)
    with pytest.raises(SpentError):
        budget.take(ASKED)
    now[0] = 3600.0
    budget.take(ASKED)


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("ftp://models/v1", "https address"),
        ("models/v1", "https address"),
        ("http://user:word@models/v1", "more than scheme"),
        ("http://models/v1?key=word", "more than scheme"),
    ],
)
def test_an_address_is_one_and_holds_no_secret(address, wrong):
    with pytest.raises(BadInputError, match=wrong) as told:
        ChatSettings(address, MODEL)
    if wrong == "more than scheme":
        assert "word" not in str(told.value).replace("passwords", "")


def test_a_question_has_a_length():
    with pytest.raises(BadInputError, match="at most"):
        Question("ask", "x" * MAX_QUESTION, "y", FORM)
