"""What is counted of a rollout's arms: a controller compares it (``coterie.rollout.metrics``)."""

from collections.abc import Iterable
from typing import Final, Literal

from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.rollout.plan import SIGNALS
from serving.telemetry.series import LATENCY_BUCKETS, Counter, Histogram, gauge

ArmName = Literal["stable", "canary"]
ARMS: Final[tuple[ArmName, ArmName]] = ("stable", "canary")
SHORT_DIGEST: Final = 12


class ArmMetrics:
    """Counts of a rollout's two arms, which a controller compares, and the releases they are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_counts(registry)
        self._release = gauge(
            registry,
            metric_names.RELEASE_INFO,
            "1, labelled with a release that is loaded and the arm that it is; 0 once it is not.",
            ("arm", "version", "digest"),
        )
        self._release_made = gauge(
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
        self.heartbeat = gauge(
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
        self._pairs = Counter(
            metric_names.ARM_PAIRS,
            "Mirrored requests by which an arm was compared with the other one, by signal.",
            ("arm", "signal"),
            registry=registry,
        )
        self._strangers = Counter(
            metric_names.ARM_STRANGERS,
            "An arm's lists of shoppers of whom nothing is known: no history, and no friends.",
            ("arm",),
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
            self._strangers.labels(arm)
            for signal, meant in SIGNALS.items():
                self._signals.labels(arm, signal)
                if meant.paired:
                    self._pairs.labels(arm, signal)

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

    def count_stranger(self, arm: ArmName) -> None:
        """Count a list, besides as an answer, as one of somebody of whom nothing is known."""
        self._strangers.labels(arm).inc()

    def count_pair(self, signal: str, canary: bool, stable: bool) -> None:
        """Count two lists of one request; it is told which of them have what a signal counts.

        What both have, or neither, tells nothing of which arm is worse.
        """
        assert SIGNALS[signal].paired
        for arm in ARMS:
            self._pairs.labels(arm, signal).inc()
        if canary != stable:
            self._signals.labels("canary" if canary else "stable", signal).inc()

    def count_shown(self, arm: ArmName, lists: int = 1) -> None:
        """Count lists whose time to be followed by a click is over."""
        self._shown.labels(arm).inc(lists)

    def count_response(self, arm: ArmName, signal: str) -> None:
        """Count a list that was followed by what ``signal`` counts."""
        assert SIGNALS[signal].of_shown
        self._signals.labels(arm, signal).inc()
