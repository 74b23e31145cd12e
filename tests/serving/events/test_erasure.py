"""Who is forgotten is in no byte of a log, and stays out: on one machine and on a cluster."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from logged import event, metrics, push_all
from redis_server import PASSWORD, RedisServer
from scanning import found_in_folder, found_in_redis
from waiting import wait_until

from coterie.cli.show import ingested
from coterie.data.changed_tables import read_changes
from coterie.data.changes import Change
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.suppressed import suppressed_in
from coterie.schema import STRENGTHS, EventKind
from serving.events.open import open_log, open_rows
from serving.events.sqlite_log import SqliteLog
from serving.features.live import LiveFeatures, LiveState
from serving.features.online_store import FakeFeatures, Friends, ShopperRow
from serving.features.recent import RecentList
from serving.ingestion.exporter import Exporter, restore_changes
from serving.ingestion.feature_updater import FeatureUpdater
from serving.ingestion.sweep import Sweeper

WHO = 'zoe "the quiet" ü'
"""An id whose form differs from one store to another."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Compressed, a file could hide what is in it.
    more = "appendfsync no\nrdbcompression no\n"
    running = RedisServer(tmp_path_factory.mktemp("redis"), more)
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "redis"])
def place(request, folder):
    if request.param == "sqlite":
        return f"sqlite://{folder}/log/events.sqlite"
    running = request.getfixturevalue("server")
    running.ask("FLUSHALL")
    return running.place


@pytest.fixture
def opened(place):
    found = []

    def open_one(make=open_log):
        found.append(make(place, PASSWORD))
        return found[-1]

    yield open_one
    for one in found:
        one.close()


@pytest.fixture
def scan(request, place, folder):
    """Where the person is still found, but in what the consumer exports."""
    if place.startswith("sqlite"):
        return lambda: found_in_folder(folder / "log", WHO)
    running = request.getfixturevalue("server")
    return lambda: found_in_redis(running, WHO) + found_in_folder(running.folder, WHO)


def tie(change_id, src, dst, kind="follow"):
    return Change(change_id, "ties", (src, dst, kind), 5, True, {"weight": 1.0})


def of_person():
    """What names the person, of every kind, and one of each that does not."""
    return [
        *(event(f"own{n}", WHO, f"i{n}") for n in range(40)),
        replace(event("brought", "ana"), referrer_user_id=WHO),
        replace(event("asked", "ana", kind=EventKind.SHARE), invited_user_id=WHO),
        event("others", "ana"),
        tie("to", WHO, "ana"),
        tie("from", "bea", WHO),
        tie("both", "ana", WHO, "friend"),
        tie("none", "ana", "bea"),
        Change("consent", "users", (WHO,), 5, True, {"may_be_named": False}),
    ]


def forget(log, who=WHO):
    found = log.erase(who)
    log.compact()
    return found


def test_nothing_of_a_person_is_in_any_byte_of_a_log(opened, scan):
    log = opened()
    if isinstance(log, SqliteLog):  # as SQLite is built where nobody asks for more
        log._db.execute("PRAGMA secure_delete = OFF")
    log.append(of_person())
    assert scan() != []
    found = forget(log)
    assert (found.events, found.referrals, found.changes, found.again) == (40, 2, 4, False)
    assert found.rows == 5
    wait_until(lambda: scan() == [])
    left = log.unpushed(100).events
    assert {one.event_id: one.referrer_user_id for one in left} == {
        "brought": None,
        "asked": "bea",
        "others": "bea",
    }
    assert {one.invited_user_id for one in left} == {None}
    rows = opened(open_rows)
    assert list(rows.ties_of("ana")) == [("bea", "follow")]
    assert rows.since(0).users == {}


def test_to_forget_again_changes_nothing_and_says_so(opened):
    log, other = opened(), opened()
    log.append(of_person())
    first, version = forget(log), opened(open_rows).version()
    second = forget(other)
    assert (second.erased_ms, second.again) == (first.erased_ms, True)
    assert (second.events, second.referrals, second.changes, second.rows) == (0, 0, 0, 0)
    assert opened(open_rows).version() == version


