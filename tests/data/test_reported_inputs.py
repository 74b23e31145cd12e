"""Small inputs that failed once, each with what it has to become."""

import os
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError


def reported(name):
    """The input of a case; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "cases"
    folder = Path(os.environ.get("COTERIE_CASES", str(beside)))
    found = sorted(folder.glob(f"{name}-*/in"))
    if not found:
        pytest.skip(f"no case {name} in {folder}: set COTERIE_CASES to the folder of the cases")
    return str(found[0])


def clean_of(tmp_path, name, max_bad_share=0.05):
    out = tmp_path / "clean"
    report = ingest(reported(name), str(out), IngestConfig(max_bad_share=max_bad_share))
    tables = {t: pq.read_table(out / f"{t}.parquet") for t in ("events", "items", "users")}
    return report, tables


def test_01_an_open_quote_stops_with_its_line(tmp_path):
    with pytest.raises(BadInputError, match=r"^events.csv line 2: a quote that opens here"):
        clean_of(tmp_path, "01")
    assert not (tmp_path / "clean").exists()


def test_02_parts_in_any_form_and_place_are_read(tmp_path):
    report, _ = clean_of(tmp_path, "02")
    assert report.tables["events"].kept == 7
    assert len(report.sources["events"]) == 5


def test_03_a_consent_that_cannot_be_read_is_a_no(tmp_path):
    clean_of(tmp_path, "03")
    data = load_dataset(str(tmp_path / "clean"))
    said = dict(zip(data.users.ids.to_pylist(), data.people.to_pylist(), strict=True))
    assert not said["u1"]["may_be_named"]
    assert not said["u2"]["may_be_used"]
    assert said["v0"]["may_be_named"]
    assert said["v0"]["may_be_used"]


def test_06_lists_and_objects_are_bad_rows(tmp_path):
    with pytest.raises(BadInputError, match=r"items.jsonl row 1.*a list or an object"):
        clean_of(tmp_path, "06")
    report, tables = clean_of(tmp_path, "06", max_bad_share=1.0)
    assert report.tables["items"].bad == 1
    [row] = tables["items"].filter(pc.field("item_id") == "i1").to_pylist()
    assert not row["available"]


def test_09_ids_come_into_one_form(tmp_path):
    _, tables = clean_of(tmp_path, "09")
    assert "Zo\u00eb" in tables["events"]["user_id"].to_pylist()


def test_13_hive_folders_are_read(tmp_path):
    report, _ = clean_of(tmp_path, "13")
    assert report.sources["events"] == {"events/dt=2024-01-01/part-0.csv": 3}


def test_15_the_newer_row_of_an_item_wins(tmp_path):
    _, tables = clean_of(tmp_path, "15")
    [row] = tables["items"].filter(pc.field("item_id") == "i1").to_pylist()
    assert (row["title"], row["price"], row["available"]) == ("New", 7.0, False)
