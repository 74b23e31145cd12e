"""What recommendations earned: shoppers who get them, held against a holdout that does not.

Of a holdout's experiment, whose first arm gets popular items: what shoppers of the other arm do
more, by each metric, with intervals that hold at every look. Beside it, without a baseline, where
purchases came from.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.experiments.analysis import compared
from coterie.experiments.definition import HOLDOUT, Experiment, Metric
from coterie.experiments.outcomes import experiment_data, milliseconds
from coterie.impressions.attribution import attributed
from coterie.schema import EventKind

METRICS: Final = (Metric.PURCHASE_RATE, Metric.PURCHASES, Metric.REVENUE)
"""Conversion, orders and revenue, each a shopper in the window of the experiment."""


def earned(
    experiment: Experiment, impressions: pa.Table, events: pa.Table, now_ms: int
) -> dict[str, Any] | None:
    """Say what recommendations earned; None of an experiment that holds nobody out.

    Args:
        experiment: A holdout.
        impressions: As ``read_impressions`` gives them.
        events: As ``read_exported_events`` gives them.
        now_ms: Until when windows are over, milliseconds since 1970.

    Returns:
        ``metrics``: of each the mean of who is held out, the difference, its interval, and what
        that is over all shoppers of the other arm. ``from_lists``: the share of the purchases of
        that arm's shoppers that follow from a list. ``discovered``: the share of these that are of
        items which the shopper had nothing to do with in the events before.
    """
    if experiment.layer != HOLDOUT:
        return None
    metrics = {}
    # Each is looked at at once, so alpha is shared.
    alpha = experiment.alpha / len(METRICS)
    for metric in METRICS:
        asked = replace(experiment, metric=metric, guardrails=())
        data = experiment_data(impressions, events, asked, now_ms)
        told = compared(data.shoppers, alpha)
        num = int((data.shoppers.arm == 1).sum())
        told["shoppers"] = num
        for name in ("difference", "low", "high"):
            told[f"whole_{name}"] = None if told[name] is None else told[name] * num
        metrics[str(metric)] = told
    return {"metrics": metrics, **_sources(experiment, impressions, events)}


def _sources(experiment: Experiment, impressions: pa.Table, events: pa.Table) -> dict[str, Any]:
    """Tell where purchases of shoppers with recommendations came from."""
    name, arm = experiment.name, experiment.arms[1].name
    theirs = pc.and_(pc.equal(impressions["experiment"], name), pc.equal(impressions["arm"], arm))
    rows = impressions.filter(theirs)
    bought = events.filter(
        pc.and_(
            pc.equal(events["event"], str(EventKind.PURCHASE)),
            pc.is_in(events["user_id"], value_set=pc.unique(rows["user_id"])),
        )
    )
    joined = attributed(rows, bought, experiment.window_s, unnamed=True)
    followed = joined.filter(joined["purchased"])
    num, num_bought = followed.num_rows, bought.num_rows
    return {
        "purchases": num_bought,
        "from_lists": min(1.0, num / num_bought) if num_bought else None,
        "discovered": _discovered(followed, events) if num else None,
    }


def _discovered(followed: pa.Table, events: pa.Table) -> float:
    """Tell which share of what was bought from lists its shopper had not touched before."""
    pair = [
        pc.binary_join_element_wise(table["user_id"], table["item_id"], "\x1f").combine_chunks()
        for table in (followed, events)
    ]
    row = np.asarray(pc.fill_null(pc.index_in(pair[1], value_set=pair[0]), -1), np.int64)
    at = milliseconds(events["ts"])
    shown = followed["shown_ts_ms"].to_numpy()
    before = (row >= 0) & (at < shown[np.maximum(row, 0)])
    known = np.zeros(len(shown), np.bool_)
    known[row[before]] = True
    return float((~known).mean())
