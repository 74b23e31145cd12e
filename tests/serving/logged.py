"""Events for tests of event logs, and what became of them."""

import pyarrow.parquet as pq

from coterie.schema import EventKind
from serving.events.event import Event
from serving.telemetry.metrics import ServingMetrics


def event(event_id="e1", user_id="ana", item_id="item-0020", ts_ms=5, kind=EventKind.VIEW):
    return Event(event_id, user_id, item_id, kind, ts_ms, 4.5, "ü\n", "bea", "list-1")


def numbered(count, first=0):
    return [event(f"e{n}", f"u{n % 7}", f"i{n}", n) for n in range(first, first + count)]


def metrics():
    return ServingMetrics().log


def push_all(log):
    while batch := log.unpushed(1000):
        with log.lock("push"):
            log.mark_pushed(batch)


def files(folder):
    return sorted((folder / "events").glob("*.parquet"))


def exported(folder):
    return [row for file in files(folder) for row in pq.read_table(file)["event_id"].to_pylist()]
