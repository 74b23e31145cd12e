"""Gaussian noise on a grid, drawn from the operating system's own randomness.

Noise of a small seed can be taken away again by whoever guesses the seed, and the low bits of a
floating-point sum can tell what was added up (Mironov, 2012). So noise comes from ``os.urandom``
unless a measurement names a seed, and lies on a grid on which the sums lie as well: rounding a
noisy sum to the grid is the same as rounding the noise, and says nothing more of anybody.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Doubles = npt.NDArray[np.float64]
GRID_BITS: Final = 24
"""Sums and noise are whole multiples of 2 ** -24."""
_STEP: Final = 2.0**-GRID_BITS


def _of_the_system(num: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(os.urandom(8 * num), np.uint64)


@dataclass(frozen=True, slots=True)
class Noise:
    """Where random numbers come from."""

    words: Callable[[int], npt.NDArray[np.uint64]] = field(default=_of_the_system)
    """Draws n words of 64 random bits, shape (n,)."""

    @classmethod
    def of(cls, seed: int | None) -> "Noise":
        """Take the operating system's randomness; with a seed, the same numbers each time."""
        if seed is None:
            return cls()
        rng = np.random.default_rng(seed)
        return cls(lambda num: rng.integers(0, 2**64, num, np.uint64, endpoint=False))

    def gaussian(self, num: int, deviation: float) -> Doubles:
        """Draw normal numbers, shape (num,), rounded to the grid."""
        uniform = ((self.words(num) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return np.asarray(np.rint(ndtri(uniform) * (deviation / _STEP)) * _STEP)

    def symmetric(self, side: int, deviation: float) -> Doubles:
        """Draw a symmetric matrix, shape (side, side).

        Its diagonal has this deviation, all else 1 / sqrt(2) of it: so the noise is alike in all
        directions of symmetric matrices, and a change of Frobenius norm s is hidden as one number
        that changes by s would be.
        """
        found = np.empty((side, side))
        for row in range(side):
            drawn = self.gaussian(side - row, deviation / np.sqrt(2.0))
            found[row, row:] = drawn
            found[row:, row] = drawn
        np.einsum("ii->i", found)[:] = self.gaussian(side, deviation)
        return found
