"""Shares that add up to 1 to the last digit, and scores with few of them."""

import math
from collections.abc import Sequence


def in_units(parts: Sequence[float], digits: int) -> list[float]:
    """Share parts out so that the shares, of so many digits, add up to 1: largest remainders.

    >>> in_units([1.0, 1.0, 1.0], 2)
    [0.34, 0.33, 0.33]
    """
    units = 10**digits
    whole = sum(parts)
    if not whole:
        return [0.0] * len(parts)
    exact = [part / whole * units for part in parts]
    whole_units = [int(one) for one in exact]
    left = units - sum(whole_units)
    for place in sorted(range(len(parts)), key=lambda one: whole_units[one] - exact[one])[:left]:
        whole_units[place] += 1
    return [one / units for one in whole_units]


def score_step(scores: Sequence[float]) -> float:
    """Find a power of ten of which the largest score has 10 to 100.

    >>> score_step([4.2, -0.3]), score_step([0.0042]), score_step([])
    (0.1, 0.0001, 1.0)
    """
    largest = max((abs(score) for score in scores), default=0.0)
    if not largest:
        return 1.0
    return float(f"1e{math.floor(math.log10(largest)) - 1}")


def in_steps(parts: Sequence[float], whole: float, step: float) -> list[float]:
    """Round parts to multiples of a step so that they add up to the rounded whole; what is left
    goes to the largest.

    >>> in_steps([0.26, 0.26, 0.01], 0.53, 0.1)
    [0.2, 0.3, 0.0]
    """
    units = [round(part / step) for part in parts]
    if units:
        largest = max(range(len(parts)), key=lambda place: abs(parts[place]))
        units[largest] += round(whole / step) - sum(units)
    return [to_step(unit * step, step) for unit in units]


def to_step(value: float, step: float) -> float:
    """Round a value to a multiple of a step, without dust behind it."""
    return round(round(value / step) * step, max(0, -math.floor(math.log10(step))))
