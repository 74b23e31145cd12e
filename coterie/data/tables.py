"""Tables of the contract in a folder: their columns, and their rows, part by part."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote

import pyarrow as pa

from coterie.data.chunks import Chunk
from coterie.data.columns import refuse_type
from coterie.data.formats import columns_of, num_rows_at_most, parquet_types, read_chunks
from coterie.data.stores import near, open_store
from coterie.data.table_files import PassedOver, find_tables
from coterie.errors import BadInputError
from coterie.schema import TABLES, BadRow, Table

_ALIKE = 0.85
"""An unknown column this like an absent one is a misspelling, and dropping it a silent loss."""
_HIVE = re.compile(r"([^=/]+)=([^/]*)")
_NOTHING: Final = "__HIVE_DEFAULT_PARTITION__"


class TableSource(Protocol):
    """A shop's data, as tables of the contract."""

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        """Files that are not read, and why."""

    @property
    def without(self) -> Collection[str]:
        """Tables that somebody said there are none of."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of all that follows."""

    @property
    def dropped(self) -> Mapping[str, Mapping[str, int]]:
        """Rows that somebody said to leave out, by table and reason, of those read so far."""

    def files(self, table: Table) -> Sequence[str]:
        """Name the files of a table in the order that they are read; none where it is not there."""

    def unknown_columns(self, table: Table) -> tuple[str, ...]:
        """Name the columns that the contract does not know."""

    def num_rows_at_most(self, table: Table) -> int:
        """Guess how many rows there are, rather too many."""

    def chunks(self, table: Table) -> Iterator[Chunk]:
        """Yield the rows of a table with the contract's columns, file by file.

        Raises:
            BadInputError: Something cannot be read, and where.
        """


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table."""

    name: str
    """Its path within the folder."""
    path: Path
    columns: tuple[str, ...]
    constants: dict[str, str | None] = field(default_factory=dict)
    """Columns that stand in the folders' names, ``kind=friend/``."""


class ContractFolder:
    """A folder whose files are named as the contract's tables."""

    def __init__(
        self, files: dict[str, list[TableFile]], passed_over: Sequence[PassedOver]
    ) -> None:
        self._files = files
        self.passed_over = passed_over
        self.without: Collection[str] = ()
        self.notes: Sequence[str] = ()
        self.dropped: Mapping[str, Mapping[str, int]] = {}

    def files(self, table: Table) -> list[str]:
        """See TableSource."""
        return [file.name for file in self._files.get(table.name, [])]

    def unknown_columns(self, table: Table) -> tuple[str, ...]:
        """See TableSource."""
        files = self._files.get(table.name, [])
        found = {column for file in files for column in (*file.columns, *file.constants)}
        return tuple(sorted(found - set(table.arrow.names)))

    def num_rows_at_most(self, table: Table) -> int:
        """See TableSource."""
        return sum(num_rows_at_most(file.path, file.name) for file in self._files[table.name])

    def chunks(self, table: Table) -> Iterator[Chunk]:
        """See TableSource."""
        # A refusal under a wrong name counts as well: all columns of users are looked at.
        wanted = None if table.bad_row is BadRow.REFUSES else table.arrow.names
        for file in self._files[table.name]:
            constants = {n: v for n, v in file.constants.items() if n in table.arrow.names}
            for chunk in read_chunks(file.path, file.name, wanted=wanted):
                same = {
                    c: pa.repeat(pa.scalar(v, pa.string()), len(chunk))
                    for c, v in constants.items()
                }
                yield Chunk(
                    chunk.file, chunk.rows, chunk.columns | same, chunk.faults, chunk.fields
                )


@contextmanager
def open_folder(path: str) -> Iterator[ContractFolder]:
    """Find the tables of a folder, and look at what columns their files have.

    A table is a file ``<table>.{parquet,csv,jsonl,...}``, a folder ``<table>/`` of such files, or
    both. Names count in any case, texts may be compressed, and folders within it may be named as
    Hive does. Files of a store are fetched.

    Args:
        path: A folder, local or of a store (``s3://bucket/folder``).

    Raises:
        BadInputError: A table is there in two forms, a file looks like a table's and cannot be
            read as one, or a column is missing or misspelt: all of it in one error.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(path)
    found, passed_over, problems = find_tables(fs, folder, path)
    with near(fs, folder, [name for names in found.values() for name in names]) as paths:
        files: dict[str, list[TableFile]] = {}
        for table in TABLES.values():
            for name in found[table.name]:
                try:
                    file = _table_file(table, name, paths[name])
                    files.setdefault(table.name, []).append(file)
                except BadInputError as error:
                    problems.append(str(error))
        _refuse(problems, path)
        yield ContractFolder(files, passed_over)


def _table_file(table: Table, name: str, path: Path) -> TableFile:
    if path.stat().st_size == 0:
        raise BadInputError(f"{name} is empty: expected columns {', '.join(table.required)}")
    columns = columns_of(path, name)
    constants = {
        found[1]: None if found[2] == _NOTHING else unquote(found[2])
        for part in name.split("/")[1:-1]
        if (found := _HIVE.fullmatch(part))
    }
    both = sorted(set(constants) & set(columns) & set(table.arrow.names))
    if both:
        raise BadInputError(
            f"{name} has column {both[0]}, and so has the name of its folder: leave one of them"
        )
    refuse_columns(table, [*columns, *constants], name)
    for column in table.columns:
        if column.name in (types := parquet_types(path, name)):
            try:
                refuse_type(column, types[column.name])
            except BadInputError as error:
                raise BadInputError(f"{name}: {error}") from error
    return TableFile(name, path, tuple(columns), constants)


def refuse_columns(table: Table, columns: list[str], name: str, whole: bool = True) -> None:
    """Refuse columns that cannot be a table's.

    Args:
        table: Whose.
        columns: As found.
        name: What errors call the file.
        whole: Whether these are all columns, so that needed ones are among them.

    Raises:
        BadInputError: One is there twice, missing, or misspelt.
    """
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise BadInputError(f"{name} has column {twice[0]} more than once")
    missing = [c for c in table.required if c not in columns]
    if missing and whole:
        raise BadInputError(
            f"{name} lacks column {', '.join(missing)}; it has {', '.join(columns)}: "
            f"{table.name} needs {', '.join(table.required)}{_hint(columns)}"
        )
    absent = [c.name for c in table.columns if c.name not in columns]
    for unknown in sorted(set(columns) - set(table.arrow.names)):
        meant = get_close_matches(unknown.lower(), absent, n=1, cutoff=_ALIKE)
        if meant:
            raise BadInputError(
                f"{name} has column {unknown}: rename it {meant[0]}, or leave it out"
            )


def _hint(columns: list[str]) -> str:
    """Suggest what may help where all columns were read as one."""
    mark = next((mark for mark in ";\t|" if len(columns) == 1 and mark in columns[0]), None)
    return (
        ""
        if mark is None
        else f"; fields seem to be parted by {mark!r}: coterie inspect reads that"
    )


def _refuse(problems: list[str], path: str) -> None:
    if len(problems) == 1:
        raise BadInputError(problems[0])
    if problems:
        raise BadInputError(f"{path} has {len(problems)} faults: " + "; ".join(problems))
