"""Tables of the contract in files: Parquet, CSV or JSON Lines, local or on any fsspec store."""

import codecs
import csv
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.checks import FIELDS
from coterie.data.engine import Runner, daft_on
from coterie.data.staging import is_local
from coterie.errors import BadInputError, UnavailableError
from coterie.schema import Table

FORMATS: Final = ("parquet", "csv", "jsonl")
FILE, ROW = "_file", "_row"
_CHUNK_BYTES = 1 << 22
_JSON_SAMPLE_ROWS = 1_000


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
        table: Which one; looked for as ``<path>/<table>.{parquet,csv,jsonl}``, else as a folder
            ``<path>/<table>/`` of such files.
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
    fs, folder = _store(path)
    return bool(_find(fs, folder, table))


@contextmanager
def local_files(table: Table, path: str) -> Iterator[list[tuple[str, Path]]]:
    """The files of one table as (name within the folder, local path), fetched where they are far.

    Raises:
        BadInputError: There is none, or the table is there in two forms.
        UnavailableError: The store does not answer.
    """
    fs, folder = _store(path)
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
        try:
            fs.get(found, [str(copy) for copy in copies])
        except OSError as error:
            raise UnavailableError(f"{path} could not be fetched: {error}") from error
        yield list(zip(names, copies, strict=True))


def write_table(data: pa.Table, file: Path) -> None:
    """Write Parquet whose bytes depend on nothing but ``data`` and the version of Arrow."""
    pq.write_table(data, file, compression="zstd", store_schema=True, row_group_size=1 << 17)


def _store(path: str) -> tuple[Any, str]:
    try:
        fs, folder = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise BadInputError(f"{path} is on no store that is known: {error}") from error
    return fs, folder.rstrip("/")


def _find(fs: Any, folder: str, table: Table) -> list[str]:
    try:
        single = [f"{folder}/{table.name}.{end}" for end in FORMATS]
        found = [file for file in single if fs.isfile(file)]
        if not found and fs.isdir(f"{folder}/{table.name}"):
            parts = fs.ls(f"{folder}/{table.name}", detail=False)
            found = sorted(p for p in parts if p.rsplit(".", 1)[-1] in FORMATS)
            if not found:
                raise BadInputError(f"folder {table.name}/ of {folder} has no {', '.join(FORMATS)}")
            return found
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"{folder} could not be listed: {error}") from error
    if len(found) > 1:
        raise BadInputError(f"{folder} has {table.name} more than once: {found}: leave one")
    return found


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
    end = file.suffix.lstrip(".")
    columns = {"parquet": _parquet_columns, "csv": _csv_columns, "jsonl": _json_columns}[end](
        file, name
    )
    _refuse_columns(table, columns, name)
    wanted = [c.name for c in table.columns if c.name in columns]
    data = _read_with_daft(file, name, end, columns, wanted, runner)
    rows = pa.array(range(1, data.num_rows + 1), pa.int64())
    files = pa.DictionaryArray.from_arrays(
        pa.array([0] * data.num_rows, pa.int32()), pa.array([name])
    ).cast(pa.string())
    data = data.append_column(FILE, files).append_column(ROW, rows)
    return data, tuple(sorted(set(columns) - set(wanted)))


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


def _read_with_daft(
    file: Path, name: str, end: str, columns: list[str], wanted: list[str], runner: Runner
) -> pa.Table:
    daft = daft_on(runner)
    text = daft.DataType.string()
    try:
        if end == "parquet":
            return daft.read_parquet(str(file)).select(*wanted).to_arrow()
        if end == "jsonl":
            as_text = dict.fromkeys(wanted, text)
            return daft.read_json(str(file), infer_schema=False, schema=as_text).to_arrow()
        # One column more than the header: a row that fills it, or leaves the last one null, is
        # not as wide as the header says.
        as_text = dict.fromkeys([*columns, FIELDS], text)
        frame = daft.read_csv(
            str(file), infer_schema=False, schema=as_text, allow_variable_columns=True
        )
        too_few = daft.col(columns[-1]).is_null()
        fields = (
            daft.functions.when(
                daft.col(FIELDS).not_null(), daft.lit("more fields than the header")
            )
            .when(too_few, daft.lit("fewer fields than the header"))
            .otherwise(daft.lit(None))
            .cast(text)
        )
        return frame.with_column(FIELDS, fields).select(*wanted, FIELDS).to_arrow()
    except ValueError as error:
        raise BadInputError(f"{name} cannot be read: {_why(file, end, error)}") from error


def _why(file: Path, end: str, error: Exception) -> str:
    if end != "jsonl":
        return str(error).removeprefix("DaftError::")
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                good = not line.strip() or isinstance(json.loads(line), dict)
            except json.JSONDecodeError as fault:
                return f"line {number}, column {fault.colno}: {fault.msg}"
            if not good:
                return f"line {number} is no JSON object"
    return str(error)


def _parquet_columns(file: Path, name: str) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInputError(
            f"{name} is no whole Parquet file: {error}: was it cut short while it was copied?"
        ) from error


def _csv_columns(file: Path, name: str) -> list[str]:
    _refuse_encoding(file, name)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    return [column.strip() for column in header]


def _json_columns(file: Path, name: str) -> list[str]:
    _refuse_encoding(file, name)
    columns: dict[str, None] = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, _JSON_SAMPLE_ROWS), 1):
            try:
                columns.update(dict.fromkeys(json.loads(line) if line.strip() else ()))
            except (json.JSONDecodeError, TypeError) as error:
                raise BadInputError(
                    f"{name} cannot be read: line {number} is no JSON object: {error}"
                ) from error
    return list(columns)


def _refuse_encoding(file: Path, name: str) -> None:
    """Daft turns bytes that are no UTF-8 into nulls without a word: looked for before."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                raise BadInputError(
                    f"{name} is not in UTF-8 (line {lines}: byte 0x{error.object[error.start]:02x}): "
                    "convert it, e.g. iconv -f latin1 -t utf-8"
                ) from error
            if "\0" in text:
                raise BadInputError(f"{name} is not in UTF-8 (it holds NULs; UTF-16?): convert it")
            lines += text.count("\n")
    if decoder.getstate()[0]:
        raise BadInputError(f"{name} ends in the middle of a character: was it cut short?")
