"""The event log in a real Redis: killed, slow, full, torn, trimmed."""

import os
import time
from dataclasses import replace

import pytest
import redis
from logged import event, metrics, numbered, push_all
from redis_server import PASSWORD, RedisServer
from waiting import PATIENCE_S, not_for_as_long_as

from coterie.data import redis_scripts
from coterie.data.locks import LockTakenError
from coterie.errors import BadInputError, UnavailableError
from serving.events import redis_log
from serving.events.redis_log import STREAM, RedisLog
from serving.features.online_store import FakeFeatures
from serving.ingestion.exporter import Exporter
from serving.ingestion.feature_updater import FeatureUpdater


@pytest.fixture
def start(folder):
    running = []

    def start(more="appendfsync always\n"):
        running.append(RedisServer(folder / f"redis{len(running)}", more))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def open_it():
    opened = []

    def open_it(server, **options):
        opened.append(RedisLog(server.place, PASSWORD, **options))
        return opened[-1]

    yield open_it
    for log in opened:
        log.close()


def ids(batch):
    return [e.event_id for e in batch.events]


def test_what_a_receipt_was_given_for_outlives_redis(server, open_it):
    log = open_it(server)
    for n in range(50):
        assert log.append(numbered(3, 3 * n)) == [True] * 3
    with log.lock("push"):
        log.mark_pushed(log.unpushed(10))
    server.kill()
    with pytest.raises(UnavailableError, match="does not answer"):
        log.append([event("later")])
    server.start()
    assert log.append([*numbered(150), event("later")]) == [False] * 150 + [True]
    assert ids(log.unpushed(1000)) == [*(f"e{n}" for n in range(10, 150)), "later"]
    assert ids(log.unexported(1000)) == [*(f"e{n}" for n in range(150)), "later"]


def test_with_everysec_a_killed_redis_loses_the_newest_batches_at_most_and_whole(start, open_it):
    server = start("appendfsync everysec\n")
    log = open_it(server)
    for n in range(200):
        log.append(numbered(5, 5 * n))
    server.kill()
    server.start()
    kept = ids(log.unexported(10_000))
    assert kept == [f"e{n}" for n in range(len(kept))]
    assert len(kept) % 5 == 0
    # What is lost is new when it is sent again, and what is kept is not.
    fresh = log.append(numbered(1000))
    assert fresh == [False] * len(kept) + [True] * (1000 - len(kept))
    assert ids(log.unpushed(10_000)) == [f"e{n}" for n in range(1000)]


@pytest.mark.parametrize("torn", [1, 40, 300, 700])
def test_a_batch_whose_end_did_not_reach_the_disk_is_not_there_at_all(server, open_it, torn):
    log = open_it(server)
    log.append(numbered(5))
    log.append(numbered(5, 5))
    server.kill()
    (file,) = server.folder.glob("appendonlydir/*.incr.aof")
    os.truncate(file, file.stat().st_size - torn)
    server.start()
    assert log.count_unpushed() == 5
    assert log.append(numbered(10)) == [False] * 5 + [True] * 5
    assert ids(log.unpushed(100)) == [f"e{n}" for n in range(10)]


def test_a_lost_answer_and_a_resend_make_no_second_event(server, open_it, monkeypatch):
    monkeypatch.setattr(redis_scripts, "ANSWER_S", 0.3)
    log = open_it(server)
    log.append([event("before")])
    server.freeze()
    with (
        not_for_as_long_as(PATIENCE_S),  # it would wait for ever
        pytest.raises(UnavailableError, match="does not answer"),
    ):
        log.append([event("a"), event("b")])
    server.thaw()
    assert log.append([event("a"), event("b"), event("c")]) == [False, False, True]
    assert ids(log.unpushed(10)) == ["before", "a", "b", "c"]


def test_nobody_there_is_said_so(server, open_it):
    server.kill()
    log = open_it(server)
    for work in (log.ping, log.count_unpushed, lambda: log.append([event()])):
        with pytest.raises(UnavailableError, match="see whether Redis runs"):
            work()


def test_a_wrong_password_is_bad_input_and_not_shown(server):
    log = RedisLog(server.place, "not-the-password")
    with pytest.raises(BadInputError, match="COTERIE_EVENT_LOG_PASSWORD") as refused:
        log.append([event()])
    assert "not-the-password" not in str(refused.value)
    log.close()


def test_a_full_memory_keeps_all_of_a_batch_or_none(start, open_it, folder):
    server = start("appendfsync no\nmaxmemory 8mb\n")
    log = open_it(server)
    features = FakeFeatures()
    pusher = FeatureUpdater(log, features, metrics())
    kept = 0

    def fill():
        nonlocal kept
        while True:
            batch = [replace(e, text="x" * 500) for e in numbered(100, kept)]
            assert all(log.append(batch))
            kept += 100

    with pytest.raises(UnavailableError, match=r"is full: nothing was kept\. .* raise maxmemory"):
        fill()
    assert kept > 1000
    assert log.count_unpushed() == server.ask("XLEN", STREAM) == kept
    assert len(server.ask("KEYS", f"{STREAM}:id:*")) == kept
    # What makes room goes on: features are kept elsewhere here, and exports let go of events.
    assert pusher.catch_up()
    assert Exporter(log, str(folder / "shop"), metrics()).export() == kept
    assert server.ask("XLEN", STREAM) == 0
    assert log.append(numbered(100, kept)) == [True] * 100


