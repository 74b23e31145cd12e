"""What Ray Serve runs: replicas that answer, some that write events, one that rolls out.

Replicas read their settings from the environment, and what to serve from ``user_config``: a new
release is data, and reaches them without a restart, here as in a RayService.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.types import ASGIApp

from coterie.data.locks import SQLITE
from coterie.errors import BadInputError
from coterie.imports import leave_alone_what_is_here
from coterie.rollout.live import Live
from serving.events.event import Entry
from serving.events.log import EventLog, LogBatch
from serving.events.open import open_event_log, open_live_rows
from serving.features.live import LiveState
from serving.features.online_store import FeastFeatures
from serving.ingestion.eraser import Erased, Eraser
from serving.ingestion.remote_writer import RemoteWriter, WaitingWrites
from serving.ingestion.retention import Retention
from serving.ingestion.sink import Receipt, Sink
from serving.ingestion.sweep import Sweeper
from serving.launch.people_key import compare_people
from serving.rollouts.attribution import Responses
from serving.rollouts.controller import RolloutController
from serving.rollouts.release_locator import open_rollout_store, release_locator
from serving.rollouts.serve_config import API, APP, CONTROLLER, sink_names
from serving.settings import KUBERNETES, Settings, read_settings
from serving.telemetry.logs import LOGGER, start_logging
from serving.telemetry.metrics import ServingMetrics, share_counts
from serving.telemetry.metrics_server import MetricsServer
from serving.telemetry.pipeline_runs import pipeline_collector
from serving.telemetry.traces import start_traces

if TYPE_CHECKING:  # what takes long to load, and sinks do without
    from serving.ingestion.impression_writer import ImpressionWriter

log = logging.getLogger(LOGGER)
Answer = TypeVar("Answer")

BEAT_S: Final = 1.0
"""Between signs of life."""
RETRY_S: Final = 1.0
"""Between attempts to tell the feature store what it missed."""
AGE_S: Final = 2.0
"""Between two looks at what is too old."""
THREADS: Final = "OMP_NUM_THREADS"
"""Variable with the number of threads that work on one request's numbers."""
SINK_S: Final = 60.0
"""A replica that begins waits so long for a sink; then it has lists, and no ear for events."""


