"""What every event log does, on one machine and on a cluster."""

import contextlib
import sqlite3
import threading
import time
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logged import event, exported, files, metrics, numbered, push_all
from redis_server import PASSWORD, RedisServer
from waiting import PATIENCE_S, not_for_as_long_as

from coterie.data.ingest import ingest
from coterie.data.locks import LockLostError, LockTakenError, lock_key
from coterie.errors import BadInputError, CoterieError
from coterie.schema import EVENTS, EventKind
from serving.events.event import Event
from serving.events.open import open_log
from serving.events.sqlite_log import SqliteLog
from serving.events.sqlite_rows import SqliteRows
from serving.features.online_store import FakeFeatures
from serving.ingestion.exporter import Exporter
from serving.ingestion.feature_updater import PUSH_BATCH, FeatureUpdater
from serving.ingestion.sink import Sink
from serving.settings import Settings, read_settings
from serving.telemetry.metrics import ServingMetrics


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RedisServer(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "redis"])
def place(request, folder):
    if request.param == "sqlite":
        return f"sqlite://{folder}/events.sqlite"
    running = request.getfixturevalue("server")
    running.ask("FLUSHALL")
    return running.place


@pytest.fixture
def open_it(place):
    opened = []

    def once_more():
        opened.append(open_log(place, PASSWORD))
        return opened[-1]

    yield once_more
    for log in opened:
        log.close()


@pytest.fixture
def log(open_it):
    return open_it()


def test_an_empty_log_has_nothing(log):
    log.ping()
    assert (len(log.unpushed(10)), log.count_unpushed(), log.oldest_unpushed_s()) == (0, 0, 0.0)
    assert (len(log.unexported(10)), log.oldest_unexported_s()) == (0, 0.0)
    assert log.append([]) == []


def test_events_come_out_as_they_went_in_and_in_order(log):
    events = [event("a"), event("c", "lou"), Event("b", "ana", "i", EventKind.CART, 1)]
    assert log.append(events) == [True, True, True]
    assert list(log.unpushed(10).events) == events
    assert list(log.unpushed(2).events) == events[:2]
    assert list(log.unexported(10).events) == events
    assert log.count_unpushed() == 3


def test_an_event_is_in_it_once(log, open_it):
    assert log.append([event("a"), event("a", "lou"), event("b")]) == [True, False, True]
    assert log.append([event("b"), event("c"), event("a")]) == [False, True, False]
    assert open_it().append([event("c", "lou")]) == [False]
    assert [e.event_id for e in log.unpushed(10).events] == ["a", "b", "c"]
    assert log.unpushed(1).events[0].user_id == "ana"


def test_a_long_batch_is_kept_whole(log):
    events = numbered(3500)
    assert all(log.append(events))
    assert log.count_unpushed() == 3500
    assert list(log.unpushed(5000).events) == events
    assert list(log.unexported(5000).events) == events


def test_what_was_pushed_is_not_pushed_again(log, open_it):
    log.append(numbered(5))
    with log.lock("push"):
        log.mark_pushed(log.unpushed(2))
    assert [e.event_id for e in open_it().unpushed(10).events] == ["e2", "e3", "e4"]
    assert log.count_unpushed() == 3


def test_only_one_process_has_the_lock_and_fencing_tokens_grow(log, open_it):
    other, before = open_it(), time.time()
    with log.lock("push") as first:
        with (
            not_for_as_long_as(PATIENCE_S),  # it would wait for ever
            pytest.raises(LockTakenError),
            other.lock("push", wait_s=0.1),
        ):
            pass
        with other.lock("export", wait_s=0.0):
            pass
    with other.lock("push") as second, log.lock("export"):
        pass
    assert before - 1 < first / 1e6 < time.time() + 1
    assert first < second


