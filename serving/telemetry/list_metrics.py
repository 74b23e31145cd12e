"""Counts and times of lists, and how good they are by what can be told without a purchase."""

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from coterie import metric_names
from serving.telemetry.series import LATENCY_BUCKETS, Counter, Histogram, gauge

if TYPE_CHECKING:  # the sink counts too, and needs no recommender
    from coterie.recommend.recommender import ListSource, ReasonKind

AGE_BUCKETS: Final = (1, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400)
STAGES: Final = ("features", "recommend", "explain")
"""Of making a list."""


class ListMetrics:
    """Counts and times of lists as shoppers get them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_counts(registry)
        self._add_quality(registry)

    def _add_counts(self, registry: CollectorRegistry) -> None:
        """Add what is counted of each list: what it draws on, how many items, and its time."""
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
        self.befriended = Counter(
            metric_names.BEFRIENDED_LISTS,
            "Lists with reasons of shoppers some of whose friends have tastes that count.",
            registry=registry,
        )
        self._stages = Histogram(
            metric_names.LIST_STAGE_DURATION,
            "Time of one stage of making a list.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def _add_quality(self, registry: CollectorRegistry) -> None:
        """Add how old, how usual and how wide what lists show is."""
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
            "New and rarely shown items that lists showed to learn whom they please.",
            registry=registry,
        )
        self._checked = Counter(
            metric_names.CHECKED_ITEMS,
            "The best items of lists that were checked, by whether codes had found them.",
            ("found",),
            registry=registry,
        )
        for found in ("yes", "no"):
            self._checked.labels(found)
        self.coverage = gauge(
            registry,
            metric_names.CATALOGUE_COVERAGE,
            "Share of the available items that a replica's last thousand lists show.",
        )

    def count_check(self, best: int, found: int) -> None:
        """Count a list that was checked: its best items, and those that it had."""
        self._checked.labels("yes").inc(found)
        self._checked.labels("no").inc(best - found)

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
