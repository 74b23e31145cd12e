"""Every metric that serving exports, by subject: name, type, unit, labels. No label holds an id."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coterie.rollout.plan import SIGNALS
from coterie.schema import EVENT_KINDS, EventKind

if TYPE_CHECKING:  # the sink counts too, and needs no recommender
    from coterie.recommend.recommender import ListSource, ReasonKind

ArmName = Literal["stable", "canary"]
ARMS: Final[tuple[ArmName, ArmName]] = ("stable", "canary")
SHORT_DIGEST: Final = 12
LATENCY_BUCKETS: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
AGE_BUCKETS: Final = (1, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400)
METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")
OTHER: Final = "other"
"""Stands for every route, method or kind that is not ours, so that callers cannot add labels."""
STAGES: Final = ("features", "recommend", "explain")
"""Of making a list."""


class HttpMetrics:
    """Of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "coterie_http_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._latency = Histogram(
            "coterie_http_request_duration_seconds",
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


class ListMetrics:
    """Of lists as shoppers get them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lists = Counter(
            "coterie_lists",
            "Lists made, by what they could draw on.",
            ("source",),
            registry=registry,
        )
        self._items = Counter("coterie_list_items", "Items shown in lists.", registry=registry)
        self._shares = Counter(
            "coterie_reason_share",
            "Sum of the shares of shown items' scores, by kind of reason.",
            ("kind",),
            registry=registry,
        )
        self._stages = Histogram(
            "coterie_list_stage_duration_seconds",
            "Time of one stage of making a list.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.feature_age = Histogram(
            "coterie_feature_age_seconds",
            "Age of a shopper's newest event when their list was made.",
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self._score_bins = Counter(
            "coterie_best_score_bin",
            "Lists by the tenth of their release's offline lists that their best score falls in.",
            ("bin",),
            registry=registry,
        )
        for tenth in range(10):
            self._score_bins.labels(str(tenth))
        self.novelty = Counter(
            "coterie_list_novelty_bits",
            "Sum over shown items of -log2 of the share of shoppers who had them.",
            registry=registry,
        )
        self.coverage = _gauge(
            registry,
            "coterie_catalogue_coverage_ratio",
            "Share of the available items that a replica's last thousand lists show.",
        )

    def count_list(
        self, source: "ListSource", items: int, shares: dict["ReasonKind", float]
    ) -> None:
        """Count one list made; ``shares`` may be empty where nobody asked for reasons."""
        self._lists.labels(source.value).inc()
        self._items.inc(items)
        for kind, share in shares.items():
            self._shares.labels(kind.value).inc(share)

    def time_stage(self, stage: str, seconds: float) -> None:
        """Note how long one of STAGES took."""
        self._stages.labels(stage).observe(seconds)

    def count_best_score(self, tenth: int) -> None:
        """Count a list whose best score fell in a tenth, 0 to 9, of its release's offline lists."""
        assert 0 <= tenth < 10
        self._score_bins.labels(str(tenth)).inc()


