"""All that Grafana and Prometheus ask, and which metrics it names."""

import re

from coterie.monitoring.dashboards import DASHBOARDS
from coterie.monitoring.panels import ROLLBACKS

SELECTOR = re.compile(r'\b(?:coterie|ray)[a-z0-9_:]*(?:\{(?:[^"}]|"[^"]*")*\})?')
SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def drawn():
    """Expressions of dashboards."""
    for board in DASHBOARDS:
        for panel in board.panels:
            yield from (query.expr for query in panel.queries)
    yield ROLLBACKS


def of_ray(expr):
    return "ray_" in expr


def selectors(expr):
    """Every ``metric{labels}`` in it."""
    return SELECTOR.findall(expr)


def names(expr):
    """Metrics in it, without the ends that samples have."""
    return {base(one.partition("{")[0]) for one in selectors(expr)}


def base(name):
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def shortened(expr, window="20s"):
    """Over seconds in the place of hours."""
    return re.sub(r"\[(?:\$__rate_interval|\d+[smhd])\]", f"[{window}]", expr)
