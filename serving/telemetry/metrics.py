"""What one process counts, and how the counts of a machine's processes are exposed together.

Several replicas on one machine count in files of one folder (``PROMETHEUS_MULTIPROC_DIR``), which
any of them adds up when it is asked. Without that variable, a process counts alone.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Metric,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from coterie import metric_names
from coterie.errors import UnavailableError
from serving.telemetry.arm_metrics import ArmMetrics
from serving.telemetry.instruments import (
    EventMetrics,
    ExperimentMetrics,
    HttpMetrics,
    ImpressionMetrics,
    LogMetrics,
    RulesMetrics,
    SearchMetrics,
)
from serving.telemetry.list_metrics import ListMetrics
from serving.telemetry.llm_metrics import LlmMetrics

MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
ROOM_BYTES: Final = 1 << 20
"""Of a process's file of counts: all series that our labels can make take half of it."""
_FILES: Final = ("counter", "gauge_mostrecent", "histogram")
"""How the files of counts are called, before the number of the process."""


def share_counts(folder: Path) -> None:
    """Have this process, which has counted nothing yet, count in files of a folder."""
    os.environ[MULTIPROCESS_VARIABLE] = str(folder)
    # Decided when prometheus-client was imported: Ray does that before we are asked.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


class ServingMetrics:
    """The instruments of one process, by subject."""

    def __init__(self, beside: Collector | None = None) -> None:
        """Begin at 0; ``beside`` is exposed with them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        set_room_aside()
        self._registry, self._beside = CollectorRegistry(), beside
        if beside is not None:
            self._registry.register(beside)
        self.http = HttpMetrics(self._registry)
        self.lists = ListMetrics(self._registry)
        self.search = SearchMetrics(self._registry)
        self.llm = LlmMetrics(self._registry)
        self.rules = RulesMetrics(self._registry)
        self.arms = ArmMetrics(self._registry)
        self.events = EventMetrics(self._registry)
        self.log = LogMetrics(self._registry)
        self.impressions = ImpressionMetrics(self._registry)
        self.experiments = ExperimentMetrics(self._registry)

    @property
    def exposed(self) -> CollectorRegistry:
        """What is shown: of all processes of this machine, where they share a folder."""
        # Decided when prometheus-client was imported; the variable may have been set later (Feast
        # does so), and a folder that nobody counted in would be all that is shown.
        if not values.ValueClass._multiprocess:
            return self._registry
        shared = CollectorRegistry()
        shared.register(_OursOnly())
        if self._beside is not None:
            shared.register(self._beside)
        return shared

    def expose(self) -> bytes:
        """Write what is shown as Prometheus text."""
        return generate_latest(self.exposed)


def set_room_aside() -> None:
    """Take the disk that this process's counts will need, before it counts; it may count alone.

    Its files are mapped into memory. A full disk has no block for a page that is written to for the
    first time, and the kernel then kills who writes: a replica would end in the middle of a list.

    Raises:
        UnavailableError: There is not enough.
    """
    if not values.ValueClass._multiprocess:
        return
    folder = Path(os.environ[MULTIPROCESS_VARIABLE])
    try:
        for name in _FILES:
            with (folder / f"{name}_{os.getpid()}.db").open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        raise UnavailableError(
            f"no room for counts in {folder}: {error}; each process needs "
            f"{len(_FILES) * ROOM_BYTES >> 10} KiB: make room, or set COTERIE_STATE to another disk"
        ) from error


class _OursOnly(Collector):
    """Collects what all processes counted, without what libraries of theirs count."""

    def collect(self) -> Iterator[Metric]:
        """Add metrics up over processes."""
        every = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        for metric in every.collect():  # type: ignore[no-untyped-call]
            if metric.name.startswith(metric_names.PREFIX):
                yield metric
