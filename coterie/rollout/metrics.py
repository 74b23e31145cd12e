"""Where a controller's counts come from: the app's own endpoint, or Prometheus.

Both read the same metrics of ``serving.telemetry.arm_metrics``, and tell apart a source that is
down, one that knows no such series, one whose newest sample is old, and one that looks too seldom
to tell.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from coterie import metric_names
from coterie.errors import CoterieError
from coterie.http_client import HttpClient
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.plan import EARLIER_NAMES
from coterie.rollout.state import Target, Totals

logger = logging.getLogger("coterie.rollout")

STALE_S: Final = 15.0
"""A heartbeat older than this says nothing of now: some scrapes long, and some beats."""
SPARSE_S: Final = 40.0
"""Where scrapes are further apart than this, a bad canary would go on for too long unseen. Most
servers scrape each 15 or 30 s unless a monitor says otherwise."""
SCRAPES: Final = 2.0
"""So many scrapes may a heartbeat be old, where that is more than STALE_S."""
SEEN_S: Final = 180
"""How far back it is looked for how often there are samples."""
TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class MetricSample:
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class EndpointMetrics:
    """The app's own endpoint, which adds up its replicas."""

    url: str
    """Of the metrics."""
    clock: Callable[[], float] = time.time

    def totals(self, target: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.MetricsSource``."""
        try:
            text = HttpClient(self.url, TIMEOUT_S).get().checked().content.decode()
            families = list(text_string_to_metric_families(text))
        except (CoterieError, ValueError):
            return MetricsStatus.DOWN, {}
        samples = [MetricSample(s.name, s.labels, s.value) for f in families for s in f.samples]
        return read(samples, self.clock(), by_instance=False)


@dataclass(slots=True)
class PrometheusMetrics:
    """A Prometheus that scrapes the app's pods, each of which counts for itself.

    How old samples may be follows from how often there are some: whoever scrapes each 30 s has
    none that is younger for half of the time.
    """

    url: str
    """Of the server, without ``/api``."""
    selector: str = ""
    """Further label matchers, such as ``namespace="shop"``."""
    _said: str = field(default="", init=False)

    def totals(self, target: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.MetricsSource``."""
        names = "|".join(
            (
                metric_names.ARM_ANSWERS,
                metric_names.ARM_SIGNALS,
                metric_names.ARM_SHOWN,
                metric_names.ARM_PAIRS,
                metric_names.ARM_STRANGERS,
                metric_names.HEARTBEAT,
            )
        )
        matchers = ", ".join(part for part in (f'__name__=~"{names}"', self.selector) if part)
        try:
            found = self._ask(f"{{{matchers}}}", "vector")
            samples = [_sample(series) for series in found]
            # When it asked itself: how old samples are does not hang on the clock here.
            now = max((float(series["value"][0]) for series in found), default=0.0)
            beats = self._ask(f"{metric_names.HEARTBEAT}{{{self.selector}}}[{SEEN_S}s]", "matrix")
            apart_s = _apart([[float(at) for at, _ in series["values"]] for series in beats])
        except (CoterieError, ValueError, KeyError, TypeError, IndexError) as error:
            self._complain(str(error))
            return MetricsStatus.DOWN, {}
        self._said = ""
        if apart_s > SPARSE_S:
            return MetricsStatus.SPARSE, {}
        return read(samples, now, True, max(STALE_S, SCRAPES * apart_s))

    def _complain(self, said: str) -> None:
        """Log why there are no metrics, once until it changes: a rollout says only that."""
        if said != self._said:
            logger.warning("no metrics: %s", said)
        self._said = said

    def _ask(self, expression: str, kind: str) -> list[Any]:
        """Ask what an expression is now: series of one of Prometheus' kinds of result."""
        found = HttpClient(self.url, TIMEOUT_S).get("/api/v1/query", query=expression).checked()
        answer = found.json()
        if answer["status"] != "success" or answer["data"]["resultType"] != kind:
            raise ValueError(f"status {answer['status']!r}")
        series: list[Any] = answer["data"]["result"]
        return series


def _apart(times: Iterable[Sequence[float]]) -> float:
    """Measure the seconds between samples of the most frequent series; 0: not known yet."""
    gaps = [median(b - a for a, b in pairwise(one)) for one in times if len(one) > 1]
    return min(gaps, default=0.0)


def read(
    samples: Iterable[MetricSample], now: float, by_instance: bool, stale_s: float = STALE_S
) -> tuple[MetricsStatus, Mapping[str, Totals]]:
    """Add samples up by arm, or by ``arm@instance``, and tell whether they say anything of now."""
    answers: dict[str, int] = {}
    shown: dict[str, int] = {}
    events: dict[str, dict[str, int]] = {}
    pairs: dict[str, dict[str, int]] = {}
    strangers: dict[str, int] = {}
    beat = -math.inf
    for sample in samples:
        if sample.name == metric_names.HEARTBEAT:
            beat = max(beat, sample.value)
            continue
        key = sample.labels.get("arm", "")
        if by_instance:
            key += f"@{sample.labels.get('instance', '')}"
        if sample.name == metric_names.ARM_ANSWERS:
            answers[key] = int(sample.value)
        elif sample.name == metric_names.ARM_SHOWN:
            shown[key] = int(sample.value)
        elif sample.name == metric_names.ARM_STRANGERS:
            strangers[key] = int(sample.value)
        elif sample.name == metric_names.ARM_PAIRS:
            pairs.setdefault(key, {})[sample.labels["signal"]] = int(sample.value)
        elif sample.name == metric_names.ARM_SIGNALS:
            # Replicas of before an upgrade count under the earlier name.
            signal = EARLIER_NAMES.get(sample.labels["signal"], sample.labels["signal"])
            counted = events.setdefault(key, {})
            counted[signal] = counted.get(signal, 0) + int(sample.value)
    if not answers or beat == -math.inf:
        return MetricsStatus.EMPTY, {}
    if now - beat > stale_s:
        return MetricsStatus.STALE, {}
    totals = {
        key: Totals(
            count,
            events.get(key, {}),
            shown.get(key, 0),
            pairs.get(key, {}),
            strangers.get(key, 0),
        )
        for key, count in answers.items()
    }
    return MetricsStatus.OK, totals


def _sample(series: Any) -> MetricSample:
    labels = dict(series["metric"])
    return MetricSample(labels.pop("__name__"), labels, float(series["value"][1]))
