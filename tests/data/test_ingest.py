import json
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from shop_files import small_shop, write_shop

from coterie.data.ingest import IngestConfig, clean_files, ingest, put_aside
from coterie.data.load import load_dataset
from coterie.errors import BadInputError, UnavailableError
from coterie.schema import EVENTS, ITEMS, QUARANTINE, TABLES, TIES, USERS

CONFIG = IngestConfig(now=datetime(2025, 1, 1, tzinfo=UTC))
LENIENT = IngestConfig(max_bad_share=1.0, now=CONFIG.now)


def clean_of(tmp_path, shop, form="csv", config=CONFIG):
    source = write_shop(tmp_path / "raw", shop, form)
    report = ingest(source, str(tmp_path / "clean"), config)
    return report, {name: pq.read_table(tmp_path / "clean" / name) for name in clean_files()[:-1]}


def quarantined(tables):
    rows = tables["quarantine.parquet"].to_pylist()
    return [(r["table"], r["file"], r["row"], r["column"], r["reason"], r["found"]) for r in rows]


def test_good_tables_come_through_in_the_contract_s_form(tmp_path):
    report, tables = clean_of(tmp_path, small_shop())
    for table in TABLES.values():
        assert tables[f"{table.name}.parquet"].schema.equals(table.arrow)
    assert tables["quarantine.parquet"].schema.equals(QUARANTINE)
    assert report.tables["events"].kept == report.tables["events"].read == 40
    assert not quarantined(tables)
    first = tables["events.parquet"].slice(0, 1).to_pylist()[0]
    assert first == {
        "event_id": "e000",
        "user_id": "u0",
        "item_id": "i0",
        "event": "view",
        "value": None,
        "text": None,
        "ts": datetime(2024, 1, 1, 10, 0, tzinfo=UTC),
        "referrer_user_id": "u1",
        "invited_user_id": None,
        "split": None,
    }
    assert tables["ties.parquet"]["weight"].to_pylist() == [1.0] * 10
    assert json.loads((tmp_path / "clean" / "ingest.json").read_text())["fingerprint"]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_the_form_and_the_order_of_rows_leave_the_clean_tables_as_they_are(tmp_path, form):
    report, _ = clean_of(tmp_path / "csv", small_shop())
    turned = {name: rows[::-1] for name, rows in small_shop().items()}
    other, _ = clean_of(tmp_path / form, turned, form)
    assert other.fingerprint == report.fingerprint


def test_running_again_writes_the_same_bytes(tmp_path):
    shop = small_shop()
    shop["events"][3]["ts"] = "never"
    config = IngestConfig(now=CONFIG.now)
    clean_of(tmp_path, shop, config=config)
    before = {name: (tmp_path / "clean" / name).read_bytes() for name in clean_files()}
    clean_of(tmp_path, shop, config=config)
    after = {name: (tmp_path / "clean" / name).read_bytes() for name in clean_files()}
    assert after == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".clean.lock", "clean", "raw"]


def test_clean_tables_are_clean_input(tmp_path):
    report, _ = clean_of(tmp_path, small_shop())
    again = ingest(str(tmp_path / "clean"), str(tmp_path / "again"), CONFIG)
    assert again.fingerprint == report.fingerprint


FAULTS = [
    ("events", {"user_id": ""}, "user_id", "missing", None),
    ("events", {"item_id": "undefined"}, "item_id", "a word that stands for", "undefined"),
    ("events", {"event": "review", "value": "9"}, "value", "over 5", "9"),
    ("events", {"value": "1e13"}, "value", "over 1e+12", "1e13"),
    ("events", {"event": "stare"}, "event", "none of view, click", "stare"),
    ("events", {"ts": "2026-01-01"}, "ts", "in the future", "2026-01-01"),
    ("events", {"ts": "1970-01-01"}, "ts", "before 1990", "1970-01-01"),
    ("events", {"value": "-1"}, "value", "below 0", "-1"),
    ("events", {"value": "nan"}, "value", "not a finite number", "nan"),
    ("events", {"event": "rating", "value": "5.5"}, "value", "over 5", "5.5"),
    ("events", {"event": "rating"}, "value", "a rating without its value", None),
    ("events", {"user_id": "x" * 300}, "user_id", "longer than 256", "x" * 120),
    ("ties", {"dst_user_id": "u2"}, "dst_user_id", "a tie to oneself", "u2"),
    ("ties", {"weight": "0"}, "weight", "not over 0", "0"),
    ("ties", {"weight": "1e39"}, "weight", "over 1e+12", "1e39"),
    ("ties", {"since": "2030-01-01"}, "since", "in the future", "2030-01-01"),
    ("items", {"price": "-0.01"}, "price", "below 0", "-0.01"),
    ("items", {"title": "<br/>"}, "title", "missing", "<br/>"),
]


