"""Vectors of a catalogue, spread more evenly, so that what all items share no longer counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from coterie.content.encoder import Floats, unit_rows
from coterie.errors import BadInputError

POWER: Final = 0.25
"""Of a component's variance, by which it is divided: 0 leaves it, .5 makes all the same."""
MAX_ROWS: Final = 50_000
"""Vectors that components are learned from, evenly over the catalogue."""
_NAMES: Final = ("mean", "components", "scale")


@dataclass(frozen=True, eq=False)
class Whitening:
    """Statistics of a catalogue, by which any vector of the same encoder is spread."""

    mean: Floats
    """Shape (width,)."""
    components: Floats
    """Directions of most variance, first the widest, shape (kept, width)."""
    scale: Floats
    """By which each is multiplied, shape (kept,)."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            BadInputError: Shapes differ.
        """
        if self.components.shape != (len(self.scale), len(self.mean)):
            raise BadInputError(
                f"{len(self.scale)} scales and a mean of {len(self.mean)} numbers do not fit "
                f"components of shape {self.components.shape}"
            )

    @classmethod
    def fit(
        cls, vectors: npt.ArrayLike, power: float = POWER, components: int | None = None
    ) -> "Whitening":
        """Learn the statistics of a catalogue.

        Args:
            vectors: Shape (items, width); rows of zeros are unknown, and say nothing.
            power: Of the variance, from 0 to .5.
            components: How many are kept; all that vary if None.

        Raises:
            BadInputError: Fewer than two vectors, or a power out of range.
        """
        if not 0.0 <= power <= 0.5:
            raise BadInputError(f"the power is {power}: from 0 (nothing) to .5 (all the same)")
        given = np.asarray(vectors)
        rows = np.flatnonzero(np.any(given, axis=1))
        if len(rows) < 2:
            raise BadInputError(f"{len(rows)} items have vectors: whitening needs two or more")
        taken = given[rows[:: -(-len(rows) // MAX_ROWS)]].astype(np.float64)
        mean = taken.mean(axis=0)
        centred = taken - mean
        width = taken.shape[1]
        kept = width if components is None else min(components, width)
        if 2 * kept < width:
            # The widest stand far above a float's rounding: half the time. So does it not to
            # compute the others' axes.
            centred = centred.astype(np.float32)
        variance, axes = eigh(
            centred.T @ centred / len(taken), subset_by_index=(width - kept, width - 1)
        )
        order = np.argsort(-variance)
        # What hardly varies is rounding, which a division would make large.
        order = order[variance[order] > max(variance.max(), 1e-12) * 1e-6]
        return cls(
            mean.astype(np.float32),
            axes[:, order].T.astype(np.float32),
            (variance[order] ** -power).astype(np.float32),
        )

    def apply(self, vectors: npt.ArrayLike) -> Floats:
        """Spread vectors, shape (n, width) to (n, kept), each of length 1; zeros stay zeros."""
        given = np.asarray(vectors, np.float32)
        spread = (given - self.mean) @ self.components.T * self.scale
        return unit_rows(spread * np.any(given, axis=1, keepdims=True))

    def tensors(self) -> dict[str, Floats]:
        """List what has to be kept, by name."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def of_tensors(cls, held: Mapping[str, npt.NDArray[np.generic]]) -> "Whitening":
        """Restore from :meth:`tensors`.

        Raises:
            BadInputError: One is missing, or they do not fit together.
        """
        missing = [name for name in _NAMES if name not in held]
        if missing:
            raise BadInputError(f"whitening lacks {missing}: it was not kept whole")
        return cls(**{name: np.asarray(held[name], np.float32) for name in _NAMES})
