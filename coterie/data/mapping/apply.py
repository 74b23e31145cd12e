"""Rows of a shop's own file as rows of the contract."""

import re
from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.chunks import BOOLEAN, LIST_MARK, NOT_ONE_VALUE, WHOLE_ROW, Chunk
from coterie.data.mapping.model import ANY, DROP, PRESENCES, ColumnRule, FileMapping
from coterie.data.mapping.values import by_sign, numbers, rescaled, times, translated
from coterie.schema import EVENTS, UNDATED, Table

Mask = npt.NDArray[np.bool_]

_UNIT = "\x1f"
_KEYS = ("coterie-event-id", "coterie-event-io")
"""Keys of the two halves of a digest, 16 bytes each: ids stay the same for as long as these do."""


def apply(table: Table, part: FileMapping, chunk: Chunk, dropped: Counter[str]) -> Chunk:
    """Bring some rows into the contract's columns.

    Args:
        table: Of the contract.
        part: Where the rows are from.
        chunk: As they stand.
        dropped: Rows that the mapping leaves out are counted here by reason.

    Returns:
        The rows that are left, with a fault where a rule does not fit.
    """
    columns: dict[str, pa.Array] = {}
    faults: dict[str, pa.Array] = {}
    left_out = _left_out(part, chunk, dropped)
    for name, rule in part.columns.items():
        if rule.digest:
            continue
        column, fault, drop = _apply_rule(name, rule, chunk)
        if rule.missing == DROP:
            missing = _empty(column) if fault is None else pc.and_(_empty(column), fault.is_null())
            left_out |= _count(missing, left_out, f"without {name}", dropped)
        if drop is not None:
            left_out |= _count(drop, left_out, f"{name} is one of {', '.join(rule.drop)}", dropped)
        columns[name] = column
        if fault is not None and fault.null_count < len(fault):
            faults[name] = fault
    if WHOLE_ROW in chunk.faults:
        faults[WHOLE_ROW] = chunk.faults[WHOLE_ROW]
    for name, rule in part.columns.items():
        if rule.digest:
            columns[name] = digests(rule.digest, chunk, columns.get("event"))
    if table is EVENTS and "ts" not in columns:
        columns["ts"] = pa.repeat(pa.scalar(UNDATED.isoformat()), len(chunk))
    whole = Chunk(chunk.file, chunk.rows, columns, faults, chunk.fields)
    return whole if not left_out.any() else _only(whole, ~left_out)


def _left_out(part: FileMapping, chunk: Chunk, dropped: Counter[str]) -> Mask:
    """Find the rows that a part leaves out by words of the shop's own columns."""
    left_out = np.zeros(len(chunk), bool)
    for name, words in part.leave_out.items():
        found = chunk.columns.get(name)
        if found is None:
            continue
        if words == (ANY,):
            told, reason = pc.invert(_empty(found)), f"with {name}"
        else:
            told, reason = _is_one_of(found, words), f"{name} is one of {', '.join(words)}"
        left_out |= _count(told, left_out, reason, dropped)
    return left_out


def distinct_items(chunk: Chunk) -> Chunk:
    """Keep the last row of each item; rows without one, and bad ones, are told of as events."""
    ids = chunk.columns["item_id"].cast(pa.string())
    codes = ids.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    known = ~np.asarray(_empty(ids))
    if WHOLE_ROW in chunk.faults:
        known &= np.asarray(chunk.faults[WHOLE_ROW].is_null())
    good = np.flatnonzero(known)
    _, last = np.unique(codes[good][::-1], return_index=True)
    keep = np.zeros(len(chunk), bool)
    keep[good[len(good) - 1 - last]] = True
    return _only(chunk, keep)


def digests(names: tuple[str, ...], chunk: Chunk, event: pa.Array | None) -> pa.Array:
    """Make an id of 32 digits for each row: the same for the same values, wherever the row is."""
    parts = [chunk.columns[name].cast(pa.string()) for name in names if name in chunk.columns]
    parts += [] if event is None else [event.cast(pa.string())]
    rows = pc.binary_join_element_wise(
        *parts, _UNIT, null_handling="replace", null_replacement="\x00"
    ).to_numpy(zero_copy_only=False)
    halves = [pd.util.hash_array(rows, hash_key=key, categorize=False) for key in _KEYS]
    data = np.stack(halves, axis=1).astype(">u8").view(np.uint8).reshape(len(rows), 16)
    digits = _HEX[data].tobytes()
    ends = np.arange(0, 32 * (len(rows) + 1), 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(digits))


_HEX = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")


