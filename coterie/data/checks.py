"""Whole rows against the contract: the values they hold, or the first thing wrong with each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.columns import parse
from coterie.schema import EVENTS, ITEMS, TIES, USERS, EventKind, Table

FIELDS: Final = "_fields"
"""Raw column of CSV rows: "too few" or "too many" where a row is not as wide as its header."""
COLUMN, REASON, FOUND, CUT = "_column", "_reason", "_found", "_cut"
MAX_RATING: Final = 5.0
MAX_FOUND: Final = 120
_WHERE_NOT_SAID: Final[dict[str, dict[str, float | bool]]] = {
    TIES.name: {"weight": 1.0},
    ITEMS.name: {"available": True},
    USERS.name: {"may_be_named": True, "may_be_used": True},
}


def checked_type(table: Table) -> pa.DataType:
    """What ``check`` returns: the contract's columns and what is wrong."""
    extra = [pa.field(name, pa.string()) for name in (COLUMN, REASON, FOUND)]
    return pa.struct([*table.arrow, *extra, pa.field(CUT, pa.int64())])


def check(table: Table, found: Mapping[str, pa.Array], now: datetime) -> pa.StructArray:
    """Bring n rows into the contract.

    Args:
        table: The contract.
        found: Raw columns, each of shape (n,); optional ones may be absent.
        now: Nothing happens after it.

    Returns:
        Shape (n,), of ``checked_type(table)``: good rows have a null reason, ``_cut`` counts the
        texts that were shortened.

    Raises:
        BadInputError: A column's type cannot be what the contract asks for.
    """
    length = len(next(iter(found.values())))
    values: dict[str, pa.Array] = {}
    faults: list[tuple[str, pa.Array]] = []
    if FIELDS in found:
        faults.append((table.columns[0].name, found[FIELDS].cast(pa.string())))
    cut = pa.array(np.zeros(length, np.int64))
    for column in table.columns:
        raw = found.get(column.name, pa.nulls(length, pa.string()))
        parsed = parse(column, raw, now)
        values[column.name] = parsed.value
        faults.append((column.name, parsed.reason))
        cut = pc.add(cut, pc.cast(parsed.cut, pa.int64()))
    faults += _rules(table, values)
    return _as_struct(table, found, values, faults, cut)


def _rules(table: Table, values: Mapping[str, pa.Array]) -> list[tuple[str, pa.Array]]:
    """What one column alone cannot tell."""
    if table is EVENTS:
        value, rating = values["value"], pc.equal(values["event"], EventKind.RATING.value)
        return [
            ("value", _where(pc.less(value, 0.0), "below 0")),
            ("value", _where(pc.and_(rating, pc.is_null(value)), "a rating without its value")),
            (
                "value",
                _where(pc.and_(rating, pc.greater(value, MAX_RATING)), f"over {MAX_RATING:g}"),
            ),
        ]
    if table is TIES:
        same = pc.equal(values["src_user_id"], values["dst_user_id"])
        return [
            ("dst_user_id", _where(same, "a tie to oneself")),
            ("weight", _where(pc.less_equal(values["weight"], 0.0), "not over 0")),
        ]
    if table is ITEMS:
        return [("price", _where(pc.less(values["price"], 0.0), "below 0"))]
    return []


def _where(mask: pa.Array, why: str) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(why), pa.scalar(None, pa.string()))


def _as_struct(
    table: Table,
    found: Mapping[str, pa.Array],
    values: Mapping[str, pa.Array],
    faults: list[tuple[str, pa.Array]],
    cut: pa.Array,
) -> pa.StructArray:
    length = len(cut)
    where = reason = what = pa.nulls(length, pa.string())
    for name, fault in reversed(faults):
        if fault.null_count == length:
            continue
        bad = pc.is_valid(fault)
        where = pc.if_else(bad, pa.scalar(name), where)
        reason = pc.if_else(bad, fault, reason)
        what = pc.if_else(bad, _shown(found.get(name), length), what)
    filled = dict(values)
    for name, value in _WHERE_NOT_SAID.get(table.name, {}).items():
        filled[name] = pc.fill_null(values[name], value)
    kind = checked_type(table)
    columns = [*(filled[c.name] for c in table.columns), where, reason, what, cut]
    return pa.StructArray.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, kind, strict=True)],
        fields=list(kind),
    )


def _shown(found: pa.Array | None, length: int) -> pa.Array:
    if found is None:
        return pa.nulls(length, pa.string())
    return pc.utf8_slice_codeunits(found.cast(pa.string()), 0, MAX_FOUND)
