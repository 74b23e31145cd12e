"""Pieces of PromQL that several dashboards are made of, and colours of their values."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.panels import FINE, PanelQuery, Steps
from coterie.monitoring.rules import LISTS_ROUTE
from coterie.rollout.plan import EARLIER_NAMES, SIGNALS

RANGE: Final = "$__rate_interval"
QUANTILES: Final = (0.5, 0.95, 0.99)


def rate(metric: str, *by: str, where: str = "") -> str:
    """Ask for events a second, added up over replicas."""
    sums = f"sum by ({', '.join(by)}) " if by else "sum"
    selected = f"{metric}{{{where}}}" if where else metric
    return f"{sums}(rate({selected}[{RANGE}]))"


def share(part: str, whole: str, by: str = "") -> str:
    """Divide by the whole, also each of several parts that carry a label."""
    return f"{part} / on () group_left () {whole}" if by else f"{part} / {whole}"


def quantile(q: float, metric: str, *by: str, where: str = "") -> str:
    """Ask for a quantile of a histogram."""
    return f"histogram_quantile({q:g}, {rate(f'{metric}_bucket', *by, 'le', where=where)})"


def quantiles(metric: str, where: str = "") -> list[PanelQuery]:
    """Ask for median, 95th and 99th percentile of a histogram."""
    return [PanelQuery(quantile(q, metric, where=where), f"p{100 * q:g}") for q in QUANTILES]


def above(warning: float, bad: float | None = None) -> Steps:
    """Colour yellow from a value on and red from another on; without it, red at once."""
    if bad is None:
        return (*FINE, (warning, "red"))
    return (*FINE, (warning, "yellow"), (bad, "red"))


def below(bad: float) -> Steps:
    """Colour red what is under a value."""
    return ((None, "red"), (bad, "green"))


def newest(metric: str, where: str = "") -> str:
    """Turn the newest of the times of a metric into its age."""
    selected = f"{metric}{{{where}}}" if where else metric
    return f"time() - max({selected} > 0)"


LISTS: Final = f'route="{LISTS_ROUTE}"'


def signal_share(signal: str) -> str:
    """Ask for the share of an arm's lists that a signal of rollouts counts."""
    whole = metric_names.ARM_SHOWN if SIGNALS[signal].of_shown else metric_names.ARM_ANSWERS
    if SIGNALS[signal].paired:
        chosen = f'signal="{signal}"'
        pairs = rate(metric_names.ARM_PAIRS, "arm", where=chosen)
        return f"{rate(metric_names.ARM_SIGNALS, 'arm', where=chosen)} / {pairs}"
    earlier = [old for old, name in EARLIER_NAMES.items() if name == signal]
    # Of before an upgrade, a Prometheus has samples under the earlier name.
    chosen = f'signal=~"{"|".join([signal, *earlier])}"' if earlier else f'signal="{signal}"'
    return f"{rate(metric_names.ARM_SIGNALS, 'arm', where=chosen)} / {rate(whole, 'arm')}"


def status_share(status: str) -> str:
    """Ask for the share of a route's requests that is answered with a class of status."""
    chosen = f'status="{status}"'
    asked = metric_names.HTTP_REQUESTS
    return f"{rate(asked, 'route', where=chosen)} / {rate(asked, 'route')}"
