"""Vectors of items as columns beside the catalogue's: what encoders made of texts and pictures.

A column ``vector_KIND`` holds lists of one length; what made it, and its digest, stand in the
table's metadata under the column's name, so that a training set's digest tells encoders apart.
"""

from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Floats
from coterie.errors import BadInputError

PREFIX: Final = "vector_"
"""Of the names of such columns; the kind follows: text, image, audio."""


def vector_column(kind: str) -> str:
    """Name the column that holds the vectors of a kind."""
    return f"{PREFIX}{kind}"


def with_vectors(
    items: pa.Table, kind: str, vectors: npt.ArrayLike, encoder: str = "", digest: str = ""
) -> pa.Table:
    """Put the vectors of a kind beside a catalogue's columns, in place of earlier ones.

    Args:
        items: Row i describes item i.
        kind: What was encoded: text, image, audio.
        vectors: Shape (items, width); a row of zeros says nothing.
        encoder: Name of what made them.
        digest: Of its weights and settings.

    Raises:
        BadInputError: There is not one vector an item, or a number is none.
    """
    found = np.ascontiguousarray(vectors, np.float32)
    if found.ndim != 2 or len(found) != items.num_rows or not np.isfinite(found).all():
        raise BadInputError(
            f"vectors of kind {kind} have shape {found.shape}, expected finite numbers of shape "
            f"({items.num_rows}, width): one row an item"
        )
    # Parquet calls what is in a list so: read back, the table is the same.
    form = pa.list_(pa.field("element", pa.float32()), found.shape[1])
    column = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), type=form)
    name = vector_column(kind)
    if name in items.column_names:
        items = items.drop_columns([name])
    told = {**(items.schema.metadata or {}), name.encode(): f"{encoder} {digest}".encode()}
    return items.append_column(name, column).replace_schema_metadata(told)


def vectors_of(items: pa.Table | None, kind: str) -> Floats | None:
    """Read the vectors of a kind, shape (items, width); None where there are none."""
    if items is None or vector_column(kind) not in items.column_names:
        return None
    column = items[vector_column(kind)].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of a table without rows
        column = column.chunk(0)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(items.num_rows, column.type.list_size)


def encoders_of(items: pa.Table | None) -> dict[str, str]:
    """Tell what made the vectors of each kind: its name and digest, by kind."""
    told = {} if items is None else items.schema.metadata or {}
    names = {
        name.decode().removeprefix(PREFIX): made.decode()
        for name, made in told.items()
        if name.startswith(PREFIX.encode())
    }
    return dict(sorted(names.items()))


def halves_of(items: pa.Table | None) -> dict[str, npt.NDArray[np.float16]]:
    """Read the vectors of all kinds as encoders keep them, shape (items, width), by kind."""
    kinds = encoders_of(items)
    found = {kind: vectors_of(items, kind) for kind in kinds}
    return {kind: one.astype(np.float16) for kind, one in found.items() if one is not None}


def vector_digests(items: pa.Table | None) -> dict[str, str]:
    """Digest the vectors of each kind: the same for the same numbers of the same items only."""
    return {kind: sha256(one.tobytes()).hexdigest() for kind, one in halves_of(items).items()}
