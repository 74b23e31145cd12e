"""How much noise a promise takes: a budget's epsilon and delta, kept by Opacus' accountant.

A budget is spent on several sums of the same people, each released once with Gaussian noise.
Opacus (Yousefpour et al., 2021, arXiv:2109.12298) adds them up by Renyi differential privacy
(Mironov, 2017, arXiv:1702.07476): an upper bound, which for these few sums asks for some 8 % more
noise than is needed (ADR 61).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from coterie.errors import BadInputError

MAX_EPSILON: Final = 50.0
"""Over this a bound says nothing: whoever is in it may be e^50 times as likely to be told so."""
MAX_DELTA: Final = 1e-3
_ORDERS: Final = tuple(1 + x / 10 for x in range(1, 100)) + tuple(range(12, 64)) + (
    96.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 16384.0)  # fmt: skip
"""Renyi orders: Opacus' own, and higher ones for epsilons far below 1."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be told of one person: (epsilon, delta)-differential privacy."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        """Refuse what is no bound.

        Raises:
            BadInputError: epsilon is not over 0 and up to ``MAX_EPSILON``, or delta not over 0 and
                up to ``MAX_DELTA``.
        """
        if not 0 < self.epsilon <= MAX_EPSILON:
            raise BadInputError(
                f"epsilon is {self.epsilon}, expected a number over 0, up to {MAX_EPSILON:g}: "
                "1 is strong, 10 is weak; for no bound leave it out, or train another model"
            )
        if not 0 < self.delta <= MAX_DELTA:
            raise BadInputError(
                f"delta is {self.delta}, expected a number over 0, up to {MAX_DELTA:g}: "
                "well below 1 / people, such as 1e-6"
            )

    def check_people(self, num_people: int) -> None:
        """Refuse a delta that would let a mechanism publish somebody whole.

        Raises:
            BadInputError: delta is not below 1 / people.
        """
        if num_people and self.delta >= 1 / num_people:
            raise BadInputError(
                f"delta is {self.delta:g} for {num_people:,} people: expected below 1 / people, "
                f"{1 / num_people:.1g}, or some of them might be published whole"
            )

    def multipliers(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Compute the noise of each sum, in units of what one person can change of it.

        Args:
            shares: Of the budget, one for each sum; they add up to 1.

        Returns:
            Standard deviations over sensitivities; together they spend no more than the budget.
        """
        if min(shares) <= 0 or not math.isclose(sum(shares), 1.0):
            raise BadInputError(f"shares of a budget are over 0 and add up to 1, found {shares}")
        utils = _opacus().utils
        whole = utils.get_noise_multiplier(
            target_epsilon=self.epsilon,
            target_delta=self.delta,
            sample_rate=1.0,
            steps=1,
            accountant="rdp",
            epsilon_tolerance=min(0.01, self.epsilon / 100),
            alphas=list(_ORDERS),
        )
        return tuple(float(whole) / math.sqrt(share) for share in shares)


def spent(multipliers: Sequence[float], delta: float) -> float:
    """Compute the epsilon that sums with this much noise have spent, by Opacus' accountant.

    Args:
        multipliers: Of each sum, its noise over what one person can change of it.
        delta: Of the promise.
    """
    accountant = _opacus().RDPAccountant()
    for one in multipliers:
        accountant.step(noise_multiplier=one, sample_rate=1.0)
    return float(accountant.get_epsilon(delta, alphas=list(_ORDERS)))


def accountant_name() -> str:
    """Name the accountant, for whoever checks its sums."""
    return f"opacus {version('opacus')}, RDP"


def _opacus() -> Any:
    """Import Opacus where it is needed: it takes seconds."""
    try:
        from opacus import accountants
    except ImportError as error:
        raise BadInputError(
            "a bound needs the accountant of the package opacus: pip install coterie[train]"
        ) from error
    return accountants
