"""HTTP and ingest take the same events, each way round, through real log, exporter and ingest."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from asking import ODD
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from small_shop import item

from coterie.data.columns import MAX_LEAD_S
from coterie.data.ids import MISSING_WORDS
from coterie.data.ingest import IngestConfig, ingest
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, EVENTS
from serving.events.sqlite_log import SqliteLog
from serving.ingestion.exporter import Exporter
from serving.ingestion.intake import Intake
from serving.settings import Settings
from serving.telemetry.instruments import LogMetrics

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
AGE_DAYS, LEAD_S = 3650.0, 300.0
INTAKE = Intake(AGE_DAYS, LEAD_S)
ANCHORS = 60
"""Good events of known items: where most events are of unknown ones, ingest stops."""
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
NOT_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def spelt(moment):
    """A time as exports hold it."""
    seconds = moment.timestamp()
    plain = moment.strftime("%Y-%m-%d %H:%M:%S")
    return [
        moment.isoformat(),
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%dT%H:%M:%S.%f}+00:00",
        moment.astimezone(tz=None).isoformat(),
        plain,
        f"{plain} UTC",
        f"{plain}+02:00",
        f"{moment:%Y-%m-%d}",
        f"{moment:%Y%m%d}",
        f"{moment:%Y%m%d%H%M%S}",
        f"{seconds:.0f}",
        f"{seconds:.3f}",
        f"{seconds * 1e3:.0f}",
        f"{seconds * 1e6:.0f}",
        f"{seconds * 1e9:.0f}",
        f" {seconds:.0f} ",
    ]


MOMENTS = st.one_of(
    # Inside what a live shop takes: its bounds are the one difference, and have their own tests.
    st.datetimes(
        (NOW - timedelta(days=AGE_DAYS - 2)).replace(tzinfo=None),
        (NOW - timedelta(days=2)).replace(tzinfo=None),
    ).map(lambda naive: naive.replace(tzinfo=UTC)),
    st.sampled_from([NOW - timedelta(hours=4), NOW - timedelta(microseconds=1)]),
)
TIMES = st.one_of(
    MOMENTS.flatmap(lambda moment: st.sampled_from(spelt(moment))),
    st.sampled_from(["", "yesterday", "45678", "12", "2999-01-01", "31.12.2025", "2025-02-30"]),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "nice", " <b>Fish</b> &amp; chips ", "a" * 20_003, "x\ny", "\u202e", "e\u0301"]
    ),
    st.text(NOT_NUL, max_size=30),
)
IDS = st.one_of(
    st.sampled_from([*ODD, *sorted(MISSING_WORDS), "", " ", "x" * 257, "1E+10", "12.50", "a\nb"]),
    st.text(NOT_NUL, max_size=12),
)
VALUES = st.one_of(
    st.sampled_from(["", " 3 ", "5", "5.0", "5.01", "+4", "-0", "-1", "1e3", "1e39", "nan", "inf"]),
    st.sampled_from(
        ["1e12", "1000000000001", ".5", "5.", "1,5", "0x10", "1_000", "much", "\u0663"]
    ),
    st.floats().map(str),
)
KINDS = st.one_of(
    st.sampled_from([str(kind) for kind in EVENT_KINDS]),
    st.sampled_from(["Rating", " view ", "PURCHASE", "like", "", "buy"]),
)
GOOD = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["ana", "Zoe\u0308", "a/b"]),
        "item_id": st.sampled_from([item(3), "new"]),
        "event": st.sampled_from([str(kind) for kind in EVENT_KINDS]),
        "ts": MOMENTS.flatmap(lambda moment: st.sampled_from(spelt(moment))),
        "value": st.sampled_from(["3", "4.5"]),
    }
)


def spoilt(**fields):
    """Good events in which one or two fields hold something else, good or bad."""
    names = st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)
    few = names.flatmap(lambda chosen: st.fixed_dictionaries({n: fields[n] for n in chosen}))
    return st.tuples(GOOD, few).map(lambda parts: parts[0] | parts[1])


FILED = {
    **dict.fromkeys(("referrer_user_id", "invited_user_id", "user_id", "item_id"), IDS),
    **{"value": VALUES, "event": KINDS, "ts": TIMES, "text": TEXTS},
}
ROWS = st.lists(spoilt(**FILED), min_size=4, max_size=12)


def named(rows):
    return [{"event_id": f"e{n}", **row} for n, row in enumerate(rows)]


def ingested(folder, write_events, now=NOW):
    """What becomes of events: clean rows by id, and the rows of quarantine."""
    source = folder / "in"
    (source / "events").mkdir(parents=True, exist_ok=True)
    anchors = [
        {"event_id": f"anchor{n}", "user_id": "ana", "item_id": item(3), "event": "view"}
        for n in range(ANCHORS)
    ]
    write_csv(source / "events" / "anchors.csv", [a | {"ts": "2026-02-01"} for a in anchors])
    write_csv(source / "items.csv", [{"item_id": item(3), "title": "Pan"}])
    tie = {"src_user_id": "ana", "dst_user_id": "bea", "kind": "friend"}
    write_csv(source / "ties.csv", [tie])
    write_events(source / "events")
    ingest(str(source), str(folder / "out"), IngestConfig(max_bad_share=1.0, now=now))
    rows = pq.read_table(folder / "out" / "events.parquet").to_pylist()
    bad = pq.read_table(folder / "out" / "quarantine.parquet").to_pylist()
    clean = {row["event_id"]: row for row in rows if not row["event_id"].startswith("anchor")}
    return clean, [row for row in bad if row["table"] == EVENTS.name]


def write_csv(file, rows):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


FORMS = {"csv": write_csv, "jsonl": write_jsonl}


def as_clean(event):
    """An event that was posted, as a clean table holds it."""
    return {
        **{
            name: getattr(event, name) for name in EVENTS.arrow.names if name not in {"ts", "split"}
        },
        "event": event.event.value,
        "ts": datetime.fromtimestamp(event.ts_ms / 1000, UTC),
        "split": None,
    }


def to_the_millisecond(row):
    ts = row["ts"]
    return row | {"ts": ts.replace(microsecond=ts.microsecond // 1000 * 1000)}


@pytest.mark.parametrize("form", FORMS)
def test_what_ingest_takes_can_be_posted_and_what_it_refuses_cannot(form):
    @SLOW
    @given(rows=ROWS)
    @example(rows=[{"user_id": "a", "item_id": "b", "event": "rating", "ts": "2026-01-01"}])
    @example(
        rows=[
            {"user_id": "a", "item_id": "new", "event": "rating", "ts": "20260101", "value": value}
            for value in ("0", "5", "5.0001", "-0.5", "-1", "", "nan")
        ]
    )
    def holds(rows):
        rows = named(rows)
        with TemporaryDirectory() as folder:
            clean, _ = ingested(
                Path(folder), lambda events: FORMS[form](events / f"rows.{form}", rows)
            )
        taken = INTAKE.sort(rows, NOW)
        posted = {event.event_id: as_clean(event) for event in taken.kept}
        refused = {rows[one.index]["event_id"]: (one.field, one.reason) for one in taken.refused}
        assert posted.keys() == clean.keys(), refused
        assert posted == {name: to_the_millisecond(row) for name, row in clean.items()}

    holds()


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 9),
    st.floats(),
    st.just([]),
    st.just(["a"]),
    st.just({"a": 1}),
    st.text(max_size=10),
).map(lambda one: one)
"""Mapped, so that it counts as one of several strategies, and not as nine."""
SENT = {name: st.one_of(values, ANYTHING) for name, values in FILED.items()}
SENT |= {
    "list_id": st.one_of(IDS, ANYTHING),
    "split": st.just("train"),
    "ts": st.one_of(SENT["ts"], MOMENTS.map(lambda moment: moment.timestamp()), st.none()),
}
POSTED = st.tuples(
    st.lists(spoilt(**FILED), min_size=3, max_size=8),
    st.lists(spoilt(**SENT), max_size=3),
    st.lists(ANYTHING, max_size=2),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


def exported(folder, events):
    """Into the log and out again, as the sink and the consumer do."""
    log = SqliteLog(folder / "log.sqlite")
    try:
        log.append(events)
        Exporter(log, str(folder / "in"), LogMetrics(CollectorRegistry())).export()
    finally:
        log.close()


@SLOW
@given(batch=POSTED)
@example(batch=[{"user_id": 12.0, "item_id": 10**17, "event": "VIEW", "ts": 1772366400.5}])
@example(
    batch=[
        {"user_id": "a", "item_id": "b", "event": "review", "value": 4, "text": "fine"}
        | {"ts": 1772366400.5, "referrer_user_id": "c", "list_id": "d"}
    ]
)
@example(batch=[{"user_id": "a", "item_id": "b", "event": "purchase", "value": -1}])
@example(batch=[{"user_id": "a", "item_id": "b", "event": "rating"}])
def test_what_was_acknowledged_is_never_quarantined_and_stays_as_it_was(batch):
    batch = [
        {"event_id": f"e{n}", **one} if isinstance(one, dict) and "event" in one else one
        for n, one in enumerate(batch)
    ]
    taken = INTAKE.sort(batch, NOW)
    assert len(taken.kept) + len(taken.refused) == len(batch)
    if not taken.kept:
        return
    with TemporaryDirectory() as folder:
        exported(Path(folder), taken.kept)
        clean, bad = ingested(Path(folder), lambda _: None)
    assert bad == []
    assert clean == {event.event_id: as_clean(event) for event in taken.kept}


def test_no_setting_lets_a_live_shop_take_what_ingest_calls_the_future():
    assert Settings(release="r", max_event_lead_s=MAX_LEAD_S).max_event_lead_s == LEAD_S
    with pytest.raises(BadInputError, match="COTERIE_MAX_EVENT_LEAD_S"):
        Settings(release="r", max_event_lead_s=MAX_LEAD_S + 1)
    schema = json.loads((ROOT / "helm" / "coterie" / "values.schema.json").read_text())
    bounds = schema["properties"]["serving"]["properties"]["maxEventLeadSeconds"]
    assert bounds["maximum"] == MAX_LEAD_S


def test_a_clock_that_is_ahead_as_far_as_the_settings_let_it_is_no_future_for_ingest(folder):
    one = {"event_id": "e0", "user_id": "a", "item_id": item(3), "event": "view"}
    latest = (NOW + timedelta(seconds=LEAD_S)).isoformat()
    taken = INTAKE.sort([one | {"ts": latest}], NOW)
    exported(folder, taken.kept)
    clean, bad = ingested(folder, lambda _: None)
    assert (list(clean), bad) == (["e0"], [])
    later = (NOW + timedelta(seconds=LEAD_S + 1)).isoformat()
    assert [one.field for one in INTAKE.sort([one | {"ts": later}], NOW).refused] == ["ts"]


def test_from_a_post_through_log_and_export_to_clean_tables(client, folder):
    """The app's own log, filled over HTTP."""
    posted = [
        {
            "event_id": "p1",
            "user_id": "Zoe\u0308",
            "item_id": "a/b",
            "event": "Purchase",
            "value": 3,
        },
        {"event_id": 12.0, "user_id": 7, "item_id": item(3), "event": "rating", "value": "4.5"},
        {"event_id": "p3", "user_id": "x", "item_id": item(3), "event": "rating"},
        {
            "event_id": "p4",
            "user_id": "x",
            "item_id": item(3),
            "event": "review",
            "text": "<i>ok</i>",
        },
    ]
    told = client.post("/v1/events", json={"events": posted})
    assert told.status_code == 207
    assert [one["index"] for one in told.json()["refused"]] == [2]
    log = SqliteLog(folder / "events.sqlite")
    Exporter(log, str(folder / "in"), LogMetrics(CollectorRegistry())).export()
    log.close()
    clean, bad = ingested(folder, lambda _: None, now=datetime.now(UTC))
    assert bad == []
    found = {
        name: (row["user_id"], row["item_id"], row["event"], row["value"], row["text"])
        for name, row in clean.items()
    }
    assert found == {
        "p1": ("Zo\u00eb", "a/b", "purchase", 3.0, None),
        "12": ("7", item(3), "rating", 4.5, None),
        "p4": ("x", item(3), "review", None, "ok"),
    }
    items = pq.read_table(folder / "out" / "items.parquet").column("item_id").to_pylist()
    assert set(items) == {item(3), "a/b"}
