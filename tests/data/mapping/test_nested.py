"""Lists and objects within rows: one row an entry, and names with dots."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.chunks import FileForm
from coterie.data.formats import columns_of, read_chunks
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.mapping.document import parse_mapping
from coterie.errors import BadInputError

ROWS = [
    {
        "name": "purchase",
        "at": 1740997832413000,
        "who": {"id": "ann", "geo": {"city": "Ulm"}},
        "items": [{"item_id": "i1", "price": 2.5}, {"item_id": "i2", "price": 3.0}],
    },
    {"name": "page_view", "at": 1740997832414000, "who": {"id": "ann"}, "items": []},
    {"name": "page_view", "at": 1740997832415000, "who": None, "items": None},
    {
        "name": "view_item",
        "at": 1740997832416000,
        "who": {"id": "bo"},
        "items": [{"item_id": "i2"}],
    },
]
EACH = FileForm(each="items")
WANTED = ["name", "who.id", "who.geo.city", "items.item_id", "items.price"]


def as_json(folder):
    file = folder / "log.json"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def as_parquet(folder):
    geo = pa.struct([("city", pa.string())])
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("at", pa.int64()),
            ("who", pa.struct([("id", pa.string()), ("geo", geo)])),
            ("items", pa.list_(pa.struct([("item_id", pa.string()), ("price", pa.float64())]))),
        ]
    )
    file = folder / "log.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, schema), file)
    return file


@pytest.fixture(params=[as_json, as_parquet])
def log(request, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    return request.param(folder)


def test_each_entry_of_a_list_is_a_row_with_what_stands_around_it(log):
    [chunk] = read_chunks(log, log.name, EACH, WANTED)
    assert chunk.rows.tolist() == [1, 1, 4]
    assert {
        name: column.cast(pa.string()).to_pylist() for name, column in chunk.columns.items()
    } == {
        "name": ["purchase", "purchase", "view_item"],
        "who.id": ["ann", "ann", "bo"],
        "who.geo.city": ["Ulm", "Ulm", None],
        "items.item_id": ["i1", "i2", "i2"],
        "items.price": ["2.5", "3.0", None] if log.suffix == ".json" else ["2.5", "3", None],
    }


def test_names_with_dots_need_no_list(log):
    [chunk] = read_chunks(log, log.name, FileForm(), ["name", "who.id"])
    assert chunk.columns["who.id"].to_pylist() == ["ann", "ann", None, "bo"]
    assert "items" not in chunk.columns


def test_columns_are_told_with_dots(log):
    assert set(WANTED) <= set(columns_of(log, log.name, EACH, leaves=True))
    assert "who.id" not in columns_of(log, log.name)


MAPPING = """
events:
  - file: log.*
    form: {each: items}
    columns:
      event_id: {digest: [who.id, name, at, items.item_id]}
      user_id: who.id
      item_id: items.item_id
      event: {from: name, words: {purchase: purchase, view_item: view}}
      ts: at
ties: none
items: {from: events, price: items.price}
"""


def test_a_mapping_reads_them(log, tmp_path):
    out = tmp_path / "clean"
    ingest(str(log.parent), str(out), IngestConfig(), mapping=parse_mapping(MAPPING))
    events = pq.read_table(out / "events.parquet").to_pylist()
    assert sorted((row["user_id"], row["item_id"], row["event"]) for row in events) == [
        ("ann", "i1", "purchase"),
        ("ann", "i2", "purchase"),
        ("bo", "i2", "view"),
    ]
    assert len({row["event_id"] for row in events}) == 3


def test_what_no_row_has_is_told(log, tmp_path):
    wrong = MAPPING.replace("items.price", "items.cost").replace(
        "user_id: who.id", "user_id: who.no"
    )
    with pytest.raises(BadInputError, match=r"who\.no"):
        ingest(str(log.parent), str(tmp_path / "c"), IngestConfig(), mapping=parse_mapping(wrong))


def test_a_file_of_text_has_no_lists(tmp_path):
    (tmp_path / "log.csv").write_text("who.id,items\nann,i1\n")
    with pytest.raises(BadInputError, match=r"log\.csv .*JSON Lines and Parquet"):
        ingest(str(tmp_path), str(tmp_path / "c"), IngestConfig(), mapping=parse_mapping(MAPPING))


def test_a_list_that_is_none_is_told(tmp_path):
    schema = pa.schema([("items", pa.string())])
    pq.write_table(pa.table({"items": ["x"]}, schema), tmp_path / "log.parquet")
    with pytest.raises(BadInputError, match=r"log\.parquet has no list 'items'"):
        list(read_chunks(tmp_path / "log.parquet", "log.parquet", EACH, WANTED))
