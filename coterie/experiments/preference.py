"""What an experiment has found whose lists are of both arms: which arm's items please more.

Each shopper sees both arms, so their outcome is a difference by itself: what followed from items,
times their credit, over the lists and the time of the experiment's window. Were both arms alike,
its mean would be 0, whatever places people like to click on.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.experiments.analysis import told_difference, verdict
from coterie.experiments.definition import INTERLEAVED, Experiment, Metric
from coterie.experiments.estimates import ArmDifference
from coterie.experiments.outcomes import arms_of_rows
from coterie.impressions.attribution import attributed, milliseconds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_COUNTED: Final[Mapping[Metric, str]] = {
    Metric.CLICK_RATE: "clicked",
    Metric.PURCHASE_RATE: "purchased",
    Metric.PURCHASES: "purchased",
    Metric.REVENUE: "revenue",
}
"""Of an item shown, what a metric adds up."""


def interleaved_result(
    experiment: Experiment, impressions: pa.Table, events: pa.Table, now_ms: int
) -> dict[str, Any]:
    """Judge an experiment that interleaves, as it stands.

    Args:
        experiment: Which one.
        impressions: As ``read_impressions`` gives them.
        events: As ``read_exported_events`` gives them.
        now_ms: Until when windows are over, milliseconds since 1970.

    Returns:
        Plain values, as ``analysis.result`` gives them. A mean of an arm is what a shopper did that
        is credited to it.
    """
    rows, first_ms, who = _shown(experiment, impressions)
    outcome = _credited(experiment, rows, events, first_ms, who)
    over = first_ms + experiment.window_s * 1000 <= now_ms
    each = [one[over] for one in outcome]
    told = {
        "name": experiment.name,
        "metric": str(experiment.metric),
        "window_s": experiment.window_s,
        "alpha": experiment.alpha,
        "at_ms": now_ms,
        "runs": experiment.runs,
        "interleaved": True,
        "arms": [_arm(experiment, rows, len(over), one, number) for number, one in enumerate(each)],
        "variance_gone": 0.0,
        "comparisons": [_comparison(experiment, *each)],
        "guardrails": [],
        "segments": [],
        "mismatch": {"e_value": 1.0, "mismatch": False},
        "switched": 0,
    }
    return {**told, "verdict": verdict(told)}


def _shown(experiment: Experiment, impressions: pa.Table) -> tuple[pa.Table, Ints, Ints]:
    """Take the rows of both arms, when each shopper first saw one, and each row's shopper."""
    ours = arms_of_rows(impressions, experiment, [INTERLEAVED]) == 0
    ours &= impressions["shown_ts_ms"].to_numpy() >= experiment.started_ms
    rows = impressions.filter(pc.and_(pa.array(ours), pc.is_valid(impressions["credit"])))
    people = rows["user_id"].combine_chunks().dictionary_encode()
    who = people.indices.to_numpy().astype(np.int64)
    first_ms = np.full(len(people.dictionary), np.iinfo(np.int64).max)
    np.minimum.at(first_ms, who, rows["shown_ts_ms"].to_numpy())
    return rows, first_ms, who


def _credited(
    experiment: Experiment, rows: pa.Table, events: pa.Table, first_ms: Ints, who: Ints
) -> tuple[Floats, Floats]:
    """Add up what each shopper did in their window that is credited to either arm."""
    ids = pc.unique(rows["user_id"])
    of_event = pc.fill_null(pc.index_in(events["user_id"], value_set=ids), -1)
    person = np.asarray(of_event, np.int64)
    ends = first_ms + int(experiment.window_s * 1000)
    within = person >= 0
    within[within] = milliseconds(events["ts"])[within] <= ends[person[within]]
    unnamed = experiment.metric is not Metric.CLICK_RATE
    joined = attributed(rows, events.filter(pa.array(within)), experiment.window_s, unnamed)
    did = np.asarray(joined[_COUNTED[experiment.metric]], np.float64)
    credit = rows["credit"].to_numpy()
    num = len(first_ms)
    first, second = did * np.maximum(credit, 0.0), did * np.maximum(-credit, 0.0)
    return _of_each(who, first, num), _of_each(who, second, num)


def _of_each(who: Ints, weight: Floats, num: int) -> Floats:
    return np.bincount(who, weight, num).astype(np.float64)


def _comparison(experiment: Experiment, first: Floats, second: Floats) -> dict[str, Any]:
    credit = second - first
    num = len(credit)
    error = float(credit.std(ddof=1)) / math.sqrt(num) if num > 1 else math.inf
    mean = float(credit.mean()) if num else 0.0
    # Without a base: what is credited says which arm pleases more, not how much more it would sell.
    told = told_difference(ArmDifference(mean, error, num, 0.0), experiment.alpha)
    both = float(first.sum() + second.sum())
    share = float(second.sum()) / both if both else None
    names = [arm.name for arm in experiment.arms]
    return {**told, "arm": names[1], "against": names[0], "share": share}


def _arm(
    experiment: Experiment, rows: pa.Table, shoppers: int, credited: Floats, number: int
) -> dict[str, Any]:
    arm = experiment.arms[number]
    theirs = pc.equal(rows["team"], arm.name)
    return {
        "name": arm.name,
        "shows": arm.shows,
        "stopped": arm.stopped,
        "chance": experiment.chances[number],
        "shoppers": shoppers,
        "windows_over": len(credited),
        "lists": int(pc.count_distinct(rows["list_id"].filter(theirs)).as_py()),
        "mean": float(credited.mean()) if len(credited) else None,
        "releases": sorted(pc.unique(rows["release"]).to_pylist()),
    }
