"""Whether a challenger deserves to become a release: decided from figures alone.

It is not compared with the champion here. A release was fitted on training and validation (ADR 5),
so the champion has seen most of what today's validation asks for, and would win by that. Shoppers
compare both, in the rollout.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Limits:
    """What the offline gate asks; written into the release for the gates that follow."""

    metric: str = "ndcg@20"
    min_gain_over_popularity: float = 0.02
    """Relative: .02 asks for 2 % more than popularity reaches on validation."""

    min_gain_over_shown: float | None = None
    """What a list has to earn more than those that were shown, at the least that an off-policy
    estimate's interval leaves open: 0 asks for a release that surely earns more, -.01 for one that
    surely loses less than a hundredth of what a place earns. None: no log is asked."""

    def numbers(self) -> dict[str, float]:
        """Give the limits as a release's manifest holds them."""
        told = {"min_gain_over_popularity": self.min_gain_over_popularity}
        if self.min_gain_over_shown is not None:
            told["min_gain_over_shown"] = self.min_gain_over_shown
        return told


@dataclass(frozen=True, slots=True)
class Verdict:
    """Wins or not, and why, in one sentence."""

    wins: bool
    reason: str


def judge(
    challenger: Mapping[str, float], popularity: Mapping[str, float], limits: Limits | None = None
) -> Verdict:
    """Compare a challenger's validation metrics with popularity's.

    The margin itself is no win: a gain must be over ``min_gain_over_popularity``.

    >>> judge({"ndcg@20": 0.12}, {"ndcg@20": 0.10})
    Verdict(wins=True, reason='ndcg@20 0.1200 is over popularity 0.1000 + 2 %')

    Raises:
        BadInputError: The metric is missing.
    """
    limits = limits or Limits()
    ours = _figure(challenger, limits.metric, "challenger")
    theirs = _figure(popularity, limits.metric, "popularity")
    margin = limits.min_gain_over_popularity
    # A metric that is not a number compares false: it never wins.
    won = ours > theirs * (1 + margin) and math.isfinite(ours)
    sign = "+" if margin >= 0 else "-"
    against = f"popularity {theirs:.4f} {sign} {abs(margin) * 100:.3g} %"
    return Verdict(won, f"{limits.metric} {ours:.4f} is {'over' if won else 'not over'} {against}")


def judge_gain(low: float, high: float, least: float) -> Verdict:
    """Hold the interval of an off-policy estimate's gain a list against what is asked for.

    >>> judge_gain(0.01, 0.05, 0.0)
    Verdict(wins=True, reason='gain over shown lists +0.0100 to +0.0500 is over +0.0000')
    """
    won = low > least
    found = f"gain over shown lists {low:+.4f} to {high:+.4f}"
    return Verdict(won, f"{found} is {'over' if won else 'not surely over'} {least:+.4f}")


def _figure(metrics: Mapping[str, float], name: str, whose: str) -> float:
    if name not in metrics:
        raise BadInputError(
            f"the {whose}'s metrics hold no {name}, only {sorted(metrics)}: evaluate it again"
        )
    return float(metrics[name])