@pytest.mark.parametrize(("table", "change", "column", "reason", "found"), FAULTS)
def test_a_bad_row_goes_to_quarantine_with_its_reason(
    tmp_path, table, change, column, reason, found
):
    shop = small_shop()
    shop["items"].append({"item_id": "i9", "title": "Spare", "price": "1", "available": ""})
    for row in shop["ties"]:
        row |= {"weight": "", "since": ""}
    place = 4 if table == "items" else 2
    shop[table][place] |= change
    report, tables = clean_of(tmp_path, shop, config=LENIENT)
    bad = quarantined(tables)
    assert len(bad) == report.tables[table].bad == 1
    where = (table, f"{table}.csv", place + 1, column)
    assert bad[0][:4] == where
    assert bad[0][4].startswith(reason)
    assert (bad[0][5] or None) == found
    assert report.reasons == {f"{table}.{column}: {bad[0][4]}": 1}


def test_no_row_vanishes(tmp_path):
    shop = small_shop()
    for place, (_, change, *_) in enumerate(f for f in FAULTS if f[0] == "events"):
        shop["events"][place] |= change
    shop["events"] += shop["events"][20:23]
    report, _ = clean_of(tmp_path, shop, config=LENIENT)
    counts = report.tables["events"]
    assert (counts.bad, counts.duplicates) == (12, 3)
    assert counts.read + counts.added == counts.kept + counts.bad + counts.duplicates


def test_of_events_with_one_id_the_first_good_one_stays(tmp_path):
    shop = small_shop()
    same = dict(shop["events"][0], event_id="same")
    shop["events"] += [
        same | {"ts": "never"},
        same | {"item_id": "i1"},
        same | {"item_id": "i2", "ts": "2023-01-01"},
    ]
    report, tables = clean_of(tmp_path, shop, config=LENIENT)
    kept = tables["events.parquet"].filter(pc.field("event_id") == "same").to_pylist()
    assert [row["item_id"] for row in kept] == ["i1"]
    assert (report.tables["events"].bad, report.tables["events"].duplicates) == (1, 1)


def test_of_rows_about_one_item_the_last_stays_and_the_stricter_availability_holds(tmp_path):
    shop = small_shop()
    newer = {"item_id": "i1", "title": "New", "price": "7", "available": "no"}
    shop["items"] += [newer, newer | {"title": "Newest", "available": "yes"}]
    report, tables = clean_of(tmp_path, shop)
    [row] = tables["items.parquet"].filter(pc.field("item_id") == "i1").to_pylist()
    assert (row["title"], row["price"], row["available"]) == ("Newest", 7.0, False)
    assert report.tables["items"].duplicates == 2


@pytest.mark.parametrize(
    "bad", [{"price": "-1", "available": "no"}, {"price": "7", "available": "sold out"}]
)
def test_a_bad_row_of_an_item_may_take_it_out_of_stock_and_not_put_it_in(tmp_path, bad):
    shop = small_shop()
    shop["items"] += [{"item_id": "i1", "title": "New"} | bad]
    _, tables = clean_of(tmp_path, shop, config=LENIENT)
    [row] = tables["items.parquet"].filter(pc.field("item_id") == "i1").to_pylist()
    assert (row["title"], row["available"]) == ("Thing 1", False)


def test_an_event_of_an_item_that_nobody_describes_is_kept_and_the_item_is_not_for_sale(tmp_path):
    shop = small_shop()
    shop["events"][3]["item_id"] = "new this morning"
    shop["items"][2]["price"] = "-1"
    report, tables = clean_of(tmp_path, shop, config=LENIENT)
    assert report.tables["events"].kept == 40
    assert report.tables["items"].added == 2
    added = tables["items.parquet"].filter(~pc.field("available")).to_pylist()
    assert [(row["item_id"], row["title"]) for row in added] == [
        ("i2", "i2"),
        ("new this morning", "new this morning"),
    ]
    assert report.shared.events_of_items_not_described == 11
    [warning] = report.warnings
    assert warning.startswith("11 of 40 events name 2 items that have no good row in items, e.g. ")
    counts = report.tables["items"]
    assert counts.read + counts.added == counts.kept + counts.bad + counts.duplicates


