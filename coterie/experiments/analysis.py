"""What an experiment has found so far: effects, guardrails, and whether it may be believed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.experiments.checks import discoveries, ratio_e_value
from coterie.experiments.definition import GUARDRAIL_LIMITS, Experiment, Guardrail
from coterie.experiments.estimates import ArmDifference, adjusted, difference
from coterie.experiments.outcomes import RATES, ArmLists, ExperimentData, ShopperOutcomes
from coterie.rollout.evidence import ArmCounts, Evidence, Worse

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MISMATCH_ALPHA: Final = 0.001
"""Chance that a lot as it was meant is called none: who is told so may not believe the rest."""
SLOW_SHARE: Final = 0.05
"""Share of the first arm's lists that count as slow."""
FIRST_LISTS: Final = 200
"""Of the first arm, that say what is slow; later ones are judged."""
WINDOWS: Final = 40
"""Parts of time whose counts are added up, since shares of traffic may differ."""


@dataclass(frozen=True, slots=True)
class JudgedGuardrail:
    """A guardrail of one arm."""

    arm: str
    guardrail: Guardrail
    evidence: Evidence
    limit: float
    alpha: float

    @property
    def e_value(self) -> float:
        """The e-value against the limit: as a rollout's signal."""
        return self.evidence.against(self.limit, _worse(self.guardrail))

    @property
    def breached(self) -> bool:
        """Whether the arm is worse than the limit, at any look, with so small a chance of error."""
        return self.e_value >= 1.0 / self.alpha

    def as_json(self) -> dict[str, Any]:
        """Make plain values."""
        interval = self.evidence.interval(self.alpha)
        return {
            "arm": self.arm,
            "guardrail": str(self.guardrail),
            "counts": [self.evidence.canary.events, self.evidence.canary.samples],
            "first_counts": [self.evidence.stable.events, self.evidence.stable.samples],
            "ratio": interval.ratio,
            "low": interval.low,
            "high": interval.high,
            "limit": self.limit,
            "e_value": self.e_value,
            "breaches_at": 1.0 / self.alpha,
            "breached": self.breached,
        }


def result(
    experiment: Experiment, data: ExperimentData, now_ms: int, community: Ints | None = None
) -> dict[str, Any]:
    """Judge an experiment as it stands.

    Args:
        experiment: Which one.
        data: What its shoppers saw and did.
        now_ms: Of what moment this is.
        community: Of each of ``data.shoppers``, where communities were drawn, shape (n,).

    Returns:
        Plain values: ``arms``, ``comparisons``, ``guardrails``, ``segments``, ``mismatch`` and
        ``verdict``, a sentence.
    """
    shoppers = data.shoppers
    outcome, gone = adjusted(shoppers.outcome, shoppers.before, shoppers.arm)
    judged = guardrails(experiment, data)
    comparisons = [
        _comparison(experiment, shoppers, outcome, number, community)
        for number in range(1, len(experiment.arms))
    ]
    mismatch = ratio_e_value(data.drawn.tolist(), experiment.chances)
    told = {
        "name": experiment.name,
        "metric": str(experiment.metric),
        "window_s": experiment.window_s,
        "alpha": experiment.alpha,
        "at_ms": now_ms,
        "runs": experiment.runs,
        "arms": [_arm(experiment, data, number) for number in range(len(experiment.arms))],
        "variance_gone": gone,
        "comparisons": comparisons,
        "guardrails": [one.as_json() for one in judged],
        "segments": _segments(experiment, shoppers, outcome, community),
        "mismatch": {
            "e_value": mismatch,
            "mismatch": experiment.unit == "shopper" and mismatch >= 1.0 / MISMATCH_ALPHA,
        },
        "switched": data.switched,
    }
    return {**told, "verdict": verdict(told)}


def compared(shoppers: ShopperOutcomes, alpha: float) -> dict[str, Any]:
    """Hold the second arm against the first, and nothing else; plain values."""
    outcome, _ = adjusted(shoppers.outcome, shoppers.before, shoppers.arm)
    told = told_difference(_estimate(shoppers, outcome, 1, None), alpha)
    first = shoppers.outcome[shoppers.arm == 0]
    return {**told, "base": float(first.mean()) if len(first) else None}


