"""Files of a folder: read, or the run stops and names them."""

import gzip
from pathlib import Path

import pytest
from shop_files import small_shop, write_shop

from coterie.data.ingest import ingest
from coterie.data.tables import open_folder
from coterie.errors import BadInputError
from coterie.schema import EVENTS, TIES

HEADER = "event_id,user_id,item_id,event,ts\n"


def event(number, kind="view"):
    return f"{kind}{number},u1,i1,{kind},2024-01-0{number}\n"


@pytest.fixture
def folder(tmp_path):
    raw = Path(write_shop(tmp_path / "raw", small_shop()))
    (raw / "events.csv").unlink()
    (raw / "events").mkdir()
    return raw


def test_parts_are_read_whatever_they_are_called(folder):
    events = folder / "events"
    (events / "a.CSV").write_text(HEADER + event(1))
    (events / "b.csv.gz").write_bytes(gzip.compress((HEADER + event(2)).encode()))
    line = '{"event_id":"x","user_id":"u1","item_id":"i1","event":"view","ts":"2024-01-03"}'
    (events / "c.ndjson").write_text(f"\ufeff{line}", encoding="utf-8")
    (events / "2023" / "old").mkdir(parents=True)
    (events / "2023" / "old" / "d.csv").write_text(HEADER + event(4))
    report = ingest(str(folder), str(folder.parent / "clean"))
    assert report.tables["events"].kept == 4
    assert set(report.sources["events"].values()) == {1}


def test_folders_named_as_hive_does_hold_columns(folder):
    for kind in ("view", "cart"):
        part = folder / "events" / "dt=2024-01-01" / f"event={kind}"
        part.mkdir(parents=True)
        (part / "0.csv").write_text("event_id,user_id,item_id,ts\n" + f"{kind},u1,i1,2024-01-01\n")
    report = ingest(str(folder), str(folder.parent / "clean"))
    assert report.tables["events"].kept == 2
    assert report.tables["events"].unknown_columns == ("dt",)


def test_a_column_in_the_file_and_in_its_folder_is_refused(folder):
    part = folder / "events" / "event=view"
    part.mkdir()
    (part / "0.csv").write_text(HEADER + event(1))
    with pytest.raises(BadInputError, match=r"0.csv has column event, and so has the name"):
        ingest(str(folder), str(folder.parent / "clean"))


UNREADABLE = ["x.csv.bz2", "x.xlsx", "x.avro", "readme"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_part_that_cannot_be_read_stops_the_run_by_name(folder, name):
    (folder / "events" / "a.csv").write_text(HEADER + event(1))
    (folder / "events" / name).write_text("x")
    with pytest.raises(BadInputError, match=f"events/{name} is not of a form that is read"):
        ingest(str(folder), str(folder.parent / "clean"))


MEANT = {
    "events-2023.csv": "events",
    "events (1).csv": "events",
    "event.csv.gz": "events",
    "user.csv": "users",
    "users_consent.jsonl": "users",
    "Ties.old.parquet": "ties",
    "users.xlsx": "users",
    "items.tsv": "items",
    "events.csv.bak": "events",
}


@pytest.mark.parametrize(("name", "table"), MEANT.items())
def test_a_file_that_looks_like_a_table_s_stops_the_run(tmp_path, name, table):
    raw = write_shop(tmp_path / "raw", small_shop())
    Path(raw, name).write_text("x")
    with pytest.raises(BadInputError) as caught, open_folder(raw):
        pass
    assert str(caught.value).startswith(f"{name} ")
    assert table in str(caught.value)


def test_all_that_is_wrong_with_a_folder_is_said_at_once(tmp_path):
    raw = write_shop(tmp_path / "raw", small_shop())
    Path(raw, "ties.csv").write_text("src,dst_user_id\nu1,u2\n")
    Path(raw, "items.csv").write_text("item_id,title,image_url\ni1,Pan,x\n")
    Path(raw, "users.json").write_text("[]")
    with pytest.raises(BadInputError) as caught, open_folder(raw):
        pass
    said = str(caught.value)
    assert "has 3 faults: " in said
    for part in ("ties.csv lacks column src_user_id, kind", "image_url: rename it", "an array"):
        assert part in said


def test_a_delta_table_is_not_taken_for_a_folder_of_parquet(folder):
    (folder / "events" / "_delta_log").mkdir()
    (folder / "events" / "_delta_log" / "0.json").touch()
    (folder / "events" / "a.csv").write_text(HEADER + event(1))
    with pytest.raises(BadInputError, match="events/ is a Delta table"):
        ingest(str(folder), str(folder.parent / "clean"))


def test_missing_tables_are_named_together_with_what_is_there(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "orders.csv").write_text("a\n1\n")
    with pytest.raises(BadInputError) as caught:
        ingest(str(tmp_path / "raw"), str(tmp_path / "clean"))
    assert "has no events, no ties, no items: expected events.{parquet,csv," in str(caught.value)
    assert "it holds orders.csv" in str(caught.value)


def test_the_parts_of_a_table_are_read_in_the_order_of_their_names(folder):
    for name in ("b.csv", "a.csv"):
        (folder / "events" / name).write_text(HEADER + event(1))
    (folder / "EVENTS.csv").write_text(HEADER + event(1))
    with open_folder(str(folder)) as found:
        assert found.files(EVENTS) == ["EVENTS.csv", "events/a.csv", "events/b.csv"]
        assert found.files(TIES) == ["ties.csv"]
