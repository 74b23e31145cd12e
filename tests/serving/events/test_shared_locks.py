"""Sinks share the lock of those who push; who needs it alone waits for all of them, and gets it."""

import threading

import pytest
from redis_server import PASSWORD, RedisServer

from coterie.data.locks import PUSH, LockLostError, LockTakenError, lock_key, open_locks
from coterie.schema import EventKind
from serving.events.event import Event
from serving.events.redis_log import RedisLog


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def opened(server):
    server.ask("FLUSHALL")
    return lambda: RedisLog(server.place, PASSWORD)


def test_sharers_hold_it_together_each_with_a_token_of_its_own(opened):
    with opened().lock(PUSH, shared=True) as one, opened().lock(PUSH, shared=True) as other:
        assert other > one
        with pytest.raises(LockTakenError), opened().lock(PUSH, wait_s=0.0):
            pass
    with opened().lock(PUSH, wait_s=0.0) as alone:
        assert alone > other
        with pytest.raises(LockTakenError), opened().lock(PUSH, wait_s=0.0, shared=True):
            pass


def test_who_leaves_first_takes_it_from_nobody(opened):
    staying = opened().lock(PUSH, shared=True)
    with opened().lock(PUSH, shared=True):
        staying.__enter__()
    with pytest.raises(LockTakenError), opened().lock(PUSH, wait_s=0.0):
        pass
    staying.__exit__(None, None, None)
    with opened().lock(PUSH, wait_s=0.0):
        pass


def test_who_needs_it_alone_is_not_kept_waiting_by_those_who_come_after(server, opened):
    """Sinks that are busy would otherwise pass it on among themselves for ever."""
    stop = threading.Event()

    def share():
        log = opened()
        while not stop.is_set():
            with log.lock(PUSH, wait_s=30, shared=True):
                stop.wait(0.02)

    threads = [threading.Thread(target=share) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with open_locks(server.place, PASSWORD).lock(PUSH, wait_s=30):
            pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_was_pushed_after_a_share_ran_out_is_pushed_again(server, opened):
    log = opened()
    log.append([Event("e", "ana", "a", EventKind.VIEW, 1)])
    with log.lock(PUSH, shared=True), opened().lock(PUSH, shared=True):
        batch = log.unpushed(10)
        server.ask("ZREM", f"{lock_key(PUSH)}:shared", log._locks.owner)
        with pytest.raises(LockLostError):
            log.mark_pushed(batch)
    assert log.count_unpushed() == 1
    with log.lock(PUSH, shared=True):
        log.mark_pushed(log.unpushed(10))
    assert log.count_unpushed() == 0


def test_a_process_of_before_and_one_that_shares_wait_for_each_other(server, opened):
    """While an upgrade rolls there are both; the one of before knows its own key alone."""
    key = lock_key(PUSH)
    assert server.ask("SET", key, "before", "NX", "PX", 10_000)
    with pytest.raises(LockTakenError), opened().lock(PUSH, wait_s=0.0, shared=True):
        pass
    server.ask("DEL", key)
    with opened().lock(PUSH, shared=True):
        assert server.ask("SET", key, "before", "NX", "PX", 10_000) is None
    assert server.ask("SET", key, "before", "NX", "PX", 10_000)
