"""The app in this process, answering on a port: all that replicas do but for Ray's part, whose
start takes twenty seconds of two cores."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn

from serving import app
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import directory_of
from serving.events.open import open_event_log, open_live_rows
from serving.features.live import LiveState
from serving.features.online_store import FeastFeatures
from serving.ingestion.sink import Receipt, Sink
from serving.rollouts.attribution import Responses
from serving.rollouts.release_locator import first_live, open_rollout_store, release_locator
from serving.rollouts.router import ReleaseRouter
from serving.settings import Settings, read_settings
from serving.telemetry.metrics import ServingMetrics


class Writer:
    """The sink, which is at hand."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, events) -> Receipt:
        return self._sink.write([events])[0]


def settings_of(command: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """What the app would read that is started by these words."""
    words = command[command.index(app.__name__) + 1 :]
    return read_settings(environment, **vars(app._parser().parse_args(words)))


@contextmanager
def served_here(settings: Settings) -> Iterator[None]:
    """Serve as ``serving.app`` would, in this process."""
    Path(settings.state).mkdir(parents=True, exist_ok=True)
    metrics, online = ServingMetrics(), FeastFeatures(settings.features)
    live, router = (
        first_live(settings),
        ReleaseRouter(online, metrics, live=LiveState(open_live_rows(settings))),
    )
    router.adopt(live)
    responses = Responses(settings.attribution_s, metrics)
    responses.adopt(live)
    with closing(open_event_log(settings)) as log:
        writer = Writer(Sink(log, online, metrics, responses.note, settings.referral_weight))
        rollouts = (open_rollout_store(settings), release_locator(settings))
        parts = AppParts(settings, router, writer, metrics, directory_of(settings), rollouts)
        with listening(create_app(parts), settings.port):
            yield


@contextmanager
def listening(web, port: int) -> Iterator[None]:
    """A web application on a port of this machine."""
    config = uvicorn.Config(web, "127.0.0.1", port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the port is taken"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()
