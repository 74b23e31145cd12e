"""Values of a shop's own columns, by rule: words, numbers, ratings, times."""

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.mapping.model import ColumnRule
from coterie.schema import TIMESTAMP

LOWEST, HIGHEST = 1.0, 5.0
"""Lowest and highest rating of the contract."""
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NO_TEXT: Final = pa.scalar(None, pa.string())
Found = tuple[pa.Array, pa.Array]
"""A column, and why not, null where nothing is wrong."""


def translated(
    rule: ColumnRule, found: pa.Array, fault: pa.Array | None
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Translate the shop's words; what is in no list is a fault, what is to be dropped is told.

    Args:
        rule: Its ``words`` and ``drop``.
        found: Shape (n,).
        fault: What was wrong before.

    Returns:
        Ours, faults, and which rows to drop, each of shape (n,).
    """
    words = pc.utf8_lower(pc.utf8_trim_whitespace(found.cast(pa.string())))
    index = pc.index_in(words, value_set=pa.array(list(rule.words), pa.string()))
    ours = pa.array(list(rule.words.values()), pa.string()).take(index)
    drop = pc.and_(
        pc.is_in(words, value_set=pa.array(list(rule.drop), pa.string())), index.is_null()
    )
    said = pc.fill_null(pc.not_equal(words, ""), False)
    unknown = pc.and_(pc.and_(index.is_null(), pc.invert(drop)), said)
    wrong = _where(unknown, f"none of the mapping's words: {', '.join([*rule.words, *rule.drop])}")
    return ours, wrong if fault is None else pc.coalesce(fault, wrong), drop


def numbers(rule: ColumnRule, found: pa.Array) -> Found:
    """Read numbers as the shop writes them."""
    if not _is_text(found):
        values, wrong = found.cast(pa.float64(), safe=False), pa.nulls(len(found), pa.string())
    else:
        texts = pc.utf8_trim(found.cast(pa.string()), f" \u00a0{rule.strip}")
        if rule.thousands:
            texts = pc.replace_substring(texts, rule.thousands, "")
        if rule.decimal != ".":
            # A point that is none would make 1.234 of a thousand.
            texts = pc.replace_substring(pc.replace_substring(texts, ".", "?"), rule.decimal, ".")
        good = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
        odd = pc.and_(pc.invert(good), pc.fill_null(pc.not_equal(texts, ""), False))
        values = pc.if_else(good, texts, _NO_TEXT).cast(pa.float64())
        wrong = _where(odd, f"no number with {rule.decimal!r} before its fraction")
    values = pc.divide(values, rule.divide)
    return (pc.abs(values) if rule.absolute else values), wrong


def by_sign(rule: ColumnRule, found: pa.Array) -> Found:
    """Give each number the word of its sign; a sign without a word is a fault."""
    values, wrong = numbers(rule, found)
    sign = pc.cast(pc.sign(values), pa.int64(), safe=False)
    index = pc.index_in(sign, value_set=pa.array([-1, 0, 1], pa.int64()))
    names = ("negative", "zero", "positive")
    words = pa.array([rule.by_sign.get(name) for name in names], pa.string()).take(index)
    lacking = [name for name in names if name not in rule.by_sign]
    nothing = pc.and_(values.is_valid(), words.is_null())
    why = f"{' or '.join(lacking)}, for which the mapping has no word"
    return words, pc.coalesce(wrong, _where(nothing, why))


def rescaled(scale: tuple[float, float], values: pa.Array) -> Found:
    """Move ratings from one scale onto the contract's, in a straight line."""
    low, high = scale
    outside = pc.or_(pc.less(values, low), pc.greater(values, high))
    steps = pc.divide(pc.subtract(values, low), high - low)
    ours = pc.add(pc.multiply(steps, HIGHEST - LOWEST), LOWEST)
    wrong = _where(outside, f"outside the scale from {low:g} to {high:g}")
    return pc.if_else(pc.fill_null(outside, False), pa.scalar(None, pa.float64()), ours), wrong


def times(rule: ColumnRule, found: pa.Array) -> Found:
    """Read times in the shop's form and zone.

    Each distinct text is parsed once: exports that tell minutes hold the same ones again and again.
    """
    if pa.types.is_timestamp(found.type) or pa.types.is_date(found.type):
        distinct = found.dictionary_encode()
        parsed = pd.to_datetime(pd.Series(distinct.dictionary.to_pandas()))
    else:
        distinct = pc.utf8_trim_whitespace(found.cast(pa.string())).dictionary_encode()
        texts = pd.Series(distinct.dictionary.to_pandas(), dtype=object)
        # Offsets that differ from row to row are one column in UTC alone.
        aware = "%z" in rule.format or "%Z" in rule.format
        parsed = pd.to_datetime(texts, format=rule.format or "ISO8601", errors="coerce", utc=aware)
    if parsed.dt.tz is None:
        parsed = parsed.dt.tz_localize(
            rule.zone or "UTC", ambiguous=np.ones(len(parsed), bool), nonexistent="shift_forward"
        )
    stamps = pa.Array.from_pandas(parsed.dt.tz_convert("UTC")).cast(TIMESTAMP, safe=False)
    values = stamps.take(distinct.indices)
    given = pc.fill_null(pc.not_equal(found.cast(pa.string()), ""), False)
    bad = pc.and_(given, values.is_null())
    return values, _where(bad, f"no time of the form {rule.format or 'ISO 8601'}")


def _where(mask: pa.Array, why: str) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(why), _NO_TEXT)


def _is_text(found: pa.Array) -> bool:
    return bool(pa.types.is_string(found.type) or pa.types.is_large_string(found.type))
