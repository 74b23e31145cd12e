"""What items' own texts state of them, for filters: "stainless steel", not who might like it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
_NONE = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class ItemAttributes:
    """Which items state what; never changed."""

    item_idx: npt.NDArray[np.int32] = field(default_factory=lambda: _NONE)
    """Of each statement."""
    codes: npt.NDArray[np.int32] = field(default_factory=lambda: _NONE)
    """What each says: an index in ``values``."""
    values: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    """Each once, folded."""

    @classmethod
    def of(cls, item_idx: npt.ArrayLike, values: Sequence[str]) -> Self:
        """Read statements, one of an item each.

        Args:
            item_idx: Rows of a catalogue.
            values: What each states.
        """
        found = pa.array(map(_folded, values), pa.string()).dictionary_encode()
        codes = found.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        return cls(np.asarray(item_idx, np.int32), codes, found.dictionary)

    def __bool__(self) -> bool:
        return bool(len(self.item_idx))

    def stated(self, words: str, num_items: int) -> Mask:
        """Find the items with a statement that has these words, next to each other.

        Args:
            words: As a shopper says them.
            num_items: Of the catalogue, with those that are new.

        Returns:
            Shape (items,).
        """
        has = pc.match_substring(self.values, _folded(words)).to_numpy(zero_copy_only=False)
        mask = np.zeros(num_items, np.bool_)
        mask[self.item_idx[has.astype(np.bool_)[self.codes]]] = True
        return mask

    def without(self, rows: Sequence[int]) -> Self:
        """Forget what items stated whose texts say something else now."""
        left = ~np.isin(self.item_idx, list(rows))
        return type(self)(self.item_idx[left], self.codes[left], self.values)


def _folded(words: str) -> str:
    """Bring a statement into the form in which it is compared: words between blanks."""
    return f" {' '.join(words.casefold().split())} "
