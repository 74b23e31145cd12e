"""How strongly counts speak against a canary: one e-value a test, whatever it is of."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.rollout.evidence import RATIOS, ArmCounts, Evidence
from coterie.rollout.plan import SIGNALS

Floats = npt.NDArray[np.float64]
_ABOVE: Final = RATIOS[RATIOS > 1.0 + 1e-9, None]
"""Ratios of a harmful share to the known one, shape (ratios, 1)."""


def e_value(signal: str, evidence: Evidence, limit: float) -> float:
    """Give the e-value of a signal against its limit.

    Of a signal with a harmless share h, harmless is a canary whose rate is at most
    ``max(limit * stable's rate, h)``. That null hypothesis is the union of two: the ratio is within
    the limit, or the canary's rate is within h. Each has an e-process, :meth:`Evidence.against` and
    :func:`over`, and the smaller one of both is one for the union: it is never above the one of
    which the null hypothesis is true (intersection-union test; Berger, 1982). So alpha holds where
    one of the two is true all the while.
    """
    meant = SIGNALS[signal]
    found = evidence.against(limit, meant.worse)
    return min(found, over(evidence.canary, meant.harmless)) if meant.harmless else found


def over(arm: ArmCounts, share: float) -> float:
    """Give the e-value of an arm's share of events above one that is known: see :func:`over_each`;
    0 as long as nothing was counted."""
    if arm.samples == 0:
        return 0.0
    return float(over_each(np.array([arm.samples]), np.array([arm.events]), share)[0])


def over_each(samples: npt.NDArray[Any], events: npt.NDArray[Any], share: float) -> Floats:
    """Give e-values of shares above a known one h, of many arms at once.

    Of x events in n answers it is

        e = mean of theta^x ((1 - theta h) / (1 - h))^(n - x)  over theta > 1 with theta h < 1,

    how much better larger shares explain the counts than h does. Where the true share of the next
    answer is p, whatever came before, it multiplies each term by ``1 + (p - h) (theta - 1) /
    (1 - h)`` in the mean: by 1 at most if p <= h. So e is a test supermartingale of "at most h"
    (Ville, 1939; Waudby-Smith and Ramdas, 2024, arXiv:2010.09686).

    Args:
        samples: Answers, shape (n,).
        events: How many of them had what is counted, shape (n,).
        share: The known one, over 0 and under 0.9.
    """
    ratios = _ABOVE[_ABOVE[:, 0] * share < 1.0]
    without = np.log1p(-ratios * share) - np.log1p(-share)
    logs = np.log(ratios) * events + without * (samples - events)
    top: Floats = logs.max(axis=0)
    # No overflow: what is beyond 1e300 to 1 needs no more digits.
    found: Floats = np.exp(np.minimum(top, 690.0)) * np.exp(logs - top).mean(axis=0)
    return found
