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

    def numbers(self) -> dict[str, float]:
        """Give the limits as a release's manifest holds them."""
        return {"min_gain_over_popularity": self.min_gain_over_popularity}


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


def _figure(metrics: Mapping[str, float], name: str, whose: str) -> float:
    if name not in metrics:
        raise BadInputError(
            f"the {whose}'s metrics hold no {name}, only {sorted(metrics)}: evaluate it again"
        )
    return float(metrics[name])
