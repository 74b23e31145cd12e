"""Rows of different lengths, one after the other: what offsets say of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """n rows with e entries in all; row i holds those from ``offsets[i]`` to ``offsets[i + 1]``.

    >>> rows = Ragged.of(np.array([2, 0, 1]))
    >>> rows.offsets.tolist(), rows.row.tolist(), rows.position.tolist()
    ([0, 2, 2, 3], [0, 0, 2], [0, 1, 0])
    >>> taken, entries = rows.take(np.array([2, -1, 0]))
    >>> taken.counts.tolist(), entries.tolist()
    ([1, 0, 2], [2, 0, 1])
    """

    offsets: Ints
    """Shape (n + 1,)."""

    @classmethod
    def of(cls, counts: npt.NDArray[np.integer | np.bool_]) -> "Ragged":
        """Make rows of so many entries each, shape (n,)."""
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return cls(offsets)

    @classmethod
    def of_rows(cls, row: Ints, num_rows: int) -> "Ragged":
        """Make rows of the row of each entry, shape (e,), in any order."""
        return cls.of(np.bincount(row, minlength=num_rows))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Ints:
        """Entries of each row, shape (n,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def row(self) -> Ints:
        """The row of each entry, shape (e,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def position(self) -> Ints:
        """Position of each entry in its row, from 0, shape (e,)."""
        return np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.counts)

    def take(self, rows: Ints) -> tuple["Ragged", Ints]:
        """Take some rows in the order asked, and their entries, shape (taken,).

        A row of -1 is an empty one.
        """
        known = rows >= 0
        some = np.where(known, rows, 0)
        counts = np.where(known, self.offsets[some + 1] - self.offsets[some], 0)
        taken = Ragged.of(counts)
        starts = np.repeat(self.offsets[some] - taken.offsets[:-1], counts)
        return taken, starts + np.arange(taken.offsets[-1])

    def where(self, kept: npt.NDArray[np.bool_]) -> "Ragged":
        """Keep some entries of the same rows, by a mask of shape (e,)."""
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Ragged(before[self.offsets])
