"""What Ray Serve runs: replicas that answer, one that writes events, one that rolls out.

Replicas read their settings from the environment, and what to serve from ``user_config``: a new
release is data, and reaches them without a restart, here as in a RayService.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.types import ASGIApp

from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.live import Live
from serving.events.event import Entry
from serving.events.open import open_event_log, open_live_rows
from serving.features.live import LiveState
from serving.features.online_store import FeastFeatures
from serving.ingestion.sink import Receipt, Sink
from serving.rollouts.attribution import Responses
from serving.rollouts.controller import RolloutController
from serving.rollouts.release_locator import open_rollout_store, release_locator
from serving.rollouts.serve_config import API, APP, CONTROLLER, SINK
from serving.settings import KUBERNETES, Settings, read_settings
from serving.telemetry.logs import LOGGER, start_logging
from serving.telemetry.metrics import MULTIPROCESS_VARIABLE, ServingMetrics
from serving.telemetry.metrics_server import MetricsServer
from serving.telemetry.pipeline_runs import pipeline_collector
from serving.telemetry.traces import start_traces

log = logging.getLogger(LOGGER)

BEAT_S: Final = 1.0
"""Between signs of life."""
RETRY_S: Final = 1.0
"""Between attempts to tell the feature store what it missed."""
WRITE_TIMEOUT_S: Final = 10.0
SINK_S: Final = 60.0
"""A replica that begins waits so long for a sink; then it has lists, and no ear for events."""
WRITE_MOST: Final = 2000
"""Events of one transaction, unless one request has more: Redis serves nobody else meanwhile."""
log = logging.getLogger(LOGGER)


class EventSink:
    """The one replica that writes events: log and merges happen in one thread, in turn."""

    def __init__(self) -> None:
        settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        events, metrics = open_event_log(settings), ServingMetrics()
        self._responses = Responses(settings.attribution_s, metrics.arms)
        self._sink = Sink(
            events,
            FeastFeatures(settings.features),
            metrics,
            self._responses.note,
            settings.referral_weight,
        )
        self._thread = ThreadPoolExecutor(1, "sink")
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[Receipt]]] = []
        self._working = asyncio.Lock()
        self._retries = asyncio.create_task(self._retry())

    async def reconfigure(self, content: dict[str, Any]) -> None:
        """Take note of the releases whose lists clicks may follow from."""
        live = Live.from_json(content)
        await self._in_thread(lambda: self._responses.adopt(live))

    async def write(self, entries: Sequence[Entry]) -> Receipt:
        """Keep events or changes; those that wait meanwhile share one transaction."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, receipt))
        async with self._working:
            while not receipt.done():
                await self._write_waiting()
        return await receipt

    async def here(self) -> None:
        """Answer: it takes events."""

    async def catch_up(self) -> bool:
        """Tell the feature store what it missed; return whether it now knows all."""
        async with self._working:
            return bool(await self._in_thread(self._sink.catch_up))

    async def _write_waiting(self) -> None:
        waiting = self._next_waiting()
        batches = [events for events, _ in waiting]
        try:
            receipts = await self._in_thread(lambda: self._sink.write(batches))
        except Exception as error:  # each of those who wait is told
            for _, future in waiting:
                future.set_exception(error)
            return
        for (_, future), receipt in zip(waiting, receipts, strict=True):
            future.set_result(receipt)

    def _next_waiting(self) -> list[tuple[Sequence[Entry], asyncio.Future[Receipt]]]:
        together = count = 0
        for events, _ in self._waiting:
            together += len(events)
            if count and together > WRITE_MOST:
                break
            count += 1
        waiting, self._waiting = self._waiting[:count], self._waiting[count:]
        return waiting

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _retry(self) -> None:
        said = ""
        while True:
            try:
                await self.catch_up()
                await self._in_thread(lambda: self._responses.mature(time.time()))
                said = ""
            except Exception as error:
                # Whatever it is: who stopped trying would leave events waiting until a restart.
                if said != (said := f"{type(error).__name__}: {error}"):
                    log.exception("the event sink goes on")
            await asyncio.sleep(RETRY_S)


