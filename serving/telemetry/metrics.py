"""Every metric that serving exports: name, type, unit, labels. No label ever holds an id.

Several replicas on one machine count in files of one folder (``PROMETHEUS_MULTIPROC_DIR``), which
any of them adds up when it is asked. Without that variable, a process counts alone.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import ValueClass

from coterie import metric_names
from coterie.errors import UnavailableError
from coterie.rollout.plan import SIGNALS
from coterie.schema import EVENT_KINDS, EventKind

if TYPE_CHECKING:  # the sink counts too, and needs no recommender
    from coterie.recommend.recommender import ReasonKind, Source

ArmName = Literal["stable", "canary"]
ARMS: Final[tuple[ArmName, ArmName]] = ("stable", "canary")
SHORT_DIGEST: Final = 12
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
LATENCY_BUCKETS: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
ROOM_BYTES: Final = 1 << 20
"""Of a process's file of counts: all series that our labels can make take half of it."""
_FILES: Final = ("counter", "gauge_mostrecent", "histogram")
"""How the files of counts are called, before the number of the process."""
METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")
OTHER: Final = "other"
"""Stands for every route, method or kind that is not ours, so that callers cannot add labels."""


class LogMetrics:
    """Of the event log, by whoever takes events on from it: the sink or the consumer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.push_seconds = Histogram(
            metric_names.PUSH_DURATION,
            "From logged events to the feature store's answer, a batch.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.push_failures = Counter(
            metric_names.PUSH_FAILURES,
            "Pushes that the feature store did not take.",
            registry=registry,
        )
        self.unpushed = Gauge(
            metric_names.UNPUSHED_EVENTS,
            "Logged events that the feature store was not told of yet.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self.oldest_unpushed = Gauge(
            metric_names.OLDEST_UNPUSHED,
            "Age of the oldest logged event that the feature store was not told of; 0 without any.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self.oldest_unexported = Gauge(
            metric_names.OLDEST_UNEXPORTED,
            "Age of the oldest logged event that was not exported for pipelines; 0 without any.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self.exported = Counter(
            metric_names.EXPORTED_EVENTS, "Events exported for pipelines.", registry=registry
        )
        self.export_failures = Counter(
            metric_names.EXPORT_FAILURES, "Exports that the store did not take.", registry=registry
        )


class Metrics:
    """The instruments of one process."""

    def __init__(self, beside: Collector | None = None) -> None:
        """Instruments at 0; ``beside`` is exposed with them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        set_room_aside()
        own = CollectorRegistry()
        self._registry, self._beside = own, beside
        if beside is not None:
            own.register(beside)
        self._requests = Counter(
            metric_names.HTTP_REQUESTS,
            "Requests answered.",
            ("route", "method", "status"),
            registry=own,
        )
        self._latency = Histogram(
            metric_names.HTTP_REQUEST_DURATION,
            "From a request's arrival in the app to the last byte of its answer.",
            ("route", "method"),
            buckets=LATENCY_BUCKETS,
            registry=own,
        )
        self._lists = Counter(
            metric_names.LISTS, "Lists made, by what they could draw on.", ("source",), registry=own
        )
        self.list_items = Counter(metric_names.LIST_ITEMS, "Items shown in lists.", registry=own)
        self._shares = Counter(
            metric_names.REASON_SHARE,
            "Sum of the shares of shown items' scores, by kind of reason.",
            ("kind",),
            registry=own,
        )
        self._stages = Histogram(
            metric_names.LIST_STAGE_DURATION,
            "Time of one stage of making a list.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=own,
        )
        self._events = Counter(
            metric_names.EVENTS,
            "Events received, by kind, and whether they were new, known, or refused.",
            ("kind", "outcome"),
            registry=own,
        )
        self.log = LogMetrics(own)
        self.feature_age = Histogram(
            metric_names.FEATURE_AGE,
            "Age of a shopper's newest event when their list was made.",
            buckets=(1, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400),
            registry=own,
        )
        self._release = Gauge(
            metric_names.RELEASE_INFO,
            "1, labelled with a release that is loaded and the arm that it is; 0 once it is not.",
            ("arm", "version", "digest"),
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._release_made = Gauge(
            metric_names.RELEASE_CREATED,
            "When the release of an arm was made; 0 where there is none.",
            ("arm",),
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._answers = Counter(
            metric_names.ARM_ANSWERS,
            "Lists that an arm was asked for, mirrored ones too.",
            ("arm",),
            registry=own,
        )
        self._signals = Counter(
            metric_names.ARM_SIGNALS,
            "Those of an arm's lists that a rollout's signal counts.",
            ("arm", "signal"),
            registry=own,
        )
        self._shown = Counter(
            metric_names.ARM_SHOWN,
            "An arm's lists whose time to be followed by a click is over.",
            ("arm",),
            registry=own,
        )
        self._arm_seconds = Histogram(
            metric_names.ARM_DURATION,
            "Time an arm took to make a list, features not counted.",
            ("arm",),
            buckets=LATENCY_BUCKETS,
            registry=own,
        )
        self.shielded = Counter(
            metric_names.SHIELDED,
            "Lists that stable made because the canary could not.",
            registry=own,
        )
        self.unmirrored = Counter(
            metric_names.UNMIRRORED,
            "Requests that were not put to a canary in shadow: it was busy.",
            registry=own,
        )
        self.heartbeat = Gauge(
            metric_names.HEARTBEAT,
            "When a replica last said that it counts.",
            multiprocess_mode="mostrecent",
            registry=own,
        )
        for arm in ARMS:  # a series that is there at 0 is not one that is missing
            self._answers.labels(arm)
            self._shown.labels(arm)
            for signal in SIGNALS:
                self._signals.labels(arm, signal)
        self._score_bins = Counter(
            metric_names.BEST_SCORE_BIN,
            "Lists by the tenth of their release's offline lists that their best score falls in.",
            ("bin",),
            registry=own,
        )
        for place in range(10):
            self._score_bins.labels(str(place))
        self.novelty = Counter(
            metric_names.LIST_NOVELTY,
            "Sum over shown items of -log2 of the share of shoppers who had them.",
            registry=own,
        )
        self.coverage = Gauge(
            metric_names.CATALOGUE_COVERAGE,
            "Share of the available items that a replica's last thousand lists show.",
            multiprocess_mode="mostrecent",
            registry=own,
        )

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request answered; ``route`` is a template, or OTHER."""
        method = method if method in METHODS else OTHER
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        self._latency.labels(route, method).observe(seconds)

    def count_list(self, source: "Source", items: int, shares: dict["ReasonKind", float]) -> None:
        """One list made; ``shares`` may be empty where nobody asked for reasons."""
        self._lists.labels(source.value).inc()
        self.list_items.inc(items)
        for kind, share in shares.items():
            self._shares.labels(kind.value).inc(share)

    def time_stage(self, stage: str, seconds: float) -> None:
        """How long one of STAGES took."""
        self._stages.labels(stage).observe(seconds)

    def count_event(self, kind: EventKind, is_new: bool) -> None:
        """One event received."""
        assert kind in EVENT_KINDS
        self._events.labels(kind.value, "accepted" if is_new else "duplicate").inc()

    def count_refused(self, kinds: Iterable[str | None]) -> None:
        """Events that did not fit, by kind where it is one."""
        for kind in kinds:
            self._events.labels(kind if kind in EVENT_KINDS else OTHER, "refused").inc()

    def show_release(self, arm: ArmName, version: str, digest: str, made: float) -> None:
        """Say which release an arm has, made at ``made`` (seconds since 1970)."""
        self._release.labels(arm, version, digest[:SHORT_DIGEST]).set(1)
        self._release_made.labels(arm).set(made)

    def hide_release(self, arm: ArmName, version: str, digest: str) -> None:
        """Say that an arm has it no longer."""
        self._release.labels(arm, version, digest[:SHORT_DIGEST]).set(0)
        self._release_made.labels(arm).set(0)

    def count_answer(self, arm: ArmName, seconds: float, signals: Iterable[str]) -> None:
        """An arm was asked for a list; ``signals`` that count it are of ``plan.SIGNALS``."""
        self._answers.labels(arm).inc()
        self._arm_seconds.labels(arm).observe(seconds)
        for signal in signals:
            assert signal in SIGNALS
            self._signals.labels(arm, signal).inc()

    def count_shown(self, arm: ArmName, lists: int = 1) -> None:
        """Lists whose time to be followed by a click is over."""
        self._shown.labels(arm).inc(lists)

    def count_response(self, arm: ArmName, signal: str) -> None:
        """A list was followed by what ``signal`` counts."""
        assert SIGNALS[signal].of_shown
        self._signals.labels(arm, signal).inc()

    def count_best_score(self, place: int) -> None:
        """A list's best score fell in a tenth, 0 to 9, of its release's offline lists."""
        assert 0 <= place < 10
        self._score_bins.labels(str(place)).inc()

    def expose(self) -> bytes:
        """Prometheus text: of all processes of this machine, where they share a folder."""
        # Decided when prometheus-client was imported; the variable may have been set later (Feast
        # does so), and a folder that nobody counted in would be all that is shown.
        if not ValueClass._multiprocess:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        shared.register(_OursOnly())
        if self._beside is not None:
            shared.register(self._beside)
        return generate_latest(shared)


def set_room_aside() -> None:
    """Take the disk that this process's counts will need, before it counts; it may count alone.

    Its files are mapped into memory. A full disk has no block for a page that is written to for the
    first time, and the kernel then kills who writes: a replica would end in the middle of a list.

    Raises:
        UnavailableError: There is not enough.
    """
    if not ValueClass._multiprocess:
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
    """What all processes counted, without what libraries of theirs count."""

    def collect(self) -> Iterator[Metric]:
        """Metrics added up over processes."""
        every = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        for metric in every.collect():  # type: ignore[no-untyped-call]
            if metric.name.startswith(metric_names.PREFIX):
                yield metric


STAGES: Final = ("features", "recommend", "explain")
