"""How strongly counts speak against a canary: one e-value a test, whatever it is of."""

from typing import Final

from coterie.rollout.evidence import ArmCounts, Evidence, Worse
from coterie.rollout.plan import SIGNALS

LARGE: Final = 1_000_000
"""Answers of an arm so large that its rate has no noise."""


def e_value(signal: str, evidence: Evidence, limit: float) -> float:
    """Give the e-value of a signal against its limit.

    Of a signal with a harmless share, harmless is what is within the limit or within that share.
    The smaller one of both e-values is one against either: its mean is at most 1 in both cases.
    """
    meant = SIGNALS[signal]
    found = evidence.against(limit, meant.worse)
    return min(found, over(evidence.canary, meant.harmless)) if meant.harmless else found


def over(arm: ArmCounts, share: float) -> float:
    """Give the e-value of a share above another that is known: stable is a coin of that share.

    A fair comparison with a known rate is one with an arm so large that it has no noise.
    """
    if arm.samples == 0:
        return 0.0
    known = Evidence().add(arm, ArmCounts(LARGE, round(share * LARGE)))
    return known.against(1.0, Worse.MORE)