def test_every_file_is_named_with_its_rows_or_the_reason_why_it_was_not_read(tmp_path):
    source = Path(write_shop(tmp_path / "raw", small_shop()))
    (source / "events").mkdir()
    (source / "events.csv").rename(source / "events" / "PART-0.CSV")
    for name in ("_SUCCESS", ".PART-0.CSV.crc"):
        (source / "events" / name).touch()
    (source / "notes.md").write_text("ours")
    ingest(str(source), str(tmp_path / "clean"), CONFIG)
    report = json.loads((tmp_path / "clean" / "ingest.json").read_text())
    assert report["sources"] == {
        "events": {"events/PART-0.CSV": 40},
        "items": {"items.csv": 4},
        "ties": {"ties.csv": 5},
        "users": {},
    }
    passed = {found["file"]: found["reason"] for found in report["passed_over"]}
    assert sorted(passed) == ["events/.PART-0.CSV.crc", "events/_SUCCESS", "notes.md"]
    assert passed["notes.md"].startswith("no table of the contract")


def test_friends_are_friends_both_ways_and_followers_are_not(tmp_path):
    shop = small_shop()
    shop["ties"] = [
        {"src_user_id": "u0", "dst_user_id": "u1", "kind": "friend", "weight": "2"},
        {"src_user_id": "u1", "dst_user_id": "u2", "kind": "friend", "weight": "3"},
        {"src_user_id": "u2", "dst_user_id": "u1", "kind": "friend", "weight": "4"},
        {"src_user_id": "u3", "dst_user_id": "u4", "kind": "follow", "weight": "5"},
        {"src_user_id": "u3", "dst_user_id": "u4", "kind": "trust", "weight": "6"},
    ]
    report, tables = clean_of(tmp_path, shop)
    ties = tables["ties.parquet"].to_pylist()
    assert [(t["src_user_id"], t["dst_user_id"], t["weight"]) for t in ties] == [
        ("u0", "u1", 2.0),
        ("u1", "u0", 2.0),
        ("u1", "u2", 3.0),
        ("u2", "u1", 4.0),
        ("u3", "u4", 5.0),
        ("u3", "u4", 6.0),
    ]
    assert report.tables["ties"].added == 1


def test_of_two_words_on_consent_the_stricter_holds(tmp_path):
    shop = small_shop() | {
        "users": [
            {"user_id": "u1", "may_be_named": "true", "may_be_used": "false"},
            {"user_id": "u1", "may_be_named": "false", "may_be_used": "true"},
            {"user_id": "u2", "may_be_named": "", "may_be_used": ""},
        ]
    }
    report, tables = clean_of(tmp_path, shop)
    assert tables["users.parquet"].to_pylist() == [
        {"user_id": "u1", "may_be_named": False, "may_be_used": False},
        {"user_id": "u2", "may_be_named": True, "may_be_used": True},
    ]
    assert report.tables["users"].duplicates == 1


def many_bad(count):
    """A shop of 1,000 events, of which some, from the eighth on, have no time."""
    shop = small_shop()
    events = [
        row | {"event_id": f"{row['event_id']}-{i}"} for i in range(25) for row in shop["events"]
    ]
    for row in events[7 : 7 + count]:
        row["ts"] = "never"
    return shop | {"events": events}


def test_three_percent_of_bad_rows_are_let_pass(tmp_path):
    report, _ = clean_of(tmp_path, many_bad(30))
    assert (report.tables["events"].bad, report.tables["events"].kept) == (30, 970)


def test_the_limit_itself_is_let_pass_and_one_row_more_is_not(tmp_path):
    report, _ = clean_of(tmp_path, many_bad(50))
    assert report.tables["events"].bad == 50
    with pytest.raises(BadInputError, match=r"51 of 1000 rows of events \(5.1%\)"):
        clean_of(tmp_path, many_bad(51))


def test_rows_that_were_put_aside_are_told_of_and_good_tables_are_not(tmp_path):
    clean_of(tmp_path, many_bad(30))
    [line] = put_aside(str(tmp_path / "clean"))
    assert line.startswith("30 of 1,000 rows of events are bad and were put aside, most often ")
    assert "events.ts: no time in ISO 8601 or Unix form (30): " in line
    assert line.endswith(str(tmp_path / "clean" / "quarantine.parquet"))
    clean_of(tmp_path, small_shop())
    assert put_aside(str(tmp_path / "clean")) == []


def test_too_many_bad_rows_stop_the_run_and_lie_beside_the_output(tmp_path):
    clean_of(tmp_path, small_shop())
    before = (tmp_path / "clean" / "ingest.json").read_bytes()
    with pytest.raises(BadInputError) as caught:
        clean_of(tmp_path, many_bad(600))
    said = str(caught.value)
    assert "600 of 1000 rows of events (60.0%) are bad, first events.csv row 8, column ts" in said
    assert "(found 'never')" in said
    assert "at most 5.0% may be bad: nothing was written" in said
    assert (tmp_path / "clean" / "ingest.json").read_bytes() == before
    assert pq.read_table(tmp_path / "clean.rejected" / "quarantine.parquet").num_rows == 600
    clean_of(tmp_path, small_shop())
    assert not (tmp_path / "clean.rejected" / "quarantine.parquet").exists()


