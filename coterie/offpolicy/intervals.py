"""Intervals of sums of ratios, with shoppers as the independent draws."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse, stats

from coterie.errors import BadInputError
from coterie.offpolicy.logged import Ints, Matrix

FEWEST_SHOPPERS = 10
"""Shoppers below which an interval would say more than is known."""
_CELLS = 4_000_000


class IntervalKind(StrEnum):
    """How an interval is made."""

    ROBUST = "robust"
    """From the spread of shoppers' parts, linearised, with Student's t: the cheap one."""
    BOOTSTRAP = "bootstrap"
    """From shoppers drawn anew with replacement: percentiles."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """A figure that is a sum of ratios of sums over lists."""

    above: Matrix
    """Shape (n, j): summed over lists and divided, column by column."""
    below: Matrix
    """Shape (n, j)."""
    sign: Matrix
    """Shape (j,): what each ratio is multiplied by before they are summed."""

    def value(self) -> float:
        """Compute the figure."""
        return float(_value(self.above.sum(axis=0), self.below.sum(axis=0), self.sign))

    def minus(self, other: "Ratios") -> "Ratios":
        """Subtract another figure of the same lists."""
        return Ratios(
            np.concatenate([self.above, other.above], axis=1),
            np.concatenate([self.below, other.below], axis=1),
            np.concatenate([self.sign, -other.sign]),
        )


@dataclass(frozen=True, slots=True)
class IntervalSettings:
    """How an interval is made."""

    kind: IntervalKind = IntervalKind.ROBUST
    level: float = 0.95
    """Confidence level, two-sided."""
    resamples: int = 1000
    """Number of draws of a bootstrap."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or self.resamples < 1:
            raise BadInputError(f"a level is in (0, 1), resamples start at 1: {self}")


def interval(
    figure: Ratios, shopper: Ints, settings: IntervalSettings = IntervalSettings()
) -> tuple[float, float]:
    """Find the bounds of a figure.

    Args:
        figure: Of n lists.
        shopper: Shape (n,): who was shown each.
        settings: Kind and level.

    Raises:
        BadInputError: There are fewer than ``FEWEST_SHOPPERS``.
    """
    who, row = np.unique(shopper, return_inverse=True)
    if len(who) < FEWEST_SHOPPERS:
        raise BadInputError(
            f"the log holds {len(who)} shoppers, an interval needs {FEWEST_SHOPPERS}: log for "
            "longer, or of more shoppers"
        )
    ones = np.ones(len(row))
    of_whom = sparse.csr_matrix((ones, (row, np.arange(len(row)))), shape=(len(who), len(row)))
    above, below = np.asarray(of_whom @ figure.above), np.asarray(of_whom @ figure.below)
    if settings.kind is IntervalKind.BOOTSTRAP:
        return _bootstrap(above, below, figure.sign, settings)
    return _robust(above, below, figure.sign, settings.level)


def _value(above: Matrix, below: Matrix, sign: Matrix) -> Matrix:
    """Divide and sum; a ratio with nothing below counts as 0."""
    there = np.abs(below) > 0
    return np.where(there, above / np.where(there, below, 1.0), 0.0) @ sign


def _robust(above: Matrix, below: Matrix, sign: Matrix, level: float) -> tuple[float, float]:
    num, total, under = len(above), above.sum(axis=0), below.sum(axis=0)
    there = np.abs(under) > 0
    scale = np.where(there, sign / np.where(there, under, 1.0), 0.0)
    ratio = np.where(there, total / np.where(there, under, 1.0), 0.0)
    parts = (above - ratio * below) @ scale
    spread = float(np.sqrt(num / (num - 1) * (parts**2).sum()))
    reach = float(stats.t.ppf(0.5 + level / 2, num - 1)) * spread
    value = float(_value(total, under, sign))
    return value - reach, value + reach


def _bootstrap(
    above: Matrix, below: Matrix, sign: Matrix, settings: IntervalSettings
) -> tuple[float, float]:
    num, rng = len(above), np.random.default_rng(settings.seed)
    chances, each = np.full(num, 1.0 / num), max(1, _CELLS // num)
    sizes = [min(each, settings.resamples - at) for at in range(0, settings.resamples, each)]
    draws = [rng.multinomial(num, chances, size=size).astype(np.float64) for size in sizes]
    values = np.concatenate([_value(d @ above, d @ below, sign) for d in draws])
    tail = (1 - settings.level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
