"""One raw table against the contract, in Daft: bad rows out, duplicates out, in a fixed order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from coterie.data.checks import COLUMN, CUT, FIELDS, FOUND, REASON, check, checked_type
from coterie.data.engine import Runner, daft_on
from coterie.data.tables import FILE, ROW, Rows
from coterie.schema import EVENTS, QUARANTINE, TIES, UNDIRECTED_TIES, USERS, Table

UNKNOWN_ITEM: Final = "no good row of items has this id"
_PLACE = "_place"


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of one table's rows: read + added = kept + bad + duplicates."""

    read: int
    kept: int
    bad: int
    duplicates: int
    added: int = 0
    """Ties written the other way round, of kinds that have no direction."""
    shortened: int = 0
    """Texts cut to their limit, in rows that are not bad."""
    unknown_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clean:
    """A table in the contract, and what was not let in."""

    table: Table
    data: pa.Table
    """Of ``table.arrow``: events by time, then id; the others by their key."""
    quarantine: pa.Table
    """``schema.QUARANTINE``, by file and row."""
    counts: Counts

    @classmethod
    def none(cls, table: Table) -> "Clean":
        """An optional table that nobody gave."""
        return cls(table, table.arrow.empty_table(), QUARANTINE.empty_table(), Counts(0, 0, 0, 0))


def clean_table(
    table: Table,
    rows: Rows,
    now: datetime,
    runner: Runner = "native",
    items: pa.ChunkedArray | None = None,
) -> Clean:
    """Bring all rows of a table into the contract.

    Args:
        table: Which one.
        rows: As read.
        now: Nothing happens after it.
        runner: Where Daft works.
        items: Ids that events may name; None where nothing is known of items.
    """
    daft = daft_on(runner)
    checked = _check(daft, table, rows, now)
    if table is EVENTS and items is not None:
        checked = _refuse_unknown_items(daft, checked, items)
    checked = checked.collect()
    good = checked.where(daft.col(REASON).is_null())
    bad = checked.where(daft.col(REASON).not_null()).sort(_PLACE).to_arrow()
    kept = _without_duplicates(daft, table, good).collect()
    num_kept = kept.count_rows()
    whole = _both_ways(daft, kept).collect() if table is TIES else kept
    order = ["ts", *table.key] if table is EVENTS else list(table.key)
    data = whole.select(*table.arrow.names).sort(order).to_arrow().cast(table.arrow)
    counts = Counts(
        read=rows.data.num_rows,
        kept=data.num_rows,
        bad=bad.num_rows,
        duplicates=rows.data.num_rows - bad.num_rows - num_kept,
        added=data.num_rows - num_kept,
        shortened=good.sum(CUT).to_pydict()[CUT][0] or 0,
        unknown_columns=rows.unknown,
    )
    return Clean(table, data, _quarantined(table, bad), counts)


def _check(daft: Any, table: Table, rows: Rows, now: datetime) -> Any:
    """The contract's columns and what is wrong with each row, as a frame not yet computed."""
    names = [c.name for c in table.columns if c.name in rows.data.column_names]
    names += [FIELDS] if FIELDS in rows.data.column_names else []

    def check_batch(*columns: Any) -> pa.StructArray:
        found = [column.to_arrow() for column in columns]
        return check(table, dict(zip(names, found, strict=True)), now)

    dtype = daft.DataType.from_arrow_type(checked_type(table))
    checked = daft.func.batch(return_dtype=dtype, unnest=True)(check_batch)
    places = pa.array(np.arange(rows.data.num_rows, dtype=np.int64))
    frame = daft.from_arrow(rows.data.append_column(_PLACE, places))
    return frame.select(_PLACE, FILE, ROW, checked(*(daft.col(name) for name in names)))


def _refuse_unknown_items(daft: Any, checked: Any, items: pa.ChunkedArray) -> Any:
    known = daft.from_arrow(
        pa.table({"item_id": items, "_known": pa.repeat(pa.scalar(True), len(items))})
    )
    joined = checked.join(known, on="item_id", how="left")
    unknown = joined["_known"].is_null() & joined[REASON].is_null()
    when = daft.functions.when
    return joined.with_columns(
        {
            FOUND: when(unknown, joined["item_id"]).otherwise(joined[FOUND]),
            COLUMN: when(unknown, daft.lit("item_id")).otherwise(joined[COLUMN]),
            REASON: when(unknown, daft.lit(UNKNOWN_ITEM)).otherwise(joined[REASON]),
        }
    )


def _without_duplicates(daft: Any, table: Table, good: Any) -> Any:
    """Of rows with one key the first stays; of two words on consent, the stricter."""
    key = [daft.col(name) for name in table.key]
    if table is USERS:
        return good.groupby(*key).agg(
            daft.col("may_be_named").bool_and(), daft.col("may_be_used").bool_and()
        )
    first = good.groupby(*key).agg(daft.col(_PLACE).min()).select(_PLACE)
    return good.join(first, on=_PLACE, how="semi")


def _both_ways(daft: Any, ties: Any) -> Any:
    """Ties of kinds without direction, also the other way round where that is not there."""
    col = daft.col
    names = TIES.arrow.names
    undirected = ties.where(col("kind").is_in([str(kind) for kind in sorted(UNDIRECTED_TIES)]))
    back = undirected.select(
        col("dst_user_id").alias("src_user_id"), col("src_user_id").alias("dst_user_id"), *names[2:]
    )
    new = back.join(ties.select(*TIES.key), on=list(TIES.key), how="anti")
    return ties.select(*names).concat(new.select(*names))


def _quarantined(table: Table, bad: pa.Table) -> pa.Table:
    columns = [pa.repeat(pa.scalar(table.name), bad.num_rows)]
    columns += [bad[name] for name in (FILE, ROW, COLUMN, REASON, FOUND)]
    return pa.table(columns, names=QUARANTINE.names).cast(QUARANTINE)
