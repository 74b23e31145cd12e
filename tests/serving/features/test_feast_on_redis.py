"""Features as a cluster keeps them: whose push stays, where two processes push."""

import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from redis_server import PASSWORD, RedisServer

ROOT = Path(__file__).parents[3]

STORY = """
import sys
from serving.events.event import Event
from serving.features.recent import RecentList
from serving.events.open import open_log
from serving.features.online_store import FeastFeatures
from serving.telemetry.metrics import ServingMetrics
from serving.ingestion.feature_updater import FeatureUpdater
from serving.ingestion.sink import Sink
from coterie.schema import EventKind

features = FeastFeatures(sys.argv[1])
log, other = (open_log(sys.argv[2], sys.argv[3]) for _ in range(2))

def event(event_id, item_id, ts_ms):
    return Event(event_id, "ana", item_id, EventKind.VIEW, ts_ms)

def items():
    return features.shopper("ana").recent.item_ids

sink = Sink(log, features, ServingMetrics())
# Two pushes within one millisecond or so: Feast skips a row whose time is not later.
for n in range(20):
    (receipt,) = sink.write([[event(f"e{n}", f"i{n}", n)]])
    assert receipt.applied
    assert items()[0] == f"i{n}", items()

# A process whose lock ran out pushes late what it read before: others were faster.
with log.lock("push") as stale:
    pass
other.append([event("new", "new", 100)])
assert FeatureUpdater(other, features, ServingMetrics().log).catch_up()
features.push_recent(["ana"], [RecentList(("stale",), (0,), (1,))], stale)
assert items()[0] == "new", items()

# Its clock may be behind: fencing tokens go by the log's.
import time
time.time_ns = lambda: 1
time.time = lambda: 1.0
(receipt,) = sink.write([[event("last", "last", 200)]])
assert receipt.applied and items()[0] == "last", items()
print("told")
"""


def feast_on(server, folder):
    """A folder of Feast's whose online store is this Redis, with our definitions applied."""
    store = folder / "store"
    store.mkdir()
    where = f"127.0.0.1:{server.port},socket_timeout=5,password=${{FEAST_REDIS_PASSWORD}}"
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(folder / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": {"type": "redis", "connection_string": where},
        "entity_key_serialization_version": 3,
    }
    (store / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    apply = [str(ROOT / "helm/coterie/files/features.py"), "apply", f"--folder={store}"]
    run(*apply, f"--offline={folder}")
    return store


@pytest.mark.slow
def test_the_push_of_the_later_turn_stays(folder):
    server = RedisServer(folder / "redis")
    store = feast_on(server, folder)
    story = run("-c", textwrap.dedent(STORY), str(store), server.place, PASSWORD)
    assert story == "told\n"
    server.stop()


def run(*arguments):
    with started(*arguments) as process:
        said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained[-3000:]
    return said


@contextmanager
def started(*arguments):
    """Python, that can be talked to."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "FEAST_REDIS_PASSWORD": PASSWORD},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
