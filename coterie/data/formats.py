"""Files of tables: which forms are read, and their rows as they stand, part by part."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.chunks import PLAIN, Chunk, FileForm
from coterie.data.delimited import delimited_chunks, delimited_columns
from coterie.data.encodings import COMPRESSIONS
from coterie.data.json_lines import json_chunks, json_columns, json_lists
from coterie.data.nested import entries_of, leaf_names, list_names
from coterie.errors import BadInputError

PARQUET, DELIMITED, JSON_LINES = "parquet", "delimited", "json_lines"
KINDS: Final = {
    ".parquet": PARQUET,
    ".csv": DELIMITED,
    ".tsv": DELIMITED,
    ".txt": DELIMITED,
    ".dat": DELIMITED,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": JSON_LINES,
}
"""What a file is, by the end of its name; text may be compressed, ``.csv.gz`` or ``.jsonl.zst``."""
FORMATS: Final = ("parquet", "csv", "jsonl", "ndjson", "json")
"""Ends of the names of the contract's own files."""
CHUNK_ROWS: Final = 1 << 17


def form_of(name: str) -> tuple[str | None, str | None]:
    """Tell what a file is by its name: one of ``KINDS``' values, and how it is compressed.

    >>> form_of("2024-01.CSV.gz"), form_of("events.xlsx")
    (('delimited', 'gzip'), (None, None))
    """
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    kind = KINDS.get(suffixes[-1]) if suffixes else None
    return (
        (None, None) if kind is None or (kind == PARQUET and compression) else (kind, compression)
    )


def columns_of(file: Path, name: str, form: FileForm = PLAIN, leaves: bool = False) -> list[str]:
    """Read the names of a file's columns, in its order.

    Args:
        file: Ends in one of ``KINDS``, perhaps compressed.
        name: What errors call it.
        form: How it is written.
        leaves: Also those within objects, and within the entries of ``form.each``, as ``a.b``.

    Raises:
        BadInputError: The file is empty or not whole, not in its encoding, or not of that form.
    """
    kind = _kind(file, name)
    if kind == PARQUET:
        schema = _parquet(file, name).schema_arrow
        return leaf_names(schema, form.each) if leaves else list(schema.names)
    if kind == JSON_LINES:
        return json_columns(file, name, form.each, leaves)
    return delimited_columns(file, name, form)


def lists_of(file: Path, name: str) -> list[str]:
    """Find the columns that are lists of objects, each entry of which may be a row."""
    kind = _kind(file, name)
    if kind == PARQUET:
        return list_names(_parquet(file, name).schema_arrow)
    return json_lists(file, name) if kind == JSON_LINES else []


def read_chunks(
    file: Path, name: str, form: FileForm = PLAIN, wanted: Collection[str] | None = None
) -> Iterator[Chunk]:
    """Read a file in parts, so that memory does not grow with it.

    Args:
        file: Ends in one of ``KINDS``, perhaps compressed.
        name: What errors call it.
        form: How it is written.
        wanted: Columns to read, those within objects as ``a.b``; all outside objects where not
            given. Those that the file lacks are left out.

    Raises:
        BadInputError: Something in the file cannot be read, and where.
    """
    kind = _kind(file, name)
    if kind == PARQUET:
        yield from _parquet_chunks(file, name, wanted, form.each)
    elif kind == JSON_LINES:
        yield from json_chunks(file, name, wanted, form.each)
    elif form.each:
        raise BadInputError(no_lists(name, form.each))
    else:
        yield from delimited_chunks(file, name, form, wanted)


def parquet_types(file: Path, name: str) -> dict[str, pa.DataType]:
    """Give the type of each column of a Parquet file; none of a file of text.

    Raises:
        BadInputError: The file is not whole.
    """
    if form_of(file.name)[0] != PARQUET:
        return {}
    schema = _parquet(file, name).schema_arrow
    return {
        found.name: found.type.value_type if pa.types.is_dictionary(found.type) else found.type
        for found in schema
    }


def num_rows_at_most(file: Path, name: str) -> int:
    """Guess how many rows a file has, rather too many: what is spilled to disk depends on it."""
    kind, compression = form_of(file.name)
    if kind == PARQUET:
        return int(_parquet(file, name).metadata.num_rows)
    # A line of the contract's tables takes 30 bytes and more, and packs to a tenth.
    return int(file.stat().st_size / (3 if compression else 30))


def no_lists(name: str, each: str) -> str:
    """Say that a file of text has no lists."""
    return (
        f"{name} is a file of text, and its rows hold no list {each!r}: form.each is for "
        "JSON Lines and Parquet"
    )


def _kind(file: Path, name: str) -> str:
    kind, _ = form_of(file.name)
    if kind is None:
        raise BadInputError(f"{name} is of no form that is read: expected {', '.join(KINDS)}")
    if file.stat().st_size == 0:
        raise BadInputError(f"{name} is empty: expected a table with its columns")
    return kind


def _parquet(file: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (ValueError, OSError) as error:  # pyarrow's are, and those of names that are no UTF-8
        raise BadInputError(
            f"{name} is no whole Parquet file: {error}: was it cut short while it was copied?"
        ) from error


def _parquet_chunks(
    file: Path, name: str, wanted: Collection[str] | None, each: str
) -> Iterator[Chunk]:
    content = _parquet(file, name)
    names = content.schema_arrow.names
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise BadInputError(f"{name} has column {twice[0]} more than once")
    nested = [key for key in wanted or () if key not in names and "." in key]
    roots = {key.partition(".")[0] for key in [*nested, each]}
    columns = [column for column in names if wanted is None or column in wanted or column in roots]
    first = 1
    try:
        for batch in content.iter_batches(CHUNK_ROWS, columns=columns):
            rows = np.arange(first, first + batch.num_rows)
            if nested or each:
                place, found = entries_of(batch, each, wanted or (), name)
                rows = rows[place]
            else:
                found = {column: batch.column(column) for column in columns}
            yield Chunk(name, rows, {key: _plain(array) for key, array in found.items()}, {})
            first += batch.num_rows
    except (ValueError, pa.ArrowNotImplementedError, OSError) as error:
        raise BadInputError(f"{name} cannot be read from row {first} on: {error}") from error


def _plain(found: pa.Array) -> pa.Array:
    """Undo the ways in which Parquet saves room; the values are the same."""
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_large_string(found.type) or pa.types.is_string_view(found.type):
        return found.cast(pa.string())
    return found
