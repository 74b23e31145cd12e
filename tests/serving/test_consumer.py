"""The event consumer: what it takes over, what it exports, and that it may die at any moment."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import fsspec
import pytest
from logged import event, exported, files, metrics, numbered, push_all
from prometheus_client import CollectorRegistry
from redis_server import PASSWORD, RedisServer
from shared_features import SharedFeatures
from starting import held_up
from waiting import PATIENCE_S, wait_until

from coterie.errors import BadInputError
from coterie.probes import ALIVE_S, pages
from serving import consumer as consuming
from serving.consumer import Consumer, main, options
from serving.events.open import open_log
from serving.events.redis_log import STREAM, RedisLog
from serving.features.online_store import FakeFeatures
from serving.ingestion import exporter as exporting
from serving.ingestion.exporter import Exporter
from serving.ingestion.retention import Retention
from serving.ingestion.sweep import Sweeper
from serving.telemetry.instruments import LogMetrics

HERE = Path(__file__).parent


@pytest.fixture
def server(folder):
    running = RedisServer(folder / "redis")
    yield running
    running.stop()


@pytest.fixture
def log(server):
    opened = RedisLog(server.place, PASSWORD)
    yield opened
    opened.close()


@pytest.fixture
def features(server):
    shared = SharedFeatures(server.port)
    yield shared
    shared.close()


def consumer_of(log, folder, features=None, **more):
    registry = CollectorRegistry()
    numbers = LogMetrics(registry)
    exporter = Exporter(log, str(folder / "shop"), numbers)
    given = {"export_s": 0.0, "take_over_s": 0.0} | more
    sweeper = Sweeper(log, str(folder / "shop"))
    found = FakeFeatures() if features is None else features
    keep_days = given.pop("keep_days", 0.0)
    retention = Retention(log, lambda: found, sweeper, keep_days, numbers)
    consumer = Consumer(log, exporter, numbers, lambda: found, sweeper, retention, **given)
    consumer.registry = registry
    return consumer


def run(script, **environment):
    """Python that may import what tests do."""
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=HERE.parents[1],
    )


SINK_THAT_DIES = """
import os, signal
from redis_server import PASSWORD
from serving.events import redis_log
from serving.telemetry.metrics import ServingMetrics
from serving.events.redis_log import RedisLog
from serving.ingestion.sink import Sink
from shared_features import SharedFeatures
from logged import event

redis_log.LOCK_TTL_S = {turn_s}

class Dies(SharedFeatures):
    def push_recent(self, *given):
        if {after}:
            super().push_recent(*given)
        os.kill(os.getpid(), signal.SIGKILL)

