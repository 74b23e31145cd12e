"""The event consumer: ``python -m serving.consumer``.

It exports events for pipelines, and lets features know of what the sink left behind. Two of it, or
one that is killed at any moment, do no harm: the log says who is at what, and up to where it is.
"""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from coterie.data.turns import TurnTakenError
from coterie.errors import BadInputError, CoterieError
from serving.event_log import EventLog
from serving.exporter import MOST, Exporter
from serving.features import FeastFeatures, OnlineFeatures
from serving.logs import LOGGER, start_logging
from serving.metrics import CONTENT_TYPE, LogMetrics
from serving.pusher import Pusher
from serving.settings import Settings, read_settings

PORT: Final = 8082
ALIVE_S: Final = 120.0
"""A loop that has not come round for so long hangs: a file is written sooner than that."""
log = logging.getLogger(LOGGER)


@dataclass
class Consumer:
    """What it does each time it comes round."""

    log: EventLog
    exporter: Exporter
    metrics: LogMetrics
    open_features: Callable[[], OnlineFeatures]
    """Called when they are first needed: on most days the sink leaves nothing behind."""
    export_s: float = 300.0
    """The log has no event for longer before it is exported."""
    take_over_s: float = 10.0
    """What was not pushed for so long was left behind by the sink."""
    came_round: float = field(default_factory=time.monotonic)
    _said: str | None = None
    _pusher: Pusher | None = None

    def turn(self) -> None:
        """Once; trouble is logged, and the next turn tries again."""
        # Each, whatever became of the other.
        wrong = "; ".join(filter(None, map(self._try, (self._take_over, self._export))))
        if wrong and wrong != self._said:
            log.warning("the event consumer goes on: %s", wrong)
        self._said, self.came_round = wrong, time.monotonic()

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Turns until ``stop`` is set."""
        while not stop.is_set():
            self.turn()
            stop.wait(interval_s)

    def alive(self) -> bool:
        """Whether it comes round."""
        return time.monotonic() - self.came_round < ALIVE_S

    def ready(self) -> bool:
        """Whether its last turn went well."""
        return self.alive() and self._said == ""

    def _try(self, work: Callable[[], None]) -> str:
        try:
            work()
        except CoterieError as error:
            return str(error)
        except Exception:
            # The next turn starts from what is written down, so it may well go better.
            log.exception("a turn failed")
            return "a turn failed"
        return ""

    def _take_over(self) -> None:
        waited_s = self.log.oldest_unpushed_s()
        self.metrics.oldest_unpushed.set(waited_s)
        self.metrics.unpushed.set(self.log.count_unpushed())
        if waited_s > self.take_over_s:
            self._pusher = self._pusher or Pusher(self.log, self.open_features(), self.metrics)
            self._pusher.catch_up()

    def _export(self) -> None:
        self.metrics.oldest_unexported.set(self.log.oldest_unexported_s())
        try:
            self.exporter.export(MOST, self.export_s)
        except TurnTakenError:
            return
        except CoterieError:
            self.metrics.export_failures.inc()
            raise
        self.metrics.oldest_unexported.set(self.log.oldest_unexported_s())


@contextmanager
def pages(
    port: int, registry: CollectorRegistry, probes: Mapping[str, Callable[[], bool]]
) -> Iterator[int]:
    """``/metrics`` and probes on a port, 0 for any; which it is."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Metrics, a probe, or nothing."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry))
            elif self.path in probes:
                self._answer(200 if probes[self.path]() else 503, b"")
            else:
                self._answer(404, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes and scrapes are no news."""

    with ThreadingHTTPServer(("", port), Page) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="pages", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What is said on the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.consumer", description=__doc__)
    parser.add_argument("--log", dest="event_log", help="URL of the event log (COTERIE_EVENT_LOG)")
    parser.add_argument("--state", help="folder with the event log, if it is a file")
    parser.add_argument(
        "--export", dest="event_export", help="folder or URL of tables (COTERIE_EVENT_EXPORT)"
    )
    parser.add_argument("--features", help="folder with Feast's feature_store.yaml")
    parser.add_argument("--once", action="store_true", help="export all there is, and end")
    parser.add_argument(
        "--export-every", type=float, default=300.0, help="the longest that events wait, seconds"
    )
    parser.add_argument(
        "--take-over", type=float, default=10.0, help="events not pushed for so long, seconds"
    )
    parser.add_argument("--interval", type=float, default=2.0, help="between turns, seconds")
    parser.add_argument("--port", type=int, default=PORT, help="of /metrics, /healthz, /readyz")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM; 1 if it cannot begin."""
    given = options(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        names = ("event_log", "event_export", "features", "state")
        named = {name: getattr(given, name) for name in names}
        # It serves no release; which one is set makes no difference.
        settings = read_settings(release="none", **named)
        start_logging(settings.log_level, settings.log_file or "-")
        consume(settings, given, stop)
    except CoterieError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def consume(settings: Settings, given: argparse.Namespace, stop: threading.Event) -> None:
    """Export once, or turn until ``stop`` is set.

    Raises:
        BadInputError: The settings do not say where to export to.
        UnavailableError: Of ``--once``: log or store do not answer.
    """
    if not settings.event_export:
        raise BadInputError(
            "there is nowhere to export events to: set COTERIE_EVENT_EXPORT, or give --export, "
            "to the folder of tables that pipelines have as their source"
        )
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    events, metrics = settings.open_event_log(), LogMetrics(registry)
    exporter = Exporter(events, settings.event_export, metrics)
    if given.once:
        print(f"{exporter.export()} events exported to {settings.event_export}")
        return
    consumer = Consumer(
        events,
        exporter,
        metrics,
        lambda: FeastFeatures(settings.features),
        given.export_every,
        given.take_over,
    )
    probes = {"/healthz": consumer.alive, "/readyz": consumer.ready}
    with pages(given.port, registry, probes) as port:
        log.info("begins", extra={"fields": {"port": port}})
        consumer.run(stop, given.interval)
    log.info("ends")


if __name__ == "__main__":
    sys.exit(main())
