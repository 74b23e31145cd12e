"""A shop that is served, with its event consumer beside, for experiments to run in."""

import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

sys.path.append(str(Path(__file__).parents[1] / "serving"))

from small_shop import make_router, people, write_small_release
from waiting import wait_until

from coterie.cli.main import main
from coterie.experiments.store import ExperimentStore
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.sqlite_log import SqliteLog
from serving.ingestion.experiment_watch import ExperimentWatch
from serving.ingestion.exporter import Exporter
from serving.ingestion.impression_writer import ImpressionWriter
from serving.ingestion.sink import Sink
from serving.lists.rules_file import RulesFile
from serving.rollouts.release_locator import open_rollout_store, release_locator
from serving.settings import Settings
from serving.telemetry.instruments import LogMetrics
from serving.telemetry.metrics import ServingMetrics

TOKEN = "a-token-of-sixteen-or-more"


class LocalWriter:
    def __init__(self, sink):
        self._sink = sink

    async def write(self, events):
        return self._sink.write([events])[0]


class LiveShop:
    def __init__(self, folder, rules=(), write=write_small_release, features=None):
        self.folder, tables = folder, str(folder / "tables")
        for name, content in {"rules": "rules: []\n", **dict(rules)}.items():
            (folder / f"{name}.yaml").write_text(content)
        self.settings = Settings(
            release=str(folder / "releases" / "v1"),
            state=str(folder),
            storefront=True,
            admin_token=TOKEN,
            event_export=tables,
            rules=str(folder / "rules.yaml"),
        )
        stable = write(folder / "releases" / "v1", "v1")
        self.other = write(folder / "releases" / "v2", "v2")
        self.metrics, self.features = ServingMetrics(), features or people()
        self.log = SqliteLog(folder / "events.sqlite")
        self.writer = ImpressionWriter(
            tables, 0.0, self.metrics.impressions, lambda: (self.log, self.features)
        )
        self.store = ExperimentStore(self.settings.experiments_root)
        self.router = make_router(
            stable,
            self.features,
            self.metrics,
            rules=RulesFile(self.settings.rules, self.metrics),
            writer=self.writer,
            experiments=self.store,
        )
        sink = Sink(self.log, self.features, self.metrics)
        self.app = create_app(
            AppParts(
                self.settings,
                self.router,
                LocalWriter(sink),
                self.metrics,
                ShopperDirectory.empty(),
                (open_rollout_store(self.settings), release_locator(self.settings)),
            )
        )
        self.clock = time.time()
        self.exporter = Exporter(self.log, tables, LogMetrics(CollectorRegistry()))
        self.watch = ExperimentWatch(
            self.store, tables, lambda: self.features, clock=lambda: self.clock
        )

    def judge(self, days=8.0):
        self.writer.flush()
        self.exporter.export()
        self.clock = time.time() + days * 86_400
        assert self.watch.look()


@contextmanager
def running(app):
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def saying(url, monkeypatch, capsys):
    """Give ``coterie experiment`` as a function of its words."""
    monkeypatch.setenv("COTERIE_URL", url)
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)

    def say(*words, code=0):
        assert main(["experiment", *words]) == code
        told = capsys.readouterr()
        # A terminal of 80 columns breaks lines.
        whole = told.err if code else told.out
        return whole if "--json" in words else " ".join(whole.split())

    return say
