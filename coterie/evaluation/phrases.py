"""Numbers and names as people read them; whatever comes from outside leaves here escaped."""

import html
import math
from typing import Any

from coterie.evaluation.comparison import ALL_FRIENDS, WITHOUT_TIES
from coterie.evaluation.significance import Estimate, PairedTest
from coterie.models import MODELS

METRIC_NAMES = {
    "recall": "Recall",
    "ndcg": "NDCG",
    "precision": "Precision",
    "hit_rate": "Hit rate",
    "coverage": "Coverage",
    "novelty": "Novelty",
    "diversity": "Diversity",
    "category_diversity": "Category diversity",
}
SIGNIFICANT = 0.05


def escape(text: Any) -> str:
    """Make text from outside harmless in HTML, and in Plotly's labels, which read tags as well."""
    return html.escape(str(text), quote=True)


def name_model(model: str) -> str:
    """Write ``item_knn`` as "Item-kNN"; a model that is not ours keeps its name."""
    if model == WITHOUT_TIES:
        return "Social, no ties"
    if model == ALL_FRIENDS:
        return "Social, all friends"
    return escape(MODELS[model].label if model in MODELS else model.replace("_", " "))


def name_metric(metric: str) -> str:
    """Write ``hit_rate@20`` as "Hit rate@20"."""
    kind, _, k = metric.partition("@")
    name = METRIC_NAMES.get(kind, kind.replace("_", " "))
    return escape(f"{name}@{k}" if k else name)


def write_number(value: Any) -> str:
    """Write whole numbers with thousands separators, others to four digits that matter.

    >>> write_number(12345), write_number(0.123456), write_number(2.0), write_number(None)
    ('12,345', '0.1235', '2', 'not known')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not known"
    if isinstance(value, bool | str):
        return escape(value)
    if float(value).is_integer() or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def write_metric(metric: str, value: float) -> str:
    """Write a metric's value: four decimals where it is a share, two where it counts bits."""
    return f"{value:.2f}" if metric.startswith("novelty") else f"{value:.4f}"


def write_interval(metric: str, figure: Estimate) -> str:
    """Write an interval as ``0.1039 to 0.1177``; nothing where none is known."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{write_metric(metric, figure.low)} to {write_metric(metric, figure.high)}"


def write_percent(share: float) -> str:
    """Write a change, with its sign.

    >>> write_percent(0.0361), write_percent(-0.2), write_percent(0.0)
    ('+3.6 %', '\N{MINUS SIGN}20.0 %', '0.0 %')
    """
    rounded = round(100 * share, 1)
    sign = "+" if rounded > 0 else "\N{MINUS SIGN}" if rounded < 0 else ""
    return f"{sign}{abs(rounded):.1f} %"


def write_change(test: PairedTest) -> str:
    """Write how much better, relatively if that can be said, else in the metric's own unit."""
    if test.relative is None:
        return f"{test.difference.mean:+.4f}"
    return write_percent(test.relative.mean)


def write_change_interval(test: PairedTest) -> str:
    """Write the interval of :func:`write_change`; nothing where none is known."""
    figure = test.relative
    if figure is None:
        return write_interval("", test.difference)
    if figure.low is None or figure.high is None:
        return ""
    return f"{write_percent(figure.low)} to {write_percent(figure.high)}"


def write_p(p_value: float | None) -> str:
    """Write ``p = 0.060``, ``p < 0.001`` (as HTML), or that too few shoppers were there to tell."""
    if p_value is None:
        return "too few shoppers to tell"
    return "p &lt; 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def is_sure(test: PairedTest) -> bool:
    """Tell whether a difference is unlikely to be chance."""
    return test.p_value is not None and test.p_value < SIGNIFICANT
