"""Delimited text, as CSV: every row of it, or the line where it cannot be read."""

import csv
import io
import re
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from coterie.data.chunks import WHOLE_ROW, Chunk, FileForm
from coterie.data.encodings import Utf8Stream, utf8_chunks
from coterie.errors import BadInputError

TOO_MANY: Final = "more fields than the header"
TOO_FEW: Final = "fewer fields than the header"
_BLOCK_BYTES = 1 << 24
MAX_FIELD: Final = 1 << 20
"""Characters of one field: nothing a shop writes is longer, but an open quote takes all it gets."""
_UNIT: Final = "\x1f"
"""Stands for a delimiter of several characters while a file is read."""


def delimited_columns(file: Path, name: str, form: FileForm) -> list[str]:
    """Read the names of the columns; see ``formats.columns_of``."""
    if not form.header:
        return list(form.names)
    with _text(file, name, form) as lines:
        try:
            header: list[str] = next(_rows(lines, form), [])
        except csv.Error as error:
            raise BadInputError(
                f"{name} has a first line that is no header: {error}; expected names of columns"
            ) from error
    columns = [column.strip() for column in header]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise BadInputError(f"{name} has column {twice[0]!r} more than once")
    return columns


def delimited_chunks(
    file: Path, name: str, form: FileForm, wanted: Collection[str] | None
) -> Iterator[Chunk]:
    """Read the rows, all as text; see ``formats.read_chunks``.

    Rows that are not as wide as the header come in chunks of their own, with that fault.
    """
    names = delimited_columns(file, name, form)
    _refuse_open_quotes(file, name, form)
    columns = [column for column in names if wanted is None or column in wanted]
    uneven: list[pacsv.InvalidRow] = []

    def keep(row: pacsv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    reader = _open(file, name, form, names, columns, keep)
    # The reader is ahead of us, in a thread of its own: it tells of uneven rows before the batch
    # that they lie in, and at any moment. So the list stays the same one, and is looked at once.
    number, num_told = 1, 0
    first = int(form.header)
    try:
        for batch in reader:
            seen = uneven[:]
            ahead = [row.number - first for row in seen if row.number - first >= number]
            rows = _numbers(number, batch.num_rows, ahead)
            yield Chunk(name, rows, {c: batch.column(c) for c in columns}, {})
            number = int(rows[-1]) + 1 if len(rows) else number
            if len(seen) > num_told:
                yield _uneven(name, names, seen[num_told:], first, form)
            num_passed = sum(row.number - first < number for row in seen)
            del uneven[:num_passed]
            num_told = len(seen) - num_passed
    except pa.ArrowInvalid as error:
        raise BadInputError(f"{name} cannot be read from row {number} on: {error}") from error
    if len(uneven) > num_told:
        yield _uneven(name, names, uneven[num_told:], first, form)


def _open(
    file: Path, name: str, form: FileForm, names: list[str], columns: list[str], keep: Any
) -> Any:
    try:
        return pacsv.open_csv(
            pa.PythonFile(_stream(file, name, form), mode="r"),
            pacsv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=int(form.header),
            ),
            pacsv.ParseOptions(
                delimiter=_delimiter(form),
                quote_char=form.quote or False,
                double_quote=not form.escape,
                escape_char=form.escape or False,
                newlines_in_values=bool(form.quote),
                invalid_row_handler=keep,
            ),
            pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise BadInputError(f"{name} cannot be read: {error}") from error


def _numbers(start: int, count: int, uneven: list[int]) -> npt.NDArray[np.int64]:
    """Count so many even rows from ``start`` on, leaving out the numbers of uneven rows."""
    skipped = np.sort(np.array([n for n in uneven if n >= start], np.int64))
    before = skipped - start - np.arange(len(skipped))
    even = np.arange(count)
    return np.asarray(start + even + np.searchsorted(before, even, side="right"))


def _uneven(name: str, names: list[str], rows: list[Any], first: int, form: FileForm) -> Chunk:
    """Read rows that are not as wide as the header: nobody knows which field is which."""
    fields: list[list[str]] = [
        next(_rows(io.StringIO(row.text, newline=""), form), []) for row in rows
    ]
    wide = [f[: len(names)] + [""] * (len(names) - len(f)) for f in fields]
    faults = [TOO_MANY if row.actual_columns > row.expected_columns else TOO_FEW for row in rows]
    return Chunk(
        name,
        np.array([row.number - first for row in rows], np.int64),
        {c: pa.array([row[index] for row in wide], pa.string()) for index, c in enumerate(names)},
        {WHOLE_ROW: pa.array(faults, pa.string())},
        tuple(tuple(row) for row in fields),
    )


def _refuse_open_quotes(file: Path, name: str, form: FileForm) -> None:
    """Read the file once by strict rules: an open quote swallows rows without a word.

    Raises:
        BadInputError: A quote does not close, or closes in the middle of a field; with the line.
    """
    if not form.quote:
        return
    quote = form.quote.encode()
    if not any(quote in chunk for chunk in utf8_chunks(file, name, form.encoding)):
        return
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        with _text(file, name, form) as lines:
            # A loop in C: only the error counts, and most files have none.
            deque(_rows(lines, form), maxlen=0)
    except csv.Error as error:
        opened = _line_of_open_quote(file, name, form)
        raise BadInputError(
            f"{name} line {opened}: a quote that opens here does not close as it should "
            f"({error}): double the quotes within a field, and look whether the file is whole"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _line_of_open_quote(file: Path, name: str, form: FileForm) -> int:
    """Find the line where the field begins that could not be read."""
    began = 1
    with _text(file, name, form) as lines:
        reader = _rows(lines, form)
        try:
            for _ in reader:
                began = reader.line_num + 1
        except csv.Error:
            pass
    with _text(file, name, form) as lines:
        read, last = "", began
        for number, line in enumerate(lines, 1):
            if number < began:
                continue
            read += line
            last = number if _opens(read, form) and not _opens(read[: -len(line)], form) else last
            if number > began + 1_000:
                break
    return last


def _opens(text: str, form: FileForm) -> bool:
    """Tell whether a quote is open at the end of some lines."""
    try:
        deque(_rows(io.StringIO(text, newline=""), form), maxlen=0)
    except csv.Error:
        return True
    return False


def _rows(lines: Any, form: FileForm) -> Any:
    return csv.reader(
        lines,
        delimiter=_delimiter(form),
        quotechar=form.quote or None,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        doublequote=not form.escape,
        escapechar=form.escape or None,
        strict=True,
    )


def _delimiter(form: FileForm) -> str:
    return form.delimiter if len(form.delimiter) == 1 else _UNIT


def _text(file: Path, name: str, form: FileForm) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        cast(Any, io.BufferedReader(_stream(file, name, form), 1 << 20)), "utf-8", newline=""
    )


def _stream(file: Path, name: str, form: FileForm) -> Utf8Stream:
    """Open the file as UTF-8 with one character between fields."""
    chunks = utf8_chunks(file, name, form.encoding)
    if form.delimiter == " ":
        return Utf8Stream(_replaced(chunks, rb"[ \t]+", b" ", rb"(?m)^ | $"))
    if len(form.delimiter) > 1:
        mark = re.escape(form.delimiter.encode())
        return Utf8Stream(_replaced(chunks, mark, _UNIT.encode()))
    return Utf8Stream(chunks)


def _replaced(
    chunks: Iterator[bytes], found: bytes, by: bytes, dropped: bytes | None = None
) -> Iterator[bytes]:
    """Replace in whole lines, so that nothing is cut in two."""
    rest = b""
    for chunk in chunks:
        lines, mark, rest = (rest + chunk).rpartition(b"\n")
        yield _replace(lines + mark, found, by, dropped)
    yield _replace(rest, found, by, dropped)


def _replace(lines: bytes, found: bytes, by: bytes, dropped: bytes | None) -> bytes:
    lines = re.sub(found, by, lines)
    return lines if dropped is None else re.sub(dropped, b"", lines)
