"""What recommendations earned: shoppers who get them, held against a holdout that does not.

Of a holdout's experiment, whose first arm gets popular items: what shoppers of the other arm do
more, by each figure, with intervals that hold at every look. Beside it, without a baseline, which
shares of their purchases lists, and friends, led to.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.experiments.analysis import compared
from coterie.experiments.definition import HOLDOUT, Experiment, Metric
from coterie.experiments.estimates import ArmDifference
from coterie.experiments.outcomes import ShopperOutcomes, experiment_data
from coterie.experiments.sessions import a_count, linear, sessions
from coterie.impressions.attribution import attributed, milliseconds
from coterie.schema import EventKind

Floats = npt.NDArray[np.float64]
METRICS: Final = (Metric.PURCHASE_RATE, Metric.PURCHASES, Metric.REVENUE)
"""Conversion, orders and revenue, each a shopper in the window of the experiment."""
SESSION: Final = "revenue_a_session"
DISCOVERIES: Final = "discoveries"
SHARES: Final = ("from_lists", "by_friends", "discovered")
_LOOKED_AT: Final = len(METRICS) + 2 + len(SHARES)


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
        that is over all shoppers of the other arm: those of ``METRICS``, revenue of a session, and
        purchases of items that the shopper had nothing to do with before. ``shares``: of the
        purchases of the other arm's shoppers, the share that follows from a list; of these, the
        share of their scores that came from friends, and the share of items that were new to the
        shopper, each with its interval. ``held_out`` and ``with_lists`` count shoppers whose
        window is over, ``purchases`` and ``sessions`` those of the other arm; ``alpha`` is each
        interval's own.
    """
    if experiment.layer != HOLDOUT:
        return None
    # Each is looked at at once, so alpha is shared.
    alpha, metrics = experiment.alpha / _LOOKED_AT, {}
    for metric in METRICS:
        asked = replace(experiment, metric=metric, guardrails=())
        shoppers = experiment_data(impressions, events, asked, now_ms).shoppers
        metrics[str(metric)] = _against_holdout(shoppers, alpha)
    # The last of them counts revenue.
    num_sessions = sessions(experiment, shoppers, impressions, events)
    by_session = _outcome(shoppers, a_count(shoppers.arm, shoppers.outcome, num_sessions))
    metrics[SESSION] = _against_holdout(
        by_session, alpha, int(num_sessions[shoppers.arm == 1].sum())
    )
    bought = _bought(experiment, shoppers, events)
    new = np.bincount(bought.who[~bought.known], minlength=len(shoppers.arm)).astype(np.float64)
    metrics[DISCOVERIES] = _against_holdout(_outcome(shoppers, new), alpha)
    return {
        "metrics": metrics,
        "shares": _shares(experiment, shoppers, impressions, bought, alpha),
        "held_out": int((shoppers.arm == 0).sum()),
        "with_lists": int((shoppers.arm == 1).sum()),
        "purchases": int((shoppers.arm[bought.who] == 1).sum()),
        "sessions": int(num_sessions[shoppers.arm == 1].sum()),
        "alpha": alpha,
    }


def _against_holdout(
    shoppers: ShopperOutcomes, alpha: float, units: int | None = None
) -> dict[str, Any]:
    """Compare with who is held out; over all there are ``units``, shoppers if not given."""
    told = compared(shoppers, alpha)
    num = int((shoppers.arm == 1).sum())
    told["shoppers"] = num
    for name in ("difference", "low", "high"):
        whole = None if told[name] is None else told[name] * (num if units is None else units)
        told[f"whole_{name}"] = whole
    return told


def _outcome(shoppers: ShopperOutcomes, outcome: Floats) -> ShopperOutcomes:
    return replace(shoppers, outcome=outcome, before=np.zeros(len(outcome)))