def _apply_rule(
    name: str, rule: ColumnRule, chunk: Chunk
) -> tuple[pa.Array, pa.Array | None, pa.Array | None]:
    """Apply a rule: a column, what is wrong with it, and which rows it drops."""
    if rule.always is not None:
        return pa.repeat(pa.scalar(rule.always), len(chunk)), None, None
    column, fault = _read(rule, chunk)
    if rule.first:
        column, fault = _first_of(column, fault, rule.first)
    if rule.by_presence:
        words = [rule.by_presence.get(name) for name in PRESENCES]
        given = pc.if_else(_empty(column), *(pa.scalar(w, pa.string()) for w in reversed(words)))
        return given, None, None
    if rule.separator:
        column, fault = _joined(column, fault, rule.separator, name == "category")
    if rule.words:
        return translated(rule, column, _without(fault, BOOLEAN))
    if rule.by_sign:
        column, wrong = by_sign(rule, column)
        return column, _first(fault, wrong), None
    if rule.is_number:
        column, wrong = numbers(rule, column)
        if rule.scale:
            column, outside = rescaled(rule.scale, column)
            wrong = _first(wrong, outside)
        return column, _first(fault, wrong), None
    if rule.format or rule.zone:
        column, wrong = times(rule, column)
        return column, _first(fault, wrong), None
    return column, fault, None


def _read(rule: ColumnRule, chunk: Chunk) -> tuple[pa.Array, pa.Array | None]:
    """Take the first of some columns that is not empty, with what the reader found wrong there."""
    column = fault = None
    for name in rule.columns:
        if name not in chunk.columns:
            continue
        found = _emptied(chunk.columns[name], rule.empty)
        wrong = chunk.faults.get(name)
        if column is None:
            column, fault = found, wrong
            continue
        if found.type != column.type:
            found, column = found.cast(pa.string()), column.cast(pa.string())
        if wrong is not None:
            wrong = pc.if_else(column.is_null(), wrong, pa.scalar(None, pa.string()))
            fault = _first(fault, wrong)
        column = pc.coalesce(column, found)
    return (pa.nulls(len(chunk), pa.string()), None) if column is None else (column, fault)


def _emptied(found: pa.Array, words: tuple[str, ...]) -> pa.Array:
    if not pa.types.is_string(found.type):
        if words and not pa.types.is_null(found.type):
            odd = pc.is_in(found.cast(pa.string()), value_set=pa.array(words, pa.string()))
            return pc.if_else(odd, pa.scalar(None, found.type), found)
        return found
    if words:
        odd = pc.is_in(pc.utf8_trim_whitespace(found), value_set=pa.array(["", *words]))
    else:
        odd = pc.equal(pc.binary_length(found), 0)
    return pc.if_else(odd, pa.scalar(None, pa.string()), found)


def _joined(
    column: pa.Array, fault: pa.Array | None, separator: str, is_path: bool
) -> tuple[pa.Array, pa.Array | None]:
    """Join a list of texts into one; of a category, its levels with a slash between."""
    texts = column.cast(pa.string())
    listed = pc.fill_null(pc.starts_with(texts, LIST_MARK), False)
    one = pc.replace_substring(
        pc.utf8_ltrim(texts, LIST_MARK), LIST_MARK, "/" if is_path else separator
    )
    if is_path:
        texts = pc.replace_substring_regex(texts, rf"\s*{re.escape(separator)}\s*", "/")
    if fault is not None:
        taken = pc.and_(listed, pc.equal(fault, NOT_ONE_VALUE))
        fault = pc.if_else(taken, pa.scalar(None, pa.string()), fault)
    return pc.if_else(listed, one, texts), fault


def _first_of(
    column: pa.Array, fault: pa.Array | None, mark: str
) -> tuple[pa.Array, pa.Array | None]:
    """Take the first of several values in a cell, or of a list of texts."""
    column, fault = _joined(column, fault, mark, False)
    return pc.utf8_trim_whitespace(pc.list_element(pc.split_pattern(column, mark), 0)), fault


def _is_one_of(column: pa.Array, words: tuple[str, ...]) -> pa.Array:
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))
    return pc.is_in(texts, value_set=pa.array(words, pa.string()))


def _without(fault: pa.Array | None, reason: str) -> pa.Array | None:
    if fault is None:
        return None
    return pc.if_else(pc.equal(fault, reason), pa.scalar(None, pa.string()), fault)


def _first(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    if one is None or other is None:
        return one if other is None else other
    return pc.coalesce(one, other)


def _empty(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type):
        return column.is_null()
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)


def _count(rows: pa.Array, left_out: Mask, reason: str, dropped: Counter[str]) -> Mask:
    mask: Mask = np.asarray(pc.fill_null(rows, False), dtype=bool) & ~left_out
    if mask.any():
        dropped[reason] += int(mask.sum())
    return mask


def _only(chunk: Chunk, keep: Mask) -> Chunk:
    mask = pa.array(keep)
    return Chunk(
        chunk.file,
        chunk.rows[keep],
        {name: column.filter(mask) for name, column in chunk.columns.items()},
        {name: fault.filter(mask) for name, fault in chunk.faults.items()},
        tuple(f for f, k in zip(chunk.fields, keep, strict=True) if k) if chunk.fields else (),
    )
