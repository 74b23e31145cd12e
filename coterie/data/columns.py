"""One column of the contract: from what a file holds to values, or the reasons why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.chunks import INEXACT, LIST_MARK, MOST_EXACT
from coterie.data.ids import CONTROL, normal_ids
from coterie.data.text import CONTROLS, plain, trimmed
from coterie.errors import BadInputError
from coterie.schema import TIMESTAMP, Column

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""Earliest time of an event: one before it has a broken clock, or none."""
MAX_LEAD_S: Final = 300.0
"""Seconds that clocks of senders may be ahead of ours: a time is impossible only beyond them."""
MAX_NUMBER: Final = 1e12
"""Largest value, price or weight: in the models' single precision far larger is infinite."""
MAX_URI: Final = 4096
MAX_TEXT: Final = {"description": 20_000, "text": 20_000}
MAX_SHORT_TEXT: Final = 1_000

_YES: Final = ("true", "1", "1.0", "yes", "y", "t")
_NO: Final = ("false", "0", "0.0", "no", "n", "f")
NO_FLAG: Final = "neither yes nor no"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
_UNIX = r"^\d{1,19}(\.\d*)?$"
_COMPACT = r"^(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])(([01]\d|2[0-3])[0-5]\d([0-5]\d)?)?$"
"""ISO 8601 without marks between its parts: 20240131, 202401311200, 20240131120000."""
_ZONE_WORD = r"\s*(UTC|GMT|Z)$"
_DAY_NUMBERS = (30_000, 80_000)
"""Spreadsheets count days since 1900: these are 1982 to 2119, and no shop's Unix seconds."""
_NO_REASON = pa.scalar(None, pa.string())


@dataclass(frozen=True, slots=True)
class Parsed:
    """A column of n rows as the contract has it."""

    value: pa.Array
    """The values, of the contract's type; null where missing or bad."""
    reason: pa.Array
    """Text where the row is bad, else null."""
    cut: pa.Array
    """True where a text was longer than its limit and was cut."""


def parse(column: Column, found: pa.Array, now: datetime) -> Parsed:
    """Bring one column into the contract.

    Args:
        column: What the contract says of it.
        found: Shape (n,), of any type that a file may hold.
        now: Nothing happens after it.

    Raises:
        BadInputError: The type cannot hold this column, whatever its rows are.
    """
    refuse_type(column, found.type)
    parsed = _parser(column)(found, now)
    if not column.required:
        return parsed
    missing = pc.and_(pc.is_null(parsed.value), pc.is_null(parsed.reason))
    return Parsed(
        parsed.value,
        pc.if_else(missing, pa.scalar("missing"), parsed.reason),
        parsed.cut,
    )


def refuse_type(column: Column, found: pa.DataType) -> None:
    """Refuse a column whose type says that another thing was meant.

    Raises:
        BadInputError: The column is a list, binary, or a text stored as a number with a fraction.
    """
    whole = pa.types.is_integer(found) or pa.types.is_null(found)
    text = pa.types.is_string(found) or pa.types.is_large_string(found)
    number = whole or pa.types.is_floating(found) or pa.types.is_decimal(found)
    time = pa.types.is_timestamp(found) or pa.types.is_date(found)
    fits = {
        pa.float64(): text or number,
        TIMESTAMP: text or number or time,
        pa.bool_(): text or number or pa.types.is_boolean(found),
    }.get(column.type, text or whole or (column.name.endswith("_id") and number))
    if column.name == "category":
        fits = fits or _is_list_of_texts(found)
    if not fits:
        raise BadInputError(
            f"column {column.name} is stored as {found}, expected {column.type}: store it as that, "
            "or say in a mapping what becomes of it (coterie inspect writes one)"
        )


def _parser(column: Column) -> Callable[[pa.Array, datetime], Parsed]:
    if column.choices:
        return lambda found, _: parse_choice(found, column.choices)
    if column.name.endswith("_id"):
        return lambda found, _: parse_id(found)
    if column.name.endswith("_uri"):
        return lambda found, _: parse_address(found)
    if column.name == "category":
        return lambda found, _: parse_path(found)
    if column.type == pa.float64():
        return lambda found, _: parse_number(found)
    if column.type == pa.bool_():
        return lambda found, _: parse_flag(found)
    if column.type == TIMESTAMP:
        return parse_time
    return lambda found, _: parse_text(found, MAX_TEXT.get(column.name, MAX_SHORT_TEXT))


