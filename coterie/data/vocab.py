"""Ids come from outside, rows are ours: only a Vocab converts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vocab:
    """The ids of one sort of thing; an id's row is its index in ``ids``.

    >>> vocab = Vocab.of(["b", "a", "b"])
    >>> vocab.ids.to_pylist(), vocab.rows(["a", "zz"]).tolist()
    (['a', 'b'], [0, -1])
    """

    ids: pa.Array

    @classmethod
    def of(cls, ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> "Vocab":
        """Sort the distinct ids, so that the same ids always get the same rows."""
        column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.string())
        unique = pc.unique(column.cast(pa.string())).drop_null()
        ordered = unique.take(pc.sort_indices(unique))
        return cls(ordered.combine_chunks() if isinstance(ordered, pa.ChunkedArray) else ordered)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> Rows:
        """Look up the row of each id, shape (n,); -1 where the id is unknown or null."""
        column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.string())
        found = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=self.ids), -1)
        return np.asarray(
            found.to_numpy(zero_copy_only=False)
            if isinstance(found, pa.Array)
            else found.to_numpy(),
            dtype=np.int64,
        )

    def row(self, one_id: str) -> int:
        """Look up the row of one id.

        Raises:
            BadInputError: The id is unknown.
        """
        row = int(self.rows([one_id])[0])
        if row < 0:
            raise BadInputError(f"unknown id {one_id!r}: it has no row among {len(self)} ids")
        return row

    def to_ids(self, rows: Rows) -> list[str]:
        """Look up the ids of rows, shape (n,).

        Raises:
            BadInputError: A row is outside the vocabulary.
        """
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self)):
            raise BadInputError(
                f"row {int(rows.max())} is outside a vocabulary of {len(self)}: "
                "were both built from the same data?"
            )
        ids: list[str] = self.ids.take(pa.array(rows)).to_pylist()
        return ids
