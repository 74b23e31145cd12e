"""Sums over the rows of a few items: what their nearest gain from them.

The table is kept as a release holds it, in single precision, so it can stay in its file; what is
taken from it is added up in double precision.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints

_FEW: Final = 32
"""Entries of which there are so many times fewer than items are added up by themselves."""
Doubles = npt.NDArray[np.float64]
Matrix = Any  # scipy.sparse.csr_matrix


def weigh_nearest(near: Matrix, items: Ints, weights: Doubles) -> Doubles:
    """Sum the rows of some items by weight, shape (columns,): term after term, as they stand.

    Args:
        near: Source by answer, shape (rows, columns).
        items: Rows, shape (n,).
        weights: Of each, shape (n,).
    """
    answers, added = _entries(near, items, weights)
    return np.asarray(np.bincount(answers, added, near.shape[1]), np.float64)


def _entries(near: Matrix, items: Ints, weights: Doubles) -> tuple[Ints, Doubles]:
    """Copy the entries of some rows: columns, and numbers by weight."""
    # Each row lies in one piece: copied whole, not entry by entry.
    begin, end = near.indptr[items], near.indptr[items + 1]
    rows = [slice(a, b) for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0)
    added = np.concatenate([near.data[row] for row in rows]) * np.repeat(weights, end - begin)
    return np.concatenate([near.indices[row] for row in rows]), added


def among(near: Matrix, items: Ints, columns: Ints) -> Doubles:
    """Look up entries, shape (items, columns): rows of some items, and columns of some others."""
    place = np.full(near.shape[1], -1, np.int32)
    place[columns] = np.arange(len(columns))
    begin, end = near.indptr[items], near.indptr[items + 1]
    rows = [slice(a, b) for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    found = np.zeros((len(items), len(columns)))
    if rows:
        column = place[np.concatenate([near.indices[row] for row in rows])]
        kept = np.flatnonzero(column >= 0)
        ends = np.cumsum(end - begin)
        row = np.searchsorted(ends, kept, side="right")
        found[row, column[kept]] = near.data[end[row] - ends[row] + kept]
    return found


@dataclass(frozen=True, slots=True)
class NearScores:
    """What nearest items say for b shoppers, computed shopper by shopper: it is a row of the
    catalogue each."""

    near: Matrix
    offsets: Ints
    """Where each shopper's items begin, shape (b + 1,)."""
    items: Ints
    """Shape (n,)."""
    weights: Doubles
    """Shape (n,)."""
    itself: Doubles | None = None
    """What is taken from each of these items, shape (n,): none speaks for itself; None: nothing."""

    def row(self, row: int) -> Doubles:
        """Score all items for one shopper, shape (items,)."""
        some = slice(self.offsets[row], self.offsets[row + 1])
        scores = weigh_nearest(self.near, self.items[some], self.weights[some])
        if self.itself is not None:
            np.subtract.at(scores, self.items[some], self.itself[some])
        return scores

    def add_to(self, scores: Doubles, row: int) -> None:
        """Add what they say for one shopper to scores of all items, shape (items,)."""
        some = slice(self.offsets[row], self.offsets[row + 1])
        items = self.items[some]
        if int((self.near.indptr[items + 1] - self.near.indptr[items]).sum()) * _FEW > len(scores):
            scores += self.row(row)
            return
        # Of a large catalogue little is touched: only that is added up, and in the same order.
        answers, added = _entries(self.near, items, self.weights[some])
        if self.itself is not None:
            answers, added = np.append(answers, items), np.append(added, -self.itself[some])
        touched, place = np.unique(answers, return_inverse=True)
        scores[touched] += np.bincount(place, added, len(touched))

    def rows(self) -> Doubles:
        """Score all items for all shoppers, shape (b, items)."""
        found = np.zeros((len(self.offsets) - 1, self.near.shape[1]))
        for row in range(len(found)):
            found[row] = self.row(row)
        return found
