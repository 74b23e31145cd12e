"""Which items mean what a query means: cosines of vectors that one encoder made of both."""

import copy
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.content.whitening import POWER, Whitening
from coterie.search.pictured import expected_texts

Floats = npt.NDArray[np.float32]
COMPONENTS: Final = 256
"""Directions that are kept, of those in which items differ: half the memory and time of all."""
_LEARNED_FROM: Final = 10_000
"""Items, evenly over the catalogue, that tell where they differ: more take memory and time."""
_ROWS: Final = 8_192


class VectorIndex:
    """Vectors of a catalogue around their mean; read alone, so several threads may ask at once."""

    def __init__(
        self,
        vectors: npt.ArrayLike,
        power: float = POWER,
        components: int = COMPONENTS,
        pictures: "VectorIndex | None" = None,
    ) -> None:
        """Index the vectors of a catalogue.

        Args:
            vectors: Shape (items, width); a row of zeros says nothing.
            power: See ``Whitening``.
            components: Of a vector, at most, that are kept.
            pictures: The index of vectors of the same items' pictures: a query also means what
                looks as what it says. None: texts alone are compared.

        Raises:
            BadInputError: Fewer than two items have a vector.
        """
        given = np.asarray(vectors)
        some = given[:: -(-len(given) // _LEARNED_FROM) or 1]
        self._whitening = Whitening.fit(some, power, components)
        self._unit = np.zeros((len(given), len(self._whitening.scale)), np.float32)
        for start in range(0, len(given), _ROWS):
            block = slice(start, start + _ROWS)
            self._unit[block] = self._whitening.apply(given[block])
        self._meant = self._unit
        seen = None if pictures is None else expected_texts(self._unit, pictures._unit)
        if seen is not None:
            # Both together: a sum of as much of either. One alone, where there is no other.
            both = np.any(seen, axis=1) & np.any(self._unit, axis=1)
            seen += self._unit
            seen[both] /= np.sqrt(2.0)
            self._meant = seen
        self._live: dict[int, Floats] = {}

    def changed(self, rows: Sequence[int], vectors: npt.ArrayLike) -> "VectorIndex":
        """Give an index in which some items say something else, or are new; this one stays.

        Args:
            rows: Of the items, each once; what looks like them counts no more.
            vectors: Of what they say now, shape (rows, width); zeros say nothing.
        """
        found, units = copy.copy(self), self._whitening.apply(np.asarray(vectors))
        found._live = self._live | dict(zip(rows, units, strict=True))
        return found

    @property
    def num_items(self) -> int:
        """Items, also those without a vector."""
        return max(len(self._unit), 1 + max(self._live, default=-1))

    def cosines(self, vector: npt.ArrayLike) -> Floats:
        """Compare all items with a vector, shape (width,): shape (items,).

        A cosine; with pictures the sum of that of the text and that of what its picture lets one
        expect, over the root of two.
        """
        asked = self._whitening.apply(np.asarray(vector)[None])[0]
        return self._compared(self._meant, asked)

    def like(self, row: int) -> Floats:
        """Compare the texts of all items with that of one, shape (items,)."""
        return self._compared(self._unit, self._of(row))

    def knows(self, row: int) -> bool:
        """Tell whether an item has a vector of its text."""
        return bool(self._of(row).any())

    def _of(self, row: int) -> Floats:
        """Give the vector of an item's text; zeros where there is none."""
        if row in self._live:
            return self._live[row]
        return self._unit[row] if row < len(self._unit) else np.zeros_like(self._unit[0])

    def _compared(self, units: Floats, asked: Floats) -> Floats:
        """Compare all items with a vector, those beside ``units`` too."""
        found = np.asarray(units @ asked, np.float32)
        live = self._live
        if not live:
            return found
        found = np.concatenate([found, np.zeros(self.num_items - len(found), np.float32)])
        found[list(live)] = np.stack(list(live.values())) @ asked
        return found
