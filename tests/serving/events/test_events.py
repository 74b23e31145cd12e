import asyncio
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from small_shop import people

from coterie.errors import UnavailableError
from coterie.schema import (
    EventKind,
)
from serving.events.event import Event
from serving.events.sqlite_log import SqliteLog
from serving.features.online_store import FakeFeatures
from serving.ingestion.remote_writer import WRITE_MOST, WaitingWrites
from serving.ingestion.sink import Sink
from serving.telemetry.metrics import ServingMetrics


def event(event_id="e1", user_id="ana", item_id="item-0020", ts_ms=5, kind=EventKind.VIEW):
    return Event(event_id, user_id, item_id, kind, ts_ms, 4.5, "ü", "bea")


def test_an_event_comes_out_of_the_log_as_it_went_in(folder):
    log = SqliteLog(folder / "log.sqlite")
    assert log.append([event(), event("e2")]) == [True, True]
    assert list(log.unpushed(10).events) == [event(), event("e2")]
    log.close()


def test_a_log_knows_an_event_again_after_it_was_closed(folder):
    first = SqliteLog(folder / "log.sqlite")
    first.append([event()])
    with first.lock("push"):
        first.mark_pushed(first.unpushed(10))
    first.close()
    second = SqliteLog(folder / "log.sqlite")
    assert second.append([event(), event("e2")]) == [False, True]
    assert second.unpushed(10).events == (event("e2"),)
    second.close()


def test_a_batch_that_fails_half_way_leaves_nothing(folder):
    log = SqliteLog(folder / "log.sqlite")
    with pytest.raises(UnavailableError):
        log.append([event(), event("e2", user_id=None)])
    assert log.count() == 0
    log.close()


def test_a_file_that_is_no_log_is_refused(folder):
    (folder / "log.sqlite").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(UnavailableError, match="COTERIE_STATE"):
        SqliteLog(folder / "log.sqlite")


class StopsWhenPushed(FakeFeatures):
    """The process ends between the log and the push."""

    def push_recent(self, user_ids, lists, fencing_token):
        raise SystemExit


def test_events_logged_before_a_crash_are_pushed_after_it(folder):
    log = SqliteLog(folder / "log.sqlite")
    with pytest.raises(SystemExit):
        Sink(log, StopsWhenPushed(), ServingMetrics()).write([[event(), event("e2", "lou")]])
    log.close()

    features = people()
    again = SqliteLog(folder / "log.sqlite")
    assert Sink(again, features, ServingMetrics()).catch_up()
    assert "item-0020" in features.recent["ana"].item_ids
    assert features.recent["lou"].item_ids == ("item-0020",)
    assert not again.unpushed(10)
    again.close()


def test_a_killed_process_has_kept_all_that_it_acknowledged(folder):
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from coterie.schema import EventKind
        from serving.events.event import Event
        from serving.events.sqlite_log import SqliteLog
        log = SqliteLog(Path({str(folder)!r}) / "log.sqlite")
        for n in range(100000):
            log.append([Event(f"e{{n}}", "ana", "i", EventKind.VIEW, n)])
            print(n, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) >= 20:
            process.kill()
            break
    said = [int(line), *(int(rest) for rest in process.stdout if rest.strip().isdigit())]
    process.wait()
    process.stdout.close()
    log = SqliteLog(folder / "log.sqlite")
    assert log.count() >= max(said) + 1
    assert not any(log.append([event(f"e{n}") for n in range(max(said) + 1)]))
    log.close()


def test_one_push_serves_all_who_wait(folder):
    pushes = []

    class Counted(FakeFeatures):
        def push_recent(self, user_ids, lists, fencing_token):
            pushes.append(list(user_ids))
            super().push_recent(user_ids, lists, fencing_token)

    log = SqliteLog(folder / "log.sqlite")
    receipts = Sink(log, Counted(), ServingMetrics()).write(
        [[event("a"), event("b", "lou")], [event("a"), event("c")]]
    )
    assert [(r.accepted, r.duplicate) for r in receipts] == [(2, 0), (1, 1)]
    assert pushes == [["ana", "lou"]]
    log.close()


def test_a_full_disk_is_said_so_and_nothing_is_pushed(folder):
    log = SqliteLog(folder / "log.sqlite")
    log._db.execute("PRAGMA query_only = ON")
    features = people()
    with pytest.raises(UnavailableError, match="event log"):
        Sink(log, features, ServingMetrics()).write([[event()]])
    assert "item-0020" not in features.recent["ana"].item_ids
    log.close()
    with pytest.raises(sqlite3.ProgrammingError):
        log.count()


@pytest.mark.parametrize(
    ("sizes", "together"),
    [([], 0), ([1, 500, 500], 3), ([1500, 500, 1], 2), ([5000, 1], 1), ([1, 5000], 1)],
)
def test_one_transaction_is_not_longer_than_others_bear(sizes, together):
    assert WRITE_MOST == 2000
    waiting = WaitingWrites([([event()] * size, n) for n, size in enumerate(sizes)])
    assert [n for _, n in waiting.take()] == list(range(together))
    assert [n for _, n in waiting.batches] == list(range(together, len(sizes)))


class SinkHandle:
    """A handle of Ray Serve's, whose sink comes when it is told to, or never."""

    def __init__(self):
        self.comes = asyncio.Event()
        self.here = self

    def remote(self):
        return self.comes.wait()


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_replica_is_there_once_its_sink_is():
    """With our own Service, requests come to a new cluster as soon as a replica of it is there."""
    from serving.deployments import await_sink

    async def begin():
        handle = SinkHandle()
        waiting = asyncio.create_task(await_sink(handle, 60))
        await asyncio.sleep(0.01)
        before = waiting.done()
        handle.comes.set()
        await waiting
        return before

    assert asyncio.run(begin()) is False


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_replica_whose_sink_never_comes_begins_all_the_same():
    from serving.deployments import await_sink

    asyncio.run(await_sink(SinkHandle(), 0.01))
