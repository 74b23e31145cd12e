"""Whether a log tells of another policy at all."""

from dataclasses import dataclass

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.intervals import Ratios
from coterie.offpolicy.logged import LoggedLists
from coterie.offpolicy.weights import ListModel, ListWeights

_ERRORS = 4.0
"""Standard errors by which a mean may miss what it is held against."""


@dataclass(frozen=True, slots=True)
class OverlapLimits:
    """What a log has to show of the policy that is judged."""

    min_effective: float = 100.0
    """Lists that would tell as much if all counted alike, at the worst place."""
    min_covered: float = 0.95
    """Share of the judged policy's choices that the log could have shown, at the worst place."""

    def __post_init__(self) -> None:
        if self.min_effective < 1 or not 0 < self.min_covered <= 1:
            raise BadInputError(f"at least one list, and a share in (0, 1], is asked for: {self}")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a log shows of the policy that is judged."""

    covered: float
    """Mean weight at the worst place: 1 where the log could have shown all that it would."""
    effective: float
    """Effective number of lists at the worst place."""
    place: int
    """The place where fewest lists tell, from 0."""


def overlap_of(logged: LoggedLists, weights: ListWeights) -> Overlap:
    """Measure what a log shows of a policy, before anything is clipped."""
    there = logged.shown.sum(axis=0)
    used = np.flatnonzero(there)
    means = weights.here[:, used].sum(axis=0) / there[used]
    effective = weights.effective()[used]
    worst = int(effective.argmin())
    return Overlap(float(means.min()), float(effective[worst]), int(used[worst]))


def require_overlap(
    logged: LoggedLists,
    weights: ListWeights,
    model: ListModel,
    limits: OverlapLimits = OverlapLimits(),
) -> Overlap:
    """Refuse to judge a policy of which a log tells too little.

    The mean weight of a place is 1 if the log could have shown all that the policy would, whatever
    the policy is, and below if it could not.

    Raises:
        BadInputError: The log never varied, lacks what the policy shows, says probabilities that do
            not fit, or too few of its lists tell anything.
    """
    found = overlap_of(logged, weights)
    shown = logged.shown
    if (logged.propensity[shown] > 1 - 1e-12).all() and found.covered < limits.min_covered:
        raise BadInputError(
            f"the log never varied: all {int(shown.sum()):,} places hold what was sure to stand "
            f"there, and the candidate agrees with {found.covered:.0%} of them at the worst place: "
            "log lists of which a share is drawn by chance, then judge again"
        )
    low, high = _bounds(logged, weights)
    if high < limits.min_covered:
        raise BadInputError(
            f"the log could have shown {found.covered:.0%} of what the candidate shows (list model "
            f"{model.value}, worst place), at least {limits.min_covered:.0%} are needed: judge a "
            "candidate that is nearer to what was served, or log lists that vary more"
        )
    if low > 1 / limits.min_covered:
        raise BadInputError(
            f"the candidate's weights average {low:.2f} or more where 1 was expected (list model "
            f"{model.value}): the logged propensities are too small, see how they are computed"
        )
    if found.effective < limits.min_effective:
        raise BadInputError(
            f"of {logged.num_lists:,} lists the candidate weighs as much as {found.effective:.0f} "
            f"would (list model {model.value}, place {found.place + 1}), {limits.min_effective:.0f}"
            " are needed: log for longer, or choose a list model that assumes more"
        )
    return found


def _bounds(logged: LoggedLists, weights: ListWeights) -> tuple[float, float]:
    """Bound mean weights: the highest that the worst place may have, the lowest of the best."""
    there = logged.shown.astype(np.float64)
    used = np.flatnonzero(there.sum(axis=0))
    means = Ratios(weights.here[:, used], there[:, used], np.ones(1))
    num = means.below.sum(axis=0)
    mean = means.above.sum(axis=0) / num
    parts = means.above - mean * means.below
    errors = np.sqrt((_by_shopper(parts, logged.shopper) ** 2).sum(axis=0)) / num
    return float((mean - _ERRORS * errors).max()), float((mean + _ERRORS * errors).min())


def _by_shopper(parts: np.ndarray, shopper: np.ndarray) -> np.ndarray:
    order = np.argsort(shopper, kind="stable")
    _, starts = np.unique(shopper[order], return_index=True)
    return np.add.reduceat(parts[order], starts, axis=0)
