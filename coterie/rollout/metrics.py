"""Where a controller's counts come from: the app's own endpoint, or Prometheus.

Both read the same metrics of ``serving.metrics``, and tell apart a source that is down, one that
knows no such series, and one whose newest sample is old.
"""

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from coterie.errors import UnavailableError
from coterie.rollout.decide import Source
from coterie.rollout.state import Target, Totals

ANSWERS: Final = "coterie_arm_answers_total"
SIGNALS: Final = "coterie_arm_signals_total"
SHOWN: Final = "coterie_arm_shown_total"
HEARTBEAT: Final = "coterie_heartbeat_timestamp_seconds"
STALE_S: Final = 15.0
"""A heartbeat older than this says nothing of now: some scrapes long, and some beats."""
TIMEOUT_S: Final = 3.0
MAX_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Sample:
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

    def totals(self, target: Target) -> tuple[Source, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.Metrics``."""
        try:
            text = _fetch(self.url).decode()
            families = list(text_string_to_metric_families(text))
        except (UnavailableError, ValueError):
            return Source.DOWN, {}
        samples = [Sample(s.name, s.labels, s.value) for f in families for s in f.samples]
        return read(samples, self.clock(), by_instance=False)


@dataclass(frozen=True, slots=True)
class PrometheusMetrics:
    """A Prometheus that scrapes the app's pods, each of which counts for itself."""

    url: str
    """Of the server, without ``/api``."""
    selector: str = ""
    """Further label matchers, such as ``namespace="shop"``."""

    def totals(self, target: Target) -> tuple[Source, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.Metrics``."""
        names = "|".join((ANSWERS, SIGNALS, SHOWN, HEARTBEAT))
        matchers = ", ".join(part for part in (f'__name__=~"{names}"', self.selector) if part)
        query = urllib.parse.urlencode({"query": f"{{{matchers}}}"})
        try:
            answer = json.loads(_fetch(f"{self.url.rstrip('/')}/api/v1/query?{query}"))
            found = _series(answer)
            samples = [_sample(series) for series in found]
            # When it asked itself: how old samples are does not hang on the clock here.
            now = max((float(series["value"][0]) for series in found), default=0.0)
        except (UnavailableError, ValueError, KeyError, TypeError, IndexError):
            return Source.DOWN, {}
        return read(samples, now, by_instance=True)


def read(
    samples: Iterable[Sample], now: float, by_instance: bool
) -> tuple[Source, Mapping[str, Totals]]:
    """Counters by arm, or by ``arm@instance``, and what is to be thought of them."""
    answers: dict[str, int] = {}
    shown: dict[str, int] = {}
    events: dict[str, dict[str, int]] = {}
    beat = -math.inf
    for sample in samples:
        if sample.name == HEARTBEAT:
            beat = max(beat, sample.value)
            continue
        key = sample.labels.get("arm", "")
        if by_instance:
            key += f"@{sample.labels.get('instance', '')}"
        if sample.name == ANSWERS:
            answers[key] = int(sample.value)
        elif sample.name == SHOWN:
            shown[key] = int(sample.value)
        elif sample.name == SIGNALS:
            events.setdefault(key, {})[sample.labels["signal"]] = int(sample.value)
    if not answers or beat == -math.inf:
        return Source.EMPTY, {}
    if now - beat > STALE_S:
        return Source.STALE, {}
    totals = {k: Totals(n, events.get(k, {}), shown.get(k, 0)) for k, n in answers.items()}
    return Source.OK, totals


def _series(answer: Any) -> list[Any]:
    if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
        raise ValueError(f"status {answer['status']!r}")
    found: list[Any] = answer["data"]["result"]
    return found


def _sample(series: Any) -> Sample:
    labels = dict(series["metric"])
    return Sample(labels.pop("__name__"), labels, float(series["value"][1]))


def _fetch(url: str) -> bytes:
    """One GET.

    Raises:
        UnavailableError: No answer, an error, or one that is too long.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - an operator's
            content: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise UnavailableError(f"{url} did not answer: {error}") from error
    if len(content) > MAX_BYTES:
        raise UnavailableError(f"{url} answered more than {MAX_BYTES} bytes")
    return content
