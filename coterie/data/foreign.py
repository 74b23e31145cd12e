"""Files of research sets: delimited text and .mat, and the contract's tables made from them."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import scipy.io

from coterie.errors import BadInputError
from coterie.schema import EVENTS, ITEMS, TIES, TIMESTAMP, UNDATED, EventKind, Part, Table, TieKind

Ints = npt.NDArray[np.int64]

PART_TIMES: Final = {part: UNDATED.replace(second=second) for second, part in enumerate(Part)}
"""Time of each part in a set without times: a second apart, too little to count as age."""


def read_delimited(
    file: Path, names: tuple[str, ...], header: bool = False, encoding: str = "utf-8"
) -> pa.Table:
    """Read a file with tabs, commas or spaces between its columns, as text, nothing quoted.

    Raises:
        BadInputError: The file is missing, or not of this many columns.
    """
    try:
        with file.open(encoding=encoding) as lines:
            first = lines.readline()
        delimiter = next((mark for mark in "\t," if mark in first), " ")
        return pacsv.read_csv(
            file,
            pacsv.ReadOptions(
                column_names=list(names),
                skip_rows=int(header),
                encoding=encoding,
                use_threads=False,
            ),
            pacsv.ParseOptions(delimiter=delimiter, quote_char=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except FileNotFoundError as error:
        raise BadInputError(f"{file} is missing: is this the folder of that data set?") from error
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise BadInputError(f"{file} is not {', '.join(names)} in columns: {error}") from error


def read_pairs(file: Path, first: str, second: str) -> pa.Table:
    """Read the first two columns of a delimited file, with or without a line of headings.

    Raises:
        BadInputError: As :func:`read_delimited`.
    """
    names = [first, second]
    heading = False
    if file.exists():
        with file.open(encoding="utf-8") as lines:
            columns = re.split(r"[\t, ]", lines.readline().strip())
        heading = not any(column.lstrip("-").isdigit() for column in columns[:2])
        names += [f"more_{number}" for number in range(2, len(columns))]
    return read_delimited(file, tuple(names), heading).select([first, second])


def read_mat(file: Path, name: str, columns: int) -> Ints:
    """Read one matrix of a MATLAB file, shape (n, columns).

    Raises:
        BadInputError: The file is missing, no MATLAB file, or has no such matrix.
    """
    try:
        found = scipy.io.loadmat(str(file), variable_names=[name])
    except FileNotFoundError as error:
        raise BadInputError(f"{file} is missing: is this the folder of that data set?") from error
    except (ValueError, NotImplementedError) as error:
        raise BadInputError(f"{file} is no MATLAB file of version 5: {error}") from error
    matrix = found.get(name)
    if matrix is None or matrix.ndim != 2 or matrix.shape[1] != columns:
        raise BadInputError(f"{file} has no matrix {name} of {columns} columns")
    return np.asarray(matrix, dtype=np.int64)


def fill(table: Table, **columns: Any) -> pa.Table:
    """Make a table of the contract from some of its columns; the others are null."""
    length = len(next(iter(columns.values())))
    return pa.table(
        [
            _cast(columns[f.name], f.type) if f.name in columns else pa.nulls(length, f.type)
            for f in table.arrow
        ],
        schema=table.arrow,
    )


def engagements(
    prefix: str, part: Part, found: pa.Table, kind: EventKind = EventKind.PURCHASE, **more: Any
) -> pa.Table:
    """Make events of a part from columns user and item; ids keep the order of the rows."""
    length = found.num_rows
    return fill(
        EVENTS,
        event_id=numbered(f"{prefix}-{part}", length),
        user_id=found["user"],
        item_id=found["item"],
        event=repeat(kind, length),
        ts=pa.repeat(pa.scalar(PART_TIMES[part], TIMESTAMP), length),
        split=repeat(part, length),
        **more,
    )


def ties_of(src: Any, dst: Any, kind: TieKind) -> pa.Table:
    """Make ties of one kind, all of weight 1."""
    return fill(TIES, src_user_id=src, dst_user_id=dst, kind=repeat(kind, len(src)))


def nameless_items(item_ids: Any, **more: Any) -> pa.Table:
    """Make each item once, titled by its id, where the set tells nothing of it."""
    ids = pc.unique(item_ids) if not more else item_ids
    return fill(ITEMS, item_id=ids, title=labels("Item", ids), **more)


def numbered(prefix: str, length: int) -> pa.Array:
    """Write ``prefix-0000000`` and so on, so that ids sort as the rows stood."""
    numbers = pc.utf8_lpad(pa.array(np.arange(length)).cast(pa.string()), width=7, padding="0")
    return labels(prefix, numbers, "-")


def labels(word: str, ids: Any, between: str = " ") -> Any:
    """Put a word before each id."""
    return pc.binary_join_element_wise(word, pc.cast(ids, pa.string()), between)


def repeat(word: str, length: int) -> pa.Array:
    """Repeat one word, ``length`` times."""
    return pa.repeat(pa.scalar(str(word)), length)


def _cast(column: Any, kind: pa.DataType) -> Any:
    return (
        column.cast(kind)
        if isinstance(column, pa.Array | pa.ChunkedArray)
        else pa.array(column).cast(kind)
    )
