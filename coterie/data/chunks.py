"""Rows of a file as they stand, before anybody has read a meaning into them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NOT_ONE_VALUE: Final = "a list or an object, expected one value"
BOOLEAN: Final = "true or false, expected a text or a number"
"""A fault only where a column does not hold yes and no."""
INEXACT: Final = "a number with a fraction, or too large to be exact"
"""A fault only where a column holds ids."""
MOST_EXACT: Final = 1 << 53
"""Whole numbers below it are exact as floats."""
TWICE: Final = "given more than once in one object"
WHOLE_ROW: Final = ""
"""Key of faults, in place of a column, that are of the whole row."""
LIST_MARK: Final = "\x1d"
"""Character before each text of a list of texts, which a category may be."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a delimited file is written; Parquet and JSON Lines need none of it."""

    delimiter: str = ","
    """Characters between fields; a space stands for runs of spaces and tabs."""
    encoding: str = "utf-8"
    header: bool = True
    """Whether the first line names the columns."""
    names: tuple[str, ...] = ()
    """Names of the columns, where no line has them."""
    quote: str = '"'
    """Character around fields; empty where nothing is quoted."""
    escape: str = ""
    """Character before a quote that is part of a field; empty where it is doubled."""
    each: str = ""
    """The list of a row, of JSON Lines or Parquet, each entry of which is a row of its own."""


PLAIN: Final = FileForm()
"""Of the contract's own files: commas, UTF-8, a header."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of one file, as they stand."""

    file: str
    """Its name within the folder."""
    rows: npt.NDArray[np.int64]
    """Shape (n,): their numbers; 1 is the file's first row of data, blank lines not counted."""
    columns: dict[str, pa.Array]
    """Each of shape (n,): text, or as Parquet types it."""
    faults: dict[str, pa.Array]
    """Why a cell cannot be taken, by column, text of shape (n,); null where it can."""
    fields: tuple[tuple[str, ...], ...] = ()
    """All fields of each row, where the rows are not as wide as their header."""

    def __len__(self) -> int:
        return len(self.rows)