def test_nothing_of_who_is_forgotten_is_kept_by_any_writer(opened, scan):
    log, other = opened(), opened()
    other.append([event("before", "ana")])
    forget(log)
    # The other one has not heard of it.
    assert other.append(of_person()) == [
        *[False] * 40,
        True,
        True,
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    wait_until(lambda: scan() == [])
    assert other.suppressed().marks_of(WHO) == log.suppressed().marks_of(WHO) != []
    assert "ana" not in log.suppressed()


def test_a_push_that_was_under_way_brings_no_features_back(opened):
    log, features = opened(), FakeFeatures()
    kept = log.keep([event("e1", WHO), event("e2", "ana")]).unpushed
    forget(opened())
    updater = FeatureUpdater(log, features, metrics())
    updater.catch_up()
    assert updater.push(kept)
    assert list(features.recent) == ["ana"]


def test_lists_leave_out_who_is_forgotten_before_any_store_is_swept(opened):
    log = opened()
    log.append(
        [Change("c", "users", (WHO,), 5, True, {"may_be_used": False}), tie("t", "ana", "bea")]
    )
    strengths = (0.5,) * (2 * len(STRENGTHS))
    features = FakeFeatures({WHO: RecentList(("i1",), (0,), (1,))})
    features.friends = {"ana": Friends((WHO, "bea"), strengths, (True, True))}
    live = LiveState(opened(open_rows))
    seen = LiveFeatures(features, live)
    live.refresh()
    assert live.withdrawn == {WHO}
    forget(log)
    live.refresh()
    assert (live.withdrawn, live.consent(WHO)) == (frozenset(), {})
    assert seen.shopper(WHO) == ShopperRow()
    assert seen.shopper("ana").friends.ids == ("bea",)
    log.lift(WHO)
    live.refresh()
    assert set(seen.shopper("ana").friends.ids) == {WHO, "bea"}


def test_who_is_let_back_in_is_somebody_new(opened):
    log, other = opened(), opened()
    log.append(of_person())
    assert not log.lift(WHO)
    forget(log)
    assert other.lift(WHO)
    assert log.append([event("new", WHO), tie("new", WHO, "ana")]) == [True, True]
    assert log.append([event("own0", WHO, "i0")]) in (
        [True],
        [False],
    )  # Redis knows ids for an hour
    assert forget(other).events in (1, 2)
    assert log.append([event("again", WHO)]) == [False]


def test_an_export_that_was_begun_goes_on_without_the_person(opened, folder):
    log, shop = opened(), folder / "shop"
    log.append([event("others", "ana"), event("own", WHO)])
    planned = log.unexported(100)
    assert len(planned) == 2  # and nobody wrote it: the process is gone
    forget(log)
    exporter = Exporter(log, str(shop), metrics())
    exporter.export()
    push_all(log)
    log.append([event("later", "ana")])
    exporter.export()
    files = sorted((shop / "events").iterdir())
    told = [one for file in files for one in pq.read_table(file)["event_id"].to_pylist()]
    assert sorted(told) == ["later", "others"]
    assert log.oldest_unexported_s() == 0.0


def test_exported_files_lose_a_person_and_keep_the_mark(opened, folder):
    log, shop = opened(), folder / "shop"
    exporter, sweeper = Exporter(log, str(shop), metrics()), Sweeper(log, str(shop))
    log.append(of_person())
    exporter.export()
    (shop / "events" / "of-the-shop.csv").write_text("not ours\n")
    assert sweeper.sweep() == 0
    assert found_in_folder(shop, WHO) != []
    forget(log)
    exporter.export()
    assert sweeper.sweep() == 46
    assert found_in_folder(shop, WHO) == []
    assert sweeper.sweep() == 0
    assert (shop / "events" / "of-the-shop.csv").exists()
    gone = suppressed_in(read_changes(str(shop)))
    assert WHO in gone
    assert "ana" not in gone


def test_a_log_that_is_restored_knows_who_is_forgotten(opened, folder, tmp_path):
    log, shop = opened(), folder / "shop"
    log.append(of_person())
    Exporter(log, str(shop), metrics()).export()  # never swept
    forget(log)
    Exporter(log, str(shop), metrics()).export()
    fresh = open_log(f"sqlite://{tmp_path}/fresh/events.sqlite")
    assert restore_changes(fresh, str(shop)) == 2  # the mark, and the tie of others
    assert WHO in fresh.suppressed()
    fresh.close()
    assert found_in_folder(tmp_path / "fresh", WHO) == []


def test_old_files_do_not_bring_a_person_back(opened, folder, capsys):
    log, shop = opened(), folder / "shop"
    shop.mkdir()
    (shop / "items.csv").write_text("item_id,title\ni0,Pan\ni1,Pot\n")
    rows = "".join(
        f"{n},{who},i{n % 2},view,2026-01-0{n + 1},{named}\n"
        for n, (who, named) in enumerate(
            [("ana", ""), ("bea", "forgotten"), ("forgotten", "ana"), ("forgotten", "")]
        )
    )
    heads = "event_id,user_id,item_id,event,ts,referrer_user_id\n"
    (shop / "events.csv").write_text(heads + rows + "9,forgotten,i1,nothing,2026-01-01,\n")
    (shop / "ties.csv").write_text(
        "src_user_id,dst_user_id,kind\nforgotten,ana,friend\nbea,forgotten,follow\nana,bea,trust\n"
    )
    (shop / "users.csv").write_text("user_id,may_be_named\nforgotten,maybe\nana,no\n")
    clean = folder / "clean"
    config = IngestConfig(max_bad_share=0.5)
    before = ingest(str(shop), str(clean), config)
    assert before.tables["events"].erased == 0
    assert found_in_folder(clean, "forgotten") != []
    log.append([tie("live", "ana", "forgotten")])
    Exporter(log, str(shop), metrics()).export()
    forget(log, "forgotten")
    Exporter(log, str(shop), metrics()).export()
    report = ingest(str(shop), str(clean), config)
    assert {name: of.erased for name, of in report.tables.items()} == {
        "events": 3,
        "ties": 2,
        "items": 0,
        "users": 1,
    }
    capsys.readouterr()
    ingested(report)
    assert "3 of events left out: of people who were erased" in capsys.readouterr().out
    for of in report.tables.values():
        assert of.read + of.added == of.kept + of.bad + of.duplicates + of.erased
    assert found_in_folder(clean, "forgotten") == []
    events = pq.read_table(clean / "events.parquet").to_pylist()
    assert {e["event_id"]: e["referrer_user_id"] for e in events} == {"0": None, "1": None}
    log.lift("forgotten")
    Exporter(log, str(shop), metrics()).export()
    assert ingest(str(shop), str(clean), config).tables["events"].erased == 0
