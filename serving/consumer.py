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
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, disable_created_metrics

from coterie.data.locks import LockTakenError
from coterie.errors import BadInputError, CoterieError
from coterie.probes import ALIVE_S, Starting, pages
from serving.events.log import EventLog
from serving.events.open import open_event_log
from serving.settings import Settings, read_settings
from serving.telemetry.logs import LOGGER, start_logging

if TYPE_CHECKING:  # what takes long to load, and is loaded while it listens
    from serving.features.online_store import OnlineFeatures
    from serving.ingestion.experiment_watch import ExperimentWatch
    from serving.ingestion.exporter import Exporter
    from serving.ingestion.feature_updater import FeatureUpdater
    from serving.ingestion.retention import Retention
    from serving.ingestion.sweep import Sweeper
    from serving.telemetry.instruments import LogMetrics

PORT: Final = 8082
log = logging.getLogger(LOGGER)


@dataclass
class Consumer:
    """Exports events, and pushes what the sink left behind, turn by turn."""

    log: EventLog
    exporter: "Exporter"
    metrics: "LogMetrics"
    open_features: Callable[[], "OnlineFeatures"]
    """Called when they are first needed: on most days the sink leaves nothing behind."""
    sweeper: "Sweeper"
    retention: "Retention"
    export_s: float = 300.0
    """The log has no event for longer before it is exported."""
    take_over_s: float = 10.0
    """What was not pushed for so long was left behind by the sink."""
    watch: "ExperimentWatch | None" = None
    """Judges experiments; nobody does if None."""
    came_round: float = field(default_factory=time.monotonic)
    _said: str | None = None
    _updater: "FeatureUpdater | None" = None

    def turn(self) -> None:
        """Export and take over once; trouble is logged, and the next turn tries again."""
        # Each, whatever became of the other.
        parts = (self._take_over, self._export, self._sweep, self.retention.turn, self._judge)
        wrong = "; ".join(filter(None, map(self._try, parts)))
        if wrong and wrong != self._said:
            log.warning("the event consumer goes on: %s", wrong)
        self._said, self.came_round = wrong, time.monotonic()

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Take turns until ``stop`` is set."""
        while not stop.is_set():
            self.turn()
            stop.wait(interval_s)

    def alive(self) -> bool:
        """Tell whether it comes round."""
        return time.monotonic() - self.came_round < ALIVE_S

    def ready(self) -> bool:
        """Tell whether its last turn went well."""
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
            from serving.ingestion.feature_updater import FeatureUpdater

            self._updater = self._updater or FeatureUpdater(
                self.log, self.open_features(), self.metrics
            )
            self._updater.catch_up()

    def _export(self) -> None:
        from serving.ingestion.exporter import MOST

        self.metrics.oldest_unexported.set(self.log.oldest_unexported_s())
        try:
            self.exporter.export(MOST, self.export_s)
        except LockTakenError:
            return
        except CoterieError:
            self.metrics.export_failures.inc()
            raise
        self.metrics.oldest_unexported.set(self.log.oldest_unexported_s())

    def _judge(self) -> None:
        if self.watch is not None:
            self.watch.turn()

    def _sweep(self) -> None:
        with suppress(LockTakenError):
            if swept := self.sweeper.sweep():
                log.info("erased from exports", extra={"fields": {"rows": swept}})


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.consumer", description=__doc__)
    parser.add_argument("--log", dest="event_log", help="URL of the event log (COTERIE_EVENT_LOG)")
    parser.add_argument("--state", help="folder with the event log, if it is a file")
    parser.add_argument(
        "--export", dest="event_export", help="folder or URL of tables (COTERIE_EVENT_EXPORT)"
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        help="what people did longer ago is removed, days (COTERIE_KEEP_DAYS)",
    )
    parser.add_argument("--features", help="folder with Feast's feature_store.yaml")
    parser.add_argument("--once", action="store_true", help="export all there is, and end")
    parser.add_argument(
        "--restore",
        action="store_true",
        help="put exported changes back into a log that lost them, and end",
    )
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
    """Run until SIGTERM; return 1 where it cannot begin."""
    given = options(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry, probed = CollectorRegistry(), Starting()
    try:
        names = ("event_log", "event_export", "features", "state", "keep_days")
        named = {name: getattr(given, name) for name in names}
        # It serves no release; which one is set makes no difference.
        settings = read_settings(release="none", **named)
        start_logging(settings.log_level, settings.log_file or "-")
        listening = (
            nullcontext(0) if given.once or given.restore else pages(given.port, registry, probed)
        )
        with listening as port:
            log.info("listens", extra={"fields": {"port": port}})
            consume(settings, given, stop, registry, probed)
    except CoterieError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def consume(
    settings: Settings,
    given: argparse.Namespace,
    stop: threading.Event,
    registry: CollectorRegistry,
    probed: Starting,
) -> None:
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
    from coterie.data.pseudonyms import PseudonymKeys
    from coterie.experiments.store import ExperimentStore
    from serving.features.online_store import FeastFeatures
    from serving.ingestion.experiment_watch import ExperimentWatch
    from serving.ingestion.exporter import Exporter, restore_changes
    from serving.ingestion.retention import Retention
    from serving.ingestion.sweep import Sweeper
    from serving.launch.people_key import agree_on_people
    from serving.telemetry.instruments import LogMetrics

    events, metrics = open_event_log(settings), LogMetrics(registry)
    exporter = Exporter(events, settings.event_export, metrics)
    sweeper = Sweeper(events, settings.event_export)

    def features() -> FeastFeatures:
        return FeastFeatures(settings.features)

    retention = Retention(events, features, sweeper, settings.keep_days, metrics)
    watch = ExperimentWatch(
        ExperimentStore(settings.experiments_root),
        settings.event_export,
        features,
        metrics=metrics.earned,
    )
    if given.restore:
        keys = PseudonymKeys.given(settings.pseudonym_key, settings.pseudonym_key_file)
        agree_on_people(settings)
        restored = restore_changes(events, settings.event_export, keys)
        print(f"{restored} changes restored from {settings.event_export}")
        return
    if given.once:
        print(f"{exporter.export()} events exported to {settings.event_export}")
        if swept := sweeper.sweep():
            print(f"{swept} rows of people who were erased are gone from {settings.event_export}")
        for where, removed in retention.finish().items():
            print(f"{removed} removed from {where}: older than {settings.keep_days:g} days")
        if judged := watch.look():
            print(f"experiments judged: {', '.join(judged)}")
        return
    probed.work = consumer = Consumer(
        events,
        exporter,
        metrics,
        features,
        sweeper,
        retention,
        given.export_every,
        given.take_over,
        watch,
    )
    log.info("begins")
    consumer.run(stop, given.interval)
    log.info("ends")


if __name__ == "__main__":
    sys.exit(main())
