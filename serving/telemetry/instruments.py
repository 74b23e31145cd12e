"""Every metric that serving exports, by subject: name, type, unit, labels. No label holds an id.

Those of lists and of a rollout's arms have modules of their own.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, get_args

from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.schema import EVENT_KINDS, TARGET_KINDS, EventKind
from serving.telemetry.series import LATENCY_BUCKETS, Counter, Histogram, gauge
from serving.telemetry.traces import span

METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")
OTHER: Final = "other"
"""Stands for every route, method or kind that is not ours, so that callers cannot add labels."""
AGED_IN: Final = ("log", "features", "exports")
"""Where what is too old is removed from."""
SearchStage = Literal["taste", "encode", "find", "all"]
SearchOutcome = Literal["found", "nothing", "words_alone", "shielded", "failed"]
SEARCH_OUTCOMES: Final[tuple[SearchOutcome, ...]] = get_args(SearchOutcome)
"""Items were found; none fits; the encoder did not answer, so words alone did; the canary could
not, so stable did; nobody could."""


class HttpMetrics:
    """Counts and times of HTTP requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            metric_names.HTTP_REQUESTS,
            "Requests answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._latency = Histogram(
            metric_names.HTTP_REQUEST_DURATION,
            "From a request's arrival in the app to the last byte of its answer.",
            ("route", "method"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request answered; ``route`` is a template, or OTHER."""
        method = method if method in METHODS else OTHER
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        self._latency.labels(route, method).observe(seconds)


class SearchMetrics:
    """Counts and times of searches; of what was searched for, nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._searches = Counter(
            metric_names.SEARCHES,
            "Searches, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self._stages = Histogram(
            metric_names.SEARCH_STAGE_DURATION,
            "Time of one stage of a search; all: from the features to the answer.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        for outcome in SEARCH_OUTCOMES:
            self._searches.labels(outcome)

    def count(self, outcome: "SearchOutcome") -> None:
        """Count one search."""
        self._searches.labels(outcome).inc()

    @contextmanager
    def timed(self, stage: "SearchStage") -> Iterator[None]:
        """Time a stage, and open a span for it."""
        began = time.perf_counter()
        with span(stage if stage != "all" else "search"):
            yield
        self._stages.labels(stage).observe(time.perf_counter() - began)


class RulesMetrics:
    """Whether the shop's rules are in force as their file has them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._taken = gauge(
            registry,
            metric_names.RULES_TAKEN,
            "When a replica last took rules from the shop's file; 0 where it took none.",
        )
        self._refused = gauge(
            registry,
            metric_names.RULES_REFUSED,
            "1 where the file of rules does not fit, so that the last good ones are in force.",
        )
        self._refused.set(0)

    def take(self, now: float) -> None:
        """Say that the file's rules are in force."""
        self._taken.set(now)
        self._refused.set(0)

    def refuse(self) -> None:
        """Say that the file does not fit."""
        self._refused.set(1)


class EventMetrics:
    """Counts of events as they come in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            metric_names.EVENTS,
            "Events received, by kind, and whether they were new, known, or refused.",
            ("kind", "outcome"),
            registry=registry,
        )
        self._invitations = Counter(
            metric_names.INVITATIONS,
            "Items shared with a person (sent), what somebody came to through another (visited), "
            "and of that what they took (taken).",
            ("step",),
            registry=registry,
        )

    def count_invitation(self, kind: EventKind, invites: bool, invited: bool) -> None:
        """Count what a new event is of an invitation, if it is of one.

        Args:
            kind: Of the event.
            invites: Whether it shares something with a person.
            invited: Whether it names who referred.
        """
        if invites:
            self._invitations.labels("sent").inc()
        if invited:
            self._invitations.labels("visited").inc()
            if kind in TARGET_KINDS:
                self._invitations.labels("taken").inc()

    def count_event(self, kind: EventKind, is_new: bool) -> None:
        """Count one event received."""
        assert kind in EVENT_KINDS
        self._events.labels(kind.value, "accepted" if is_new else "duplicate").inc()

    def count_refused(self, kinds: Iterable[str | None]) -> None:
        """Count events that did not fit, by kind where it is one."""
        for kind in kinds:
            self._events.labels(kind if kind in EVENT_KINDS else OTHER, "refused").inc()


class LogMetrics:
    """Counts and ages of logged events, by who takes them on: the sink or the consumer."""

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
        self.unpushed = gauge(
            registry,
            metric_names.UNPUSHED_EVENTS,
            "Logged events that the feature store was not told of yet.",
        )
        self.oldest_unpushed = gauge(
            registry,
            metric_names.OLDEST_UNPUSHED,
            "Age of the oldest logged event that the feature store was not told of; 0 without any.",
        )
        self.oldest_unexported = gauge(
            registry,
            metric_names.OLDEST_UNEXPORTED,
            "Age of the oldest logged event that was not exported for pipelines; 0 without any.",
        )
        self.exported = Counter(
            metric_names.EXPORTED_EVENTS, "Events exported for pipelines.", registry=registry
        )
        self.export_failures = Counter(
            metric_names.EXPORT_FAILURES, "Exports that the store did not take.", registry=registry
        )
        self.aged = Counter(
            metric_names.AGED,
            "What was removed for its age: events of the log, recent lists that lost entries, rows "
            "of exports.",
            ("where",),
            registry=registry,
        )
        self.earned = EarnedMetrics(registry)
        self.aged_passed = gauge(
            registry,
            metric_names.AGED_PASSED,
            "When all was last looked through for what is too old to be kept; 0: not yet.",
        )
        for where in AGED_IN:
            self.aged.labels(where)


class ImpressionMetrics:
    """Counts of what is kept of shown lists."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter(
            metric_names.IMPRESSIONS,
            "Items of shown lists that were written beside exported events.",
            registry=registry,
        )
        self.written_bytes = Counter(
            metric_names.IMPRESSION_BYTES, "Bytes of the files of these.", registry=registry
        )
        self.dropped = Counter(
            metric_names.IMPRESSIONS_DROPPED,
            "Lists that were not kept, since too many waited to be written.",
            registry=registry,
        )


class ExperimentMetrics:
    """Counts of lists of shoppers who take part in experiments."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lists = Counter(
            metric_names.EXPERIMENT_LISTS,
            "Lists of shoppers who take part in an experiment.",
            registry=registry,
        )
        self.shielded = Counter(
            metric_names.EXPERIMENT_SHIELDED,
            "Lists that the release of an experiment's arm could not make, so that stable did.",
            registry=registry,
        )


class EarnedMetrics:
    """What recommendations earned, as the newest result of a holdout says it."""

    BOUNDS = "value", "low", "high", "base"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._told = gauge(
            registry,
            metric_names.EARNED,
            "What a holdout says that recommendations earned, by figure and bound: value, low and "
            "high of its interval, and base, the mean of who is held out, where it has one.",
            ("experiment", "figure", "bound"),
        )
        self._shown: set[tuple[str, str, str]] = set()

    def show(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Show what holdouts found, and nothing else.

        Args:
            found: ``earned`` of the results, by the name of the experiment.
        """
        now: dict[tuple[str, str, str], float] = {}
        for experiment, told in found.items():
            for figure, one in {**told["metrics"], **told["shares"]}.items():
                value = one.get("value", one.get("difference"))
                for bound, number in zip(
                    self.BOUNDS, (value, one["low"], one["high"], one.get("base")), strict=True
                ):
                    if number is not None:
                        now[experiment, figure, bound] = number
        # Where several processes export, no series can be taken back: not a number ends its line.
        for labels in self._shown | now.keys():
            self._told.labels(*labels).set(now.get(labels, math.nan))
        self._shown |= now.keys()
