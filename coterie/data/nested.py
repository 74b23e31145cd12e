"""Objects and lists within the rows of Parquet: names with dots, and one row an entry."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError


def leaf_names(schema: pa.Schema, each: str) -> list[str]:
    """List all columns, also those of objects and of a list's entries, their names with dots.

    What a list's entries hold comes first, as it is nearest to what a row is about.
    """
    names = [name for field in schema for name in _names(field.name, field.type, each)]
    return sorted(names, key=lambda name: not (each and name.startswith(f"{each}.")))


def list_names(schema: pa.Schema) -> list[str]:
    """List the columns that are lists of objects."""
    types = {name: kind for field in schema for name, kind in _types(field.name, field.type)}
    return [name for name, kind in types.items() if _is_list(kind) and _is_object(kind.value_type)]


def entries_of(
    batch: pa.RecordBatch, each: str, wanted: Collection[str], file: str
) -> tuple[npt.NDArray[np.int64], dict[str, pa.Array]]:
    """Bring what objects hold beside what they stand in, one row for each entry of a list.

    Args:
        batch: Rows as they stand.
        each: The list; empty: rows stay as they are.
        wanted: Columns to give.
        file: What errors call the file.

    Returns:
        Which row of the batch each row is of, of shape (n,), and the columns.

    Raises:
        BadInputError: There is no such list.
    """
    found: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        _spread(name, column, found)
    kept = {name: column for name, column in found.items() if name in wanted}
    if not each:
        return np.arange(batch.num_rows), kept
    entries = found.get(each)
    if entries is None or not _is_list(entries.type):
        raise BadInputError(
            f"{file} has no list {each!r}, which form.each names: expected one of "
            f"{', '.join(list_names(batch.schema)) or 'no column: it has no list of objects'}"
        )
    place = pc.list_parent_indices(entries)
    inner: dict[str, pa.Array] = {}
    _spread(each, pc.list_flatten(entries), inner)
    rows = {name: column.take(place) for name, column in kept.items() if name != each}
    rows |= {name: column for name, column in inner.items() if name in wanted}
    return place.to_numpy(zero_copy_only=False).astype(np.int64), rows


def _spread(name: str, column: pa.Array, found: dict[str, pa.Array]) -> None:
    found[name] = column
    if _is_object(column.type):
        for field in column.type:
            _spread(f"{name}.{field.name}", pc.struct_field(column, field.name), found)


def _names(name: str, kind: pa.DataType, each: str) -> list[str]:
    if name == each and _is_list(kind):
        return [inner for inner, _ in _types(name, kind.value_type)]
    return [name] + [
        inner
        for field in (kind if _is_object(kind) else ())
        for inner in _names(f"{name}.{field.name}", field.type, each)
    ]


def _types(name: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    inner = kind if _is_object(kind) else ()
    return [(name, kind)] + [
        one for field in inner for one in _types(f"{name}.{field.name}", field.type)
    ]


def _is_object(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
