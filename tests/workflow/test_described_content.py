"""What a language model says of items, within the content step: encoded, trained on, kept."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_shop

from coterie.content.encoder import EncodedBatch, digest_of
from coterie.data.load import load_dataset
from coterie.errors import BadInputError
from coterie.workflow.content import ContentSettings, encode_catalogue
from coterie.workflow.described_items import DescribeSettings, released_statements
from coterie.workflow.shop import with_content
from tests.llm_api import KEY, MODEL, LlmApi

SAID = {"keywords": ["home", "cosy corner"], "attributes": [], "title_en": "", "title_zh": ""}


class Remembering:
    """An encoder that remembers what it was asked for."""

    kind, name, width, digest = "text", "toy", 4, digest_of(version=1)

    def __init__(self):
        self.asked = []

    def encode(self, batch):
        self.asked += batch
        return EncodedBatch(np.eye(4, dtype=np.float32)[[len(one) % 4 for one in batch]])


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A shop in which each item's description has the word that the model keeps."""
    raw = tiny_shop.write_raw(tmp_path_factory.mktemp("shop") / "raw")
    items = pq.read_table(raw / "items.parquet").to_pandas()
    items["description"] = "for your home"
    items.to_parquet(raw / "items.parquet")
    clean = raw.parent / "clean"
    tiny_shop.ingest(str(raw), str(clean))
    return str(clean)


@pytest.fixture
def api():
    with LlmApi(lambda *_: SAID).answering() as api:
        yield api


def settings(address, **more):
    told = {"text.place": "default", "describe.llm": address, "describe.model": MODEL}
    return ContentSettings.changed(told | {f"describe.{name}": one for name, one in more.items()})


def encoded(clean, folder, how):
    toy = Remembering()
    encode_catalogue(clean, "", how, str(folder), make=lambda *_: toy, llm_key=KEY)
    return toy.asked


def test_nobody_describes_anything_unless_a_model_is_named(clean, tmp_path):
    asked = encoded(clean, tmp_path / "out", ContentSettings.changed({"text.place": "default"}))
    assert len(asked) == 120
    assert not any("home\n" in text for text in asked)
    assert not (tmp_path / "out/descriptions.parquet").exists()


def test_what_the_items_own_texts_say_is_encoded_and_trained_on(clean, api, tmp_path):
    out = tmp_path / "out"
    asked = encoded(clean, out, settings(api.address))
    assert all("home" in text.split("\n")[:-1] or "home\n" in text for text in asked)
    assert not any("cosy corner" in text for text in asked)
    rows = pq.read_table(out / "descriptions.parquet").to_pylist()
    assert {(row["value"], row["source"]) for row in rows} == {
        ("home", "text"),
        ("cosy corner", "model"),
    }
    items = with_content(load_dataset(clean).catalogue, str(out))
    assert {tags.split(", ")[-1] for tags in items["tags"].to_pylist()} == {"home"}


def test_what_a_model_brought_counts_where_it_is_let(clean, api, tmp_path):
    asked = encoded(clean, tmp_path / "out", settings(api.address, invented=True))
    assert all("cosy corner" in text for text in asked)


def test_what_was_said_once_is_kept_and_a_model_that_is_away_is_no_error(clean, api, tmp_path):
    out = tmp_path / "out"
    encoded(clean, out, settings(api.address, most=50))
    assert len(api.asked) == 50
    assert encoded(clean, out, settings(api.address)) != []
    assert len(api.asked) == 120
    assert encoded(clean, out, settings(api.address)) == []
    assert len(api.asked) == 120
    api.status = 503
    assert encoded(clean, out, settings(api.address)) == []
    asked = encoded(clean, tmp_path / "other", settings(api.address))
    assert len(asked) == 120
    assert not any("home\n" in text for text in asked)


TITLES = {"title_en": "Blue lamp", "title_zh": "蓝色台灯"}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, {"home", "other"}),
        ({"translations": False}, {"home"}),
        ({"invented": True}, {"home", "cosy corner", "other", "same"}),
    ],
)
def test_search_finds_by_what_texts_say_and_by_titles_in_the_other_language(
    clean, api, tmp_path, more, found
):
    api.speak = lambda *_: SAID | TITLES
    encoded(clean, tmp_path / "out", settings(api.address, most=2, **more))
    catalogue = load_dataset(clean).catalogue
    said = released_statements(str(tmp_path / "out"), catalogue["item_id"].to_pylist())
    assert len({*said["item_idx"].to_pylist()}) == 2
    for row in said.to_pylist():
        assert (row["source"] == "text") is (row["value"] == "home")
    for item in {*said["item_idx"].to_pylist()}:
        title = catalogue["title"][item].as_py()
        same, other = sorted(TITLES.values(), key=lambda one: one.isascii() is not title.isascii())
        named = {same: "same", other: "other"}
        values = [row["value"] for row in said.to_pylist() if row["item_idx"] == item]
        assert {named.get(value, value) for value in values} == found


@pytest.mark.parametrize("status", [200, 401, 503])
def test_its_key_is_in_no_log_no_error_and_no_file(clean, api, tmp_path, caplog, status):
    api.status, told = status, ""
    with caplog.at_level("DEBUG"):
        try:
            encoded(clean, tmp_path / "out", settings(api.address, most=1))
        except BadInputError as error:
            told = str(error)
    assert api.asked
    left = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert KEY.encode() not in left
    assert KEY not in caplog.text + told


def test_a_model_that_refuses_is_told_and_bounds_make_sense(clean, tmp_path):
    with pytest.raises(BadInputError):
        encoded(clean, tmp_path / "out", settings(str(tmp_path / "no-model")))
    with pytest.raises(BadInputError, match="at least one"):
        DescribeSettings(most=0)


def test_it_is_said_in_a_pipelines_parameter():
    told = {"text": {"place": "default"}, "describe": {"llm": "http://vllm/v1", "model": "qwen"}}
    assert ContentSettings.read(json.dumps(told)).describe.llm == "http://vllm/v1"
