"""Metrics whose series are looked up once: the client checks labels anew each time it is asked."""

from collections.abc import Sequence
from typing import Any, Final, Self

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics import MetricWrapperBase

LATENCY_BUCKETS: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip


class _KnownSeries(MetricWrapperBase):
    """For metrics of few labels, of which none is ever taken away."""

    def labels(self, *labelvalues: Any, **labelkwargs: Any) -> Self:
        """Give the series of these labels."""
        if labelkwargs:
            return super().labels(*labelvalues, **labelkwargs)
        known: dict[tuple[Any, ...], Self] = self.__dict__.setdefault("_known", {})
        found = known.get(labelvalues)
        if found is None:
            found = known[labelvalues] = super().labels(*labelvalues)
        return found


class Counter(_KnownSeries, prometheus_client.Counter):
    """A counter."""


class Histogram(_KnownSeries, prometheus_client.Histogram):
    """A histogram."""


def gauge(registry: CollectorRegistry, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """Make a gauge that shows, of several processes, what was set last."""
    return Gauge(name, about, labels, multiprocess_mode="mostrecent", registry=registry)
