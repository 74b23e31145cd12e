"""The items that one shopper's scores draw on, each once, and rows of tables of vectors for them.

Friends have much in common, so rows are read and multiplied fewer times than there are entries.
Tables stay in single precision, as a release holds them; what is taken from them is added up in
double precision.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.data.distinct import Distinct

Doubles = npt.NDArray[np.float64]


class SourceItems:
    """The d items of n entries."""

    def __init__(self, items: Ints, kept: bool = False) -> None:
        """Find the items.

        Args:
            items: Of each entry, shape (n,).
            kept: Whether rows that were read are kept for whoever asks again: they are some hundred
                kilobytes a shopper.
        """
        found = Distinct.of(items)
        self.items: Ints = found.values
        """Ascending, shape (d,)."""
        self.place: Ints = found.which
        """Where among them each entry's is, shape (n,)."""
        self._rows: dict[str, Doubles] | None = {} if kept else None

    def rows(self, name: str, table: npt.NDArray[Any]) -> Doubles:
        """Read the items' rows of a table that has a name of its own, in double precision."""
        if self._rows is None:
            return self._read(table)
        rows = self._rows.get(name)
        if rows is None:
            rows = self._rows[name] = self._read(table)
        return rows

    def weighted_sum(
        self, name: str, table: npt.NDArray[Any], weights: Doubles, first: int = 0
    ) -> Doubles:
        """Sum the rows of the entries from ``first`` on by weight, shape (columns,): the same in
        any batch, and by however many threads."""
        of_items = np.bincount(self.place[first:], weights, len(self.items))
        return np.asarray(np.einsum("e,ed->d", of_items, self.rows(name, table)))

    def _read(self, table: npt.NDArray[Any]) -> Doubles:
        # Half as long as by an index in brackets: rows are copied whole.
        return np.take(table, self.items, axis=0).astype(np.float64)
