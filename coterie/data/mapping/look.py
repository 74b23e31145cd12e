"""One column of a file, looked at: what its values seem to be, and some of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.chunks import LIST_MARK, FileForm
from coterie.data.formats import read_chunks
from coterie.data.ids import MISSING_WORDS

SAMPLE_ROWS: Final = 20_000
EMPTY, WHOLE, NUMBER, COMMA, UNIX, TIME, FLAG, WORD, TEXT, ID, LIST, PLACE = (
    *("empty", "whole number", "number", "number with a comma", "Unix time", "time", "yes or no"),
    *("one of few words", "text", "id", "list or object", "coordinate"),
)
"""Types."""
_MOST = 0.99
"""Share of the values that a type must fit."""
_DATED = 0.9
"""Share of the values that must be times: the rest is bad, and ingest sets it aside and says so."""
_FEW = 50
_UNIX_S: Final = (631_152_000, 4_102_444_800)
"""1990 to 2100."""
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?( ?(Z|UTC|[+-]\d{2}:\d{2}))?$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA = r"^[+-]?\d{1,3}(\.?\d{3})*(,\d+)?$"
_DAYS: Final = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%m %d, %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d/%m/%y", "%m/%d/%y", "%Y-%m-%d"),
)
_HOURS: Final = (
    *("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S"),
    *(" %H:%M:%S %z", "T%H:%M:%S%z", " %H:%M:%S.%f"),
)
FORMATS: Final = tuple(day + hour for day in _DAYS for hour in _HOURS)


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """What a column seems to hold."""

    name: str
    type: str
    examples: tuple[str, ...]
    missing: float
    """Share of the rows."""
    values: pa.Array = field(repr=False)
    """The sample as text, without what is missing."""
    distinct: int = 0
    formats: tuple[str, ...] = ()
    """Forms that all times have, where they are not ISO 8601; two where nobody can tell."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest number."""
        numbers = self.numbers()
        return (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 0.0)

    def numbers(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Select the values that are numbers."""
        good = self.values.filter(pc.match_substring_regex(self.values, _NUMBER))
        return np.asarray(good.cast(pa.float64()).to_numpy(zero_copy_only=False))

    @property
    def is_unique(self) -> bool:
        """Whether no value comes twice."""
        return self.distinct == len(self.values) > 0


def look_at(name: str, found: pa.Array) -> ColumnLook:
    """Look at one column of a sample, as the reader gives it."""
    texts = found.cast(pa.string())
    # A list's mark counts as whitespace, and would be trimmed.
    is_list = _share(texts.drop_null(), "^[\x1d\\[{]") > 0.5
    texts = pc.utf8_trim_whitespace(texts)
    nothing = pc.is_in(texts, value_set=pa.array(["", *sorted(MISSING_WORDS)]))
    values = texts.filter(pc.and_(texts.is_valid(), pc.invert(nothing)))
    distinct = values.unique()
    kind, formats = (LIST, ()) if is_list else _type(name, values, distinct)
    shown = [text.replace(LIST_MARK, " | ").strip(" |") for text in distinct[:3].to_pylist()]
    return ColumnLook(
        name,
        kind,
        tuple(text if len(text) <= 40 else text[:39] + "…" for text in shown),
        1 - len(values) / max(len(found), 1),
        values,
        len(distinct),
        formats,
    )


def _type(name: str, values: pa.Array, distinct: pa.Array) -> tuple[str, tuple[str, ...]]:
    if not len(values):
        return EMPTY, ()
    if _share(values, _NUMBER) >= _MOST:
        return _numeric(name, values), ()
    if _share(values, _COMMA) >= _MOST:
        return COMMA, ()
    if _share(values, _ISO) >= _DATED:
        return TIME, ()
    if formats := time_formats(distinct):
        return TIME, formats
    words = {text.lower() for text in distinct[:5].to_pylist()}
    if len(distinct) <= 2 and words <= {"true", "false", "yes", "no", "y", "n", "t", "f"}:
        return FLAG, ()
    spaced = _share(values, " ")
    if len(distinct) <= _FEW and len(distinct) < len(values) / 4 and spaced < 0.2:
        return WORD, ()
    long = float(pc.mean(pc.utf8_length(values)).as_py())
    return (TEXT if spaced > 0.2 or long > 40 else ID), ()


def _numeric(name: str, values: pa.Array) -> str:
    numbers = values.filter(pc.match_substring_regex(values, _NUMBER)).cast(pa.float64())
    array = np.asarray(numbers.to_numpy(zero_copy_only=False))
    whole = bool((array == np.round(array)).all())
    if whole:
        low, high = _UNIX_S
        for scale in (1, 1_000, 1_000_000):
            if ((array >= low * scale) & (array <= high * scale)).all():
                return UNIX if _told_as_time(name) or len(values) < 3 or scale > 1 else WHOLE
        return WHOLE
    fine = _share(values, r"\.\d{4,}$") > 0.5
    return PLACE if fine and float(np.abs(array).max()) <= 180 else NUMBER


def _told_as_time(name: str) -> bool:
    """Tell by a column's name whether it holds times: ids may be as large as seconds since 1970.

    A column that no header names may.
    """
    return bool(re.search(r"time|date|ts$|stamp|_at$|column_\d+", name, re.IGNORECASE))


def time_formats(distinct: pa.Array) -> tuple[str, ...]:
    """List the forms of ``strptime`` that all of some texts have, but for a few that have none."""
    texts = pd.Series(distinct.to_pandas(), dtype=object)
    some = texts.iloc[:20]
    if len(some) == 0 or some.str.contains(r"^(?=.*\d).{6,}$").mean() < 0.5:
        return ()
    read = {form: _fits(texts, form) for form in FORMATS if _fits(some, form).any()}
    readable = np.any([*read.values(), np.zeros(len(texts), bool)], axis=0)
    if readable.mean() < _DATED:
        return ()
    return tuple(form for form, fits in read.items() if fits[readable].mean() >= _MOST)


def _fits(texts: "pd.Series[str]", form: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    parsed = pd.to_datetime(texts, format=form, errors="coerce", utc="%z" in form)
    return np.asarray(parsed.notna())


def distinct_values(files: list[Path], form: FileForm, column: str, most: int) -> pa.Array:
    """Collect the values of one column in whole files, each once; ``most`` at most."""
    found = pa.array([], pa.string())
    for values in _whole(files, form, column):
        found = pa.concat_arrays([found, values.unique()]).unique()
        if len(found) > most:
            return found[:most]
    return found


def _whole(files: list[Path], form: FileForm, column: str) -> Iterator[pa.Array]:
    for file in files:
        for chunk in read_chunks(file, file.name, form, [column]):
            if column in chunk.columns:
                texts = pc.utf8_trim_whitespace(chunk.columns[column].cast(pa.string()))
                yield texts.filter(pc.fill_null(pc.not_equal(texts, ""), False))


def _share(values: pa.Array, pattern: str) -> float:
    if not len(values):
        return 0.0
    return float(pc.mean(pc.match_substring_regex(values, pattern).cast(pa.float64())).as_py() or 0)
