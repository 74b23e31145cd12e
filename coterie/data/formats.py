"""The three forms of a table's file: what columns it has, and their rows as they stand."""

import codecs
import csv
import json
import re
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.checks import FIELDS
from coterie.data.engine import Runner, daft_on
from coterie.errors import BadInputError

FORMATS: Final = ("parquet", "csv", "jsonl")
_CHUNK_BYTES = 1 << 22
_JSON_SAMPLE_ROWS = 1_000


def columns_of(file: Path, name: str) -> list[str]:
    """Names of a file's columns, in its order; of JSON Lines, those of its first 1,000 rows.

    Args:
        file: Ends in one of ``FORMATS``.
        name: What errors call it.

    Raises:
        BadInputError: The file is not whole, not in UTF-8, or not of that form.
    """
    read = {"parquet": _parquet_columns, "csv": _csv_columns, "jsonl": _json_columns}
    return read[file.suffix.lstrip(".")](file, name)


def read_columns(
    file: Path, name: str, columns: list[str], wanted: list[str], runner: Runner
) -> pa.Table:
    """All rows of some columns, in order: Parquet as typed there, else as text.

    Args:
        file: Ends in one of ``FORMATS``.
        name: What errors call it.
        columns: All columns of the file, in its order.
        wanted: Those to read; CSV adds ``checks.FIELDS``.
        runner: Where Daft works.

    Raises:
        BadInputError: Something in the file cannot be read, and where.
    """
    daft = daft_on(runner)
    end = file.suffix.lstrip(".")
    # Daft takes paths for patterns.
    path = re.sub(r"[\\*?\[\]{}]", r"\\\g<0>", str(file))
    text = daft.DataType.string()
    try:
        if end == "parquet":
            return daft.read_parquet(path).select(*wanted).to_arrow()
        if end == "jsonl":
            as_text = dict.fromkeys(wanted, text)
            return daft.read_json(path, infer_schema=False, schema=as_text).to_arrow()
        # One column more than the header: a row that fills it, or leaves the last one null, is
        # not as wide as the header says.
        as_text = dict.fromkeys([*columns, FIELDS], text)
        frame = daft.read_csv(path, infer_schema=False, schema=as_text, allow_variable_columns=True)
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
                byte = error.object[error.start]
                raise BadInputError(
                    f"{name} is not in UTF-8 (line {lines}: byte 0x{byte:02x}): "
                    "convert it, e.g. iconv -f latin1 -t utf-8"
                ) from error
            if "\0" in text:
                raise BadInputError(f"{name} is not in UTF-8 (it holds NULs; UTF-16?): convert it")
            lines += text.count("\n")
    if decoder.getstate()[0]:
        raise BadInputError(f"{name} ends in the middle of a character: was it cut short?")
