"""Where a controller's counts come from: the app's own endpoint, or Prometheus.

Both read the same metrics of ``serving.telemetry.instruments``, and tell apart a source that is
down, one that knows no such series, one whose newest sample is old, and one that looks too seldom
to tell.
"""

import json
import logging
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from coterie.errors import UnavailableError, unresolved
from coterie.rollout.decide import Source
from coterie.rollout.plan import EARLIER_NAMES
from coterie.rollout.state import Target, Totals

logger = logging.getLogger("coterie.rollout")

ANSWERS: Final = "coterie_arm_answers_total"
SIGNALS: Final = "coterie_arm_signals_total"
SHOWN: Final = "coterie_arm_shown_total"
HEARTBEAT: Final = "coterie_heartbeat_timestamp_seconds"
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

    def totals(self, target: Target) -> tuple[Source, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.Metrics``."""
        names = "|".join((ANSWERS, SIGNALS, SHOWN, HEARTBEAT))
        matchers = ", ".join(part for part in (f'__name__=~"{names}"', self.selector) if part)
        try:
            found = self._ask(f"{{{matchers}}}", "vector")
            samples = [_sample(series) for series in found]
            # When it asked itself: how old samples are does not hang on the clock here.
            now = max((float(series["value"][0]) for series in found), default=0.0)
            beats = self._ask(f"{HEARTBEAT}{{{self.selector}}}[{SEEN_S}s]", "matrix")
            apart_s = _apart([[float(at) for at, _ in series["values"]] for series in beats])
        except (UnavailableError, ValueError, KeyError, TypeError, IndexError) as error:
            self._complain(str(error))
            return Source.DOWN, {}
        self._said = ""
        if apart_s > SPARSE_S:
            return Source.SPARSE, {}
        return read(samples, now, True, max(STALE_S, SCRAPES * apart_s))

    def _complain(self, said: str) -> None:
        """Once, as long as it stays the same: a rollout says only that metrics are down."""
        if said != self._said:
            logger.warning("no metrics: %s", said)
        self._said = said

    def _ask(self, expression: str, kind: str) -> list[Any]:
        """What an expression is now, as series of a kind of Prometheus' own."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(_fetch(f"{self.url.rstrip('/')}/api/v1/query?{query}"))
        if answer["status"] != "success" or answer["data"]["resultType"] != kind:
            raise ValueError(f"status {answer['status']!r}")
        found: list[Any] = answer["data"]["result"]
        return found


def _apart(times: Iterable[Sequence[float]]) -> float:
    """Seconds between two samples, of the series that has them most often; 0: not known yet."""
    gaps = [median(b - a for a, b in pairwise(one)) for one in times if len(one) > 1]
    return min(gaps, default=0.0)


def read(
    samples: Iterable[Sample], now: float, by_instance: bool, stale_s: float = STALE_S
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
            # Replicas of before an upgrade count under the earlier name.
            signal = EARLIER_NAMES.get(sample.labels["signal"], sample.labels["signal"])
            counted = events.setdefault(key, {})
            counted[signal] = counted.get(signal, 0) + int(sample.value)
    if not answers or beat == -math.inf:
        return Source.EMPTY, {}
    if now - beat > stale_s:
        return Source.STALE, {}
    totals = {k: Totals(n, events.get(k, {}), shown.get(k, 0)) for k, n in answers.items()}
    return Source.OK, totals


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
        where = url.partition("?")[0]
        raise UnavailableError(f"{where} did not answer: {error}{unresolved(error)}") from error
    if len(content) > MAX_BYTES:
        raise UnavailableError(f"{url} answered more than {MAX_BYTES} bytes")
    return content
