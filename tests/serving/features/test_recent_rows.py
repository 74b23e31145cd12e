"""Rows of recent lists: as Feast's own push writes them, and never over what others wrote."""

import sqlite3
import threading
from pathlib import Path

import pytest
import yaml
from feast import FeatureStore
from redis_server import PASSWORD, RedisServer

import feature_repo
from coterie.data.locks import PUSH
from coterie.schema import EVENT_KINDS, EventKind
from feature_repo.views import definitions
from serving.events.event import Event
from serving.events.open import open_log
from serving.events.sqlite_log import SqliteLog
from serving.features.online_store import FakeFeatures, FeastFeatures
from serving.features.recent import RecentList
from serving.features.recent_rows import PushedRows, RecentRow, RememberedRows, recent_rows
from serving.ingestion.feature_updater import FeatureUpdater
from serving.ingestion.sink import Sink
from serving.telemetry.metrics import ServingMetrics

KINDS = len(EVENT_KINDS)
LISTS = {
    "ana": RecentList(("a", "b"), (0, KINDS - 1), (30, 20), (-30, 20), ("c",), (1,), (-10,)),
    "Zoë/2": RecentList(("ü", "x" * 256), (3, 2), (1_764_000_000_000, 5)),
    "bea": RecentList(),
    "cleo": RecentList(tuple(map(str, range(300))), (1,) * 300, tuple(range(300, 0, -1))),
}
TOKEN = 1_764_000_000_123_456


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def store(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    settings = yaml.safe_load(
        (Path(feature_repo.__file__).parent / "feature_store.yaml").read_text()
    )
    server = None
    if request.param == "redis":
        server = RedisServer(folder / "redis")
        place = f"127.0.0.1:{server.port},password={PASSWORD}"
        settings["online_store"] = {"type": "redis", "connection_string": place}
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    FeatureStore(repo_path=str(folder)).apply(definitions())
    yield FeastFeatures(str(folder)), folder, server
    if server:
        server.stop()


@pytest.fixture
def features(store):
    """A store with nothing in it."""
    features, folder, server = store
    if server:
        server.ask("FLUSHALL")
    else:
        with sqlite3.connect(folder / "online.db") as db:
            db.execute("DELETE FROM coterie_shopper_recent")
    return features


def stored(store):
    """All that the store holds, byte for byte."""
    _, folder, server = store
    if server:
        client = server.client()
        return {key: client.hgetall(key) for key in client.keys("*user_id*")}
    with sqlite3.connect(folder / "online.db") as db:
        return set(db.execute("SELECT * FROM coterie_shopper_recent"))


def write(rows, lists, token):
    users = list(lists)
    return rows.write(users, rows.read(users), list(lists.values()), token)


def test_rows_are_those_of_feasts_own_push(store, features):
    features.push_recent(list(LISTS), list(LISTS.values()), TOKEN)
    pushed = stored(store)
    assert len(pushed) >= len(LISTS)
    if store[2]:
        store[2].ask("FLUSHALL")
    rows = recent_rows(features)
    assert isinstance(rows, RememberedRows)
    # The second time rows are there already.
    for token in (TOKEN - 5_000_000, TOKEN):
        assert None not in write(rows, LISTS, token)
    assert stored(store) == pushed


def test_rows_are_read_as_feast_reads_them(features):
    features.push_recent(list(LISTS), list(LISTS.values()), TOKEN)
    users = [*LISTS, "nobody"]
    read = [row.recent for row in recent_rows(features).read(users)]
    assert read == features.recent_lists(users) == [*LISTS.values(), RecentList()]


def test_what_somebody_else_wrote_since_is_not_written_over(features):
    mine, others = recent_rows(features), recent_rows(features)
    write(mine, {"ana": LISTS["ana"]}, TOKEN)
    known = mine.read(["ana"])
    write(others, {"ana": LISTS["Zoë/2"]}, TOKEN + 10_000_000)
    for attempt in (1, 2):
        assert mine.write(["ana"], known, [RecentList()], TOKEN + 20_000_000 * attempt) == [None]
    assert features.recent_lists(["ana"]) == [LISTS["Zoë/2"]]
    # It was forgotten, so it is read again.
    assert write(mine, {"ana": LISTS["ana"]}, TOKEN + 90_000_000) != [None]
    assert features.recent_lists(["ana"]) == [LISTS["ana"]]


def test_a_row_of_a_later_time_stays_where_times_are_compared(store, features):
    rows = recent_rows(features)
    write(rows, {"ana": LISTS["ana"]}, TOKEN)
    for token in (TOKEN, TOKEN - 1):
        written = write(rows, {"ana": RecentList()}, token)
        if store[2]:
            assert written == [None]
    assert features.recent_lists(["ana"]) == [LISTS["ana"] if store[2] else RecentList()]


def test_two_sinks_with_memories_lose_no_event_of_a_shopper(features, tmp_path):
    """Each has the shopper's list in memory when the other changes it, and so has a pipeline."""
    path = tmp_path / "events.sqlite"
    sinks = [Sink(SqliteLog(path), features, ServingMetrics()) for _ in range(2)]
    expected = set()
    for n in range(12):
        if n % 5 == 4:
            with SqliteLog(path).lock(PUSH) as token:
                [recent] = features.recent_lists(["ana"])
                brought = RecentList((f"p{n}", *recent.item_ids), *fields_after(recent))
                features.push_recent(["ana"], [brought], token)
            expected.add(f"p{n}")
        (receipt,) = sinks[n % 2].write([[Event(f"e{n}", "ana", f"i{n}", EventKind.VIEW, n + 1)]])
        assert receipt.applied
        expected.add(f"i{n}")
    assert set(features.recent_lists(["ana"])[0].item_ids) == expected


def fields_after(recent):
    return (0, *recent.kinds), (1000, *recent.ts_ms), (0, *recent.wanted_ms)


def test_what_is_remembered_has_a_bound():
    rows = RememberedRows(PushedRows(FakeFeatures()), most=100)
    for n in range(30):
        write(rows, {f"u{n}": RecentList(tuple("abcdefgh"), (0,) * 8, (1,) * 8, (0,) * 8)}, n + 1)
        assert rows._entries <= 100
    assert [*rows._known] == [f"u{n}" for n in range(19, 30)]
    assert rows.read(["u0", "u29"])[0] == RecentRow(rows.read(["u29"])[0].recent)


def test_a_store_that_refuses_leaves_no_row_in_memory_that_is_not_stored():
    features = FakeFeatures()
    rows = RememberedRows(PushedRows(features))
    write(rows, {"ana": LISTS["ana"]}, 1)
    features.down = True
    with pytest.raises(Exception, match="does not answer"):
        write(rows, {"ana": RecentList()}, 2)
    features.down = False
    assert rows.read(["ana"])[0].recent == LISTS["ana"]
    assert not rows._known


def test_events_that_features_refused_are_pushed_with_the_next(tmp_path):
    features, log = FakeFeatures(), SqliteLog(tmp_path / "events.sqlite")
    updater = FeatureUpdater(log, features, ServingMetrics().log)
    assert updater.catch_up()
    features.down = True
    kept = log.keep([Event("e1", "ana", "a", EventKind.VIEW, 1)])
    assert not updater.push(kept.unpushed)
    features.down = False
    kept = log.keep([Event("e2", "ana", "b", EventKind.VIEW, 2)])
    assert updater.push(kept.unpushed)
    assert set(features.recent["ana"].item_ids) == {"a", "b"}
    assert log.count_unpushed() == 0


def test_a_store_that_feast_alone_can_write_is_pushed_to():
    assert isinstance(recent_rows(FakeFeatures()), PushedRows)


def test_sinks_at_work_at_once_lose_no_event_of_a_shopper(store, features):
    """On a cluster they share the lock, so the store alone tells who came second."""
    _, folder, server = store
    opened = lambda: (  # noqa: E731
        open_log(server.place, PASSWORD) if server else SqliteLog(folder / "events.sqlite")
    )
    failures = []

    def work(first):
        sink = Sink(opened(), FeastFeatures(str(folder)), ServingMetrics())
        for n in range(first, first + 15):
            batch = [Event(f"t{n}-{u}", u, f"i{n}", EventKind.VIEW, n + 1) for u in ("bob", "cat")]
            sink.write([batch])
        if not sink.catch_up():
            failures.append(first)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = {f"i{n + first}" for n in range(15) for first in (0, 20, 40)}
    for recent in features.recent_lists(["bob", "cat"]):
        assert set(recent.item_ids) == expected
    assert opened().count_unpushed() == 0
