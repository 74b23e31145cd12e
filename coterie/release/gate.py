"""Whether a challenger deserves to become a release: decided from figures alone."""

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
    max_loss_to_champion: float = 0.02
    """Relative: a challenger this little behind may still be newer, so better next week."""

    def numbers(self) -> dict[str, float]:
        """The limits as a release's manifest holds them."""
        return {
            "min_gain_over_popularity": self.min_gain_over_popularity,
            "max_loss_to_champion": self.max_loss_to_champion,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Wins or not, and why: one sentence a comparison, whatever its outcome."""

    wins: bool
    reasons: tuple[str, ...]


def judge(
    challenger: Mapping[str, float],
    popularity: Mapping[str, float],
    champion: Mapping[str, float] | None = None,
    limits: Limits | None = None,
) -> Verdict:
    """Compare a challenger's validation metrics with popularity's, and the champion's if any.

    The margin itself is no win: a gain must be over ``min_gain_over_popularity``.

    >>> judge({"ndcg@20": 0.12}, {"ndcg@20": 0.10})
    Verdict(wins=True, reasons=('ndcg@20 0.1200 is over popularity 0.1000 + 2 %',))

    Raises:
        BadInputError: The metric is missing.
    """
    limits = limits or Limits()
    ours = _figure(challenger, limits.metric, "challenger")
    verdicts = [
        _over(
            limits.metric,
            ours,
            "popularity",
            _figure(popularity, limits.metric, "popularity"),
            limits.min_gain_over_popularity,
        )
    ]
    if champion is not None:
        theirs = _figure(champion, limits.metric, "champion")
        verdicts.append(
            _over(limits.metric, ours, "champion", theirs, -limits.max_loss_to_champion)
        )
    return Verdict(all(won for won, _ in verdicts), tuple(reason for _, reason in verdicts))


def _over(metric: str, ours: float, name: str, theirs: float, margin: float) -> tuple[bool, str]:
    # A metric that is not a number compares false: it never wins.
    won = ours > theirs * (1 + margin) and math.isfinite(ours)
    sign = "+" if margin >= 0 else "-"
    against = f"{name} {theirs:.4f} {sign} {abs(margin) * 100:.3g} %"
    return won, f"{metric} {ours:.4f} is {'over' if won else 'not over'} {against}"


def _figure(metrics: Mapping[str, float], name: str, whose: str) -> float:
    if name not in metrics:
        raise BadInputError(
            f"the {whose}'s metrics hold no {name}, only {sorted(metrics)}: evaluate it again"
        )
    return float(metrics[name])