class ArmMetrics:
    """Of the two arms of a rollout: what a controller compares, and what is loaded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_counts(registry)
        self._release = _gauge(
            registry,
            "coterie_release_info",
            "1, labelled with a release that is loaded and the arm that it is; 0 once it is not.",
            ("arm", "version", "digest"),
        )
        self._release_made = _gauge(
            registry,
            "coterie_release_created_timestamp_seconds",
            "When the release of an arm was made; 0 where there is none.",
            ("arm",),
        )
        self.shielded = Counter(
            "coterie_shielded",
            "Lists that stable made because the canary could not.",
            registry=registry,
        )
        self.unmirrored = Counter(
            "coterie_unmirrored",
            "Requests that were not put to a canary in shadow: it was busy.",
            registry=registry,
        )
        self.heartbeat = _gauge(
            registry,
            "coterie_heartbeat_timestamp_seconds",
            "When a replica last said that it counts.",
        )

    def _add_counts(self, registry: CollectorRegistry) -> None:
        """Add what is counted of each arm."""
        self._answers = Counter(
            "coterie_arm_answers",
            "Lists that an arm was asked for, mirrored ones too.",
            ("arm",),
            registry=registry,
        )
        self._signals = Counter(
            "coterie_arm_signals",
            "Those of an arm's lists that a rollout's signal counts.",
            ("arm", "signal"),
            registry=registry,
        )
        self._shown = Counter(
            "coterie_arm_shown",
            "An arm's lists whose time to be followed by a click is over.",
            ("arm",),
            registry=registry,
        )
        self._seconds = Histogram(
            "coterie_arm_duration_seconds",
            "Time an arm took to make a list, features not counted.",
            ("arm",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        for arm in ARMS:  # a series that is there at 0 is not one that is missing
            self._answers.labels(arm)
            self._shown.labels(arm)
            for signal in SIGNALS:
                self._signals.labels(arm, signal)

    def show_release(self, arm: ArmName, version: str, digest: str, made: float) -> None:
        """Say which release an arm has, made at ``made`` (seconds since 1970)."""
        self._release.labels(arm, version, digest[:SHORT_DIGEST]).set(1)
        self._release_made.labels(arm).set(made)

    def hide_release(self, arm: ArmName, version: str, digest: str) -> None:
        """Say that an arm has it no longer."""
        self._release.labels(arm, version, digest[:SHORT_DIGEST]).set(0)
        self._release_made.labels(arm).set(0)

    def count_answer(self, arm: ArmName, seconds: float, signals: Iterable[str]) -> None:
        """Count a list that an arm was asked for, also for each of these ``plan.SIGNALS``."""
        self._answers.labels(arm).inc()
        self._seconds.labels(arm).observe(seconds)
        for signal in signals:
            assert signal in SIGNALS
            self._signals.labels(arm, signal).inc()

    def count_shown(self, arm: ArmName, lists: int = 1) -> None:
        """Count lists whose time to be followed by a click is over."""
        self._shown.labels(arm).inc(lists)

    def count_response(self, arm: ArmName, signal: str) -> None:
        """Count a list that was followed by what ``signal`` counts."""
        assert SIGNALS[signal].of_shown
        self._signals.labels(arm, signal).inc()


class EventMetrics:
    """Of events as they come in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "coterie_events",
            "Events received, by kind, and whether they were new, known, or refused.",
            ("kind", "outcome"),
            registry=registry,
        )

    def count_event(self, kind: EventKind, is_new: bool) -> None:
        """Count one event received."""
        assert kind in EVENT_KINDS
        self._events.labels(kind.value, "accepted" if is_new else "duplicate").inc()

    def count_refused(self, kinds: Iterable[str | None]) -> None:
        """Count events that did not fit, by kind where it is one."""
        for kind in kinds:
            self._events.labels(kind if kind in EVENT_KINDS else OTHER, "refused").inc()


class LogMetrics:
    """Of the event log, by whoever takes events on from it: the sink or the consumer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.push_seconds = Histogram(
            "coterie_push_duration_seconds",
            "From logged events to the feature store's answer, a batch.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.push_failures = Counter(
            "coterie_push_failures",
            "Pushes that the feature store did not take.",
            registry=registry,
        )
        self.unpushed = _gauge(
            registry,
            "coterie_unpushed_events",
            "Logged events that the feature store was not told of yet.",
        )
        self.oldest_unpushed = _gauge(
            registry,
            "coterie_oldest_unpushed_seconds",
            "Age of the oldest logged event that the feature store was not told of; 0 without any.",
        )
        self.oldest_unexported = _gauge(
            registry,
            "coterie_oldest_unexported_seconds",
            "Age of the oldest logged event that was not exported for pipelines; 0 without any.",
        )
        self.exported = Counter(
            "coterie_exported_events", "Events exported for pipelines.", registry=registry
        )
        self.export_failures = Counter(
            "coterie_export_failures", "Exports that the store did not take.", registry=registry
        )


def _gauge(registry: CollectorRegistry, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """Make a gauge that shows, of several processes, what was set last."""
    return Gauge(name, about, labels, multiprocess_mode="mostrecent", registry=registry)