def guardrails(experiment: Experiment, data: ExperimentData) -> list[JudgedGuardrail]:
    """Hold each arm's guardrails against the first arm's."""
    others = range(1, len(experiment.arms))
    alpha = experiment.alpha / max(1, len(experiment.guardrails) * len(others))
    found = []
    for guardrail in experiment.guardrails:
        arm, at, counted = _samples(guardrail, data)
        for number in others:
            found.append(
                JudgedGuardrail(
                    experiment.arms[number].name,
                    guardrail,
                    _evidence(arm, at, counted, number),
                    GUARDRAIL_LIMITS[guardrail],
                    alpha,
                )
            )
    return found


def _samples(guardrail: Guardrail, data: ExperimentData) -> tuple[Ints, Ints, Bools]:
    """Give arm, time and whether it counts, of all that a guardrail is of."""
    lists, shoppers = data.lists, data.shoppers
    if guardrail is Guardrail.RETURNS:
        bought = shoppers.bought
        return shoppers.arm[bought], shoppers.first_ms[bought], shoppers.returned[bought]
    if guardrail is Guardrail.CLICKS:
        return lists.arm, lists.shown_ms, lists.clicked
    if guardrail is Guardrail.SHIELDED:
        return lists.arm, lists.shown_ms, lists.shielded
    return _slow(lists)


def _slow(lists: ArmLists) -> tuple[Ints, Ints, Bools]:
    """Call slow what nearly none of the first arm's first lists was; these judge nothing."""
    timed = np.isfinite(lists.made_ms)
    first = np.flatnonzero(timed & (lists.arm == 0))[:FIRST_LISTS]
    if len(first) < FIRST_LISTS:
        none = np.zeros(0, np.int64)
        return none, none, none.astype(np.bool_)
    limit = float(np.quantile(lists.made_ms[first], 1.0 - SLOW_SHARE))
    timed[: first[-1] + 1] = False
    return lists.arm[timed], lists.shown_ms[timed], lists.made_ms[timed] > limit