def test_nothing_is_trimmed_before_it_was_pushed_and_exported(server, open_it, folder):
    log = open_it(server)
    exporter = Exporter(log, str(folder / "shop"), metrics())
    log.append(numbered(10))
    exporter.export()
    assert server.ask("XLEN", STREAM) == 10, "exported, but not pushed"
    with log.lock("push"):
        log.mark_pushed(log.unpushed(4))
    log.append(numbered(1, 10))
    exporter.export()
    assert server.ask("XLEN", STREAM) == 7, "as far as both are"
    assert ids(log.unpushed(100)) == [f"e{n}" for n in range(4, 11)]
    push_all(log)
    log.append(numbered(3, 11))
    push_all(log)
    assert server.ask("XLEN", STREAM) == 10, "pushed, but not exported"
    exporter.export()
    assert server.ask("XLEN", STREAM) == 0
    assert log.append(numbered(14)) == [False] * 14


def test_a_slow_reader_notices_that_others_trimmed_what_it_reads(server, open_it, monkeypatch):
    """Else it would write a file with a part of the events, over the whole one."""
    monkeypatch.setattr(redis_log, "_PAGE", 4)
    log, other = open_it(server), open_it(server)
    log.append(numbered(10))
    push_all(log)
    ask, pages = log._ask, []

    def ask_slowly(*command):
        found = ask(*command)
        if command[0] == "XRANGE":
            pages.append(found)
            if len(pages) == 1:
                other.mark_exported(other.unexported(100))
        return found

    monkeypatch.setattr(log, "_ask", ask_slowly)
    assert not log.unexported(100)
    assert len(pages[0]) == 4
    assert server.ask("XLEN", STREAM) == 0


def test_a_fencing_token_is_above_the_last_one_though_clocks_are_put_back(server, open_it):
    ahead = round((time.time() + 3600) * 1e6)
    server.ask("SET", f"{STREAM}:time", ahead)
    log = open_it(server)
    for n in (1, 2):
        with log.lock("push") as fencing_token:
            assert fencing_token == ahead + n


def test_a_process_of_the_version_before_holds_the_same_lock(server, open_it):
    """Both run at once while an upgrade rolls: the names of keys are theirs."""
    log = open_it(server)
    server.ask("SET", "{coterie:events}:turn:push", "of the old one", "PX", 60_000)
    with pytest.raises(LockTakenError), log.lock("push", wait_s=0.0):
        pass
    server.ask("DEL", "{coterie:events}:turn:push")
    with log.lock("push") as fencing_token:
        assert server.ask("EXISTS", "{coterie:events}:turn:push")
        assert int(server.ask("GET", "{coterie:events}:time")) == fencing_token


def test_ids_are_forgotten_after_an_hour(server, open_it):
    open_it(server).append([event()])
    (key,) = server.ask("KEYS", f"{STREAM}:id:*")
    assert 3500 < server.ask("PTTL", key) / 1000 <= 3600


def test_a_log_goes_on_in_a_redis_that_was_made_anew(server, open_it, folder):
    log = open_it(server)
    log.append(numbered(3))
    Exporter(log, str(folder / "shop"), metrics()).export()
    server.ask("FLUSHALL")
    assert log.count_unpushed() == 0
    assert log.append(numbered(3)) == [True] * 3
    assert Exporter(log, str(folder / "shop"), metrics()).export() == 3
    assert len(list((folder / "shop" / "events").iterdir())) == 2


def test_somebody_elses_key_is_no_log(server, open_it):
    server.ask("SET", STREAM, "something")
    with pytest.raises(UnavailableError, match="WRONGTYPE"):
        open_it(server).append([event()])
    assert server.ask("KEYS", f"{STREAM}:id:*") == []


def has_waitaof(server):
    try:
        server.ask("WAITAOF", 0, 0, 1)
    except redis.ResponseError:
        return False
    return True


def test_a_receipt_can_wait_for_the_disk(start, open_it):
    server = start("appendfsync everysec\n")
    if not has_waitaof(server):
        pytest.skip("no WAITAOF: Redis has it from 7.2 on")
    log = open_it(server, sync_s=4.0)
    assert log.append([event()]) == [True]
    assert log.append([event()]) == [False]


def test_events_whose_write_to_disk_takes_too_long_get_no_receipt(start, open_it):
    server = start("appendfsync no\n")
    if not has_waitaof(server):
        pytest.skip("no WAITAOF: Redis has it from 7.2 on")
    # Nor does a resend get one, by this connection or another, though it adds nothing.
    log = open_it(server, sync_s=0.2)
    for again in (log, log, open_it(server, sync_s=0.2)):
        with pytest.raises(UnavailableError, match="within 200 ms"):
            again.append([event()])
    assert log.count_unpushed() == 1


def test_a_redis_that_cannot_tell_what_is_on_disk_is_refused(server, open_it):
    if has_waitaof(server):
        pytest.skip("it can: this is Redis 7.2 or newer")
    with pytest.raises(BadInputError, match="COTERIE_EVENT_LOG_SYNC_S=0"):
        open_it(server, sync_s=0.1).append([event()])