log = RedisLog("redis://127.0.0.1:{port}/0", PASSWORD)
Sink(log, Dies({port}), ServingMetrics()).write([[event("a", item_id="i1"), event("b", "lou")]])
"""


@pytest.mark.parametrize("after", [False, True])
def test_what_a_killed_sink_left_is_applied_once(server, log, features, folder, after):
    dead = run(SINK_THAT_DIES.format(port=server.port, turn_s=1.0, after=after))
    assert dead.wait(PATIENCE_S) == -9
    assert log.count_unpushed() == 2
    consumer = consumer_of(log, folder, features)
    # Its turn is still on; nothing is done before it is over.
    consumer.turn()
    last = time.monotonic() + PATIENCE_S
    while log.count_unpushed() and time.monotonic() < last:
        consumer.turn()
    assert log.count_unpushed() == 0
    assert features.shopper("ana").recent.item_ids == ("i1",)
    assert features.shopper("lou").recent.item_ids == ("item-0020",)
    pushes = features.pushes("ana")
    assert pushes == 1 + after
    consumer.turn()
    assert features.pushes("ana") == pushes
    assert exported(folder / "shop") == ["a", "b"]
    assert log.append([event("a")]) == [False]


def test_a_sink_that_is_at_it_is_left_alone(log, folder):
    log.append([event()])

    def no_features():
        raise AssertionError("opened, though nothing was left behind")

    consumer = consumer_of(log, folder, take_over_s=60.0)
    consumer.open_features = no_features
    consumer.turn()
    assert log.count_unpushed() == 1
    assert consumer.ready()


KILLED_EXPORTS = {
    "before the file": "exporting.put_file = lambda *_: die()",
    "in the middle of the file": "pathlib.Path.replace = lambda *_: die()",
    "after the file": "redis_log.RedisLog.mark_exported = lambda *_: die()",
}


@pytest.mark.parametrize("when", KILLED_EXPORTS)
def test_a_consumer_killed_at_an_export_loses_and_doubles_no_row(server, log, folder, when):
    log.append(numbered(30))
    push_all(log)
    script = f"""
    import os, pathlib, signal
    from redis_server import PASSWORD
    from serving.events import redis_log
    from serving.ingestion import exporter as exporting
    from logged import metrics
    redis_log.LOCK_TTL_S = 0.5
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    {KILLED_EXPORTS[when]}
    log = redis_log.RedisLog("{server.place}", PASSWORD)
    exporting.Exporter(log, "{folder}/shop", metrics()).export()
    """
    assert run(script).wait(PATIENCE_S) == -9
    log.append(numbered(30, 30))
    push_all(log)
    last = time.monotonic() + PATIENCE_S
    consumer = consumer_of(log, folder)
    while len(exported(folder / "shop")) < 60 and time.monotonic() < last:
        consumer.turn()
        time.sleep(0.1)
    assert sorted(exported(folder / "shop")) == sorted(f"e{n}" for n in range(60))
    assert server.ask("XLEN", STREAM) == 0


@pytest.mark.slow
def test_consumers_killed_at_any_moment_export_each_event_once(server, log, folder):
    """Two at a time, killed after random times, while events come."""
    script = f"""
    import sys
    from serving.events import redis_log
    from serving.ingestion import exporter
    redis_log.LOCK_TTL_S = 0.3
    exporter.MOST = 40
    from serving.consumer import main
    sys.exit(main(["--log", "{server.place}", "--export", "{folder}/shop", "--port", "0",
                   "--interval", "0.01", "--export-every", "0"]))
    """
    chance, appended = random.Random(5), 0
    for _ in range(6):
        two = [run(script, COTERIE_EVENT_LOG_PASSWORD=PASSWORD) for _ in range(2)]
        # On a busy machine it takes them seconds to start: the time runs from their first file on.
        seen, started = len(files(folder / "shop")), time.monotonic()
        last = started + 30.0
        while time.monotonic() < last:
            log.append(numbered(7, appended))
            appended += 7
            push_all(log)
            time.sleep(0.01)
            if last == started + 30.0 and len(files(folder / "shop")) > seen:
                last = time.monotonic() + chance.random()
        for process in two:
            process.kill()
            process.wait()
    time.sleep(0.4)
    before = len(files(folder / "shop"))
    assert before > 6, "killed before they did anything: this shows nothing"
    # What was exported before it was pushed leaves the log with the export after that.
    log.append(numbered(7, appended))
    appended += 7
    push_all(log)
    consumer_of(log, folder).turn()
    assert sorted(exported(folder / "shop")) == sorted(f"e{n}" for n in range(appended))
    assert server.ask("XLEN", STREAM) == 0


def test_two_consumers_take_turns(server, log, folder):
    log.append(numbered(10))
    second = RedisLog(server.place, PASSWORD)
    with log.lock("export"):
        idle = consumer_of(second, folder)
        idle.turn()
        assert idle.ready(), "another one is at it, and that is as it should be"
        assert not files(folder / "shop")
    idle.turn()
    assert len(exported(folder / "shop")) == 10
    second.close()


def test_a_store_that_refuses_is_said_once_and_tried_again(log, folder, caplog, monkeypatch):
    log.append(numbered(10))
    consumer = consumer_of(log, folder)
    caplog.set_level("WARNING", logger=consuming.log.name)
    monkeypatch.setattr(consuming.log, "propagate", True)
    (folder / "shop").write_text("a file where a folder should be")
    consumer.turn()
    consumer.turn()
    assert not consumer.ready()
    assert consumer.alive()
    assert len([r for r in caplog.records if "goes on" in r.getMessage()]) == 1
    assert number(consumer, "coterie_export_failures_total") == 2
    assert number(consumer, "coterie_oldest_unexported_seconds") > 0
    (folder / "shop").unlink()
    consumer.turn()
    assert consumer.ready()
    assert len(exported(folder / "shop")) == 10
    assert number(consumer, "coterie_exported_events_total") == 10
    assert number(consumer, "coterie_oldest_unexported_seconds") == 0


def test_what_is_too_old_goes_turn_by_turn(log, folder):
    log.append(numbered(10))
    features = FakeFeatures()
    consumer = consumer_of(log, folder, features, keep_days=30.0)
    for _ in range(10):
        consumer.turn()
    assert number(consumer, "coterie_aged_passed_timestamp_seconds") > 0
    assert exported(folder / "shop") == []
    assert all(one.item_ids == () for one in features.recent.values())
    assert consumer.ready()


def test_features_that_are_away_hold_up_no_export(log, folder):
    log.append(numbered(10))
    features = FakeFeatures(down=True)
    consumer = consumer_of(log, folder, features)
    consumer.turn()
    assert len(exported(folder / "shop")) == 10
    assert number(consumer, "coterie_unpushed_events") == 10
    assert number(consumer, "coterie_push_failures_total") == 1
    features.down = False
    consumer.turn()
    assert number(consumer, "coterie_unpushed_events") == 0
    assert set(features.recent) == {f"u{n}" for n in range(7)}


def test_features_that_cannot_be_opened_hold_up_no_export(log, folder):
    log.append(numbered(10))
    consumer = consumer_of(log, folder)

    def no_registry():
        raise BadInputError("apply its definitions first")

    consumer.open_features = no_registry
    consumer.turn()
    assert len(exported(folder / "shop")) == 10
    assert not consumer.ready()
    assert consumer.alive()


def test_a_redis_that_comes_back_is_used_again(server, log, folder):
    log.append(numbered(10))
    consumer = consumer_of(log, folder)
    server.kill()
    consumer.turn()
    assert not consumer.ready()
    server.start()
    consumer.turn()
    assert consumer.ready()
    assert len(exported(folder / "shop")) == 10


def number(consumer, name):
    return consumer.registry.get_sample_value(name)


def test_a_store_that_is_no_folder_gets_whole_files(log):
    log.append(numbered(10))
    store = fsspec.filesystem("memory")
    Exporter(log, "memory://shop-of-this-test", metrics()).export()
    (path,) = store.ls("/shop-of-this-test/events", detail=False)
    assert path.endswith(".parquet")
    assert store.size(path) > 1000
    store.rm("/shop-of-this-test", recursive=True)


def test_a_large_backlog_is_exported_in_files_of_a_bounded_size(log, folder, monkeypatch):
    monkeypatch.setattr(exporting, "MOST", 400)
    log.append(numbered(1000))
    Exporter(log, str(folder / "shop"), metrics()).export()
    assert sorted(exported(folder / "shop")) == sorted(f"e{n}" for n in range(1000))
    assert len(files(folder / "shop")) == 3


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_probes_tell_how_it_is(log, folder):
    consumer = consumer_of(log, folder)
    with pages(0, consumer.registry, consumer) as port:
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz", "/x")] == [200, 503, 404]
        consumer.turn()
        assert ask(port, "/readyz")[0] == 200
        assert "coterie_oldest_unexported_seconds 0.0" in ask(port, "/metrics")[1]
        consumer.came_round -= ALIVE_S
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz")] == [503, 503]


def test_it_lives_before_it_is_loaded_and_is_ready_without_feast(folder):
    given = ["serving.consumer", "--state", str(folder), "--export", str(folder / "shop")]
    with held_up(*given, COTERIE_LOG_FILE="-") as consumer:
        assert (consumer.alive, consumer.ready) == (200, 503)
        consumer.go_on()
        wait_until(lambda: consumer.ready == 200)


def test_it_turns_until_it_is_asked_to_stop(log, folder):
    consumer, stop = consumer_of(log, folder), threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop, 0.01))
    log.append(numbered(3))
    thread.start()
    wait_until(lambda: len(exported(folder / "shop")) >= 3)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert len(exported(folder / "shop")) == 3


@pytest.fixture
def handlers():
    """Signals and the logger, as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    found = list(consuming.log.handlers)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    consuming.log.handlers[:] = found


def test_on_one_machine_it_exports_a_file_once(folder, capsys, handlers):
    """The same program, another URL."""
    place = f"sqlite://{folder}/state/events.sqlite"
    log = open_log(place)
    log.append(numbered(12))
    given = ["--once", "--state", str(folder / "state"), "--export", str(folder / "shop")]
    assert main(given) == 0
    assert capsys.readouterr().out == f"12 events exported to {folder}/shop\n"
    assert main(given) == 0
    assert capsys.readouterr().out.startswith("0 events")
    assert sorted(exported(folder / "shop")) == sorted(f"e{n}" for n in range(12))
    log.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "COTERIE_EVENT_EXPORT"),
        (["--export", "nowhere://x"], "is on no store that is known"),
        (["--export", "x", "--log", "kafka://x"], "names no event log"),
        (["--export", "x", "--once", "--log", "redis://127.0.0.1:1/0"], "see whether Redis runs"),
    ],
)
def test_what_cannot_begin_says_why(given, said, folder, capsys, handlers):
    assert main([*given, "--state", str(folder)]) == 1
    assert said in capsys.readouterr().err


def test_options_have_defaults():
    given = options([])
    assert (given.port, given.once, given.export_every, given.take_over) == (8082, False, 300, 10)
