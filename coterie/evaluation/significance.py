"""How sure a figure is: bootstrap intervals over shoppers, and paired tests of two models.

Shoppers are the independent draws, so they are what is resampled (Sakai, 2006); two models are
compared shopper by shopper (Smucker, Allan and Carterette, 2007). Every draw is seeded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError
from coterie.evaluation.metrics import Values

Matrix = npt.NDArray[np.float64]
CELLS = 4_000_000
"""Cells of one block of resamples: 32 MB, whatever the number of shoppers."""
FEWEST = 10
"""Shoppers below which an interval would say more than is known; none is given."""


@dataclass(frozen=True, slots=True)
class ResamplingConfig:
    """How often the dice are thrown."""

    resamples: int = 1000
    """Number of resamples for intervals."""
    flips: int = 10_000
    """Number of sign flips for p-values: the smallest that can be found is 1 / (flips + 1)."""
    level: float = 0.95
    """Confidence level of the intervals."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.resamples, self.flips) < 1 or not 0 < self.level < 1:
            raise BadInputError(f"resamples and flips start at 1, a level is in (0, 1): {self}")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval that holds it; no interval where none can be given."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One model against another on the same shoppers."""

    ours: float
    other: float
    difference: Estimate
    """Ours less other."""
    relative: Estimate | None
    """Ours over other, less 1; None where the other has nothing."""
    p_value: float | None
    """Two-sided, by sign flips; None below ``FEWEST`` shoppers."""
    num_shoppers: int


def estimate(values: Matrix, config: ResamplingConfig = ResamplingConfig()) -> list[Estimate]:
    """Estimate the mean of each column with its percentile interval.

    Args:
        values: Shape (shoppers, columns).
        config: Equal seeds resample the same shoppers.

    Raises:
        BadInputError: There is no shopper.
    """
    if len(values) == 0:
        raise BadInputError("an estimate needs at least one shopper")
    means = values.mean(axis=0)
    if len(values) < FEWEST:
        return [Estimate(float(mean)) for mean in means]
    return _intervals(means, bootstrap_means(values, config), config.level)


def bootstrap_means(values: Matrix, config: ResamplingConfig = ResamplingConfig()) -> Matrix:
    """Average columns over shoppers drawn with replacement, shape (resamples, columns)."""
    rng = np.random.default_rng(config.seed)
    n = len(values)
    blocks = []
    for rows in _blocks(config.resamples, n):
        drawn = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        blocks.append(counts.astype(np.float64) @ values / n)
    return np.concatenate(blocks)


def paired_test(
    ours: Values, other: Values, config: ResamplingConfig = ResamplingConfig()
) -> PairedTest:
    """Test whether ours is better than other, and by how much.

    Args:
        ours: A metric of each shopper, shape (shoppers,).
        other: The same metric of the same shoppers.
        config: Draws of the intervals and of the p-value.

    Raises:
        BadInputError: The two differ in length, or are empty.
    """
    if len(ours) != len(other):
        raise BadInputError(f"a paired test needs the same shoppers: {len(ours)}, {len(other)}")
    both = np.column_stack([ours, other, ours - other])
    difference = estimate(both, config)[2]
    sure = len(ours) >= FEWEST
    return PairedTest(
        float(ours.mean()),
        float(other.mean()),
        difference,
        _relative(both, config),
        sign_flip_p(ours - other, config) if sure else None,
        len(ours),
    )


def sign_flip_p(differences: Values, config: ResamplingConfig = ResamplingConfig()) -> float:
    """Compute the two-sided p-value of a mean difference, were either model as likely ahead.

    The share of random sign patterns whose mean is at least as far from 0, the observed pattern
    counted in (Phipson and Smyth, 2010: a p-value of 0 does not exist).
    """
    moved = differences[differences != 0]
    if len(moved) == 0:
        return 1.0
    rng = np.random.default_rng(config.seed)
    # Sums of equal size may differ in their last bits; they count as equal.
    observed = abs(moved.sum()) - 1e-9 * np.abs(moved).sum()
    extreme = 0
    for rows in _blocks(config.flips, len(moved)):
        ahead = rng.integers(0, 2, size=(rows, len(moved)), dtype=np.int8)
        sums = 2.0 * (ahead.astype(np.float64) @ moved) - moved.sum()
        extreme += int((np.abs(sums) >= observed).sum())
    return (1 + extreme) / (1 + config.flips)


def _relative(both: Matrix, config: ResamplingConfig) -> Estimate | None:
    ours, other = both[:, 0].mean(), both[:, 1].mean()
    if other == 0:
        return None
    if len(both) < FEWEST:
        return Estimate(float(ours / other - 1))
    means = bootstrap_means(both[:, :2], config)
    means = means[means[:, 1] > 0]
    ratios = means[:, :1] / means[:, 1:] - 1
    return _intervals(np.array([ours / other - 1]), ratios, config.level)[0]


def _intervals(means: Values, samples: Matrix, level: float) -> list[Estimate]:
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(samples, tails, axis=0)
    return [
        Estimate(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)
    ]


def _blocks(total: int, width: int) -> Iterator[int]:
    """Yield sizes of blocks of rows that add up to ``total``, each of at most ``CELLS`` cells."""
    size = max(1, CELLS // max(1, width))
    yield from (min(size, total - start) for start in range(0, total, size))
