"""Whole rows against the contract: the values they hold, or the first thing wrong with each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.chunks import BOOLEAN, INEXACT, LIST_MARK, NOT_ONE_VALUE, WHOLE_ROW
from coterie.data.columns import NO_FLAG, parse
from coterie.schema import Table

COLUMN, REASON, FOUND, NOTED, CUT = "_column", "_reason", "_found", "_noted", "_cut"
MAX_FOUND: Final = 120
TAKEN_AS_NO: Final = f"{NO_FLAG}: taken as no"


def checked_type(table: Table) -> pa.DataType:
    """Give the type of what ``check`` returns: the contract's columns and what is wrong."""
    extra = [pa.field(name, pa.string()) for name in (COLUMN, REASON, FOUND, NOTED)]
    return pa.struct([*table.arrow, *extra, pa.field(CUT, pa.int64())])


def check(
    table: Table,
    found: Mapping[str, pa.Array],
    now: datetime,
    faults: Mapping[str, pa.Array] | None = None,
) -> pa.StructArray:
    """Bring n rows into the contract.

    Args:
        table: The contract.
        found: Raw columns, each of shape (n,); optional ones may be absent.
        now: Nothing happens after it, but for what clocks are apart.
        faults: By column, shape (n,): what reading found wrong with a cell, or under
            ``formats.WHOLE_ROW`` with a row, else null.

    Returns:
        Shape (n,), of ``checked_type(table)``: good rows have a null reason; ``_noted`` says what
        was made of a value that is no fault of the row, ``_cut`` counts the texts that were
        shortened.

    Raises:
        BadInputError: A column's type cannot be what the contract asks for.
    """
    length = len(next(iter(found.values())))
    known = dict(faults or {})
    values: dict[str, pa.Array] = {}
    wrong = [(table.columns[0].name, fault) for n, fault in known.items() if n == WHOLE_ROW]
    noted: list[tuple[str, pa.Array]] = []
    cut = pa.array(np.zeros(length, np.int64))
    for column in table.columns:
        raw = found.get(column.name)
        if raw is None and not column.required:
            values[column.name] = pa.nulls(length, column.type)
            continue
        parsed = parse(column, pa.nulls(length, pa.string()) if raw is None else raw, now)
        told = _cell_faults(column.name, column.type, raw, known.get(column.name))
        reason = parsed.reason if told is None else pc.coalesce(told, parsed.reason)
        values[column.name] = parsed.value
        if column.unreadable is not None:
            # Whatever cannot be read is a refusal: nobody is named because of a typing error.
            taken = column.unreadable
            values[column.name] = pc.if_else(pc.is_valid(reason), taken, parsed.value)
            noted.append((column.name, pc.if_else(pc.is_valid(reason), TAKEN_AS_NO, reason)))
        else:
            wrong.append((column.name, reason))
        if parsed.cut.true_count:
            cut = pc.add(cut, pc.cast(parsed.cut, pa.int64()))
    wrong += [(r.column, _where(r.broken(values), r.fault)) for r in table.rules]
    return _as_struct(table, found, values, (wrong, noted), cut)


def _cell_faults(
    name: str, kind: pa.DataType, raw: pa.Array | None, fault: pa.Array | None
) -> pa.Array | None:
    """Keep the faults of a column's cells but for those that this column can hold."""
    if fault is None:
        return None
    if kind == pa.bool_():
        fault = _null_where(pc.equal(fault, BOOLEAN), fault)
    if not name.endswith("_id"):
        fault = _null_where(pc.equal(fault, INEXACT), fault)
    if name == "category" and raw is not None:
        is_list = pc.and_(pc.equal(fault, NOT_ONE_VALUE), pc.starts_with(raw, LIST_MARK))
        return _null_where(is_list, fault)
    return fault


def _null_where(mask: pa.Array, texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, pa.string()), texts)


def _where(mask: pa.Array, why: str) -> pa.Array:
    if not pc.any(mask).as_py():
        return pa.nulls(len(mask), pa.string())
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(why), pa.scalar(None, pa.string()))


def _as_struct(
    table: Table,
    found: Mapping[str, pa.Array],
    values: Mapping[str, pa.Array],
    told: tuple[list[tuple[str, pa.Array]], list[tuple[str, pa.Array]]],
    cut: pa.Array,
) -> pa.StructArray:
    length = len(cut)
    none = pa.nulls(length, pa.string())
    parts = {COLUMN: none, FOUND: none, NOTED: none, REASON: none}
    wrong, noted = told
    # The first fault is the one told; a fault more than a note.
    for into, faults in ((NOTED, noted), (REASON, wrong)):
        for name, fault in reversed(faults):
            if fault.null_count == length:
                continue
            bad = pc.is_valid(fault)
            parts[COLUMN] = pc.if_else(bad, pa.scalar(name), parts[COLUMN])
            parts[into] = pc.if_else(bad, fault, parts[into])
            parts[FOUND] = pc.if_else(bad, _shown(found.get(name), length), parts[FOUND])
    filled = dict(values)
    for name, value in table.where_not_said.items():
        filled[name] = pc.fill_null(values[name], value)
    kind = checked_type(table)
    columns = [*(filled[c.name] for c in table.columns)]
    columns += [parts[name] for name in (COLUMN, REASON, FOUND, NOTED)] + [cut]
    return pa.StructArray.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, kind, strict=True)],
        fields=list(kind),
    )


def _shown(found: pa.Array | None, length: int) -> pa.Array:
    if found is None:
        return pa.nulls(length, pa.string())
    if pa.types.is_list(found.type) or pa.types.is_large_list(found.type):
        found = pc.binary_join(found, LIST_MARK)
    shown = pc.utf8_slice_codeunits(found.cast(pa.string()), 0, MAX_FOUND)
    return pc.replace_substring(pc.utf8_ltrim(shown, LIST_MARK), LIST_MARK, ", ")
