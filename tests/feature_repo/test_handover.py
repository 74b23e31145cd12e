"""What a pipeline knows and what serving pushed meet online, whichever store that is."""

import sqlite3
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from coterie.data.dataset import Ties
from coterie.data.locks import PUSH, LockTakenError, lock_key
from coterie.data.people_key import KEY, agree_on_key
from coterie.errors import BadInputError, UnavailableError
from coterie.schema import (
    ASKED_TS,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    STRENGTHS,
    EventKind,
)
from coterie.workflow.shop import CleanShop
from feature_repo import handover, online
from feature_repo.build import snapshots
from feature_repo.handover import SharedStore, hand_over, newest_rows, refill, register
from feature_repo.store import fill_store
from feature_repo.views import file_of
from serving.events.event import Event
from serving.events.open import open_log
from serving.features.online_store import FeastFeatures
from serving.features.recent import RecentList, merge
from serving.ingestion.eraser import Eraser
from serving.ingestion.sink import Sink
from serving.telemetry.metrics import ServingMetrics

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from redis_server import PASSWORD, RedisServer

LATER = 4_000_000_000_000
"""After every event of the shop, milliseconds."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@dataclass
class Live:
    """A shop that serves: its store, and what it pushes."""

    shared: SharedStore
    features: FeastFeatures
    log: object
    redis: object

    def __post_init__(self):
        self.sink = Sink(self.log, self.features, ServingMetrics())

    def did(self, user_id, item_id, ts_ms=LATER, kind=EventKind.PURCHASE):
        event = Event(f"{user_id}-{item_id}", user_id, item_id, kind, ts_ms)
        (receipt,) = self.sink.write([[event]])
        assert receipt.applied
        return event

    def forget_key(self):
        """As a log that was begun anew."""
        if self.shared.event_log.startswith("redis"):
            self.redis.ask("DEL", KEY)
        else:
            with sqlite3.connect(self.shared.event_log.removeprefix("sqlite://")) as db:
                db.execute("DELETE FROM people")

    def recent(self, user_id):
        return self.features.shopper(user_id).recent

    def friends(self, user_id):
        return self.features.shopper(user_id).friends


@pytest.fixture(params=["redis", "sqlite"])
def live(request, tmp_path, redis, monkeypatch):
    """Serving on an online store that compares times, and on one that overwrites."""
    monkeypatch.setenv("FEAST_REDIS_PASSWORD", PASSWORD)
    redis.ask("FLUSHALL")
    stores = {
        "redis": {
            "type": "redis",
            "connection_string": f"127.0.0.1:{redis.port},password=${{FEAST_REDIS_PASSWORD}}",
        },
        "sqlite": {"type": "sqlite", "path": str(tmp_path / "online.db")},
    }
    logs = {"redis": redis.place, "sqlite": f"sqlite://{tmp_path / 'events.sqlite'}"}
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(tmp_path / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": stores[request.param],
        "entity_key_serialization_version": 3,
    }
    shared = SharedStore(
        str(tmp_path / "offline"), yaml.safe_dump(settings), logs[request.param], PASSWORD
    )
    served = tmp_path / "served"
    served.mkdir()
    (served / "feature_store.yaml").write_text(shared.settings)
    with shared.open() as store:  # as the chart's hook does
        register(store, shared.offline)
    log = open_log(shared.event_log, PASSWORD)
    yield Live(shared, FeastFeatures(str(served)), log, redis)
    log.close()


@pytest.fixture(scope="module")
def known(filled):
    """What the features step knows of each shopper now."""
    rows = newest_rows(file_of(str(filled.store), SHOPPER_RECENT_VIEW), SHOPPER_RECENT_VIEW)
    names = (*online.RECENTS, *online.HADS, ASKED_TS)
    return {
        row["user_id"]: RecentList(*(tuple(row[name]) for name in names))
        for row in rows.to_pylist()
    }


@pytest.fixture(scope="module")
def friends(filled):
    rows = newest_rows(file_of(str(filled.store), SHOPPER_TIES_VIEW), SHOPPER_TIES_VIEW)
    return {row["user_id"]: tuple(row["friend_ids"]) for row in rows.to_pylist()}


@pytest.fixture(scope="module")
def ana(known, friends):
    """Who has a history and friends."""
    return next(user for user, recent in known.items() if len(recent) > 3 and friends[user])


@pytest.mark.parametrize("again", [False, True], ids=["handed over", "brought back"])
def test_people_under_another_key_than_servings_are_not_handed_over(live, filled, ana, again):
    if again:  # what was handed over before serving had a key
        hand_over(str(filled.store), live.shared, "1")
        live.forget_key()
    agree_on_key(live.shared.event_log, PASSWORD, "0a1b2c3d", "serving")
    with pytest.raises(BadInputError, match="own ids in the features to hand over"):
        refill(live.shared) if again else hand_over(str(filled.store), live.shared, "1")
    assert again or not live.friends(ana).ids


def test_history_and_what_came_before_it_become_one(live, filled, known, friends, ana):
    again = known[ana].item_ids[2]
    events = [live.did(ana, "brand-new"), live.did(ana, again, LATER - 5, EventKind.RETURN)]
    assert live.recent(ana).item_ids == ("brand-new", again), "the history is hidden so far"
    handed = hand_over(str(filled.store), live.shared, "1")
    assert handed.online.recent == handed.online.ties == len(known)
    assert live.recent(ana) == merge(known[ana], events)
    assert live.friends(ana).ids == friends[ana]
    for user, recent in known.items():
        assert user == ana or live.recent(user) == recent


def test_what_comes_after_is_added_and_the_same_again_changes_nothing(live, filled, known, ana):
    hand_over(str(filled.store), live.shared, "1")
    event = live.did(ana, "brand-new")
    expected = merge(known[ana], [event])
    assert live.recent(ana) == expected
    handed = hand_over(str(filled.store), live.shared, "1")
    assert (handed.online.recent, handed.online.ties) == (0, 0)
    assert refill(live.shared).online == handed.online
    assert live.recent(ana) == expected


def test_who_was_asked_before_a_handover_is_known_to_be_asked_after_it(live, filled, known, ana):
    share = Event("s1", "somebody", "brand-new", EventKind.SHARE, LATER, invited_user_id=ana)
    live.sink.write([[share]])
    assert live.recent(ana) == RecentList(asked_ms=(LATER,))
    hand_over(str(filled.store), live.shared, "1")
    assert live.recent(ana) == replace(known[ana], asked_ms=(LATER,))


def test_a_store_that_is_filled_anew_knows_from_the_tables_who_was_asked(live, filled, known, ana):
    hand_over(str(filled.store), live.shared, "1")
    [file] = Path(live.shared.offline).rglob(f"*{SHOPPER_RECENT_VIEW}*.parquet")
    rows = pq.read_table(file)
    place = rows.column_names.index(ASKED_TS)
    told = [[LATER - 1, LATER - 2] if user == ana else [] for user in rows["user_id"].to_pylist()]
    column = pa.array(told, rows.schema.field(place).type)
    pq.write_table(rows.set_column(place, rows.schema.field(place), column), file)
    assert refill(live.shared).online.recent == 1
    assert live.recent(ana) == replace(known[ana], asked_ms=(LATER - 1, LATER - 2))
    share = Event("s1", "somebody", "brand-new", EventKind.SHARE, LATER, invited_user_id=ana)
    live.sink.write([[share]])
    for _ in range(2):
        refill(live.shared)
        assert live.recent(ana).asked_ms == (LATER, LATER - 1, LATER - 2)
    assert refill(live.shared).online.recent == 0


def test_a_snapshot_of_before_brings_nobody_back_who_was_erased(
    live, filled, friends, ana, redis, tmp_path
):
    hand_over(str(filled.store), live.shared, "1")
    live.did(ana, "brand-new")
    theirs = {user for user, of in friends.items() if ana in of}
    assert theirs
    erased = Eraser(open_log(live.shared.event_log, PASSWORD), live.features).erase(ana)
    assert (erased.entries.events, erased.features, erased.friends) == (1, 1, len(theirs))
    for again in (refill(live.shared), hand_over(str(filled.store), live.shared, "1")):
        assert (again.online.recent, again.online.ties) == (0, 0)
    for user, of in friends.items():
        left = () if user == ana else tuple(one for one in of if one != ana)
        assert live.friends(user).ids == left
    assert live.recent(ana) == RecentList()
    found = live.friends(next(iter(theirs)))
    assert len(found.strengths) == len(STRENGTHS) * len(found.ids)

    redis_key = live.features.store.config.online_store.type == "redis"
    if redis_key:
        gone = live.features._rows._key(ana)
        assert not [key for key in redis.client().scan_iter() if key.startswith(gone)]


def test_events_between_batches_are_not_lost(live, filled, known, monkeypatch):
    monkeypatch.setattr(online, "BATCH", 40)
    events = {}

    def told(what, done, total):
        """Of each batch somebody acts before it comes, and somebody after it."""
        for place in (done - 40, done - 1, done, done + 39):
            if 0 <= place < total and (user := sorted(known)[place]) not in events:
                events[user] = live.did(user, "brand-new")

    hand_over(str(filled.store), live.shared, "1", told)
    assert len(events) > 6
    for user, event in events.items():
        assert live.recent(user) == merge(known[user], [event])


def test_nobody_pushes_between_reading_and_writing(live, filled, monkeypatch):
    tried, push = [], online._push

    def watched(*given):
        with pytest.raises(LockTakenError), live.log.lock(PUSH, wait_s=0.0):
            pass
        tried.append(given)
        push(*given)

    monkeypatch.setattr(online, "_push", watched)
    hand_over(str(filled.store), live.shared, "1")
    assert tried


def test_who_stood_still_for_longer_than_a_turn_reads_again(
    live, redis, filled, known, ana, monkeypatch
):
    if not live.shared.event_log.startswith("redis"):
        pytest.skip("a lock of the file system does not run out")
    reads, read, event = [], online._read, None

    def slow(*given):
        nonlocal event
        found = read(*given)
        reads.append(1)
        if len(reads) == 1:
            redis.ask("DEL", lock_key(PUSH))  # as it runs out
            event = live.did(ana, "brand-new")
        return found

    monkeypatch.setattr(online, "_read", slow)
    monkeypatch.setattr(online.time, "sleep", lambda _: None)
    hand_over(str(filled.store), live.shared, "1")
    assert len(reads) == 2
    assert live.recent(ana) == merge(known[ana], [event])


@pytest.fixture(scope="module")
def two(filled, tmp_path_factory):
    """An older snapshot, and a newer one in which nobody has friends any more."""
    shop = CleanShop.open(str(filled.clean))
    folders = []
    for name, dataset, read_ms in (
        ("older", shop.dataset, LATER),
        ("newer", replace(shop.dataset, ties=Ties.none()), LATER + 1000),
    ):
        folder = str(tmp_path_factory.mktemp(name))
        moments = snapshots(dataset, shop.split, read_ms)
        fill_store(folder, dataset, moments, "1", online=False)
        folders.append(folder)
    return folders


def test_a_slow_old_run_takes_nothing_back(live, two, ana):
    older, newer = two
    hand_over(older, live.shared, "1")
    assert live.friends(ana).ids
    hand_over(newer, live.shared, "2")
    assert not live.friends(ana).ids
    late = hand_over(older, live.shared, "1")
    assert late.newer_ms == LATER + 1000
    assert "nothing was handed over" in late.in_words()
    assert not live.friends(ana).ids
    assert not refill(live.shared).online.ties
    offline = Path(live.shared.offline)
    assert sorted(path.name for path in offline.iterdir()) == [
        "shopper_recent.parquet",
        "shopper_ties.parquet",
    ]


def test_of_two_runs_at_once_the_newer_friends_stay(live, two, ana, known):
    """The old run had put its files in place, and comes online last."""
    older, newer = two
    event = live.did(ana, "brand-new")
    hand_over(newer, live.shared, "2")
    rows = [newest_rows(file_of(older, view), view) for view in handover.VIEWS]
    with live.shared.open() as store:
        written = online.write_online(store, *rows, LATER, live.shared.locks())
    assert written.ties == 0
    assert not live.friends(ana).ids
    assert live.recent(ana) == merge(known[ana], [event])


def test_trouble_that_passes_is_waited_for_and_trouble_that_stays_is_told(
    live, filled, monkeypatch
):
    monkeypatch.setattr(online.time, "sleep", lambda _: None)
    tries, read = [], online._read

    def flaky(*given):
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("away")
        return read(*given)

    monkeypatch.setattr(online, "_read", flaky)
    hand_over(str(filled.store), live.shared, "1")
    assert len(tries) > 2
    monkeypatch.setattr(online, "PATIENCE_S", 0.0)
    tries.clear()
    with pytest.raises(UnavailableError, match="away"):
        hand_over(str(filled.store), live.shared, "1")


SETTINGS = "online_store: {{type: {}, connection_string: 'h:1,password=${{PW}}'}}"


@pytest.mark.parametrize(
    ("settings", "log", "said"),
    [
        (SETTINGS.format("dynamodb"), "redis://h:1/0", "dynamodb with an event log redis://: what"),
        (SETTINGS.format("postgres"), "redis://h:1/0", "postgres with an event log"),
        (SETTINGS.format("redis"), "sqlite:///events.sqlite", "redis with an event log sqlite"),
        (SETTINGS.format("sqlite"), "redis://h:1/0", "sqlite with an event log redis"),
        (SETTINGS.format("redis"), "", "names no event log"),
        ("online_store: 7", "redis://h:1/0", "no settings of a feature store"),
    ],
)
def test_where_no_turn_is_shared_nothing_is_handed_over(settings, log, said):
    with pytest.raises(BadInputError, match=said):
        SharedStore("s3://x/features", settings, log).check({"PW": "x"})


def test_a_secret_that_is_missing_is_named():
    shared = SharedStore("s3://x/features", SETTINGS.format("redis"), "redis://h:1/0")
    shared.check({"PW": "x"})
    with pytest.raises(BadInputError, match="name PW, which is not set"):
        shared.check({})
