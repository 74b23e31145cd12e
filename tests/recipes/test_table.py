"""The recipe "A table of the contract" of CONTRIBUTING, followed for a toy: what items cost, in
which currency, from when on."""

import csv
import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.load import load_dataset, read_clean
from coterie.data.mapping.document import parse_mapping
from coterie.errors import BadInputError
from coterie.schema import TABLES, TIMESTAMP, Column, Duplicates, Rule, Table
from tests.tiny_shop import write_raw

# Step 1, coterie/schema.py: its entry.
PRICES = Table(
    "prices",
    (
        Column("item_id", pa.string(), True, "which item"),
        Column("currency", pa.string(), True, "one of EUR, USD", ("eur", "usd")),
        Column("amount", pa.float64(), True, "at least 0"),
        Column("since", TIMESTAMP, False, "from when on, UTC"),
        Column("reduced", pa.bool_(), False, "false where nothing is said", (), False),
    ),
    ("item_id", "currency"),
    optional=True,
    sorted_by=("currency", "item_id"),
    rules=(Rule("amount", "below 0", lambda row: pc.less(row["amount"], 0.0)),),
    duplicates=Duplicates.LAST,
)


# Step 2, its reader, where it is needed.
def prices_in(clean, currency):
    """What each item of a shop costs, by row; null where nothing is said."""
    prices, items = read_clean(clean)[1]["prices"], load_dataset(clean).items
    here = prices.filter(pc.equal(prices["currency"], currency))
    rows = pa.array(pc.index_in(items.ids, value_set=here["item_id"].combine_chunks()))
    return here["amount"].take(rows)


@pytest.fixture(autouse=True)
def followed(monkeypatch):
    """Step 1: it is listed in ``schema.TABLES``."""
    monkeypatch.setitem(TABLES, "prices", PRICES)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def raw(bare, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for file in bare.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


GOOD = (
    ["item-0001", "EUR", "2.5", "2024-01-01", ""],
    ["item-0000", "eur", "9", "2024-01-01", "yes"],
    ["item-0000", "usd", "10", "2024-01-01", "no"],
    ["item-0001", "eur", "2", "2024-02-01", "yes"],
)
BAD = (
    ["item-0002", "eur", "-1", "", ""],
    ["item-0003", "gold", "1", "", ""],
    ["item-0004", "eur", "", "", ""],
)


def write(folder, rows, name="prices.csv", header=PRICES.arrow.names):
    with (folder / name).open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def test_its_rows_are_checked_told_apart_and_sorted(raw, tmp_path):
    write(raw, [*GOOD, *BAD])
    clean = str(tmp_path / "clean")
    report = ingest(str(raw), clean, IngestConfig(max_bad_share=0.5))
    found = pq.read_table(f"{clean}/prices.parquet", schema=PRICES.arrow)
    assert [tuple(row.values())[:3] for row in found.to_pylist()] == [
        ("item-0000", "eur", 9.0),
        ("item-0001", "eur", 2.0),
        ("item-0000", "usd", 10.0),
    ]
    assert found["reduced"].to_pylist() == [True, True, False]
    counts = report.tables["prices"]
    assert (counts.read, counts.kept, counts.bad, counts.duplicates) == (7, 3, 3, 1)
    assert {name: n for name, n in report.reasons.items() if name.startswith("prices")} == {
        "prices.amount: below 0": 1,
        "prices.amount: missing": 1,
        "prices.currency: none of eur, usd": 1,
    }


def test_it_is_read_beside_the_shop(raw, tmp_path):
    write(raw, GOOD)
    ingest(str(raw), str(tmp_path / "clean"))
    told = prices_in(str(tmp_path / "clean"), "eur").to_pylist()
    assert told[:3] == [9.0, 2.0, None]
    assert told[2:] == [None] * (len(told) - 2)


def test_a_shop_may_lack_it_and_ingest_replaces_it(raw, tmp_path):
    clean = tmp_path / "clean"
    ingest(str(raw), str(clean))
    assert pq.read_table(clean / "prices.parquet", schema=PRICES.arrow).num_rows == 0
    without = json.loads((clean / "ingest.json").read_text())["fingerprint"]
    write(raw, GOOD)
    ingest(str(raw), str(clean))
    assert pq.read_table(clean / "prices.parquet").num_rows == 3
    assert json.loads((clean / "ingest.json").read_text())["fingerprint"] != without


def test_too_many_bad_rows_and_misspelt_columns_stop_the_run(raw, tmp_path):
    write(raw, [*GOOD, *BAD])
    with pytest.raises(BadInputError, match="3 of 7 rows of prices"):
        ingest(str(raw), str(tmp_path / "clean"))
    write(raw, GOOD, header=["item_id", "curency", *PRICES.arrow.names[2:]])
    with pytest.raises(BadInputError, match="lacks column currency"):
        ingest(str(raw), str(tmp_path / "clean"))


def test_a_mapping_brings_it_from_files_of_other_names(raw, tmp_path):
    write(raw, GOOD, "costs.csv", ["article", "money", "amount", "since", "reduced"])
    tables = {
        name: [{"file": f"{name}.parquet", "columns": {c.name: c.name for c in table.columns}}]
        for name, table in TABLES.items()
        if (raw / f"{name}.parquet").exists()
    }
    columns = {"item_id": "article", "currency": "money", "amount": "amount"}
    tables["prices"] = [{"file": "costs.csv", "columns": columns}]
    mapping = parse_mapping(json.dumps(tables), "mapping.yaml")
    ingest(str(raw), str(tmp_path / "clean"), mapping=mapping)
    assert prices_in(str(tmp_path / "clean"), "usd").to_pylist()[0] == 10.0
