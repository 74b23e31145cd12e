from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsers import browsing
from fastapi.testclient import TestClient
from small_shop import make_router, people, ref_of, write_clean_tables, write_small_release
from waiting import wait_until

from coterie.release.bundle import Release
from coterie.rollout.live import Live
from coterie.rollout.store import FileRolloutStore
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.sqlite_log import SqliteLog
from serving.events.sqlite_rows import SqliteRows
from serving.features.live import LiveState
from serving.features.online_store import FakeFeatures
from serving.ingestion.eraser import Eraser
from serving.ingestion.sink import Receipt, Sink
from serving.lists.rules_file import RulesFile
from serving.rollouts.release_locator import ReleaseLocator
from serving.settings import Settings
from serving.telemetry.metrics import ServingMetrics


class LocalWriter:
    """The sink in this process."""

    def __init__(self, sink: Sink, eraser: Eraser) -> None:
        self._sink, self._eraser = sink, eraser

    async def write(self, events) -> Receipt:
        return self._sink.write([events])[0]

    async def erase(self, user_id):
        erased = self._eraser.erase(user_id)
        self._sink.forget(user_id)
        return erased

    async def lift(self, user_id):
        return self._eraser.lift(user_id)

    async def about(self, user_id, after, most):
        return self._eraser.about(user_id, after, most)


@pytest.fixture(scope="session")
def release(tmp_path_factory) -> Release:
    return write_small_release(tmp_path_factory.mktemp("releases") / "v1")


@pytest.fixture
def features() -> FakeFeatures:
    return people()


@pytest.fixture
def make_client(release, features, tmp_path) -> Iterator[Callable[..., TestClient]]:
    clean = tmp_path / "clean"
    write_clean_tables(clean)
    logs = []

    def make(served=release, canary=None, encoders=None, **settings) -> TestClient:
        chosen = Settings(release="unused", state=str(tmp_path), **{"storefront": True, **settings})
        log = SqliteLog(tmp_path / "events.sqlite")
        logs.append(log)
        metrics = ServingMetrics()
        live = LiveState(SqliteRows(tmp_path / "events.sqlite"))
        logs.append(live.rows)
        router = make_router(
            served,
            features,
            metrics,
            encoders=encoders,
            live=live,
            discretion=chosen.discretion,
            rules=RulesFile(chosen.rules, metrics),
        )
        if canary is not None:
            router.adopt(Live(ref_of(served), ref_of(canary), 0.5))
            wait_until(lambda: len(router.makers) == 2)
        sink = Sink(log, features, metrics, None, chosen.referral_weight)
        writer = LocalWriter(sink, Eraser(log, features))
        rollout_store = FileRolloutStore(tmp_path / "rollouts")
        rollouts = (rollout_store, ReleaseLocator(str(tmp_path / "releases"), ref_of(release)))
        directory = ShopperDirectory.read(str(clean))
        parts = AppParts(chosen, router, writer, metrics, directory, rollouts)
        client = TestClient(create_app(parts), raise_server_exceptions=False)
        client.parts = parts
        return client

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def client(make_client) -> TestClient:
    return make_client()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def browser():
    with browsing() as opened:
        yield opened
