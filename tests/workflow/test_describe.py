# ruff: noqa: RUF001 - Chinese has marks of its own
"""A catalogue described by a model: what is kept of its words, and what a second time costs."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_shop

from coterie.cli.main import main
from coterie.content.texts import item_texts
from coterie.data.load import read_clean
from coterie.errors import UnavailableError
from coterie.llm.descriptions import Described, question_of_item, read_description, tags_with
from coterie.llm.endpoint import ChatEndpoint, ChatSettings
from coterie.workflow.describe import DESCRIPTIONS_FILE, describe_catalogue
from tests.llm_api import KEY, MODEL, LlmApi

SHOE = {
    "item_id": "1",
    "title": "Trail Shoe 42",
    "brand": "Acme",
    "category": "Shoes/Running",
    "tags": None,
    "description": "Waterproof running shoe with a rubber sole.",
}
SAID = {
    "keywords": ["trail running", "sneaker"],
    "attributes": [{"name": "sole", "value": "rubber"}],
    "title_en": "Trail Shoe 42",
    "title_zh": "越野跑鞋 42",
}


def describe(_, told):
    return SAID if "Trail Shoe" in told else SAID | {"title_zh": "好物", "attributes": []}


@pytest.fixture
def api():
    with LlmApi(describe).answering() as api:
        yield api


@pytest.fixture
def model(api):
    return ChatEndpoint(ChatSettings(api.address, MODEL, timeout_s=60, tokens_per_hour=0), KEY)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(tiny_shop.write_clean(tmp_path_factory.mktemp("shop")))


def test_each_thing_that_is_said_has_its_source():
    assert read_description(SAID, SHOE) == [
        Described("keyword", "trail running", "text"),
        Described("keyword", "sneaker", "model"),
        Described("attribute", "sole rubber", "text"),
        Described("title_zh", "越野跑鞋 42", "model"),
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"keywords": ["size 44"]},
        {"keywords": ["best, cheapest"]},
        {"keywords": ["<b>shoe</b>", "https://evil.example", "evil.example", "{shoe}", '"shoe"']},
        {"attributes": [{"name": "sole", "value": "titanium"}]},
        {"attributes": [{"name": "weight", "value": "200 g"}]},
        {"title_en": "越野跑鞋"},
        {"title_zh": "Trail Shoe"},
        {"title_zh": "越野跑鞋 43"},
        {"title_zh": "越野跑鞋，立即购买！"},
    ],
)
def test_what_its_texts_do_not_bear_out_is_left_out(said):
    nothing = {"keywords": [], "attributes": [], "title_en": "", "title_zh": ""}
    assert read_description(nothing | said, SHOE) == []


def test_a_model_is_told_the_item_and_nothing_else():
    told = json.loads(question_of_item({**SHOE, "price": 9, "description": "x" * 9999}).told)
    assert set(told) == {"title", "brand", "category", "description"}
    assert len(told["description"]) == 600


def test_tags_stay_and_get_no_longer_than_a_bound():
    many = [Described("keyword", f"word {number:04d}", "model") for number in range(100)]
    found = tags_with("Word 0000, cotton", many)
    assert found.startswith("Word 0000, cotton, word 0001")
    assert len(found) <= 400
    assert tags_with(None, []) is None


def test_a_catalogue_is_described_once(api, model, clean, tmp_path):
    items = read_clean(clean)[1]["items"].num_rows
    first = describe_catalogue(clean, str(tmp_path), model, most=10)
    assert (first.asked, first.left, first.failed) == (10, items - 10, 0)
    describe_catalogue(clean, str(tmp_path), model)
    asked = len(api.asked)
    again = describe_catalogue(clean, str(tmp_path), model)
    assert (again.asked, again.left, again.known) == (0, 0, items)
    assert len(api.asked) == asked <= items
    kept = pq.read_table(tmp_path / DESCRIPTIONS_FILE)
    assert set(kept["source"].to_pylist()) <= {"text", "model"}
    assert set(kept["model"].to_pylist()) == {f"{MODEL}@127.0.0.1"}


def test_what_is_said_is_in_the_text_that_an_encoder_reads(model, clean, tmp_path):
    describe_catalogue(clean, str(tmp_path), model, most=20)
    described = pq.read_table(tmp_path / "items.parquet")
    plain = read_clean(clean)[1]["items"].sort_by("item_id")
    assert described.schema.names == plain.schema.names
    assert described["item_id"] == plain["item_id"]
    texts = item_texts(pa.table(described))
    assert ["sneaker" in text for text in texts[:21]] == [True] * 20 + [False]


def test_what_was_said_before_a_model_went_away_is_kept(api, model, clean, tmp_path):
    describe_catalogue(clean, str(tmp_path), model, most=5)
    api.status = 503
    with pytest.raises(UnavailableError):
        describe_catalogue(clean, str(tmp_path), model)
    assert pq.read_table(tmp_path / DESCRIPTIONS_FILE)["item_id"].to_pylist()


def test_an_answer_in_another_form_is_counted_and_not_asked_again(api, model, clean, tmp_path):
    api.speak = lambda *_: "I am sorry."
    found = describe_catalogue(clean, str(tmp_path), model, most=3)
    assert (found.asked, found.failed, found.known) == (3, 3, 0)
    asked = len(api.asked)
    assert describe_catalogue(clean, str(tmp_path), model, most=3).asked == 3
    assert len(api.asked) == asked + 3


def test_from_the_command_line(api, clean, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COTERIE_LLM_KEY", KEY)
    out = str(tmp_path / "out")
    given = ["describe", clean, "--out", out, "--llm", api.address, "--llm-model", MODEL]
    assert main([*given, "--most", "4"]) == 0
    assert "the model was asked for 4" in capsys.readouterr().out