def parse_id(found: pa.Array) -> Parsed:
    """Bring ids into their form (``ids.normal_id``); whole numbers are their digits."""
    texts, wrong = _digits(found)
    ids, reasons = normal_ids(texts)
    return _parsed(ids, (wrong, INEXACT), also=reasons)


def _digits(found: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Write numbers as texts of digits, and find those that are not whole or not exact."""
    if pa.types.is_decimal(found.type):
        found = found.cast(pa.float64(), safe=False)
    if not pa.types.is_floating(found.type):
        return found.cast(pa.string()), pa.nulls(len(found), pa.bool_())
    numbers = found.cast(pa.float64())
    exact = pc.and_(
        pc.equal(numbers, pc.round(numbers)), pc.less(pc.abs(numbers), float(MOST_EXACT))
    )
    wrong = pc.invert(pc.fill_null(exact, True))
    return _null_where(wrong, numbers).cast(pa.int64()).cast(pa.string()), wrong


def parse_address(found: pa.Array) -> Parsed:
    """Keep addresses as they are but for NFC and whitespace around them."""
    addresses = trimmed(found)
    return _parsed(
        addresses,
        (pc.greater(pc.utf8_length(addresses), MAX_URI), f"longer than {MAX_URI} characters"),
        (pc.match_substring_regex(addresses, CONTROLS), CONTROL),
    )


def parse_path(found: pa.Array) -> Parsed:
    """Bring a category into a path: its words with slashes between, or a list of texts."""
    if _is_list_of_texts(found.type):
        found = pc.binary_join(found.cast(pa.list_(pa.string())), "/")
    elif _is_text(found):
        found = pc.replace_substring(pc.utf8_ltrim(found, LIST_MARK), LIST_MARK, "/")
    return parse_text(found, MAX_SHORT_TEXT)


def _is_list_of_texts(found: pa.DataType) -> bool:
    is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
    return bool(
        is_list
        and (pa.types.is_string(found.value_type) or pa.types.is_large_string(found.value_type))
    )


def parse_text(found: pa.Array, longest: int) -> Parsed:
    """Clean text for people, and cut what is too long: a row is worth more than its tail."""
    texts = plain(found)
    cut = pc.fill_null(pc.greater(pc.utf8_length(texts), longest), False)
    # Trimmed again: the cut may fall behind a space.
    texts = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(texts, 0, longest))
    return Parsed(texts, pa.nulls(len(found), pa.string()), cut)


def parse_choice(found: pa.Array, choices: Sequence[str]) -> Parsed:
    """Match one of a few words, in any case."""
    words = pc.utf8_lower(trimmed(found))
    known = pc.is_in(words, value_set=pa.array([str(c) for c in choices], pa.string()))
    unknown = pc.and_(pc.is_valid(words), pc.invert(known))
    return _parsed(words, (unknown, "none of " + ", ".join(choices)))


def parse_flag(found: pa.Array) -> Parsed:
    """Read true, 1, yes, y, t, or their opposites, in any case."""
    words = pc.utf8_lower(trimmed(found))
    yes, no = (pc.is_in(words, value_set=pa.array(list(said))) for said in (_YES, _NO))
    unknown = pc.and_(pc.is_valid(words), pc.invert(pc.or_(yes, no)))
    return _parsed(_null_where(pc.is_null(words), yes), (unknown, NO_FLAG))


def parse_number(found: pa.Array) -> Parsed:
    """Read finite numbers, with a point where they have a fraction."""
    if pa.types.is_string(found.type) or pa.types.is_large_string(found.type):
        words = trimmed(found)
        odd = pc.match_substring_regex(words, _NOT_FINITE)
        wrong = pc.invert(pc.or_(odd, pc.match_substring_regex(words, _NUMBER)))
        numbers = _null_where(wrong, words).cast(pa.float64())
    else:
        numbers, wrong = found.cast(pa.float64(), safe=False), pa.nulls(len(found), pa.bool_())
    return _parsed(
        numbers,
        (wrong, "no number"),
        (pc.invert(pc.is_finite(numbers)), "not a finite number"),
        (pc.greater(pc.abs(numbers), MAX_NUMBER), f"over {MAX_NUMBER:g}"),
    )


def parse_time(found: pa.Array, now: datetime) -> Parsed:
    """Read times: ISO 8601 (UTC where no zone is given), or Unix seconds, milli-, micro- or
    nanoseconds, told apart by their size."""
    times = _to_timestamps(found)
    given = pc.is_valid(trimmed(found)) if _is_text(found) else pc.is_valid(found)
    latest = pa.scalar(now + timedelta(seconds=MAX_LEAD_S), TIMESTAMP)
    return _parsed(
        times,
        (pc.and_(given, _is_day_number(found)), "a day number of a spreadsheet, expected a date"),
        (pc.and_(given, pc.is_null(times)), "no time in ISO 8601 or Unix form"),
        (pc.less(times, pa.scalar(EARLIEST, TIMESTAMP)), f"before {EARLIEST.year}"),
        (pc.greater(times, latest), "in the future"),
    )


def _is_day_number(found: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(found.type) or pa.types.is_date(found.type):
        return pa.nulls(len(found), pa.bool_())
    if _is_text(found):
        words = trimmed(found)
        five = pc.match_substring_regex(words, r"^\d{5}(\.\d*)?$")
        if not pc.any(five).as_py():
            return pa.nulls(len(found), pa.bool_())
        found = _null_where(pc.invert(five), words)
    numbers = found.cast(pa.float64(), safe=False)
    first, last = _DAY_NUMBERS
    return pc.and_(pc.greater_equal(numbers, first), pc.less(numbers, last))


def _to_timestamps(found: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(found.type):
        return found.cast(pa.timestamp("us", found.type.tz), safe=False).cast(TIMESTAMP)
    if pa.types.is_date(found.type):
        return found.cast(pa.timestamp("us"), safe=False).cast(TIMESTAMP)
    if not _is_text(found):
        whole = found.cast(pa.float64(), safe=False)
        compact = pc.and_(pc.greater_equal(whole, 19_000_101), pc.less(whole, 21_000_000))
        if not pc.any(compact).as_py():
            return _from_unix(whole)
        found = _digits(found)[0]
    words = trimmed(found)
    compact = pc.fill_null(pc.match_substring_regex(words, _COMPACT), False)
    unix = pc.fill_null(pc.match_substring_regex(words, _UNIX), False)
    unix = pc.and_(unix, pc.invert(compact))
    if not pc.any(unix).as_py():
        return _from_iso(_marked(words, compact))
    return pc.if_else(
        unix,
        _from_unix(_null_where(pc.invert(unix), words).cast(pa.float64())),
        _from_iso(_marked(_null_where(unix, words), compact)),
    )


def _marked(words: pa.Array, compact: pa.Array) -> pa.Array:
    """Write times as pandas knows ISO 8601: compact dates get marks, zones are Z or an offset."""
    words = pc.replace_substring_regex(words, _ZONE_WORD, "Z")
    words = pc.replace_substring_regex(words, r"\s+([+-]\d\d:?\d\d)$", r"\1")
    if not pc.any(compact).as_py():
        return words
    marked = pc.replace_substring_regex(words, r"^(\d{4})(\d\d)(\d\d)", r"\1-\2-\3T")
    marked = pc.replace_substring_regex(marked, r"T(\d\d)(\d\d)(\d\d)?$", r"T\1:\2:\3")
    return pc.if_else(compact, pc.replace_substring_regex(marked, "[T:]$", ""), words)


def _from_unix(numbers: pa.Array) -> pa.Array:
    """Read Unix times: seconds up to the year 5138, then milli-, micro-, nanoseconds.

    Since 1973 these do not overlap.
    """
    unix = numbers.to_numpy(zero_copy_only=False)
    size = np.abs(unix)
    per_unit = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    micros = unix * per_unit
    known = np.isfinite(micros) & (np.abs(micros) < 9e18)
    whole = np.round(np.where(known, micros, 0)).astype(np.int64)
    return pa.array(whole, mask=~known).cast(pa.timestamp("us")).cast(TIMESTAMP)


def _from_iso(words: pa.Array) -> pa.Array:
    series = pd.Series(words.to_pandas(), dtype=object)
    times = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    return pa.Array.from_pandas(times).cast(TIMESTAMP, safe=False)


def _is_text(found: pa.Array) -> bool:
    return bool(pa.types.is_string(found.type) or pa.types.is_large_string(found.type))


def _null_where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, values.type), values)


def _parsed(value: pa.Array, *faults: tuple[pa.Array, str], also: pa.Array | None = None) -> Parsed:
    """Pair values with faults; the first that holds is the reason, and the value is then null."""
    reason = pa.nulls(len(value), pa.string()) if also is None else also
    for mask, why in reversed(faults):
        if mask.null_count < len(mask) and pc.any(mask).as_py():
            reason = pc.if_else(pc.fill_null(mask, False), pa.scalar(why), reason)
    nothing = pa.array(np.zeros(len(value), bool))
    if reason.null_count == len(reason):
        return Parsed(value, reason, nothing)
    return Parsed(_null_where(pc.is_valid(reason), value), reason, nothing)