def test_a_lock_is_waited_for(log, open_it):
    other, order = open_it(), []

    def work():
        with log.lock("push"):
            order.append("first")
            time.sleep(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    while not order:
        time.sleep(0.01)
    with other.lock("push", wait_s=PATIENCE_S):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_waiting_is_counted_from_when_the_log_got_an_event(log):
    before = time.monotonic()
    log.append([event(ts_ms=5)])
    time.sleep(0.05)
    for age in (log.oldest_unpushed_s(), log.oldest_unexported_s()):
        assert 0.04 < age < time.monotonic() - before + 1


def test_an_export_waits_for_enough_events_or_for_long_enough(log):
    log.append(numbered(3))
    assert not log.unexported(10, least=4, age_s=60)
    assert len(log.unexported(10, least=3, age_s=60)) == 3


def test_events_are_not_read_before_there_are_enough_for_a_file(log, monkeypatch):
    log.append(numbered(30))
    read = []
    batch = log._batch
    monkeypatch.setattr(log, "_batch", lambda *given: read.append(given) or batch(*given))
    assert not log.unexported(100, least=31, age_s=60)
    assert read == []
    assert len(log.unexported(100, least=30, age_s=60)) == 30
    assert len(read) == 1


def test_an_export_that_was_begun_is_the_same_in_every_process(log, open_it):
    log.append(numbered(3))
    planned = log.unexported(10)
    log.append(numbered(4, 3))
    for other in (log, open_it()):
        again = other.unexported(2, least=100, age_s=100)
        assert (again.name, again.events) == (planned.name, planned.events)
    log.mark_exported(planned)
    after = log.unexported(10)
    assert [e.event_id for e in after.events] == ["e3", "e4", "e5", "e6"]
    assert planned.name < after.name
    # One who was slow marks it once more.
    log.mark_exported(planned)
    assert log.unexported(10) == after


def test_logs_have_names_of_their_own(log, folder):
    log.append([event()])
    second = open_log(f"sqlite://{folder}/second.sqlite")
    second.append([event()])
    assert second.unexported(1).name != log.unexported(1).name
    second.close()


def test_exported_events_are_a_table_that_pipelines_read(log, folder):
    events = numbered(20)
    log.append(events)
    exporter = Exporter(log, str(folder / "shop"), metrics())
    assert exporter.export() == 20
    log.append(numbered(5, 20))
    assert exporter.export() == 5
    assert exporter.export() == 0
    rows = pa.concat_tables(pq.read_table(file) for file in files(folder / "shop"))
    assert set(rows.column_names) - set(EVENTS.arrow.names) == {"list_id"}
    assert sorted(rows["event_id"].to_pylist()) == sorted(f"e{n}" for n in range(25))
    first = rows.to_pylist()[1]
    assert (first["user_id"], first["item_id"], first["event"]) == ("u1", "i1", "view")
    assert (first["value"], first["text"], first["referrer_user_id"]) == (4.5, "ü\n", "bea")
    assert first["ts"].timestamp() == 0.001


def test_a_pipeline_takes_exported_events_beside_the_shops_own(folder):
    shop = folder / "shop"
    shop.mkdir()
    (shop / "items.csv").write_text("item_id,title\ni0,Pan\ni1,Pot\n")
    (shop / "ties.csv").write_text("src_user_id,dst_user_id,kind\nana,bea,friend\n")
    (shop / "events.csv").write_text(
        "event_id,user_id,item_id,event,ts\nold,ana,i0,view,2025-01-02T03:04:05Z\n"
        "e0,u0,i0,view,2025-01-02T03:04:05Z\n"
    )
    log = open_log(f"sqlite://{folder}/events.sqlite")
    log.append([replace(e, ts_ms=1_750_000_000_001) for e in numbered(2)])
    Exporter(log, str(shop), metrics()).export()
    log.close()
    report = ingest(str(shop), str(folder / "clean"))
    assert report.tables["events"].bad == 0
    rows = pq.read_table(folder / "clean" / "events.parquet").to_pylist()
    assert sorted(row["event_id"] for row in rows) == ["e0", "e1", "old"]
    by_id = {row["event_id"]: row for row in rows}
    assert by_id["e1"]["ts"].timestamp() == 1_750_000_000.001
    assert (by_id["e1"]["text"], by_id["e1"]["value"]) == ("ü", 4.5)


def test_an_exporter_that_dies_before_the_mark_leaves_no_row_twice(log, open_it, folder):
    log.append(numbered(10))

    class Dies(type(log)):
        def mark_exported(self, batch):
            raise SystemExit

    log.__class__ = Dies
    with pytest.raises(SystemExit):
        Exporter(log, str(folder), metrics()).export()
    other = open_it()
    other.append(numbered(10, 10))
    Exporter(other, str(folder), metrics()).export()
    assert sorted(exported(folder)) == sorted(f"e{n}" for n in range(20))
    assert len(files(folder)) == 2


def test_an_exporter_that_was_slow_takes_nothing_away(log, open_it, folder):
    """It read what it exports, then others exported that and more, then it goes on."""
    log.append(numbered(10))
    push_all(log)
    slow = log.unexported(100)
    other = open_it()
    other.append(numbered(10, 10))
    push_all(other)
    Exporter(other, str(folder), metrics()).export()
    exporter = Exporter(log, str(folder), metrics())
    exporter._write(slow)
    log.mark_exported(slow)
    exporter.export()
    assert sorted(exported(folder)) == sorted(f"e{n}" for n in range(20))


def test_events_left_between_log_and_push_are_pushed_once(log, open_it):
    log.append(numbered(PUSH_BATCH + 10))
    features = FakeFeatures()
    assert FeatureUpdater(open_it(), features, metrics()).catch_up()
    assert log.count_unpushed() == 0
    assert sum(len(recent) for recent in features.recent.values()) == PUSH_BATCH + 10


def test_two_pushers_lose_no_event_of_a_shopper(open_it):
    """Each reads, merges and writes: without locks, one would write over the other's."""

    class Slow(FakeFeatures):
        def recent_lists(self, user_ids):
            found = super().recent_lists(user_ids)
            time.sleep(0.005)
            return found

    features, failures = Slow(), []

    def work(log, first):
        sink = Sink(log, features, ServingMetrics())
        for n in range(first, first + 20):
            sink.write([[event(f"e{n}", "ana", f"i{n}", n)]])
        if not sink.catch_up():
            failures.append(first)

    threads = [threading.Thread(target=work, args=(open_it(), first)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(features.recent["ana"].item_ids) == {f"i{n}" for n in range(60)}


def test_a_pusher_that_lost_its_lock_marks_nothing(log, open_it):
    """It stood still; another one may be at these events now, and die."""
    if not hasattr(log, "_redis"):
        pytest.skip("a file's lock ends with its process, and not before")
    log.append(numbered(3))
    with log.lock("push"):
        batch = log.unpushed(10)
        log._redis.delete(lock_key("push"))
        with open_it().lock("push"), pytest.raises(LockLostError, match="ran out"):
            log.mark_pushed(batch)
    assert log.count_unpushed() == 3


def test_a_push_with_a_lower_fencing_token_changes_nothing(log):
    features = FakeFeatures()
    log.append([event("a", item_id="i1")])
    pusher = FeatureUpdater(log, features, metrics())
    with log.lock("push") as earlier:
        pass
    assert pusher.catch_up()
    now = features.recent["ana"]
    features.push_recent(["ana"], [type(now)()], earlier)
    assert features.recent["ana"] == now


@pytest.mark.parametrize("place", ["events.sqlite", "mysql://x", "redis://:secret@host:1/0"])
def test_a_place_that_is_none_is_refused(place):
    with pytest.raises(BadInputError) as refused:
        read_settings({"COTERIE_RELEASE": "r", "COTERIE_EVENT_LOG": place})
    assert "secret" not in str(refused.value)


def test_a_password_is_in_no_text(log):
    settings = Settings("r", event_log_password="hunter2hunter2")
    assert "hunter2" not in repr(settings)
    assert read_settings(settings.as_environment()) == settings
    assert "hunter2" not in repr(log)


@pytest.mark.parametrize("column", ["there", "missing"])
def test_a_file_is_opened_by_many_at_once(folder, column):
    """A replica, sinks and an exporter begin together, also on a file of an earlier version."""
    for n in range(40):
        path = folder / f"{n}.sqlite"
        if column == "missing":
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute(
                    "CREATE TABLE events (place INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE,"
                    " user_id TEXT, ts_ms INTEGER, event TEXT, pushed INTEGER NOT NULL DEFAULT 0)"
                )
        ready, failed = threading.Barrier(6), []

        def opens(kind, path=path, ready=ready, failed=failed):
            ready.wait()
            try:
                kind(path).close()
            except CoterieError as error:
                failed.append(str(error))

        threads = [threading.Thread(target=opens, args=(kind,)) for kind in 3 * _OPENERS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed


_OPENERS = [SqliteLog, SqliteRows]
