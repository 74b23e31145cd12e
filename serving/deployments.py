"""What Ray Serve runs: replicas that answer, and the one that writes."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.types import ASGIApp

from coterie.errors import UnavailableError
from serving.events import Event, EventLog
from serving.features import FeastFeatures
from serving.logs import start_logging
from serving.metrics import MULTIPROCESS_VARIABLE, Metrics
from serving.settings import Settings
from serving.sink import Receipt, Sink

APP: Final = "coterie"
SINK: Final = "EventSink"
RETRY_S: Final = 2.0
"""Between attempts to tell the feature store what it missed."""
WRITE_TIMEOUT_S: Final = 10.0


class EventSink:
    """The one replica that writes events: log and merges happen in one thread, in turn."""

    def __init__(self, settings: Settings) -> None:
        start_logging(settings.log_level, settings.log_path)
        log = EventLog(settings.event_log)
        self._sink = Sink(log, FeastFeatures(settings.features), Metrics())
        self._thread = ThreadPoolExecutor(1, "sink")
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[Receipt]]] = []
        self._working = asyncio.Lock()
        self._retries = asyncio.create_task(self._retry())

    async def write(self, events: Sequence[Event]) -> Receipt:
        """Keep events; those that wait while others are written share one transaction."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, receipt))
        async with self._working:
            if not receipt.done():
                await self._write_waiting()
        return await receipt

    async def catch_up(self) -> bool:
        """Tell the feature store what it missed; whether it now knows all."""
        async with self._working:
            return bool(await self._in_thread(self._sink.catch_up))

    async def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        batches = [events for events, _ in waiting]
        try:
            receipts = await self._in_thread(lambda: self._sink.write(batches))
        except Exception as error:  # each of those who wait is told
            for _, future in waiting:
                future.set_exception(error)
            return
        for (_, future), receipt in zip(waiting, receipts, strict=True):
            future.set_result(receipt)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _retry(self) -> None:
        while True:
            await self.catch_up()
            await asyncio.sleep(RETRY_S)


class RemoteWriter:
    """Hands events to the sink's replica."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def write(self, events: Sequence[Event]) -> Receipt:
        """See EventWriter."""
        try:
            receipt: Receipt = await asyncio.wait_for(
                self._handle.write.remote(events), WRITE_TIMEOUT_S
            )
        except Exception as error:  # the replica died, is full, or passes on its own error
            raise UnavailableError(f"the event sink did not take events: {error}") from error
        return receipt


def build_asgi(settings: Settings) -> ASGIApp:
    """The app of one replica."""
    # Torch takes seconds to import, and the sink does without it.
    import torch

    from coterie.release.bundle import load_release
    from serving.lists import ListMaker
    from serving.routes import Parts, create_app
    from serving.shoppers import directory_of

    # One request at a time a process: more threads only take turns on the same cores.
    torch.set_num_threads(1)
    start_logging(settings.log_level, settings.log_path)
    metrics = Metrics()
    lists = ListMaker(load_release(settings.release), FeastFeatures(settings.features), metrics)
    writer = RemoteWriter(serve.get_deployment_handle(SINK, app_name=APP))
    return create_app(Parts(settings, lists, writer, metrics, directory_of(settings)))


def build_application(settings: Settings) -> serve.Application:
    """The two deployments, bound."""
    options = {
        "num_cpus": 0,
        "runtime_env": {"env_vars": _replica_environment(settings)},
    }
    # Ray Serve's own access log holds paths, so people's ids.
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    sink = serve.deployment(
        name=SINK,
        num_replicas=1,
        max_ongoing_requests=1000,
        max_queued_requests=1000,
        ray_actor_options=options,
        logging_config=quiet,
        max_constructor_retry_count=2,
    )(EventSink).bind(settings)
    ingress = serve.ingress(lambda: build_asgi(settings))()
    api = serve.deployment(
        name="Api",
        num_replicas=settings.replicas,
        max_ongoing_requests=settings.max_ongoing,
        max_queued_requests=settings.max_queued,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=settings.drain_s + 5,
        ray_actor_options=options,
        logging_config=quiet,
        max_constructor_retry_count=2,
    )(ingress)
    return api.bind(sink)


def _replica_environment(settings: Settings) -> dict[str, str]:
    # Only for replicas: Ray's own processes use prometheus_client too, and would join in.
    return {
        MULTIPROCESS_VARIABLE: str(settings.metrics_folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *_python_path()]),
    }


def _python_path() -> list[str]:
    found = os.environ.get("PYTHONPATH", "")
    return [found] if found else []