class EventSink:
    """Writes events, of all shoppers or of a part: log and merges happen in one thread, in turn."""

    def __init__(self) -> None:
        settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        events = open_event_log(settings)
        compare_people(settings)
        share_counts(settings.metrics_folder)
        self._metrics = metrics = ServingMetrics()
        self._responses = Responses(settings.attribution_s, metrics.arms)
        self._sink = Sink(
            events,
            FeastFeatures(settings.features),
            metrics,
            self._responses.note,
            settings.referral_weight,
        )
        self._thread = ThreadPoolExecutor(1, "sink")
        self._settings, self._erasing = settings, ThreadPoolExecutor(1, "eraser")
        self._eraser: Eraser | None = None
        self._waiting = WaitingWrites()
        self._working = asyncio.Lock()
        self._writes: asyncio.Task[None] | None = None
        self._retries = asyncio.create_task(self._retry())
        self._ageing = asyncio.create_task(self._age())

    async def reconfigure(self, content: dict[str, Any]) -> None:
        """Take note of the releases whose lists clicks may follow from."""
        live = Live.from_json(content)
        await self._in_thread(lambda: self._responses.adopt(live))

    async def write(self, batches: Sequence[Sequence[Entry]]) -> list[Receipt | str]:
        """Keep batches of events or changes; those that wait meanwhile share one transaction.

        Returns:
            Of each batch its receipt, or why it was not kept.
        """
        receipts = [self._waiting.add(entries) for entries in batches]
        if self._writes is None or self._writes.done():
            # A task of its own: a caller who waits no longer takes nobody's receipt along.
            self._writes = asyncio.create_task(self._write_all())
        found = await asyncio.gather(*receipts, return_exceptions=True)
        return [one if isinstance(one, Receipt) else str(one) for one in found]

    async def here(self) -> None:
        """Answer: it takes events."""

    async def catch_up(self) -> None:
        """Tell the feature store what it missed, also of a sink that died."""
        async with self._working:
            await self._in_thread(self._sink.tend)

    async def erase(self, user_id: str) -> Erased:
        """Forget a person; those who write events do not wait for it."""
        return await self._by_eraser(lambda eraser: eraser.erase(user_id))

    async def lift(self, user_id: str) -> bool:
        """Let a person who was erased come back."""
        return await self._by_eraser(lambda eraser: eraser.lift(user_id))

    async def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """Read what the log has about a person."""
        return await self._by_eraser(lambda eraser: eraser.about(user_id, after, most))

    async def forget(self, user_id: str) -> None:
        """Let go of what is remembered here of a person who was erased."""
        async with self._working:
            await self._in_thread(partial(self._sink.forget, user_id))

    async def _by_eraser(self, work: Callable[[Eraser], Answer]) -> Answer:
        """Do something on connections of their own, which are opened when first needed."""

        def in_turn() -> Answer:
            if self._eraser is None:
                features = FeastFeatures(self._settings.features)
                self._eraser = Eraser(open_event_log(self._settings), features)
            return work(self._eraser)

        return await asyncio.get_running_loop().run_in_executor(self._erasing, in_turn)

    async def _write_all(self) -> None:
        while waiting := self._waiting.take():
            batches = [entries for entries, _ in waiting]
            answers: Sequence[Receipt | Exception]
            try:
                async with self._working:
                    answers = await self._in_thread(partial(self._sink.write, batches))
            except Exception as error:  # each of those who wait is told
                answers = [error] * len(waiting)
            for (_, receipt), answer in zip(waiting, answers, strict=True):
                if receipt.done():  # nobody waits any more
                    continue
                if isinstance(answer, Receipt):
                    receipt.set_result(answer)
                else:
                    receipt.set_exception(answer)

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

    async def _age(self) -> None:
        """Remove what is too old where nobody else does: on one machine no consumer need run."""
        settings, said = self._settings, ""
        if not settings.keep_days or urlsplit(settings.event_log_url).scheme != SQLITE:
            return
        retention: Retention | None = None
        while True:
            try:
                # Opened and used by the thread that erases, with a log of its own.
                if retention is None:
                    retention = await self._by_eraser(lambda _: _retention(settings, self._metrics))
                await self._by_eraser(lambda _, going=retention: going.turn())  # type: ignore[misc]
                said = ""
            except Exception as error:
                # As in _retry: the next turn may go better.
                if said != (said := f"{type(error).__name__}: {error}"):
                    log.exception("what is too old stays for now")
            await asyncio.sleep(AGE_S)


def _retention(settings: Settings, metrics: ServingMetrics) -> Retention:
    events, features = open_event_log(settings), FeastFeatures(settings.features)
    sweeper = Sweeper(events, settings.event_export) if settings.event_export else None
    return Retention(events, lambda: features, sweeper, settings.keep_days, metrics.log)


async def await_sink(handle: Any, seconds: float = SINK_S) -> None:
    """Return once the sink takes events, or when it took too long.

    Requests come as soon as one replica of a new cluster is there: nobody waits for the others.
    """
    try:
        await asyncio.wait_for(handle.here.remote(), seconds)
    except Exception as error:  # whatever Ray raises where none comes: lists need no sink
        fields = {"waited_s": seconds, "error": type(error).__name__}
        log.warning("no event sink", extra={"fields": fields})


def _sink_handles(settings: Settings) -> list[Any]:
    names = sink_names(settings.sinks)
    return [serve.get_deployment_handle(name, app_name=APP) for name in names]


