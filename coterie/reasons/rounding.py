"""Shares that add up to 1 to the last digit."""

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
