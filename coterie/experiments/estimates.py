"""How much an arm differs from the first one, and how sure that is however often one looks.

The interval is an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
2021, arXiv:2103.06476, theorem 2.2): with n units, standard error s, and r = n rho^2,

    estimate +- s sqrt((r + 1) / r (2 log(1 / alpha) + log(r + 1)))

holds the truth at all n together with probability 1 - alpha, as long as nobody looks before there
are many. Its e-value against "no difference" is the mixture over a normal prior (Robbins, 1970) of
which that interval is the other side. Units are shoppers, or whole communities where these were
drawn: what people of one community do is not independent, so residuals are added up within them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_UNITS: Final = 50
"""Units of each arm before anything is said of it: the interval holds for many."""
LEAST_CLUSTERS: Final = 16
"""Communities of both arms together before anything is said."""
BEST_UNITS: Final = 2_000
"""Units of both arms together at which the interval is about as tight as it can be."""


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """The difference of two arms' means, per shopper."""

    difference: float
    standard_error: float
    units: int
    """Independent ones, of both arms: shoppers, or communities."""
    base: float
    """Mean of the first arm."""
    clustered: bool = False
    """Whether units are communities."""

    def radius(self, alpha: float = 0.05, best_units: int = BEST_UNITS) -> float:
        """Give half the width of the interval that holds at every look together."""
        # Outcomes that are all the same, as before the first purchase, tell of no error.
        if not self.says or self.standard_error <= 0.0:
            return math.inf
        r = _information(self.units, alpha, best_units)
        inside = (r + 1.0) / r * (2.0 * math.log(1.0 / alpha) + math.log1p(r))
        return self.standard_error * self.stretch * math.sqrt(inside)

    def interval(self, alpha: float = 0.05, best_units: int = BEST_UNITS) -> tuple[float, float]:
        """Give the interval that holds the true difference at every look together."""
        radius = self.radius(alpha, best_units)
        return self.difference - radius, self.difference + radius

    def e_value(self, alpha: float = 0.05, best_units: int = BEST_UNITS) -> float:
        """Give the e-value against no difference; over 1 / alpha, the interval leaves 0 out.

        ``alpha`` says only where the mixture is tuned to.
        """
        if not self.says or self.standard_error <= 0.0:
            return 1.0
        r = _information(self.units, alpha, best_units)
        z = self.difference / (self.standard_error * self.stretch)
        return math.exp(min(690.0, 0.5 * z * z * r / (r + 1.0) - 0.5 * math.log1p(r)))

    @property
    def says(self) -> bool:
        """Whether there are units enough to say anything."""
        return self.units >= 2 * LEAST_UNITS or (self.clustered and self.units >= LEAST_CLUSTERS)

    @property
    def stretch(self) -> float:
        """How much wider intervals of few clusters are: as Student's quantile is to the normal's,
        with one degree of freedom a cluster less two (Imbens and Kolesar, 2016, in short)."""
        if not self.clustered:
            return 1.0
        from scipy import stats

        return float(stats.t.ppf(0.975, max(self.units - 2, 1)) / stats.norm.ppf(0.975))

    def fixed(self, alpha: float = 0.05) -> tuple[float, float]:
        """Give the usual interval, which holds at one look that was planned, and at no other."""
        from scipy import stats

        radius = float(stats.norm.ppf(1.0 - alpha / 2.0)) * self.standard_error * self.stretch
        return self.difference - radius, self.difference + radius


def difference(
    treated: npt.NDArray[np.bool_], outcome: Floats, cluster: Ints | None = None
) -> ArmDifference:
    """Estimate how much the mean outcome of one arm is above the other's.

    Args:
        treated: Whether a shopper is on the arm in question, and not on the first, shape (n,).
        outcome: Of each shopper, shape (n,).
        cluster: Community that a shopper was drawn with, shape (n,); shoppers were drawn one by one
            if None.

    Raises:
        BadInputError: An arm has nobody.
    """
    num = len(outcome)
    if not 0 < int(treated.sum()) < num:
        raise BadInputError("a difference needs shoppers on both arms")
    means, variances, units = [], [], 0
    for arm in (treated, ~treated):
        of_arm = outcome[arm]
        mean = float(of_arm.mean())
        variance, count = _spread(of_arm - mean, None if cluster is None else cluster[arm])
        means.append(mean)
        variances.append(variance)
        units += count
    return ArmDifference(
        means[0] - means[1], math.sqrt(sum(variances)), units, means[1], cluster is not None
    )


def adjusted(outcome: Floats, before: Floats, arm: Ints) -> tuple[Floats, float]:
    """Take out of outcomes what was to be foreseen of them (CUPED; Deng, Xu, Kohavi, Walker, 2013).

    Args:
        outcome: Of each shopper, shape (n,).
        before: What they did before they saw an arm, shape (n,).
        arm: Their arm's number, shape (n,): the slope is that within arms, so no effect is in it.

    Returns:
        Outcomes of the same mean, shape (n,), and the share of their variance that is gone.
    """
    centred_y, centred_x = outcome.astype(np.float64), before.astype(np.float64)
    for one in np.unique(arm):
        of_arm = arm == one
        centred_y = np.where(of_arm, centred_y - outcome[of_arm].mean(), centred_y)
        centred_x = np.where(of_arm, centred_x - before[of_arm].mean(), centred_x)
    spread = float(centred_x @ centred_x)
    if spread <= 0.0:
        return outcome, 0.0
    slope = float(centred_x @ centred_y) / spread
    left = centred_y - slope * centred_x
    whole = float(centred_y @ centred_y)
    gone = 1.0 - float(left @ left) / whole if whole > 0.0 else 0.0
    return outcome - slope * (before - before.mean()), gone


def _spread(residual: Floats, cluster: Ints | None) -> tuple[float, int]:
    """Give the variance of a mean whose residuals hang together within clusters, and how many
    clusters there are; who was drawn alone is one.

    With G / (G - 1), as is usual where there are few (Liang and Zeger, 1986).
    """
    sums = residual
    if cluster is not None:
        _, row = np.unique(cluster, return_inverse=True)
        sums = np.bincount(row, residual).astype(np.float64)
    num = len(sums)
    if num < 2:
        return math.inf, num
    return float(sums @ sums) / len(residual) ** 2 * num / (num - 1), num


def _information(units: int, alpha: float, best_units: int) -> float:
    """Give r = n rho^2, with rho^2 fixed before anybody looks (the paper's appendix B.2)."""
    wanted = 2.0 * math.log(1.0 / alpha)
    return units / best_units * (wanted + math.log1p(wanted))
