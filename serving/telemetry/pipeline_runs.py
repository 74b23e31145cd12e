"""How pipelines stand, exported: their steps are gone before a scrape would find them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from coterie.errors import CoterieError
from coterie.monitoring.runs import PIPELINES, STEPS, Outcome, Run, Runs
from coterie.schema import TABLES
from serving.settings import Settings
from serving.telemetry.logs import LOGGER

EVERY_S: Final = 15.0
"""Between two reads."""
log = logging.getLogger(LOGGER)


class PipelineCollector(Collector):
    """Gauges of the last runs. Reads in a thread: a slow store holds up no scrape and no list."""

    def __init__(self, runs: Runs, clock: Callable[[], float] = time.time) -> None:
        """Read nothing before the first scrape, which begins to."""
        self._runs, self._clock = runs, clock
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._read: tuple[float, list[Run]] = (0.0, [])

    def describe(self) -> Iterable[Metric]:
        """Name the gauges, without reading anything."""
        return families([], 0.0, 0.0)

    def collect(self) -> Iterator[Metric]:
        """Show what was read last; begin the next read if that is long ago."""
        with self._lock:
            now = self._clock()
            due = now - self._asked >= EVERY_S
            if due:
                self._asked = now
            read_at, runs = self._read
        if due:
            threading.Thread(target=self.read, name="pipelines", daemon=True).start()
        yield from families(runs, read_at, now)

    def read(self) -> None:
        """Read runs once; what was known stays where the store does not answer."""
        try:
            runs = self._runs.read()
        except CoterieError as error:
            log.warning("how pipelines stand cannot be read: %s", error)
            return
        with self._lock:
            self._read = self._clock(), runs


def pipeline_collector(settings: Settings) -> PipelineCollector | None:
    """Make the collector, where runs are kept somewhere.

    Raises:
        BadInputError: There can be no runs in such a place.
    """
    return PipelineCollector(Runs(settings.pipeline_status)) if settings.pipeline_status else None


def families(runs: list[Run], read_at: float, now: float) -> list[Metric]:
    """Make gauges of runs, oldest first, that were read at ``read_at``."""
    # What is in the store may be anybody's: only names that are ours become labels.
    ours = [run for run in runs if run.pipeline in PIPELINES]
    last = ours[-1] if ours else None
    filled = next((run for run in reversed(ours) if run.ingested), Run("", 0.0))
    running = now - last.started if last and last.outcome is Outcome.RUNNING else 0.0
    failures = float(sum(run.outcome is Outcome.FAILED for run in ours))
    succeeded, failed = (_ends(ours, end) for end in (Outcome.SUCCEEDED, Outcome.FAILED))
    return [
        _gauge("coterie_pipeline_running_seconds", _RUNNING, {"": max(running, 0.0)}),
        _gauge("coterie_pipeline_last_success_timestamp_seconds", _SUCCESS, succeeded, "pipeline"),
        _gauge("coterie_pipeline_last_failure_timestamp_seconds", _FAILURE, failed, "pipeline"),
        _gauge("coterie_pipeline_failures", _FAILURES, {"": failures}),
        _gauge("coterie_ingested_rows", _INGESTED, _of(TABLES, filled.ingested), "table"),
        _gauge("coterie_quarantined_rows", _QUARANTINED, _of(TABLES, filled.quarantined), "table"),
        _gauge("coterie_pipeline_step_seconds", _STEP, _times(last, now), "step"),
        _gauge("coterie_pipeline_status_read_timestamp_seconds", _READ, {"": read_at}),
    ]


_RUNNING: Final = "Time since the newest run began, while it goes on; else 0."
_SUCCESS: Final = "When a pipeline last ended well."
_FAILURE: Final = "When a pipeline last failed."
_FAILURES: Final = "Runs that failed, among the last 50."
_INGESTED: Final = "Rows that the last ingest took, by table."
_QUARANTINED: Final = "Rows that the last ingest put aside because they are bad, by table."
_STEP: Final = "Time that the newest run's steps took, or take."
_READ: Final = "When the standing of pipelines was last read; 0 before it ever was."


def _gauge(name: str, about: str, values: Mapping[str, float], label: str = "") -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label] if label else None)
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family


def _ends(runs: Iterable[Run], outcome: Outcome) -> dict[str, float]:
    return {run.pipeline: run.ended for run in runs if run.outcome is outcome and run.ended}


def _of(names: Iterable[str], found: Mapping[str, int]) -> dict[str, float]:
    return {name: found[name] for name in names if name in found}


def _times(run: Run | None, now: float) -> dict[str, float]:
    steps = {name: run.steps[name] for name in STEPS if name in run.steps} if run else {}
    still = run is not None and run.outcome is Outcome.RUNNING
    return {
        name: (step.ended or (now if still else step.started)) - step.started
        for name, step in steps.items()
    }
