"""Shares that add up to 1 to the last digit, and scores with few of them."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_DIGITS: Final = 9
"""More than any score has that was rounded."""


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


def in_units_by_column(parts: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    """Share out each column, as ``in_units`` does one; parts of 0 that stand last get nothing.

    >>> in_units_by_column(np.array([[1.0, 3.0], [1.0, 0.0], [1.0, 0.0]]), 2).T.tolist()
    [[0.34, 0.33, 0.33], [1.0, 0.0, 0.0]]
    """
    units = 10**digits
    # Added up row by row, as a sum of each column alone.
    whole = parts.sum(axis=0)
    exact = parts / np.where(whole > 0, whole, 1.0) * units
    whole_units = np.floor(exact)
    left = np.where(whole > 0, units - whole_units.sum(axis=0), 0.0)
    order = np.argsort(whole_units - exact, axis=0, kind="stable")
    place = order * order.shape[1] + np.arange(order.shape[1])
    some = place[np.arange(len(parts))[:, None] < left]
    np.put(whole_units, some, whole_units.take(some) + 1)
    return np.asarray(whole_units / units)


def step_of(value: float) -> float:
    """Find the power of ten of which a value has 10 to 100.

    >>> step_of(4.2), step_of(-0.0042), step_of(0.0)
    (0.1, 0.0001, 1.0)
    """
    return float(f"1e{math.floor(math.log10(abs(value))) - 1}") if value else 1.0


def coarsely(value: float) -> float:
    """Round a value to two digits; what is larger stays at least as large.

    >>> [coarsely(value) for value in (4.2618, 41.7, 0.998, -0.0042618, 0.0)]
    [4.3, 42.0, 1.0, -0.0043, 0.0]
    """
    return float(f"{value:.1e}")


def in_steps(parts: Sequence[float], whole: float, step: float) -> list[float]:
    """Round parts to multiples of a step so that they add up to the whole; what is left goes to
    the largest.

    >>> in_steps([0.26, 0.26, 0.01], 0.53, 0.1)
    [0.23, 0.3, 0.0]
    """
    digits = max(0, -math.floor(math.log10(step)))
    rounded = [round(round(part / step) * step, digits) for part in parts]
    if rounded:
        largest = max(range(len(parts)), key=lambda place: abs(parts[place]))
        left = whole - sum(rounded) + rounded[largest]
        rounded[largest] = round(left, _DIGITS)
    return rounded
