"""A served shop with a rollout and pipelines, all that exports, for the tests of monitoring."""

import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from prometheus_client import CollectorRegistry, start_http_server

sys.path.append(str(Path(__file__).parents[1] / "serving"))

from small_shop import item, make_router, people, ref_of, write_clean_tables, write_small_release

from coterie.llm.question import Usage
from coterie.monitoring.runs import Run, Runs
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.live import Live
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase, State
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.sqlite_log import SqliteLog
from serving.ingestion.sink import Sink
from serving.lists.rules_file import RulesFile
from serving.settings import Settings
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.pipeline_runs import PipelineCollector

SECOND_RUN = {"ingested": {"events": 990, "ties": 50}, "quarantined": {"events": 10, "ties": 0}}


class LocalWriter:
    """The sink in this process."""

    def __init__(self, sink):
        self._sink = sink

    async def write(self, events):
        return self._sink.write([events])[0]


@dataclass
class Shop:
    """The app, and what exports beside it."""

    app: object
    metrics: ServingMetrics
    others: CollectorRegistry
    """Of the controller, and of pipelines."""
    pipelines: PipelineCollector
    log: SqliteLog


def make_shop(folder: Path) -> Shop:
    """A shop half of whose shoppers are on a canary."""
    features, metrics = people(), ServingMetrics()
    features.recent["broken"] = "not a list"
    stable = write_small_release(folder / "v1")
    canary = write_small_release(folder / "v2", "v2")
    (folder / "rules.yaml").write_text("rules: []\n")
    rules = RulesFile(str(folder / "rules.yaml"), metrics)
    router = make_router(stable, features, metrics, rules=rules)
    router.adopt(Live(ref_of(stable), ref_of(canary), 0.5))
    write_clean_tables(folder / "clean")
    log = SqliteLog(folder / "events.sqlite")
    parts = AppParts(
        Settings(release="unused", storefront=True, state=str(folder)),
        router,
        LocalWriter(Sink(log, features, metrics)),
        metrics,
        ShopperDirectory.read(str(folder / "clean")),
    )
    others = CollectorRegistry()
    state = State(Phase.STEP, "a" * 64, "b" * 64, quarantine={"c" * 64: "slow"})
    RolloutMetrics(others).show(state, [], time.time())
    pipelines = PipelineCollector(_runs(folder / "runs"))
    pipelines.read()
    others.register(pipelines)
    return Shop(create_app(parts), metrics, others, pipelines, log)


def _runs(folder: Path) -> Runs:
    """One that failed, one that ended well, and one that goes on."""
    runs = Runs(str(folder))
    now = time.time()
    runs.change("v1", lambda r: r.step_started("ingest", now).step_ended("ingest", now, "bad rows"))

    def through(run: Run) -> Run:
        content = run.as_json() | SECOND_RUN
        return Run.from_json(content).step_started("release", now).step_ended("release", now + 1)

    runs.change("v2", through)
    runs.change("v3", lambda r: r.step_started("ingest", now))
    return runs


def use(client, n: int, metrics: ServingMetrics) -> None:
    """A few requests of every kind; what takes faults or minutes is counted by hand."""
    for user in ("ana", "lou", "max", "nobody", "broken", f"stranger-{n}"):
        client.get(f"/v1/users/{user}/recommendations?k=5")
    client.get("/v1/users/ana/recommendations?k=0")
    for user, query in (("ana", "kitchen thing"), (f"stranger-{n}", "qqqq"), ("broken", "tools")):
        client.get(f"/v1/users/{user}/search", params={"q": query})
    for event_id in (f"e{n}", f"e{n}", "always-the-same"):
        one = {"event_id": event_id, "user_id": "ana", "item_id": item(20 + n % 90)}
        kind = ("view", "click", "purchase")[n % 3]
        client.post("/v1/events", json={"events": [one | {"event": kind}, {"event": "like"}]})
    shared = {"user_id": "ana", "item_id": item(5), "event": "share", "invited_user_id": "max"}
    taken = {"user_id": "max", "item_id": item(5), "event": "purchase", "referrer_user_id": "ana"}
    body = {"events": [shared | {"event_id": f"s{n}"}, taken | {"event_id": f"t{n}"}]}
    client.post("/v1/events", json=body)
    for place in range(10):
        metrics.lists.count_best_score(place)
    for arm in ("stable", "canary"):
        metrics.arms.count_shown(arm, 5)
        metrics.arms.count_answer(arm, 0.01, ["failures", "slow", "fallbacks", "malformed"])
        metrics.arms.count_answer(arm, 0.01, ["duplicate_lists", "score_out_of_range"])
        for signal in ("clicks", "purchases"):
            metrics.arms.count_response(arm, signal)
        for signal in (name for name, meant in SIGNALS.items() if meant.paired):
            metrics.arms.count_pair(signal, arm == "canary", arm == "stable")
    client.post("/v1/users/ana/ask", json={"question": "kitchen thing"})
    client.get("/v1/users/ana/recommendations?k=5&wording=model")
    metrics.llm.note(Usage("ask", "answered", 0.4, 400, 60))
    metrics.llm.note(Usage("wording", "away", 5.0))
    metrics.log.aged_passed.set(time.time())
    metrics.arms.shielded.inc()
    metrics.impressions.written.inc(20)
    metrics.impressions.written_bytes.inc(200)
    metrics.impressions.dropped.inc()
    metrics.experiments.lists.inc()
    metrics.experiments.shielded.inc()
    told = {"value": 0.2, "low": 0.1, "high": 0.3, "base": 0.05}
    figures = ("purchase_rate", "revenue_a_session", "discoveries", "from_lists", "by_friends")
    metrics.log.earned.show({"worth": {"metrics": dict.fromkeys(figures, told), "shares": {}}})
    metrics.arms.heartbeat.set(time.time())


@contextmanager
def served(shop: Shop):
    """Addresses of the app and of the others."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(shop.app, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    beside, other = start_http_server(0, "127.0.0.1", shop.others)
    try:
        app = f"127.0.0.1:{listening.getsockname()[1]}"
        wait_for(lambda: httpx.get(f"http://{app}/healthz").status_code == 200)
        yield app, f"127.0.0.1:{beside.server_port}"
    finally:
        server.should_exit = True
        thread.join(10)
        beside.shutdown()
        beside.server_close()
        other.join(10)
        listening.close()


@contextmanager
def under_load(app: str, metrics: ServingMetrics):
    """Requests all the time."""
    done = threading.Event()

    def work():
        with httpx.Client(base_url=f"http://{app}", timeout=30) as client:
            n = 0
            while not done.wait(0.1):
                n += 1
                use(client, n, metrics)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def wait_for(true, seconds=60.0):
    """Until it is so."""
    last = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (httpx.HTTPError, OSError):
            pass
        assert time.monotonic() < last, "it did not come about"
        time.sleep(0.2)
