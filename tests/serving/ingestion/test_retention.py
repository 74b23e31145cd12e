"""What is too old is in no byte of log, features or exports, and what is younger stays."""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from feast import FeatureStore
from logged import event, exported, push_all
from prometheus_client import CollectorRegistry
from redis_server import PASSWORD, RedisServer
from scanning import found_in_folder, found_in_redis
from waiting import PATIENCE_S, wait_until

import feature_repo
from coterie.data.changes import Change
from coterie.errors import BadInputError, UnavailableError
from coterie.schema import EVENT_KINDS, EventKind
from feature_repo.views import definitions
from serving.events.open import open_log, open_rows
from serving.events.sqlite_log import SqliteLog
from serving.features import old_recents
from serving.features.old_recents import without_old
from serving.features.online_store import FakeFeatures, FeastFeatures
from serving.features.recent import RecentList
from serving.features.recent_rows import recent_rows
from serving.ingestion import retention as aging
from serving.ingestion.exporter import Exporter
from serving.ingestion.feature_updater import FeatureUpdater
from serving.ingestion.retention import EVERY_S, Retention
from serving.ingestion.sweep import Sweeper
from serving.settings import Settings
from serving.telemetry.instruments import LogMetrics
from serving.telemetry.metrics import ServingMetrics

DAY_MS = 86_400_000
NOW_S = 1_900_000_000.0
NOW_MS = int(NOW_S * 1000)
OLD, YOUNG = NOW_MS - 11 * DAY_MS, NOW_MS - 9 * DAY_MS
VIEW, PURCHASE, RETURN = (
    EVENT_KINDS.index(kind) for kind in (EventKind.VIEW, EventKind.PURCHASE, EventKind.RETURN)
)
OLD_ITEM, YOUNG_ITEM = "seen-long-ago-7f3a", "seen-lately-7f3a"


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def stores(request, tmp_path_factory):
    """A feature store, and where an event log may be beside it; for each, what looks through it."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = yaml.safe_load(
        (Path(feature_repo.__file__).parent / "feature_store.yaml").read_text()
    )
    server, place = None, f"sqlite://{folder}/log/events.sqlite"
    if request.param == "redis":
        # Compressed, a file could hide what is in it.
        server = RedisServer(folder / "redis", "appendfsync no\nrdbcompression no\n")
        at = f"127.0.0.1:{server.port},password={PASSWORD}"
        settings["online_store"] = {"type": "redis", "connection_string": at}
        place = server.place
    repo = folder / "features"
    repo.mkdir()
    (repo / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    FeatureStore(repo_path=str(repo)).apply(definitions())
    yield repo, place, server, folder
    if server:
        server.stop()


@pytest.fixture
def shop(stores, tmp_path):
    """Everything empty."""
    repo, place, server, folder = stores
    if server:
        server.ask("FLUSHALL")
    else:
        for file in (folder / "log").glob("*"):
            file.unlink()
        with sqlite3.connect(repo / "online.db") as db:
            db.execute("DELETE FROM coterie_shopper_recent")
            db.commit()
            db.execute("VACUUM")
    made = Shop(repo, place, server, folder, tmp_path / "tables")
    yield made
    made.log.close()


class Shop:
    def __init__(self, repo, place, server, folder, tables):
        self.log, self.features = open_log(place, PASSWORD), FeastFeatures(str(repo))
        self.server, self.folder, self.tables, self.place = server, folder, tables, place
        self.registry = CollectorRegistry()
        self.metrics = LogMetrics(self.registry)
        if isinstance(self.log, SqliteLog):  # as SQLite is built where nobody asks for more
            self.log._db.execute("PRAGMA secure_delete = OFF")

    def retention(self, **more):
        given = {"keep_days": 10.0, "clock": lambda: NOW_S} | more
        sweeper = Sweeper(self.log, str(self.tables))
        return Retention(self.log, lambda: self.features, sweeper, metrics=self.metrics, **given)

    def found(self, what):
        where = found_in_folder(self.tables, what)
        if self.server:
            return (
                where
                + found_in_redis(self.server, what)
                + found_in_folder(self.server.folder, what)
            )
        return (
            where
            + found_in_folder(self.folder / "log", what)
            + found_in_folder(self.folder / "features", what)
        )

    def say(self, *events):
        self.log.append(events)
        FeatureUpdater(self.log, self.features, self.metrics).catch_up()

    def export(self):
        Exporter(self.log, str(self.tables), self.metrics).export()

    def number(self, where):
        return self.registry.get_sample_value("coterie_aged_total", {"where": where})


def take_turns(retention, count=20):
    for _ in range(count):
        retention.turn()


def old(event_id, user_id="ana", item_id=OLD_ITEM):
    return event(event_id, user_id, item_id, OLD)


def young(event_id, user_id="ana", item_id=YOUNG_ITEM):
    return event(event_id, user_id, item_id, YOUNG)


def mixed():
    """Old and young ones of three people, one of whom did nothing lately."""
    return [
        *(one for n in range(30) for one in (old(f"old{n}"), young(f"young{n}"))),
        *(old(f"bea{n}", "bea") for n in range(3)),
        young("cleo", "cleo"),
    ]


def test_nothing_that_is_too_old_is_in_any_byte(shop):
    shop.say(*mixed())
    shop.export()
    # Neither pushed nor exported, and in the log alone.
    shop.log.append([old("late"), young("later"), tie("t")])
    assert len(shop.found(OLD_ITEM)) >= 3
    removed = shop.retention().finish()
    assert removed["features"] == 2
    assert removed["exports"] == 33
    assert removed["log"] in (34, 1)  # Redis lets go of what is exported
    wait_until(lambda: shop.found(OLD_ITEM) == [])
    assert len(shop.found(YOUNG_ITEM)) >= 3
    assert shop.number("log") == removed["log"]
    assert shop.number("features") == 2
    assert shop.number("exports") == 33
    lists = shop.features.recent_lists(["ana", "bea", "cleo"])
    assert [one.item_ids for one in lists] == [(YOUNG_ITEM,), (), (YOUNG_ITEM,)]
    assert sorted(exported(shop.tables)) == sorted(["cleo", *(f"young{n}" for n in range(30))])
    assert shop.registry.get_sample_value("coterie_aged_passed_timestamp_seconds") == NOW_S


def tie(change_id):
    return Change(change_id, "ties", ("ana", "bea", "follow"), OLD, True, {"weight": 1.0})


def test_changes_of_the_shop_do_not_age(shop):
    shop.log.append([tie("t"), old("e"), young("f")])
    shop.retention().finish()
    rows = open_rows(shop.place, PASSWORD)
    assert list(rows.ties_of("ana")) == [("bea", "follow")]
    rows.close()
    assert [one.change_id for one in shop.log.about("ana", "", 9).changes] == ["t"]
    shop.export()
    assert exported(shop.tables) == ["f"]


def test_all_is_kept_unless_it_is_said(shop):
    shop.say(*mixed())
    shop.export()
    assert shop.retention(keep_days=0).finish() == {}
    assert len(shop.found(OLD_ITEM)) >= 2


def test_what_was_not_pushed_and_is_young_still_waits_after(shop):
    """Neighbours move in a Redis; none of them may be lost, or taken for pushed."""
    shop.log.append([young("a"), young("c"), old("b")])
    planned = shop.log.unexported(100)  # and whoever planned it is gone
    assert len(planned) == 3
    shop.log.append([young("later")])
    shop.retention().finish()
    assert sorted(one.event_id for one in shop.log.unpushed(9).events) == ["a", "c", "later"]
    shop.export()
    assert sorted(exported(shop.tables)) == ["a", "c", "later"]
    push_all(shop.log)
    shop.log.append([young("d")])
    shop.export()
    assert sorted(exported(shop.tables)) == ["a", "c", "d", "later"]


def test_a_log_that_lost_all_it_had_exports_what_comes_next(shop):
    shop.say(old("a"), old("b"))
    shop.export()
    shop.retention().finish()
    shop.log.append([young("c")])
    shop.export()
    assert exported(shop.tables) == ["c"]
    shop.retention().finish()
    wait_until(lambda: shop.found(OLD_ITEM) == [])


def test_a_pass_is_made_of_small_pieces_and_begins_again_a_day_later(shop, monkeypatch):
    monkeypatch.setattr(old_recents, "PAGE", 4)
    monkeypatch.setattr(aging, "FILES", 1)
    shop.say(*(old(f"e{n}", f"u{n}") for n in range(9)))
    shop.export()
    now = [NOW_S]
    retention = shop.retention(clock=lambda: now[0])
    turns = 0
    while shop.registry.get_sample_value("coterie_aged_passed_timestamp_seconds") == 0:
        retention.turn()
        turns += 1
    assert turns >= 3
    lists = shop.features.recent_lists([f"u{n}" for n in range(9)])
    assert not any(one.item_ids for one in lists)
    shop.say(old("again"))
    now[0] += EVERY_S - 1
    for _ in range(20):
        retention.turn()
    assert shop.features.recent_lists(["ana"])[0].item_ids == (OLD_ITEM,)
    now[0] += 2
    for _ in range(20):
        retention.turn()
    assert shop.features.recent_lists(["ana"])[0].item_ids == ()


def test_a_pass_that_broke_off_begins_anew_and_still_writes_files_anew(shop, monkeypatch):
    shop.say(*mixed())
    retention, compact = shop.retention(), shop.log.compact
    broken = [True]

    def refuse():
        if broken.pop():
            raise UnavailableError("others read it all the while")

    monkeypatch.setattr(shop.log, "compact", refuse)
    with pytest.raises(UnavailableError):
        take_turns(retention)
    monkeypatch.setattr(shop.log, "compact", compact)
    take_turns(retention)
    wait_until(lambda: shop.found(OLD_ITEM) == [])


def test_a_list_that_somebody_else_writes_meanwhile_loses_nothing(shop, monkeypatch):
    shop.say(old("a"))
    rows, other = (
        recent_rows(shop.features, 0),
        FeatureUpdater(shop.log, FeastFeatures(str(shop.features.store.repo_path)), shop.metrics),
    )
    read, once = type(rows._rows).read, [True]

    def slow(self, user_ids):
        found = read(self, user_ids)
        if self is not other._rows._rows and once:
            once.clear()
            wrote(user_ids)
        return found

    def wrote(user_ids):
        known = read(other._rows._rows, user_ids)
        lists = [RecentList(("new", "a"), (VIEW,) * 2, (YOUNG, OLD)) for _ in user_ids]
        other._rows._rows.write(user_ids, known, lists, known[0].mark + 1 if shop.server else 1)

    monkeypatch.setattr(type(rows._rows), "read", slow)
    shop.retention().finish()
    assert not once
    assert shop.features.recent_lists(["ana"])[0].item_ids == ("new",)


def test_the_lock_of_an_export_is_waited_for(shop):
    shop.say(old("a"), young("b"))
    other = open_log(shop.place, PASSWORD)
    retention = shop.retention()
    with other.lock("export"):
        for _ in range(5):
            retention.turn()
    assert shop.number("log") == 0
    for _ in range(9):
        retention.turn()
    assert shop.number("log") == 1
    other.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Wanted long ago, and looked at since: a look is what is left.
        (
            RecentList(("a",), (PURCHASE,), (YOUNG,), (OLD,)),
            RecentList(("a",), (VIEW,), (YOUNG,), (0,)),
        ),
        # Turned down long ago.
        (
            RecentList(("a",), (RETURN,), (YOUNG,), (-OLD,)),
            RecentList(("a",), (VIEW,), (YOUNG,), (0,)),
        ),
        (RecentList(("a",), (VIEW,), (OLD,), (0,)), RecentList()),
        # What fell out of a list, wanted or turned down.
        (
            RecentList((), (), (), (), ("b", "c", "d"), (PURCHASE,) * 3, (YOUNG, OLD, -OLD)),
            RecentList((), (), (), (), ("b",), (PURCHASE,), (YOUNG,)),
        ),
        # Asked by others, who shared something.
        (RecentList(asked_ms=(YOUNG, OLD)), RecentList(asked_ms=(YOUNG,))),
        (RecentList(("a",), (PURCHASE,), (YOUNG,), (YOUNG,)), None),
        (RecentList(), None),
    ],
)
def test_a_list_keeps_what_is_young_enough(before, after):
    assert without_old(before, NOW_MS - 10 * DAY_MS) == after


def test_a_store_that_nobody_here_removes_from_is_told(folder):
    log = open_log(f"sqlite://{folder}/events.sqlite")
    features = FakeFeatures()
    metrics = LogMetrics(CollectorRegistry())

    class Other:
        pass

    with pytest.raises(BadInputError, match="sqlite or redis alone"):
        Retention(log, Other, None, 1.0, metrics).finish()
    features.recent["ana"] = RecentList(("a",), (VIEW,), (5,))
    assert Retention(log, lambda: features, None, 1.0, metrics).finish() == {
        "log": 0,
        "features": 1,
    }
    assert features.recent["ana"] == RecentList()
    log.close()


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_on_one_machine_the_sink_does_it_by_itself(stores, shop, monkeypatch):
    """Beside its other work; where the log is a Redis, the consumer does."""
    from serving import deployments

    shop.say(*mixed())
    monkeypatch.setattr(deployments, "AGE_S", 0.0)
    monkeypatch.setattr(deployments, "Retention", lambda *given: shop.retention())
    place = shop.place
    settings = Settings(
        "none", features=str(stores[0]), event_log=place, event_log_password=PASSWORD, keep_days=10
    )

    async def story():
        sink = object.__new__(deployments.EventSink)
        sink._settings, sink._metrics, sink._eraser = settings, ServingMetrics(), None
        sink._erasing = ThreadPoolExecutor(1)
        aging = asyncio.create_task(sink._age())
        if shop.server:
            await asyncio.wait_for(aging, PATIENCE_S)
            return
        last = time.monotonic() + PATIENCE_S
        while not shop.registry.get_sample_value(PASSED) and time.monotonic() < last:
            await asyncio.sleep(0.01)
        aging.cancel()

    asyncio.run(story())
    done = not shop.server
    assert shop.registry.get_sample_value(PASSED) == (NOW_S if done else 0)
    assert len(shop.features.recent_lists(["bea"])[0]) == (0 if done else 1)


PASSED = "coterie_aged_passed_timestamp_seconds"


def test_files_of_the_shop_itself_stay(shop):
    shop.say(old("a"), young("b"))
    shop.export()
    [file] = (shop.tables / "events").iterdir()
    mine = shop.tables / "events" / "of-the-shop.parquet"
    mine.write_bytes(file.read_bytes())
    shop.retention().finish()
    assert pq.read_table(mine).num_rows == 2
    assert pq.read_table(file)["event_id"].to_pylist() == ["b"]


def test_the_name_of_who_referred_goes_with_the_event(shop):
    shop.log.append([replace(old("a"), referrer_user_id="who-shared-7f3a"), young("b")])
    shop.retention().finish()
    wait_until(lambda: shop.found("who-shared-7f3a") == [])
