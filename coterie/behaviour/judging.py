"""How good chances and amounts are: order, distance, and whether they may be taken at their word.

Intervals are of 95 %, over shoppers drawn anew.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from coterie.behaviour.shop_log import Bools, Doubles

RESAMPLES = 200
BINS = 10


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """A figure and where it lies with a chance of 95 %."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Shoppers with about the same chance."""

    foreseen: float
    happened: float
    shoppers: int


@dataclass(frozen=True, slots=True)
class ChanceScores:
    """How good the chances of one learner are."""

    auc: ScoreInterval
    brier: ScoreInterval
    calibration_error: float
    """Mean distance of foreseen and happened over ``reliability``, by shoppers."""
    reliability: tuple[Bin, ...]
    """Tenths of shoppers, from the lowest chance."""


@dataclass(frozen=True, slots=True)
class AmountScores:
    """How good the amounts of one learner are."""

    mean_error: ScoreInterval
    """Mean absolute error."""
    rank: float
    """Rank correlation (Spearman) with what it came to."""
    total_ratio: float
    """Sum foreseen over sum that came."""


def auc(happened: Bools, chance: Doubles) -> float:
    """Give the chance that of two shoppers, one who did and one who did not, the first had more.

    Ties count half. nan where all did, or nobody.

    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    did = int(happened.sum())
    others = len(happened) - did
    if not did or not others:
        return float("nan")
    ranks = rankdata(chance)[happened].sum()
    return float((ranks - did * (did + 1) / 2) / (did * others))


def judge_chances(
    happened: Bools, chances: dict[str, Doubles], seed: int = 0
) -> tuple[dict[str, ChanceScores], dict[str, ScoreInterval]]:
    """Measure learners on the same shoppers.

    Returns:
        Scores by learner, and how much more AUC the first has than each other.
    """
    draws = _draws(len(happened), seed)
    aucs = {
        name: np.array([auc(happened[rows], chance[rows]) for rows in draws])
        for name, chance in chances.items()
    }
    scores = {}
    for name, chance in chances.items():
        square = (chance - happened) ** 2
        bins = reliability(happened, chance)
        shares = np.array([one.shoppers for one in bins]) / len(happened)
        apart = np.array([abs(one.foreseen - one.happened) for one in bins])
        scores[name] = ChanceScores(
            auc=_interval(auc(happened, chance), aucs[name]),
            brier=_interval(float(square.mean()), np.array([square[r].mean() for r in draws])),
            calibration_error=float(shares @ apart),
            reliability=tuple(bins),
        )
    first, *others = chances
    gains = {
        name: _interval(scores[first].auc.mean - scores[name].auc.mean, aucs[first] - aucs[name])
        for name in others
    }
    return scores, gains


def judge_amounts(
    came: Doubles, amounts: dict[str, Doubles], seed: int = 0
) -> dict[str, AmountScores]:
    """Measure learners of amounts on the same shoppers."""
    draws, scores = _draws(len(came), seed), {}
    for name, amount in amounts.items():
        error = np.abs(amount - came)
        rank = np.corrcoef(rankdata(amount), rankdata(came))[0, 1] if np.ptp(amount) else 0.0
        scores[name] = AmountScores(
            mean_error=_interval(float(error.mean()), np.array([error[r].mean() for r in draws])),
            rank=float(np.nan_to_num(rank)),
            total_ratio=float(amount.sum() / max(came.sum(), 1e-9)),
        )
    return scores


def reliability(happened: Bools, chance: Doubles) -> list[Bin]:
    """Hold what was foreseen against what happened, by tenths of shoppers."""
    order = np.argsort(chance, kind="stable")
    return [
        Bin(float(chance[rows].mean()), float(happened[rows].mean()), len(rows))
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]


def _draws(count: int, seed: int) -> "list[np.ndarray]":
    rng = np.random.default_rng(seed)
    return [rng.integers(0, count, count) for _ in range(RESAMPLES)]


def _interval(mean: float, drawn: Doubles) -> ScoreInterval:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return ScoreInterval(mean, float(low), float(high))