def test_a_shop_without_events_is_no_shop(tmp_path):
    shop = small_shop()
    for row in shop["events"]:
        row["ts"] = ""
    with pytest.raises(BadInputError, match="no good row of events"):
        clean_of(tmp_path, shop, config=LENIENT)


def test_a_table_may_have_no_rows_where_the_shop_has_no_ties(tmp_path):
    source = write_shop(tmp_path / "raw", small_shop())
    Path(source, "ties.csv").write_text("src_user_id,dst_user_id,kind\n")
    assert ingest(source, str(tmp_path / "clean"), CONFIG).tables["ties"].kept == 0
    assert len(load_dataset(str(tmp_path / "clean")).ties) == 0


def test_texts_are_cleaned_and_cuts_are_counted(tmp_path):
    shop = small_shop()
    shop["items"][0]["title"] = "<i>Café</i>  &amp; \u202ebar" + "x" * 2000
    report, tables = clean_of(tmp_path, shop)
    title = tables["items.parquet"]["title"][0].as_py()
    assert title.startswith("Café & bar")
    assert len(title) == 1000
    assert report.tables["items"].shortened == 1


def test_a_folder_with_other_things_is_not_overwritten(tmp_path):
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "thesis.txt").touch()
    with pytest.raises(BadInputError, match=r"thesis.txt, which would be lost"):
        clean_of(tmp_path, small_shop())
    assert (tmp_path / "clean" / "thesis.txt").exists()


def test_the_source_is_not_written_over(tmp_path):
    source = write_shop(tmp_path / "raw", small_shop())
    for out in (source, str(tmp_path)):
        with pytest.raises(BadInputError, match="name another folder"):
            ingest(source, out, CONFIG)


def test_two_at_once_do_not_write_one_folder(tmp_path, monkeypatch):
    source = write_shop(tmp_path / "raw", small_shop())
    out = str(tmp_path / "clean")

    def second(*_):
        with pytest.raises(UnavailableError, match="another process is writing"):
            ingest(source, out, CONFIG)
        return "a" * 64

    monkeypatch.setattr("coterie.data.ingest._digest", second)
    ingest(source, out, CONFIG)


def test_a_store_holds_no_report_while_its_tables_change(tmp_path, monkeypatch):
    store = fsspec.filesystem("memory")
    source = write_shop(tmp_path / "raw", small_shop())
    ingest(source, "memory://shop/clean", CONFIG)
    assert len(load_dataset("memory://shop/clean").events) == 40

    def fail(here, there):
        raise OSError("the network is down")

    monkeypatch.setattr(store, "put_file", fail)
    with pytest.raises(UnavailableError, match="the network is down"):
        ingest(source, "memory://shop/clean", CONFIG)
    assert not store.exists("/shop/clean/ingest.json")
    with pytest.raises(BadInputError, match=r"has no ingest.json"):
        load_dataset("memory://shop/clean")
    store.rm("/shop", recursive=True)


def test_progress_ends_where_it_said_it_would(tmp_path):
    told = []
    source = write_shop(tmp_path / "raw", small_shop())
    ingest(source, str(tmp_path / "clean"), CONFIG, lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(6))
    assert {total for *_, total in told} == {5}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(BadInputError, match="max_bad_share"):
        IngestConfig(max_bad_share=share)


def test_the_contract_s_tables_are_all_written():
    assert {f"{t.name}.parquet" for t in (EVENTS, TIES, ITEMS, USERS)} < set(clean_files())
    assert pa.types.is_string(QUARANTINE.field("reason").type)


def test_events_that_are_too_old_are_left_out_and_counted(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "items.csv").write_text("item_id,title\np,Pan\n")
    (raw / "ties.csv").write_text("src_user_id,dst_user_id,kind,since\na,b,friend,2020-01-01\n")
    times = (
        "2026-01-01",
        "2025-12-30T23:59:59Z",
        "2025-12-31",
        "2026-01-01",
        "never",
        "2020-02-02",
    )
    rows = "".join(f"{n},a,p,view,{ts}\n" for n, ts in enumerate(times))
    (raw / "events.csv").write_text(
        f"event_id,user_id,item_id,event,ts\n{rows}0,b,p,view,2026-01-01\n"
    )
    now = datetime(2026, 1, 2, tzinfo=UTC)
    config = IngestConfig(max_bad_share=0.5, now=now, keep_days=2)
    report = ingest(str(raw), str(tmp_path / "clean"), config)
    of = report.tables["events"]
    assert (of.read, of.kept, of.bad, of.duplicates, of.too_old) == (7, 3, 1, 1, 2)
    assert report.tables["ties"].too_old == 0
    with pytest.raises(BadInputError, match="keep_days"):
        IngestConfig(keep_days=-1)
