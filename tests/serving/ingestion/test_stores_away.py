"""Redis restarted, S3 away for five minutes: what goes on, what is kept, what is said of it."""

import fsspec
import pytest
from feast_store import feast_on, started
from logged import event, numbered
from redis_server import PASSWORD, RedisServer
from s3_server import s3  # noqa: F401 - a fixture
from shared_features import SharedFeatures
from test_consumer import consumer_of, number

from coterie.errors import UnavailableError
from coterie.monitoring.runs import Outcome, Runs
from coterie.workflow.status import recorded
from serving.events import sqlite_log
from serving.events.redis_log import RedisLog
from serving.events.sqlite_log import SqliteLog
from serving.ingestion.exporter import Exporter
from serving.ingestion.sink import Sink
from serving.telemetry.metrics import ServingMetrics

MINUTES_MS = 60_000


class Clock:
    def __init__(self):
        self.ms = 1_700_000_000_000

    def __call__(self):
        return self.ms


@pytest.fixture
def clock(monkeypatch):
    """The event log's."""
    clock = Clock()
    monkeypatch.setattr(sqlite_log, "_now_ms", clock)
    return clock


def in_bucket():
    fs = fsspec.filesystem("s3")
    fs.invalidate_cache()
    import pyarrow.parquet as pq

    paths = fs.glob("shop/tables/events/*.parquet")
    return [i for path in paths for i in pq.read_table(path, filesystem=fs)["event_id"].to_pylist()]


@pytest.fixture
def exporting(s3, folder, clock):  # noqa: F811
    """A log, and the consumer that exports it into a bucket."""
    log = SqliteLog(folder / "events.sqlite")
    consumer = consumer_of(log, folder)
    consumer.exporter = Exporter(log, "s3://shop/tables", consumer.metrics)
    yield log, consumer
    log.close()


def test_five_minutes_without_the_store_cost_no_event(exporting, s3, clock):  # noqa: F811
    log, consumer = exporting
    log.append(numbered(10))
    consumer.turn()
    assert len(in_bucket()) == 10
    s3.stop()
    for minute in range(5):
        log.append(numbered(10, 10 * (minute + 1)))
        clock.ms += MINUTES_MS
        if minute in (0, 4):
            consumer.turn()
    assert (consumer.alive(), consumer.ready()) == (True, False)
    assert number(consumer, "coterie_export_failures_total") == 2
    assert number(consumer, "coterie_oldest_unexported_seconds") == 300
    s3.start()
    consumer.turn()
    assert consumer.ready()
    assert sorted(in_bucket()) == sorted(f"e{n}" for n in range(60))
    assert number(consumer, "coterie_oldest_unexported_seconds") == 0


def test_a_store_that_says_nothing_ends_no_consumer(exporting, s3):  # noqa: F811
    log, consumer = exporting
    log.append(numbered(10))
    s3.fall_silent()
    consumer.turn()
    assert (consumer.alive(), consumer.ready()) == (True, False)
    s3.speak()
    consumer.turn()
    assert len(in_bucket()) == 10


def test_a_run_goes_on_while_its_standing_cannot_be_written(s3, caplog):  # noqa: F811
    with recorded("s3://shop/status", "v7", "ingest", "train"):
        pass
    s3.stop()
    with recorded("s3://shop/status", "v7", "features"):
        done = True
    assert done
    assert "the run goes on, but how it stands is not recorded" in caplog.text
    s3.start()
    with recorded("s3://shop/status", "v7", "release"):
        pass
    [run] = Runs("s3://shop/status").read()
    assert run.outcome is Outcome.SUCCEEDED


@pytest.fixture
def server(folder):
    running = RedisServer(folder / "redis")
    yield running
    running.stop()


def written(sink, *events):
    (receipt,) = sink.write([list(events)])
    return receipt.accepted, receipt.duplicate, receipt.applied


def test_a_redis_that_is_restarted_loses_nothing_and_all_go_on_by_themselves(server, folder):
    """One connection each, from before to after: nobody is started again."""
    log, other = (RedisLog(server.place, PASSWORD) for _ in range(2))
    features, theirs = SharedFeatures(server.port), SharedFeatures(server.port)
    sink = Sink(log, features, ServingMetrics())
    consumer = consumer_of(other, folder, theirs)
    assert written(sink, event("before", "ana", item_id="i1")) == (1, 0, True)
    consumer.turn()
    assert consumer.ready()
    server.kill()
    with pytest.raises(UnavailableError, match="does not answer"):
        written(sink, event("during", "ana", item_id="i2"))
    consumer.turn()
    assert (consumer.alive(), consumer.ready()) == (True, False)
    assert sink.catch_up() is False
    server.start()
    # The first request after it is one that succeeds: nobody is told to send it a second time.
    assert written(sink, event("before", "ana", item_id="i1")) == (0, 1, True)
    assert written(sink, event("during", "ana", item_id="i2")) == (1, 0, True)
    assert set(features.shopper("ana").recent.item_ids) == {"i1", "i2"}
    consumer.turn()
    assert consumer.ready()
    for one in (log, other, features, theirs):
        one.close()


STORY = """
import sys
from coterie.errors import UnavailableError
from coterie.schema import EventKind
from serving.events.open import open_log
from serving.events.event import Event
from serving.features.online_store import FeastFeatures
from serving.telemetry.metrics import ServingMetrics
from serving.ingestion.sink import Sink

features = FeastFeatures(sys.argv[1])
sink = Sink(open_log(f"sqlite://{sys.argv[2]}"), features, ServingMetrics())

def write(item):
    (receipt,) = sink.write([[Event(item, "ana", item, EventKind.VIEW, int(item[1:]))]])
    return receipt.accepted, receipt.applied

def items():
    try:
        return features.shopper("ana").recent.item_ids
    except UnavailableError as error:
        return "does not answer" if "did not answer" in str(error) else error

print(write("i1"), items(), flush=True)
sys.stdin.readline()
print(write("i2"), items(), flush=True)
sys.stdin.readline()
print(sink.catch_up(), items(), flush=True)
"""


@pytest.mark.slow
def test_receipts_tell_the_truth_while_features_are_away_and_replicas_go_on(server, folder):
    """Feast as a cluster has it, and a log that answers: kept, not applied, and made up for."""
    store = feast_on(server, folder)
    log = folder / "events.sqlite"
    with started("-c", STORY, str(store), str(log)) as story:
        assert story.stdout.readline() == "(1, True) ('i1',)\n"
        server.kill()
        assert go_on(story) == "(1, False) does not answer\n"
        server.start()
        assert go_on(story) == "True ('i2', 'i1')\n"


def go_on(story):
    story.stdin.write("\n")
    story.stdin.flush()
    return story.stdout.readline()
