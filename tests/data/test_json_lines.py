"""JSON Lines: nothing becomes nothing by itself, whichever way a block is read."""

import json

import pyarrow as pa
import pytest

from coterie.data import json_lines
from coterie.data.chunks import BOOLEAN, INEXACT, LIST_MARK, NOT_ONE_VALUE, TWICE
from coterie.data.formats import read_chunks
from coterie.errors import BadInputError


def rows_of(tmp_path, *lines, name="items.jsonl"):
    file = tmp_path / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_bytes("\n".join(texts).encode())
    rows = []
    for chunk in read_chunks(file, name):
        columns = {key: column.cast(pa.string()) for key, column in chunk.columns.items()}
        faults = {f"!{key}": fault for key, fault in chunk.faults.items()}
        rows += pa.table(columns | faults).to_pylist()
    return rows


def test_values_of_one_type_are_read_by_arrow(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_slow", None)
    rows = rows_of(tmp_path, {"a": "x", "b": 1, "c": 1.5}, {"a": "2024-01-01", "b": None, "c": 2})
    assert [[row[key] for key in "abc"] for row in rows] == [
        ["x", "1", "1.5"],
        ["2024-01-01", None, "2"],
    ]


def test_numbers_and_texts_in_one_column_are_both_right(tmp_path):
    rows = rows_of(tmp_path, {"a": "007"}, {"a": 7}, {"a": 12345678901234567890}, {"a": 7.5})
    assert [row["a"] for row in rows] == ["007", "7", "12345678901234567890", "7.5"]


@pytest.mark.parametrize("other", [{"a": 3.0}, {"a": "x"}])
def test_numbers_that_are_no_ids_are_told_whichever_way_they_are_read(tmp_path, other):
    rows = rows_of(tmp_path, {"a": 7.5}, {"a": 1e17}, {"a": 2.0}, other, {"a": 4.0})
    assert [row.get("!a") for row in rows] == [INEXACT, INEXACT, None, None, None]


def test_lists_and_objects_are_faults_and_keep_what_they_were(tmp_path):
    rows = rows_of(tmp_path, {"a": {"in": True}}, {"a": ["x", "y"]}, {"a": [1]}, {"a": "x"})
    assert [row.get("!a") for row in rows] == [NOT_ONE_VALUE] * 3 + [None]
    assert [row["a"] for row in rows] == ['{"in": true}', f"{LIST_MARK}x{LIST_MARK}y", "[1]", "x"]


def test_a_late_list_is_seen_as_well(tmp_path):
    rows = rows_of(tmp_path, *[{"a": "x"}] * 2_000, {"a": ["y"]}, {"a": "z", "b": 1})
    assert (rows[2_000].get("!a"), rows[2_001]["a"], rows[2_001]["b"]) == (NOT_ONE_VALUE, "z", "1")


def test_yes_and_no_are_faults_where_a_text_is_expected(tmp_path):
    rows = rows_of(tmp_path, {"a": True}, {"a": "true"})
    assert [(row["a"], row.get("!a")) for row in rows] == [("true", BOOLEAN), ("true", None)]


def test_a_key_that_is_there_twice_says_two_things(tmp_path):
    rows = rows_of(tmp_path, '{"a": "no", "a": "yes"}', '{"a": "no"}')
    assert [row.get("!a") for row in rows] == [TWICE, None]


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.json", "X.JSONL"])
def test_every_name_and_a_byte_order_mark_is_read(tmp_path, name):
    assert rows_of(tmp_path, '\ufeff{"a": "1"}', "", '{"a": "2"}', name=name) == [
        {"a": "1"},
        {"a": "2"},
    ]


BROKEN = [
    (['{"a": 1}', "", '{"a": 2'], "line 3, column"),
    (['[{"a": 1},', '{"a": 2}]'], "line 1 is an array: write one object a line"),
    (['[{"a": 1}]'], "line 1 is an array: write one object a line"),
    (['{"a": 1}', "7"], "line 2 is no JSON object"),
    (['{"a": 1}{"a": 2}'], "line 1, column 9: Extra data"),
    (['{"a": "\\ud800"}'], "line 1: .*surrogates"),
]


@pytest.mark.parametrize(("lines", "said"), BROKEN)
def test_a_broken_line_is_named(tmp_path, lines, said):
    with pytest.raises(BadInputError, match=f"items.jsonl cannot be read: {said}"):
        rows_of(tmp_path, *lines)


def test_a_broken_line_far_down_is_named(tmp_path):
    with pytest.raises(BadInputError, match="line 1501"):
        rows_of(tmp_path, *[{"a": "x"}] * 1_500, '{"a": ')
    with pytest.raises(BadInputError, match="line 1501, column 11: Extra data"):
        rows_of(tmp_path, *[{"a": "x"}] * 1_500, '{"a": "1"}{"a": "2"}', {"a": "y"})
