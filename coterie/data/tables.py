"""Tables of the contract in a folder: which files hold them, and their rows, part by part."""

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.columns import refuse_type
from coterie.data.formats import (
    FORMATS,
    Chunk,
    columns_of,
    form_of,
    num_rows_at_most,
    parquet_types,
    read_chunks,
)
from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import TABLES, BadRow, Table

_ALIKE = 0.85
"""An unknown column this like an absent one is a misspelling, and dropping it a silent loss."""
_NAMED_ALIKE = 0.8
"""A file this like a table's name is meant to be one."""
_HIVE = re.compile(r"([^=/]+)=([^/]*)")
_NOTHING: Final = "__HIVE_DEFAULT_PARTITION__"
_TEXTS: Final = ("parquet", "csv", "jsonl", "ndjson", "json", "tsv", "txt")
HIDDEN: Final = "hidden: names that begin with . or _ are a tool's own"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that was found and not read."""

    file: str
    reason: str


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
    """Within the folder."""
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
    found, passed_over, problems = _look(fs, folder, path)
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


ROW_GROUP: Final = 1 << 17


def write_table(data: pa.Table, file: Path) -> None:
    """Write Parquet whose bytes depend on nothing but ``data`` and the version of Arrow."""
    with table_writer(file, data.schema) as writer:
        writer.write_table(data, row_group_size=ROW_GROUP)


def table_writer(file: Path, schema: pa.Schema, unique: Collection[str] = ()) -> pq.ParquetWriter:
    """Open a table's file; write whole row groups of ``ROW_GROUP`` rows but for the last.

    Args:
        file: To write.
        schema: Of the table.
        unique: Columns whose values hardly repeat: a dictionary of them is made in vain.
    """
    repeated = [name for name in schema.names if name not in unique]
    return pq.ParquetWriter(
        file, schema, compression="zstd", store_schema=True, use_dictionary=repeated
    )


def _look(
    fs: Any, folder: str, path: str
) -> tuple[dict[str, list[str]], list[PassedOver], list[str]]:
    """Names of each table's files, of those that are passed over, and what is wrong with names."""
    found: dict[str, list[str]] = {name: [] for name in TABLES}
    passed_over: list[PassedOver] = []
    problems: list[str] = []
    with reaching(path):
        try:
            entries = sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadInputError(f"{path} is no folder: name the one with the tables") from error
        for entry in entries:
            name = PurePosixPath(entry["name"]).name
            if entry["type"] == "directory" and name.lower() in TABLES:
                parts = sorted(fs.find(entry["name"]))
                names = [part[len(folder) :].lstrip("/") for part in parts]
                _sort_out(name.lower(), name, names, found, passed_over, problems)
            elif entry["type"] == "directory":
                passed_over.append(PassedOver(f"{name}/", _no_table()))
            else:
                _sort_out_file(name, found, passed_over, problems)
    for table, names in found.items():
        # A file of the table's own name is read before the folder beside it.
        names.sort(key=lambda name: ("/" in name, name))
        single = [name for name in names if "/" not in name]
        if len(single) > 1:
            problems.append(f"{path} has {table} more than once: {', '.join(single)}: leave one")
    return found, passed_over, problems


def _sort_out_file(
    name: str,
    found: dict[str, list[str]],
    passed_over: list[PassedOver],
    problems: list[str],
) -> None:
    """A file beside the tables' folders."""
    if name.startswith((".", "_")):
        passed_over.append(PassedOver(name, HIDDEN))
        return
    stem = name.lower().split(".", 1)[0]
    if stem in TABLES and _is_read(name, top=True):
        found[stem].append(name)
        return
    meant = _meant(name)
    if meant is None:
        passed_over.append(PassedOver(name, _no_table()))
    elif stem in TABLES:
        problems.append(
            f"{name} is not of a form that is read: expected {meant}.{{{','.join(FORMATS)}}}, text "
            "perhaps with .gz or .zst"
        )
    else:
        problems.append(
            f"{name} looks like a part of {meant}, but is not named so: move it into a folder "
            f"{meant}/, call it {meant}.csv (or .parquet, .jsonl), or take it out of the folder"
        )


def _no_table() -> str:
    return f"no table of the contract: expected {', '.join(TABLES)}"


def _sort_out(
    table: str,
    folder: str,
    names: list[str],
    found: dict[str, list[str]],
    passed_over: list[PassedOver],
    problems: list[str],
) -> None:
    """The files of a table's folder, at any depth."""
    if any("/_delta_log/" in name for name in names):
        problems.append(f"{folder}/ is a Delta table, with rows that were deleted: export it")
        return
    for name in names:
        if any(part.startswith((".", "_")) for part in name.split("/")[1:]):
            passed_over.append(PassedOver(name, HIDDEN))
        elif _is_read(name):
            found[table].append(name)
        else:
            problems.append(
                f"{name} is not of a form that is read: expected {', '.join(FORMATS)}, text "
                "perhaps with .gz or .zst; take it out of the folder if it is no part of the table"
            )
    if not found[table] and not problems:
        problems.append(f"folder {folder}/ has no {', '.join(FORMATS)}")


def _is_read(name: str, top: bool = False) -> bool:
    kind, compression = form_of(name)
    suffixes = [suffix.lower().lstrip(".") for suffix in PurePosixPath(name).suffixes]
    ends = suffixes[:-1] if compression else suffixes
    # events.2024.csv is a part of events: it belongs into the folder.
    return (
        kind is not None and ends[-1:] != [] and ends[-1] in FORMATS and (not top or len(ends) == 1)
    )


def _meant(name: str) -> str | None:
    """The table that a file is likely to be a part of, by its name."""
    stem = re.match(r"[a-z]*", name.lower())
    word = stem[0] if stem else ""
    whole = name.lower().split(".", 1)[0]
    if not any(
        f".{end}" in name.lower() for end in (*_TEXTS, "xls", "zip", "db", "bz2", "avro", "orc")
    ):
        return None
    close = get_close_matches(word, list(TABLES), n=1, cutoff=_NAMED_ALIKE)
    close = close or get_close_matches(whole, list(TABLES), n=1, cutoff=_NAMED_ALIKE)
    return close[0] if close else None


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
    """What may help where all columns were read as one."""
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


@contextmanager
def near(fs: Any, folder: str, names: list[str]) -> Iterator[dict[str, Path]]:
    """Yield where files lie on this machine, fetched from a store for as long as they are read."""
    if is_local(fs):
        yield {name: Path(folder, name) for name in names}
        return
    with tempfile.TemporaryDirectory(prefix="coterie-") as near:
        paths = {
            name: Path(near, str(number), Path(name).name) for number, name in enumerate(names)
        }
        for path in paths.values():
            path.parent.mkdir()
        with reaching(folder):
            if names:
                fs.get([f"{folder}/{name}" for name in names], [str(p) for p in paths.values()])
        yield paths
