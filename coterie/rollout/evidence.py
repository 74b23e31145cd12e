"""Is the canary worse? Evidence that may be looked at after every scrape.

Every signal is a count: of n answers of an arm, x failed, were slow, or were followed by a click.
Under a ratio theta of the arms' rates, and given that something happened, it happened on the canary
with probability ``q = theta n_c / (theta n_c + n_s)``, whatever the rate itself (the conditional
test of two Poisson rates; Przyborowski and Wilenski, 1940). Over windows in which shares of traffic
differ, log-likelihoods of each theta add up. For a limit t on theta,

    e = mean over theta beyond t of  L(theta) / L(t)

is an e-process: its expectation is at most 1 at any moment as long as the true ratio does not pass
t, so by Ville's inequality ``e >= 1 / alpha`` is ever seen with probability at most alpha, however
often one looks (mixture sequential test; Robbins, 1970; Ramdas et al., 2023, arXiv:2210.01948).
ArmCounts that are not rare are hypergeometric given their sum, which varies less than the binomial
assumed here: the test then errs less often than it says.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError

Floats = npt.NDArray[np.float64]

WIDEST: Final = 32.0
"""Ratios from 1 / WIDEST to WIDEST are told apart."""
_LOG_RATIOS: Final = np.linspace(-np.log(WIDEST), np.log(WIDEST), 281)
RATIOS: Final = np.exp(_LOG_RATIOS)


class Worse(StrEnum):
    """Which way a signal is worse."""

    MORE = "more"
    """Failures, slow answers: a ratio over the limit is worse."""
    LESS = "less"
    """Clicks, purchases: one under it is."""


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What an arm did in a window."""

    samples: int
    """Answers it gave, or was asked for."""
    events: int
    """How many of them the signal counts."""

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.samples:
            raise BadInputError(
                f"{self.events} events of {self.samples} samples: expected 0 to all"
            )

    def __add__(self, other: "ArmCounts") -> "ArmCounts":
        return ArmCounts(self.samples + other.samples, self.events + other.events)


@dataclass(frozen=True, slots=True)
class Interval:
    """The ratio of the arms' rates, and the interval that holds it at every moment together."""

    ratio: float | None
    """None while neither arm, or the stable one alone, has had no event."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All windows of one signal so far."""

    canary: ArmCounts = ArmCounts(0, 0)
    stable: ArmCounts = ArmCounts(0, 0)
    log_likelihood: tuple[float, ...] = (0.0,) * len(RATIOS)
    """Of each of RATIOS, up to a constant."""

    def add(self, canary: ArmCounts, stable: ArmCounts) -> "Evidence":
        """Add a window; one in which an arm had no traffic says nothing of the ratio."""
        log_likelihood = np.array(self.log_likelihood)
        if canary.samples and stable.samples:
            share = RATIOS * canary.samples / (RATIOS * canary.samples + stable.samples)
            log_likelihood += canary.events * np.log(share) + stable.events * np.log1p(-share)
        log_likelihood -= log_likelihood.max()
        return Evidence(
            self.canary + canary,
            self.stable + stable,
            tuple(np.round(log_likelihood, 9).tolist()),
        )

    def against(self, limit: float, worse: Worse) -> float:
        """Give the e-value: how much better harmful ratios explain the counts than harmless ones.

        Args:
            limit: The ratio that is still harmless.
            worse: Whether harm lies above or below it.

        Raises:
            BadInputError: Nothing lies beyond the limit.
        """
        index = _index(limit)
        likelihood = np.array(self.log_likelihood)
        beyond = likelihood[index + 1 :] if worse is Worse.MORE else likelihood[:index]
        if len(beyond) == 0:
            raise BadInputError(
                f"a limit of {limit} leaves no ratio beyond it: expected one well within "
                f"{1 / WIDEST:g} and {WIDEST:g}"
            )
        return _mean_exp(beyond - likelihood[index])

    def interval(self, alpha: float = 0.05) -> Interval:
        """Give the ratios that the counts do not speak against, at any moment with 1 - alpha."""
        likelihood = np.array(self.log_likelihood)
        whole = np.log(_mean_exp(likelihood)) if len(likelihood) else 0.0
        held = np.flatnonzero(whole - likelihood < np.log(1.0 / alpha))
        ratio = None
        if self.stable.events and self.canary.samples:
            rates = [arm.events / arm.samples for arm in (self.canary, self.stable)]
            ratio = rates[0] / rates[1]
        return Interval(ratio, float(RATIOS[held[0]]), float(RATIOS[held[-1]]))

    def as_json(self) -> dict[str, Any]:
        """Make plain values for a file."""
        return {
            "canary": [self.canary.samples, self.canary.events],
            "stable": [self.stable.samples, self.stable.events],
            "log_likelihood": list(self.log_likelihood),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Evidence":
        """Read back what :meth:`as_json` made."""
        return cls(
            ArmCounts(*content["canary"]),
            ArmCounts(*content["stable"]),
            tuple(content["log_likelihood"]),
        )


def _index(limit: float) -> int:
    if not 1 / WIDEST <= limit <= WIDEST:
        raise BadInputError(f"a ratio of {limit} is outside {1 / WIDEST:g} to {WIDEST:g}")
    return int(np.argmin(np.abs(_LOG_RATIOS - np.log(limit))))


def _mean_exp(values: Floats) -> float:
    top = values.max()
    # No overflow: what is beyond 1e300 to 1 needs no more digits.
    return float(np.exp(min(top, 690.0)) * np.exp(values - top).mean())
