"""Every metric that serving exports, by subject: name, type, unit, labels. No label holds an id."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coterie import metric_names
from coterie.rollout.plan import SIGNALS
from coterie.schema import EVENT_KINDS, EventKind
from serving.telemetry.traces import span

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


class ListMetrics:
    """Counts and times of lists as shoppers get them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lists = Counter(
            metric_names.LISTS,
            "Lists made, by what they could draw on.",
            ("source",),
            registry=registry,
        )
        self._items = Counter(metric_names.LIST_ITEMS, "Items shown in lists.", registry=registry)
        self._shares = Counter(
            metric_names.REASON_SHARE,
            "Sum of the shares of shown items' scores, by kind of reason.",
            ("kind",),
            registry=registry,
        )
        self._stages = Histogram(
            metric_names.LIST_STAGE_DURATION,
            "Time of one stage of making a list.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.feature_age = Histogram(
            metric_names.FEATURE_AGE,
            "Age of a shopper's newest event when their list was made.",
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self._score_bins = Counter(
            metric_names.BEST_SCORE_BIN,
            "Lists by the tenth of their release's offline lists that their best score falls in.",
            ("bin",),
            registry=registry,
        )
        for tenth in range(10):
            self._score_bins.labels(str(tenth))
        self.novelty = Counter(
            metric_names.LIST_NOVELTY,
            "Sum over shown items of -log2 of the share of shoppers who had them.",
            registry=registry,
        )
        self.explored = Counter(
            metric_names.EXPLORED_ITEMS,
            "New items that lists showed to learn whom they please.",
            registry=registry,
        )
        self.coverage = _gauge(
            registry,
            metric_names.CATALOGUE_COVERAGE,
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
        self._taken = _gauge(
            registry,
            metric_names.RULES_TAKEN,
            "When a replica last took rules from the shop's file; 0 where it took none.",
        )
        self._refused = _gauge(
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


class ArmMetrics:
    """Counts of a rollout's two arms, which a controller compares, and the releases they are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_counts(registry)
        self._release = _gauge(
            registry,
            metric_names.RELEASE_INFO,
            "1, labelled with a release that is loaded and the arm that it is; 0 once it is not.",
            ("arm", "version", "digest"),
        )
        self._release_made = _gauge(
            registry,
            metric_names.RELEASE_CREATED,
            "When the release of an arm was made; 0 where there is none.",
            ("arm",),
        )
        self.shielded = Counter(
            metric_names.SHIELDED,
            "Lists that stable made because the canary could not.",
            registry=registry,
        )
        self.unmirrored = Counter(
            metric_names.UNMIRRORED,
            "Requests that were not put to a canary in shadow: it was busy.",
            registry=registry,
        )
        self.heartbeat = _gauge(
            registry,
            metric_names.HEARTBEAT,
            "When a replica last said that it counts.",
        )

    def _add_counts(self, registry: CollectorRegistry) -> None:
        """Add what is counted of each arm."""
        self._answers = Counter(
            metric_names.ARM_ANSWERS,
            "Lists that an arm was asked for, mirrored ones too.",
            ("arm",),
            registry=registry,
        )
        self._signals = Counter(
            metric_names.ARM_SIGNALS,
            "Those of an arm's lists that a rollout's signal counts.",
            ("arm", "signal"),
            registry=registry,
        )
        self._shown = Counter(
            metric_names.ARM_SHOWN,
            "An arm's lists whose time to be followed by a click is over.",
            ("arm",),
            registry=registry,
        )
        self._seconds = Histogram(
            metric_names.ARM_DURATION,
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
    """Counts of events as they come in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            metric_names.EVENTS,
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
        self.unpushed = _gauge(
            registry,
            metric_names.UNPUSHED_EVENTS,
            "Logged events that the feature store was not told of yet.",
        )
        self.oldest_unpushed = _gauge(
            registry,
            metric_names.OLDEST_UNPUSHED,
            "Age of the oldest logged event that the feature store was not told of; 0 without any.",
        )
        self.oldest_unexported = _gauge(
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


def _gauge(registry: CollectorRegistry, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """Make a gauge that shows, of several processes, what was set last."""
    return Gauge(name, about, labels, multiprocess_mode="mostrecent", registry=registry)