class Api:
    """A replica that answers requests; bound to the others, so that all of them are made."""

    def __init__(self, *_: Any) -> None:
        # Torch takes seconds to import, and the sink does without it.
        import torch

        from coterie.experiments.store import ExperimentStore
        from coterie.release.queries import QueryEncoders
        from serving.lists.exploring import Explorer
        from serving.lists.rules_file import RulesFile
        from serving.rollouts.router import ReleaseRouter

        # One request at a time a process: more threads only take turns on the same cores.
        torch.set_num_threads(1)
        self._settings = settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        start_traces(settings.traces)
        share_counts(settings.metrics_folder)
        self._metrics = ServingMetrics(pipeline_collector(settings))
        live = LiveState(open_live_rows(settings))
        self._writer = _impression_writer(settings, self._metrics, live)
        self._router = ReleaseRouter(
            FeastFeatures(settings.features),
            self._metrics,
            settings.canary_timeout_s,
            settings.attribution_s,
            str(settings.replicas_folder),
            QueryEncoders(settings.text_encoder, settings.content_key),
            settings.discretion,
            live,
            RulesFile(settings.rules, self._metrics),
            # Lists come to replicas by chance, so each explores its part.
            Explorer(settings.explore_share, -(-settings.explore_lists // settings.replicas)),
            self._writer,
            ExperimentStore(settings.experiments_root) if settings.experiments_root else None,
        )
        self._router.experiments.start()
        self._begun = False
        self._beats = asyncio.create_task(self._beat())

    async def reconfigure(self, content: dict[str, Any]) -> None:
        """Serve this; quick, but for the first time: a replica answers nobody meanwhile."""
        if not self._begun:
            # Before a release is loaded, which another one will follow.
            leave_alone_what_is_here()
        self._router.adopt(Live.from_json(content))
        if not self._begun:
            await asyncio.gather(*map(await_sink, _sink_handles(self._settings)))
        self._begun = True

    def __serve_build_asgi_app__(self) -> ASGIApp:
        from serving.api.application import create_app
        from serving.api.dependencies import AppParts
        from serving.api.directory import directory_of

        settings = self._settings
        writer = RemoteWriter(_sink_handles(settings))
        rollouts = (open_rollout_store(settings), release_locator(settings))
        directory = directory_of(settings)
        return create_app(
            AppParts(settings, self._router, writer, self._metrics, directory, rollouts)
        )

    def __del__(self) -> None:
        # Ray Serve calls it when a replica ends in good order.
        if (writer := getattr(self, "_writer", None)) is not None:
            writer.stop()

    async def _beat(self) -> None:
        server = MetricsServer(self._settings.host, self._settings.metrics_port, self._metrics)
        while True:
            await asyncio.sleep(BEAT_S)
            server.open()
            # Nothing to say before there is something to serve, or while the disk is full.
            with contextlib.suppress(BadInputError, OSError):
                self._router.beat()


def _impression_writer(
    settings: Settings, metrics: ServingMetrics, live: LiveState
) -> "ImpressionWriter | None":
    """Begin to write what lists show, where there is a place for it."""
    if not settings.event_export:
        return None
    from serving.ingestion.impression_writer import ImpressionWriter

    def stores() -> tuple[EventLog, FeastFeatures]:
        # Of the thread that writes: neither is for two.
        return open_event_log(settings), FeastFeatures(settings.features)

    writer = ImpressionWriter(
        settings.event_export,
        settings.impressions_share,
        metrics.impressions,
        stores,
        lambda: live.withdrawn,
    )
    writer.start(settings.impressions_s)
    return writer


def build(_: dict[str, Any] | None = None) -> serve.Application:
    """Bind the deployments: a Serve config names this as its import path."""
    settings = read_settings()
    options: dict[str, Any] = {"num_cpus": 0}
    if os.environ.get(THREADS) != "1":
        # A runtime environment costs each replica a process that makes it, and another start.
        options["runtime_env"] = {"env_vars": {THREADS: "1"}}
    # Ray Serve's own access log holds paths, so people's ids.
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    common: dict[str, Any] = {
        "ray_actor_options": options,
        "logging_config": quiet,
        "max_constructor_retry_count": 2,
    }
    sinks = [
        serve.deployment(
            name=name, num_replicas=1, max_ongoing_requests=1000, max_queued_requests=1000, **common
        )(EventSink).bind()
        for name in sink_names(settings.sinks)
    ]
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
        return api.bind(*sinks)  # a controller outside rolls out
    controller = serve.deployment(name=CONTROLLER, num_replicas=1, **common)(RolloutController)
    return api.bind(*sinks, controller.bind())