class RemoteWriter:
    """Hands events to the sink's replica."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def write(self, entries: Sequence[Entry]) -> Receipt:
        """See EventWriter."""
        try:
            receipt: Receipt = await asyncio.wait_for(
                self._handle.write.remote(entries), WRITE_TIMEOUT_S
            )
        except Exception as error:  # the replica died, is full, or passes on its own error
            raise UnavailableError(f"the event sink did not take events: {error}") from error
        return receipt


async def await_sink(handle: Any, seconds: float = SINK_S) -> None:
    """Return once the sink takes events, or when it took too long.

    Requests come as soon as one replica of a new cluster is there: nobody waits for the others.
    """
    try:
        await asyncio.wait_for(handle.here.remote(), seconds)
    except Exception as error:  # whatever Ray raises where none comes: lists need no sink
        fields = {"waited_s": seconds, "error": type(error).__name__}
        log.warning("no event sink", extra={"fields": fields})


class Api:
    """A replica that answers requests; bound to the others, so that all of them are made."""

    def __init__(self, *_: Any) -> None:
        # Torch takes seconds to import, and the sink does without it.
        import torch

        from coterie.release.queries import QueryEncoders
        from serving.lists.exploring import Explorer
        from serving.lists.rules_file import RulesFile
        from serving.rollouts.router import ReleaseRouter

        # One request at a time a process: more threads only take turns on the same cores.
        torch.set_num_threads(1)
        self._settings = settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        start_traces(settings.traces)
        self._metrics = ServingMetrics(pipeline_collector(settings))
        self._router = ReleaseRouter(
            FeastFeatures(settings.features),
            self._metrics,
            settings.canary_timeout_s,
            settings.attribution_s,
            str(settings.replicas_folder),
            QueryEncoders(settings.text_encoder, settings.content_key),
            settings.discretion,
            LiveState(open_live_rows(settings)),
            RulesFile(settings.rules, self._metrics),
            # Lists come to replicas by chance, so each explores its part.
            Explorer(settings.explore_share, -(-settings.explore_lists // settings.replicas)),
        )
        self._begun = False
        self._beats = asyncio.create_task(self._beat())

    async def reconfigure(self, content: dict[str, Any]) -> None:
        """Serve this; quick, but for the first time: a replica answers nobody meanwhile."""
        self._router.adopt(Live.from_json(content))
        if not self._begun:
            await await_sink(serve.get_deployment_handle(SINK, app_name=APP))
        self._begun = True

    def __serve_build_asgi_app__(self) -> ASGIApp:
        from serving.api.application import create_app
        from serving.api.dependencies import AppParts
        from serving.api.directory import directory_of

        writer = RemoteWriter(serve.get_deployment_handle(SINK, app_name=APP))
        settings = self._settings
        rollouts = (open_rollout_store(settings), release_locator(settings))
        directory = directory_of(settings)
        return create_app(
            AppParts(settings, self._router, writer, self._metrics, directory, rollouts)
        )

    async def _beat(self) -> None:
        server = MetricsServer(self._settings.host, self._settings.metrics_port, self._metrics)
        while True:
            await asyncio.sleep(BEAT_S)
            server.open()
            # Nothing to say before there is something to serve, or while the disk is full.
            with contextlib.suppress(BadInputError, OSError):
                self._router.beat()


def build(_: dict[str, Any] | None = None) -> serve.Application:
    """Bind the deployments: a Serve config names this as its import path."""
    settings = read_settings()
    options = {
        "num_cpus": 0,
        "runtime_env": {"env_vars": _replica_environment(settings)},
    }
    # Ray Serve's own access log holds paths, so people's ids.
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    common: dict[str, Any] = {
        "ray_actor_options": options,
        "logging_config": quiet,
        "max_constructor_retry_count": 2,
    }
    sink = serve.deployment(
        name=SINK, num_replicas=1, max_ongoing_requests=1000, max_queued_requests=1000, **common
    )(EventSink).bind()
    api = serve.deployment(
        name=API,
        num_replicas=settings.replicas,
        max_ongoing_requests=settings.max_ongoing,
        max_queued_requests=settings.max_queued,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=settings.drain_s + 5,
        **common,
    )(serve.ingress()(Api))
    if settings.rollouts.startswith(KUBERNETES):
        return api.bind(sink)  # a controller outside rolls out
    controller = serve.deployment(name=CONTROLLER, num_replicas=1, **common)(RolloutController)
    return api.bind(sink, controller.bind())


def _replica_environment(settings: Settings) -> dict[str, str]:
    # Only for replicas: Ray's own processes use prometheus_client too, and would join in.
    return {
        MULTIPROCESS_VARIABLE: str(settings.metrics_folder),
        "OMP_NUM_THREADS": "1",
    }
