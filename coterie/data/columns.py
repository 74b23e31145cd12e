"""One column of the contract: from what a file holds to values, or the reasons why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.text import CONTROLS, plain, trimmed
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, PARTS, TIE_KINDS, TIMESTAMP, Column

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""Before this nobody shopped on a network: an older time is a broken clock or a missing one."""
MAX_ID: Final = 256
MAX_URI: Final = 4096
MAX_TEXT: Final = {"description": 20_000, "text": 20_000}
MAX_SHORT_TEXT: Final = 1_000

_CHOICES: Final = {"event": EVENT_KINDS, "kind": TIE_KINDS, "split": PARTS}
_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
_UNIX = r"^\d{1,16}(\.\d*)?$"
_NO_REASON = pa.scalar(None, pa.string())


@dataclass(frozen=True, slots=True)
class Parsed:
    """A column of n rows as the contract has it."""

    value: pa.Array
    """Of the contract's type; null where missing or bad."""
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
        BadInputError: The column is a list, binary, or an id stored as a number with a fraction.
    """
    whole = pa.types.is_integer(found) or pa.types.is_null(found)
    text = pa.types.is_string(found) or pa.types.is_large_string(found)
    number = whole or pa.types.is_floating(found) or pa.types.is_decimal(found)
    time = pa.types.is_timestamp(found) or pa.types.is_date(found)
    fits = {
        pa.float64(): text or number,
        TIMESTAMP: text or number or time,
        pa.bool_(): text or whole or pa.types.is_boolean(found),
    }.get(column.type, text or whole)
    if not fits:
        raise BadInputError(
            f"column {column.name} is stored as {found}, expected {column.type}"
            + (": write ids as text or whole numbers" if column.name.endswith("_id") else "")
        )


def _parser(column: Column) -> Callable[[pa.Array, datetime], Parsed]:
    if column.name in _CHOICES:
        return lambda found, _: parse_choice(found, _CHOICES[column.name])
    if column.name.endswith("_id"):
        return lambda found, _: parse_id(found, MAX_ID)
    if column.name.endswith("_uri"):
        return lambda found, _: parse_id(found, MAX_URI)
    if column.type == pa.float64():
        return lambda found, _: parse_number(found)
    if column.type == pa.bool_():
        return lambda found, _: parse_flag(found)
    if column.type == TIMESTAMP:
        return parse_time
    return lambda found, _: parse_text(found, MAX_TEXT.get(column.name, MAX_SHORT_TEXT))


def parse_id(found: pa.Array, longest: int) -> Parsed:
    """Ids and addresses: as they are but for NFC and whitespace around them."""
    ids = trimmed(found)
    return _parsed(
        ids,
        (pc.greater(pc.utf8_length(ids), longest), f"longer than {longest} characters"),
        (pc.match_substring_regex(ids, CONTROLS), "holds control characters"),
    )


def parse_text(found: pa.Array, longest: int) -> Parsed:
    """Text for people; cut where it is too long: a row is worth more than its tail."""
    texts = plain(found)
    cut = pc.fill_null(pc.greater(pc.utf8_length(texts), longest), False)
    # Trimmed again: the cut may fall behind a space.
    texts = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(texts, 0, longest))
    return Parsed(texts, pa.nulls(len(found), pa.string()), cut)


def parse_choice(found: pa.Array, choices: Sequence[str]) -> Parsed:
    """One of a few words, in any case."""
    words = pc.utf8_lower(trimmed(found))
    known = pc.is_in(words, value_set=pa.array([str(c) for c in choices], pa.string()))
    unknown = pc.and_(pc.is_valid(words), pc.invert(known))
    return _parsed(words, (unknown, "none of " + ", ".join(choices)))


def parse_flag(found: pa.Array) -> Parsed:
    """True, 1, yes, or their opposites."""
    words = pc.utf8_lower(trimmed(found))
    place = pc.index_in(words, value_set=pa.array(list(_FLAGS), pa.string()))
    flags = pa.array(list(_FLAGS.values())).take(place)
    unknown = pc.and_(pc.is_valid(words), pc.is_null(flags))
    return _parsed(flags, (unknown, "neither true nor false"))


def parse_number(found: pa.Array) -> Parsed:
    """Finite numbers, with a point where they have a fraction."""
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
    )


def parse_time(found: pa.Array, now: datetime) -> Parsed:
    """Times: ISO 8601 (UTC where no zone is given), or Unix seconds, milliseconds, microseconds."""
    times = _to_timestamps(found)
    given = pc.is_valid(trimmed(found)) if _is_text(found) else pc.is_valid(found)
    return _parsed(
        times,
        (pc.and_(given, pc.is_null(times)), "no time in ISO 8601 or Unix form"),
        (pc.less(times, pa.scalar(EARLIEST, TIMESTAMP)), f"before {EARLIEST.year}"),
        (pc.greater(times, pa.scalar(now, TIMESTAMP)), "in the future"),
    )


def _to_timestamps(found: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(found.type) or pa.types.is_date(found.type):
        return found.cast(
            pa.timestamp("us", found.type.tz)
            if pa.types.is_timestamp(found.type)
            else pa.timestamp("us"),
            safe=False,
        ).cast(TIMESTAMP)
    if not _is_text(found):
        return _from_unix(found.cast(pa.float64(), safe=False))
    words = trimmed(found)
    unix = pc.fill_null(pc.match_substring_regex(words, _UNIX), False)
    return pc.if_else(
        unix,
        _from_unix(_null_where(pc.invert(unix), words).cast(pa.float64())),
        _from_iso(_null_where(unix, words)),
    )


def _from_unix(numbers: pa.Array) -> pa.Array:
    """Seconds up to the year 5138, then milliseconds, then microseconds: no overlap since 1973."""
    unix = numbers.to_numpy(zero_copy_only=False)
    per_unit = np.select([np.abs(unix) < 1e11, np.abs(unix) < 1e14], [1e6, 1e3], 1.0)
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


def _parsed(value: pa.Array, *faults: tuple[pa.Array, str]) -> Parsed:
    """The first fault that holds is the reason; a value with a fault is null."""
    reason = pa.nulls(len(value), pa.string())
    for mask, why in reversed(faults):
        reason = pc.if_else(pc.fill_null(mask, False), pa.scalar(why), reason)
    nothing = pa.array(np.zeros(len(value), bool))
    return Parsed(_null_where(pc.is_valid(reason), value), reason, nothing)