def _evidence(arm: Ints, at: Ints, counted: Bools, number: int) -> Evidence:
    """Add up counts of two arms in windows of time."""
    of_two = (arm == 0) | (arm == number)
    order = np.flatnonzero(of_two)[np.argsort(at[of_two], kind="stable")]
    evidence = Evidence()
    for rows in np.array_split(order, min(WINDOWS, max(1, len(order) // 50))):
        theirs, first = rows[arm[rows] == number], rows[arm[rows] == 0]
        evidence = evidence.add(
            ArmCounts(len(theirs), int(counted[theirs].sum())),
            ArmCounts(len(first), int(counted[first].sum())),
        )
    return evidence


def _worse(guardrail: Guardrail) -> Worse:
    return Worse.LESS if guardrail is Guardrail.CLICKS else Worse.MORE


def _comparison(
    experiment: Experiment,
    shoppers: ShopperOutcomes,
    outcome: npt.NDArray[np.float64],
    number: int,
    community: Ints | None,
) -> dict[str, Any]:
    alpha = experiment.alpha / (len(experiment.arms) - 1)
    told = told_difference(_estimate(shoppers, outcome, number, community), alpha)
    told["arm"], told["against"] = experiment.arms[number].name, experiment.arms[0].name
    if experiment.metric in RATES and community is None:
        evidence = _evidence(shoppers.arm, shoppers.first_ms, shoppers.outcome > 0, number)
        e_values = [evidence.against(1.0, worse) for worse in Worse]
        told["rate_e_value"] = sum(e_values) / len(e_values)
    return told


def _estimate(
    shoppers: ShopperOutcomes,
    outcome: npt.NDArray[np.float64],
    number: int,
    community: Ints | None,
    part: Bools | None = None,
) -> ArmDifference | None:
    """Hold an arm against the first one; None where one of them has nobody."""
    rows = (shoppers.arm == 0) | (shoppers.arm == number)
    rows = rows if part is None else rows & part
    treated = shoppers.arm[rows] == number
    if not 0 < int(treated.sum()) < len(treated):
        return None
    return difference(treated, outcome[rows], None if community is None else community[rows])


def told_difference(estimate: ArmDifference | None, alpha: float) -> dict[str, Any]:
    """Say what is known of a difference; ``low`` is None where that is nothing yet."""
    if estimate is None or not estimate.says or not math.isfinite(estimate.radius(alpha)):
        units = 0 if estimate is None else estimate.units
        return {"units": units, "difference": None, "low": None, "high": None, "e_value": 1.0}
    low, high = estimate.interval(alpha)
    base = estimate.base
    shares = [one / base if base > 0 else None for one in (estimate.difference, low, high)]
    return {
        "units": estimate.units,
        "difference": estimate.difference,
        "low": low,
        "high": high,
        "relative": shares[0],
        "relative_low": shares[1],
        "relative_high": shares[2],
        "e_value": estimate.e_value(alpha),
        "decided_at": 1.0 / alpha,
    }


def _arm(experiment: Experiment, data: ExperimentData, number: int) -> dict[str, Any]:
    arm, over = experiment.arms[number], data.shoppers.arm == number
    outcome = data.shoppers.outcome[over]
    return {
        "name": arm.name,
        "shows": arm.shows,
        "stopped": arm.stopped,
        "chance": experiment.chances[number],
        "shoppers": int(data.drawn[number]),
        "windows_over": int(over.sum()),
        "lists": int((data.lists.arm == number).sum()),
        "mean": float(outcome.mean()) if len(outcome) else None,
        "releases": data.releases[arm.name],
    }


def _segments(
    experiment: Experiment,
    shoppers: ShopperOutcomes,
    outcome: npt.NDArray[np.float64],
    community: Ints | None,
) -> list[dict[str, Any]]:
    """Estimate effects on parts of the shoppers; of those that are called real few are false."""
    found: dict[str, dict[str, Any]] = {}
    for name, part in _parts(shoppers):
        for number in range(1, len(experiment.arms)):
            told = told_difference(
                _estimate(shoppers, outcome, number, community, part), experiment.alpha
            )
            told |= {"segment": name, "arm": experiment.arms[number].name}
            found[f"{name}/{number}"] = told
    real = discoveries({key: told["e_value"] for key, told in found.items()}, experiment.alpha)
    return [{**told, "real": key in real} for key, told in found.items()]


def _parts(shoppers: ShopperOutcomes) -> list[tuple[str, Bools]]:
    before = shoppers.events_before
    active = before[before > 0]
    many = max(2.0, float(np.median(active))) if len(active) else 2.0
    parts = [
        ("did nothing in the four weeks before", before == 0),
        ("did something in the four weeks before", (before > 0) & (before < many)),
        ("did much in the four weeks before", before >= many),
    ]
    surfaces: Sequence[str] = np.unique(shoppers.surface).tolist()
    parts += [(f"first list at {one}", shoppers.surface == one) for one in surfaces]
    return [(name, part) for name, part in parts if part.any()]


def verdict(told: dict[str, Any]) -> str:
    """Say in a sentence what may be believed by now."""
    if told["mismatch"]["mismatch"]:
        return (
            "the arms have other shares of shoppers than the lot gives them: find out why before "
            "believing anything below"
        )
    said = [
        f"{one['arm']} breaches {one['guardrail']}" for one in told["guardrails"] if one["breached"]
    ]
    for one in told["comparisons"]:
        if one["low"] is None:
            said.append(f"{one['arm']}: too few shoppers yet")
        elif one["low"] > 0 or one["high"] < 0:
            word = "better" if one["low"] > 0 else "worse"
            said.append(
                f"{one['arm']} is {word} than {one['against']} by {abs(one['difference']):.4g} "
                f"({one['low']:.4g} to {one['high']:.4g})"
            )
        else:
            said.append(f"{one['arm']}: no difference from {one['against']} is shown yet")
    return "; ".join(said)
