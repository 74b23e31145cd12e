"""Pieces of PromQL that several dashboards are made of, and colours of their values."""

from typing import Final

from coterie.monitoring.panels import FINE, Query, Steps
from coterie.monitoring.rules import LISTS_ROUTE
from coterie.rollout.plan import EARLIER_NAMES, SIGNALS

RANGE: Final = "$__rate_interval"
QUANTILES: Final = (0.5, 0.95, 0.99)


def rate(metric: str, *by: str, where: str = "") -> str:
    """Events a second, added up."""
    sums = f"sum by ({', '.join(by)}) " if by else "sum"
    selected = f"{metric}{{{where}}}" if where else metric
    return f"{sums}(rate({selected}[{RANGE}]))"


def share(part: str, whole: str, by: str = "") -> str:
    """Of parts that carry a label, each as a share of the whole."""
    return f"{part} / on () group_left () {whole}" if by else f"{part} / {whole}"


def quantile(q: float, metric: str, *by: str, where: str = "") -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({q:g}, {rate(f'{metric}_bucket', *by, 'le', where=where)})"


def quantiles(metric: str, where: str = "") -> list[Query]:
    """Median, 95th and 99th percentile."""
    return [Query(quantile(q, metric, where=where), f"p{100 * q:g}") for q in QUANTILES]


def above(warning: float, bad: float | None = None) -> Steps:
    """Green, yellow from a value on, red from another on; without it, red at once."""
    if bad is None:
        return (*FINE, (warning, "red"))
    return (*FINE, (warning, "yellow"), (bad, "red"))


def below(bad: float) -> Steps:
    """Red under a value."""
    return ((None, "red"), (bad, "green"))


def newest(metric: str, where: str = "") -> str:
    """A time as its age."""
    selected = f"{metric}{{{where}}}" if where else metric
    return f"time() - max({selected} > 0)"


REQUESTS: Final = "coterie_http_requests_total"
LATENCY: Final = "coterie_http_request_duration_seconds"
LISTS: Final = f'route="{LISTS_ROUTE}"'
SIGNAL: Final = "coterie_arm_signals_total"
ANSWERS: Final = "coterie_arm_answers_total"
SHOWN: Final = "coterie_arm_shown_total"


def signal_share(signal: str) -> str:
    """What share of an arm's lists a rollout's signal counts."""
    whole = SHOWN if SIGNALS[signal].of_shown else ANSWERS
    earlier = [old for old, name in EARLIER_NAMES.items() if name == signal]
    # Of before an upgrade, a Prometheus has samples under the earlier name.
    chosen = f'signal=~"{"|".join([signal, *earlier])}"' if earlier else f'signal="{signal}"'
    return f"{rate(SIGNAL, 'arm', where=chosen)} / {rate(whole, 'arm')}"


def status_share(status: str) -> str:
    """What share of a route's requests is answered with a class of status."""
    chosen = f'status="{status}"'
    return f"{rate(REQUESTS, 'route', where=chosen)} / {rate(REQUESTS, 'route')}"
