"""What a language model said of items, as a part of a release: whole, with its source, or not."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_bundle import content, edit_manifest, sign

from coterie.errors import BadInputError
from coterie.release.bundle import load_release, write_release
from coterie.release.described import STATEMENTS, statements_of, texts_of
from coterie.release.manifest import DESCRIBED, MANIFEST
from coterie.release.store import ReleaseStore

SAID = pa.table(
    {
        "item_id": ["item-0003", "item-0001", "item-0003", "gone"],
        "field": ["keyword", "attribute", "title_zh", "keyword"],
        "value": ["oak chair", "material steel", "橡木椅", "nothing"],
        "source": ["text", "text", "model", "text"],
    }
)


def statements(**changes):
    rows = {"item_idx": [0], "field": ["keyword"], "value": ["cosy"], "source": ["text"]}
    return pa.table(rows | changes, schema=STATEMENTS)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    plain = content()
    said = statements_of(SAID, plain.catalogue["item_id"].to_pylist())
    folder = str(tmp_path_factory.mktemp("told") / "release")
    write_release(folder, replace(plain, described=said))
    return folder


def test_each_thing_is_read_with_its_item_and_its_source(told, tmp_path):
    read = load_release(told).described.to_pylist()
    assert [tuple(row.values()) for row in read] == [
        (1, "attribute", "material steel", "text"),
        (3, "title_zh", "橡木椅", "model"),
        (3, "keyword", "oak chair", "text"),
    ]
    stored = ReleaseStore(str(tmp_path / "store")).publish(told)
    assert stored.described.to_pylist() == read


def test_texts_come_by_row_and_none_where_nothing_is_said(told):
    texts = texts_of(load_release(told).described, 7).to_pylist()
    assert texts == [None, "material steel", None, "橡木椅 oak chair", None, None, None]
    assert texts_of(None, 7) is None
    assert statements_of(SAID.slice(3), ["item-0001"]) is None


def test_a_release_of_which_nothing_is_said_is_what_it_was(tmp_path):
    write_release(str(tmp_path / "r"), content())
    assert load_release(str(tmp_path / "r")).described is None
    assert DESCRIBED not in json.loads(Path(tmp_path / "r", MANIFEST).read_text())["files"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"item_idx": [7]}, "of items 7 to 7"),
        ({"item_idx": [-1]}, "of items -1"),
        ({"field": ["reason"]}, "field is"),
        ({"source": ["seller"]}, "source is"),
        ({"value": ["x" * 201]}, "more than 200"),
    ],
)
def test_what_does_not_fit_is_neither_written_nor_read(told, tmp_path, wrong, says):
    odd = statements(**wrong)
    with pytest.raises(BadInputError, match=says):
        write_release(str(tmp_path / "r"), replace(content(), described=odd))
    folder = tmp_path / "forged"
    write_release(str(folder), replace(content(), described=statements()))
    sign(folder, DESCRIBED, _bytes(odd))
    with pytest.raises(BadInputError, match=says):
        load_release(str(folder))


@pytest.mark.parametrize(
    "data", [b"no parquet", None], ids=["no table", "more than items can have"]
)
def test_a_forged_file_with_the_right_digest_is_refused(tmp_path, data):
    folder = tmp_path / "r"
    write_release(str(folder), replace(content(), described=statements()))
    sign(folder, DESCRIBED, data or _bytes(pa.concat_tables([statements()] * 225)))
    with pytest.raises(BadInputError, match=r"no Parquet|one to 32 an item"):
        load_release(str(folder))


def test_the_manifest_says_whether_the_file_is_there(tmp_path):
    folder = tmp_path / "r"
    write_release(str(folder), replace(content(), described=statements()))
    files = json.loads(Path(folder, MANIFEST).read_text())["files"]
    files.pop(DESCRIBED)
    edit_manifest(folder, files=files)
    with pytest.raises(BadInputError, match="unexpected files"):
        load_release(str(folder))


def _bytes(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