@dataclass(frozen=True, slots=True)
class _BoughtInWindow:
    """Purchases in windows, as columns of shape (purchases,)."""

    rows: pa.Table
    """Of events."""
    who: npt.NDArray[np.int64]
    """Row of the shopper."""
    known: npt.NDArray[np.bool_]
    """Whether they had to do with the item before their window."""


def _bought(experiment: Experiment, shoppers: ShopperOutcomes, events: pa.Table) -> _BoughtInWindow:
    """Find what shoppers bought within their windows, and what of it they had met before."""
    ids = pa.array(shoppers.user_id.tolist(), pa.string())
    who = np.asarray(pc.fill_null(pc.index_in(events["user_id"], value_set=ids), -1), np.int64)
    events, who = events.filter(pa.array(who >= 0)), who[who >= 0]
    late = milliseconds(events["ts"]) - shoppers.first_ms[who]
    pair = pc.binary_join_element_wise(events["user_id"], events["item_id"], "\x1f")
    met = pc.is_in(pair, value_set=pc.unique(pair.filter(pa.array(late < 0))))
    is_purchase = np.asarray(pc.equal(events["event"], str(EventKind.PURCHASE)))
    within = is_purchase & (late >= 0) & (late <= experiment.window_s * 1000)
    known = np.asarray(met, np.bool_)
    return _BoughtInWindow(events.filter(pa.array(within)), who[within], known[within])


def _shares(
    experiment: Experiment,
    shoppers: ShopperOutcomes,
    impressions: pa.Table,
    bought: _BoughtInWindow,
    alpha: float,
) -> dict[str, Any]:
    """Tell where purchases of shoppers with recommendations came from."""
    with_lists = shoppers.arm == 1
    name, arm = experiment.name, experiment.arms[1].name
    ours = pc.and_(pc.equal(impressions["experiment"], name), pc.equal(impressions["arm"], arm))
    ids = pa.array(shoppers.user_id.tolist(), pa.string())
    joined = attributed(impressions.filter(ours), bought.rows, experiment.window_s, unnamed=True)
    followed = joined.filter(joined["purchased"])
    of = np.asarray(pc.fill_null(pc.index_in(followed["user_id"], value_set=ids), -1), np.int64)
    followed, of = followed.filter(pa.array(of >= 0)), of[of >= 0]

    def total(who: npt.NDArray[np.int64], weight: Floats | None = None) -> Floats:
        found: Floats = np.bincount(who, weight, len(with_lists))[with_lists].astype(np.float64)
        return found

    friends = pc.fill_null(followed["by_friends"], float("nan")).to_numpy()
    told = np.isfinite(friends)
    new = ~np.isin(_pairs(followed), _pairs(bought.rows.filter(pa.array(bought.known))))
    parts = {
        "from_lists": (np.minimum(total(of), total(bought.who)), total(bought.who)),
        "by_friends": (total(of[told], friends[told]), total(of[told])),
        "discovered": (total(of, new.astype(np.float64)), total(of)),
    }
    return {name: _share(*parts[name], alpha) for name in SHARES}


def _pairs(rows: pa.Table) -> npt.NDArray[np.str_]:
    pair = pc.binary_join_element_wise(rows["user_id"], rows["item_id"], "\x1f")
    return np.asarray(pair.to_pylist(), np.str_)


def _share(part: Floats, whole: Floats, alpha: float) -> dict[str, Any]:
    """Say a share of all, with an interval over shoppers that holds at every look."""
    count, num = float(whole.sum()), len(whole)
    if count <= 0.0:
        return {"value": None, "low": None, "high": None, "of": 0}
    value = float(part.sum()) / count
    spread = float(linear(part, whole).std(ddof=1)) if num > 1 else math.inf
    radius = ArmDifference(value, spread / math.sqrt(num), num, 0.0).radius(alpha)
    low, high = (max(0.0, value - radius), min(1.0, value + radius))
    known = math.isfinite(radius)
    return {
        "value": value,
        "low": low if known else None,
        "high": high if known else None,
        "of": int(count),
    }
