"""Tables of the contract in files: Parquet, CSV or JSON Lines, local or on any fsspec store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.columns import refuse_type
from coterie.data.engine import Runner
from coterie.data.formats import FORMATS, columns_of, read_columns
from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import Table

FILE, ROW = "_file", "_row"
_ALIKE = 0.85
"""An unknown column this like an absent one is a misspelling, and dropping it a silent loss."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as its files hold it, all rows, in the order of file names."""

    data: pa.Table
    """The contract's columns that were found, as found, with ``FILE`` (its path within the folder)
    and ``ROW`` (1 is the first row of data)."""
    unknown: tuple[str, ...]
    """Columns that the contract does not know; not read."""


def read_table(table: Table, path: str, runner: Runner = "native") -> Rows:
    """Read one table of a folder as it is: nothing is checked but that it can be read.

    Args:
        table: Which one; looked for as ``<path>/<table>.{parquet,csv,jsonl}``, and as a folder
            ``<path>/<table>/`` of such files, which has more rows of it where both are there.
        path: A folder, local or of a store (``s3://bucket/folder``).
        runner: Where Daft reads.

    Raises:
        BadInputError: No such table, two of them, or a file that cannot be read, or lacks a column.
        UnavailableError: The store does not answer.
    """
    with local_files(table, path) as files:
        parts = [_read_file(table, file, name, runner) for name, file in files]
    unknown = sorted({column for _, columns in parts for column in columns})
    return Rows(_concat(table, [part for part, _ in parts]), tuple(unknown))


def has_table(table: Table, path: str) -> bool:
    """Whether a folder holds a table, in any form."""
    fs, folder = open_store(path)
    return bool(_find(fs, folder, table))


@contextmanager
def local_files(table: Table, path: str) -> Iterator[list[tuple[str, Path]]]:
    """The files of one table as (name within the folder, local path), fetched where they are far.

    Raises:
        BadInputError: There is none, or the table is there in two forms.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(path)
    found = _find(fs, folder, table)
    if not found:
        raise BadInputError(
            f"{path} has no {table.name}: expected {table.name}.{{{','.join(FORMATS)}}} "
            f"or a folder {table.name}/ of such files"
        )
    names = [file[len(folder) :].lstrip("/") for file in found]
    if is_local(fs):
        yield [(name, Path(file)) for name, file in zip(names, found, strict=True)]
        return
    with tempfile.TemporaryDirectory(prefix="coterie-") as near:
        copies = [Path(near) / f"{i}-{Path(name).name}" for i, name in enumerate(names)]
        with reaching(path):
            fs.get(found, [str(copy) for copy in copies])
        yield list(zip(names, copies, strict=True))


def write_table(data: pa.Table, file: Path) -> None:
    """Write Parquet whose bytes depend on nothing but ``data`` and the version of Arrow."""
    pq.write_table(data, file, compression="zstd", store_schema=True, row_group_size=1 << 17)


def _find(fs: Any, folder: str, table: Table) -> list[str]:
    parts: list[str] | None = None
    with reaching(folder):
        single = [f"{folder}/{table.name}.{end}" for end in FORMATS]
        found = [file for file in single if fs.isfile(file)]
        if fs.isdir(f"{folder}/{table.name}"):
            parts = sorted(fs.ls(f"{folder}/{table.name}", detail=False))
    if len(found) > 1:
        raise BadInputError(f"{folder} has {table.name} more than once: {found}: leave one")
    readable = [part for part in parts or () if part.rsplit(".", 1)[-1] in FORMATS]
    if parts is not None and not found and not readable:
        raise BadInputError(f"folder {table.name}/ of {folder} has no {', '.join(FORMATS)}")
    return found + readable


def _concat(table: Table, parts: list[pa.Table]) -> pa.Table:
    if len({part.schema.remove_metadata() for part in parts}) > 1:
        # Parts written by different hands: text is what they can all be read as.
        parts = [_as_text(part) for part in parts]
    try:
        return pa.concat_tables(parts, promote_options="default")
    except pa.ArrowInvalid as error:
        raise BadInputError(f"part files of {table.name} disagree on a type: {error}") from error


def _as_text(part: pa.Table) -> pa.Table:
    return part.cast(
        pa.schema([(f.name, f.type if f.name == ROW else pa.large_string()) for f in part.schema])
    )


def _read_file(
    table: Table, file: Path, name: str, runner: Runner
) -> tuple[pa.Table, tuple[str, ...]]:
    if file.stat().st_size == 0:
        raise BadInputError(f"{name} is empty: expected columns {', '.join(table.required)}")
    columns = columns_of(file, name)
    _refuse_columns(table, columns, name)
    known = [c.name for c in table.columns]
    # A key of JSON Lines may turn up in the last line only: all are asked for.
    wanted = known if file.suffix == ".jsonl" else [c for c in known if c in columns]
    data = read_columns(file, name, columns, wanted, runner)
    _refuse_types(table, data, name)
    files = pa.repeat(pa.scalar(name), data.num_rows)
    rows = pa.array(np.arange(1, data.num_rows + 1))
    data = data.append_column(FILE, files).append_column(ROW, rows)
    return data, tuple(sorted(set(columns) - set(known)))


def _refuse_columns(table: Table, columns: list[str], name: str) -> None:
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise BadInputError(f"{name} has column {twice[0]} more than once")
    missing = [c for c in table.required if c not in columns]
    if missing:
        raise BadInputError(
            f"{name} lacks column {', '.join(missing)}; it has {', '.join(columns)}: "
            f"{table.name} needs {', '.join(table.required)}"
        )
    absent = [c.name for c in table.columns if c.name not in columns]
    for unknown in set(columns) - set(table.arrow.names):
        meant = get_close_matches(unknown, absent, n=1, cutoff=_ALIKE)
        if meant:
            raise BadInputError(
                f"{name} has column {unknown}: rename it {meant[0]}, or leave it out"
            )


def _refuse_types(table: Table, data: pa.Table, name: str) -> None:
    for column in table.columns:
        if column.name in data.column_names:
            try:
                refuse_type(column, data[column.name].type)
            except BadInputError as error:
                raise BadInputError(f"{name}: {error}") from error
