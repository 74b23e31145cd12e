"""Sessions: what a shopper sees and does without a long break is one visit."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.experiments.definition import Experiment
from coterie.experiments.outcomes import ShopperOutcomes
from coterie.impressions.attribution import milliseconds

GAP_S: Final = 1_800.0
"""A break that ends a session, as web analytics has it."""


def sessions(
    experiment: Experiment, shoppers: ShopperOutcomes, impressions: pa.Table, events: pa.Table
) -> npt.NDArray[np.float64]:
    """Count each shopper's sessions within their window, by lists and events alike.

    Args:
        experiment: Whose window it is.
        shoppers: Each once.
        impressions: As ``read_impressions`` gives them.
        events: As ``read_exported_events`` gives them.

    Returns:
        Shape (shoppers,): one at least, since each saw a list.
    """
    ids = pa.array(shoppers.user_id.tolist(), pa.string())
    users = pa.chunked_array([*impressions["user_id"].chunks, *events["user_id"].chunks])
    who = np.asarray(pc.fill_null(pc.index_in(users, value_set=ids), -1), np.int64)
    at = np.concatenate([impressions["shown_ts_ms"].to_numpy(), milliseconds(events["ts"])])
    at, who = at[who >= 0], who[who >= 0]
    late = at - shoppers.first_ms[who]
    within = (late >= 0) & (late <= experiment.window_s * 1000)
    at, who = at[within], who[within]
    order = np.lexsort((at, who))
    at, who = at[order], who[order]
    begins = np.ones(len(who), np.bool_)
    begins[1:] = (who[1:] != who[:-1]) | (at[1:] - at[:-1] > GAP_S * 1000)
    return np.bincount(who[begins], minlength=len(ids)).astype(np.float64)


def a_count(
    arm: npt.NDArray[np.int64], amount: npt.NDArray[np.float64], count: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Give shoppers outcomes whose mean within an arm is its amount a count, of a session say.

    Their spread is that of the ratio (the delta method): sessions of one shopper are no independent
    ones, shoppers are.

    Args:
        arm: Of each shopper, shape (n,).
        amount: What is added up, likewise.
        count: What it is divided by, likewise.
    """
    outcome = np.zeros(len(amount))
    for one in np.unique(arm):
        rows = arm == one
        outcome[rows] = linear(amount[rows], count[rows])
    return outcome


def linear(
    amount: npt.NDArray[np.float64], count: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Linearise a ratio of sums over shoppers; see ``a_count``, of one arm."""
    whole = float(count.sum())
    if whole <= 0.0:
        return np.zeros(len(amount))
    ratio = float(amount.sum()) / whole
    return ratio + (amount - ratio * count) / (whole / len(count))
