"""Features as a cluster keeps them: whose push stays, where two processes push."""

import textwrap

import pytest
from feast_store import feast_on, run
from redis_server import PASSWORD, RedisServer

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


@pytest.mark.slow
def test_the_push_of_the_later_turn_stays(folder):
    server = RedisServer(folder / "redis")
    store = feast_on(server, folder)
    story = run("-c", textwrap.dedent(STORY), str(store), server.place, PASSWORD)
    assert story == "told\n"
    server.stop()
