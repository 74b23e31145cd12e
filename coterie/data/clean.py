"""One table against the contract, part by part: what is good goes on, what is bad is set aside."""

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.checks import COLUMN, CONSENTS, CUT, FOUND, NOTED, REASON, check, checked_type
from coterie.data.engine import Runner, daft_on
from coterie.data.formats import Chunk
from coterie.data.ids import normal_ids
from coterie.data.spill import PLACE, Keys, Spill, all_of_each, first_of_each, last_of_each
from coterie.data.tables import Source, refuse_columns
from coterie.schema import EVENTS, ITEMS, QUARANTINE, TIES, UNDIRECTED_TIES, USERS, Table

FILE, ROW = "_file", "_row"
_GROUP = 16
"""Chunks that a cluster is given at once."""
KEYS: Final = {
    EVENTS.name: Keys(("event_id",), ("ts", "event_id"), ("event_id",)),
    TIES.name: Keys(
        ("src_user_id", "dst_user_id", "kind"),
        ("src_user_id", "dst_user_id", "kind"),
        ("src_user_id", "dst_user_id"),
    ),
    ITEMS.name: Keys(("item_id",), ("item_id",), ("item_id",)),
    USERS.name: Keys(("user_id",), ("user_id",), ("user_id",)),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of one table's rows: read + added = kept + bad + duplicates."""

    read: int = 0
    kept: int = 0
    bad: int = 0
    duplicates: int = 0
    added: int = 0
    """Ties written the other way round, of kinds that have no direction; items that events name
    and the table lacks; people whose row is bad, who refuse."""
    shortened: int = 0
    """Texts cut to their limit, in rows that are not bad."""
    taken_as_no: int = 0
    """Rows with a consent that is neither yes nor no."""
    unknown_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Clean:
    """A table whose rows were checked, before each key is there once."""

    table: Table
    spill: Spill
    counts: Counts
    files: dict[str, int]
    """Rows read of each file."""
    quarantine: Path
    """Arrow file of ``schema.QUARANTINE``, by file and row."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows in quarantine by column and reason."""
    first_bad: dict[str, Any] | None = None
    refusing: set[str] = field(default_factory=set)
    """People whose row of ``users`` is bad: they are taken to refuse."""
    withdrawn: set[str] = field(default_factory=set)
    """Items of which a bad row says that they cannot be had, or says nothing that can be read."""
    suspects: set[str] = field(default_factory=set)
    """What may be the id of one of them, where nobody knows which field is which."""

    def parts(self) -> Iterator[pa.Table]:
        """Yield the clean rows once, sorted; the counts are whole afterwards."""
        num_kept = num_added = 0
        if self.table is USERS and self.refusing:
            self.spill.add(_refusals(self.refusing))
        settle = _SETTLE[self.table.name]
        for part in self.spill.settled(settle):
            # What was in no file stands at a place before all of them.
            if self.table in (TIES, USERS):
                num_added += pc.sum(pc.less(part[PLACE], 0)).as_py() or 0
            num_kept += part.num_rows
            if self.table is ITEMS and self.withdrawn:
                part = _withdraw(part, self.withdrawn)
            yield part.select(self.table.arrow.names).cast(self.table.arrow)
        read, bad = self.counts.read, self.counts.bad
        self.counts = replace(
            self.counts,
            kept=num_kept,
            added=num_added,
            duplicates=read - bad - (num_kept - num_added),
        )


def clean_table(
    table: Table, source: Source, scratch: Path, now: datetime, runner: Runner = "native"
) -> Clean:
    """Check all rows of a table.

    Args:
        table: Which one.
        source: Where its rows are; it may have none.
        scratch: Folder for what memory should not hold.
        now: Nothing happens after it.
        runner: Where rows are checked.

    Raises:
        BadInputError: A file cannot be read, and where.
    """
    names = source.files(table)
    most = source.num_rows_at_most(table) if names else 0
    bad_file = scratch / f"{table.name}-quarantine.arrow"
    clean = Clean(
        table,
        Spill(scratch / table.name, KEYS[table.name], most),
        Counts(unknown_columns=source.unknown_columns(table)),
        dict.fromkeys(names, 0),
        bad_file,
    )
    with pa.ipc.new_file(str(bad_file), QUARANTINE) as quarantine:
        on_cluster = runner == "ray"
        for checked in (_on_cluster if on_cluster else _here)(table, _counted(clean, source), now):
            _sift(clean, checked, quarantine)
    return clean


def _counted(clean: Clean, source: Source) -> Iterator[tuple[int, Chunk]]:
    """The chunks of a table, each with the place of its first row."""
    place = 0
    for chunk in source.chunks(clean.table) if clean.files else ():
        clean.files[chunk.file] = clean.files.get(chunk.file, 0) + len(chunk)
        if clean.table is USERS:
            # A key that turns up late in a file is looked at like the others.
            refuse_columns(USERS, [*chunk.columns], chunk.file, whole=False)
            clean.suspects.update(_misplaced_ids(chunk))
        yield place, chunk
        place += len(chunk)


def _here(table: Table, chunks: Iterator[tuple[int, Chunk]], now: datetime) -> Iterator[pa.Table]:
    """Check on all cores of this machine; Arrow lets go of Python while it works."""
    workers = cpu_count() or 1
    waiting: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for place, chunk in chunks:
            waiting.append(pool.submit(_checked, table, place, chunk, now))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _checked(table: Table, place: int, chunk: Chunk, now: datetime) -> pa.Table:
    found = check(table, chunk.columns, now, chunk.faults)
    return _beside(pa.Table.from_batches([pa.RecordBatch.from_struct_array(found)]), place, chunk)


def _beside(checked: pa.Table, place: int, chunk: Chunk) -> pa.Table:
    places = np.arange(place, place + len(chunk), dtype=np.int64)
    files = pa.repeat(pa.scalar(chunk.file), len(chunk))
    more = {PLACE: pa.array(places), FILE: files, ROW: pa.array(chunk.rows)}
    for name, column in more.items():
        checked = checked.append_column(name, column)
    return checked


def _on_cluster(
    table: Table, chunks: Iterator[tuple[int, Chunk]], now: datetime
) -> Iterator[pa.Table]:
    """Check on the Ray cluster that the process is connected to, through Daft."""
    group: list[pa.Table] = []
    for place, chunk in chunks:
        columns = {f"c:{name}": column for name, column in chunk.columns.items()}
        columns |= {f"f:{name}": fault for name, fault in chunk.faults.items()}
        packed = _beside(pa.table(columns), place, chunk)
        if group and (len(group) == _GROUP or packed.schema != group[0].schema):
            yield _checked_by_daft(table, group, now)
            group = []
        group.append(packed)
    if group:
        yield _checked_by_daft(table, group, now)


def _checked_by_daft(table: Table, group: list[pa.Table], now: datetime) -> pa.Table:
    daft = daft_on("ray")
    names = [name for name in group[0].column_names if name[:2] in ("c:", "f:")]

    def check_batch(*columns: Any) -> pa.StructArray:
        arrays = {n: c.to_arrow() for n, c in zip(names, columns, strict=True)}
        found, faults = (
            {name[2:]: array for name, array in arrays.items() if name.startswith(mark)}
            for mark in ("c:", "f:")
        )
        return check(table, found, now, faults)

    dtype = daft.DataType.from_arrow_type(checked_type(table))
    checked = daft.func.batch(return_dtype=dtype, unnest=True)(check_batch)
    frame = daft.from_arrow(group)
    frame = frame.select(checked(*(daft.col(name) for name in names)), PLACE, FILE, ROW)
    more = [pa.field(PLACE, pa.int64()), pa.field(FILE, pa.string()), pa.field(ROW, pa.int64())]
    # Daft gives texts back in a wider type.
    return frame.sort(PLACE).to_arrow().cast(pa.schema([*checked_type(table), *more]))


def _sift(clean: Clean, checked: pa.Table, quarantine: Any) -> None:
    """Good rows into the spill, bad ones and those with a note into quarantine."""
    table = clean.table
    is_bad, is_noted = pc.is_valid(checked[REASON]), pc.is_valid(checked[NOTED])
    num_bad, num_noted = (pc.sum(mask).as_py() or 0 for mask in (is_bad, is_noted))
    good = checked.filter(pc.invert(is_bad)) if num_bad else checked
    clean.spill.add(good.select([*table.arrow.names, PLACE]))
    clean.counts = replace(
        clean.counts,
        read=clean.counts.read + checked.num_rows,
        bad=clean.counts.bad + num_bad,
        shortened=clean.counts.shortened + (pc.sum(good[CUT]).as_py() or 0),
        taken_as_no=clean.counts.taken_as_no + num_noted,
    )
    if not num_bad and not num_noted:
        return
    told = checked.filter(pc.or_(is_bad, is_noted))
    rows = _quarantined(table, told)
    quarantine.write_table(rows)
    counted = rows.group_by(["column", "reason"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        clean.reasons[row["column"], row["reason"]] += row["count_all"]
    if num_bad:
        bad = checked.filter(is_bad)
        clean.first_bad = clean.first_bad or _quarantined(table, bad.slice(0, 1)).to_pylist()[0]
        if table is USERS:
            clean.refusing.update(bad["user_id"].drop_null().to_pylist())
        if table is ITEMS:
            unread = pc.equal(bad[COLUMN], "available")
            gone = bad.filter(pc.or_(unread, pc.invert(bad["available"])))
            clean.withdrawn.update(gone["item_id"].drop_null().to_pylist())


def _quarantined(table: Table, rows: pa.Table) -> pa.Table:
    reason = pc.coalesce(rows[REASON], rows[NOTED])
    columns = [pa.repeat(pa.scalar(table.name), rows.num_rows), rows[FILE], rows[ROW]]
    columns += [rows[COLUMN], reason, rows[FOUND]]
    return pa.table(columns, names=QUARANTINE.names).cast(QUARANTINE)


def _withdraw(items: pa.Table, item_ids: set[str]) -> pa.Table:
    gone = pc.is_in(items["item_id"], value_set=pa.array(sorted(item_ids), pa.string()))
    available = pc.and_(items["available"], pc.invert(gone))
    return items.set_column(items.column_names.index("available"), "available", available)


def _refusals(user_ids: set[str]) -> pa.Table:
    ids = pa.array(sorted(user_ids), pa.string())
    no = pa.repeat(pa.scalar(False), len(ids))
    below = pa.array(np.arange(-len(ids), 0))
    return pa.table([ids, no, no, below], [*USERS.arrow.names, PLACE])


def _misplaced_ids(chunk: Chunk) -> list[str]:
    """All that may be an id in the wrong place: the fields of rows that are not as wide as their
    header or have no id, and what stands for a consent and is none."""
    fields = [text for row in chunk.fields for text in row]
    if not chunk.fields:
        texts = [
            c.cast(pa.string()) for c in chunk.columns.values() if not pa.types.is_list(c.type)
        ]
        ids = chunk.columns.get("user_id", pa.nulls(len(chunk))).cast(pa.string())
        without_id = pc.is_null(normal_ids(ids)[0])
        fields += [t for column in texts for t in column.filter(without_id).drop_null().to_pylist()]
        for name in CONSENTS:
            words = chunk.columns.get(name, pa.nulls(0)).cast(pa.string())
            fields += pc.unique(words).drop_null().to_pylist()
    ids, _ = normal_ids(pa.array(fields, pa.string()))
    return list(ids.drop_null().to_pylist())


def _settle_events(rows: pa.Table) -> pa.Table:
    return first_of_each(rows, KEYS[EVENTS.name].unique)


def _settle_items(rows: pa.Table) -> pa.Table:
    """The last row of an item is its newest; that it may not be sold holds, whoever said so."""
    key = KEYS[ITEMS.name].unique
    last = last_of_each(rows, key)
    if last.num_rows == rows.num_rows:
        return last
    stricter = all_of_each(rows, key[0], ["available"])
    place = pc.index_in(last[key[0]], value_set=stricter[key[0]])
    available = stricter["available"].take(place)
    return last.set_column(last.column_names.index("available"), "available", available)


def _settle_users(rows: pa.Table) -> pa.Table:
    """Of two words on consent the stricter holds."""
    return all_of_each(rows, "user_id", CONSENTS)


def _settle_ties(rows: pa.Table) -> pa.Table:
    """Ties of kinds without direction are also there the other way round, at a place below 0."""
    key = KEYS[TIES.name].unique
    first = first_of_each(rows, key)
    kinds = pa.array([str(kind) for kind in sorted(UNDIRECTED_TIES)])
    undirected = first.filter(pc.is_in(first["kind"], value_set=kinds))
    names = undirected.column_names
    places = {"src_user_id": "dst_user_id", "dst_user_id": "src_user_id"}
    back = undirected.select([places.get(name, name) for name in names]).rename_columns(names)
    below = pc.subtract(pa.scalar(-1, pa.int64()), back[PLACE])
    back = back.set_column(names.index(PLACE), PLACE, below)
    # What was given stands first, so it stays.
    return first_of_each(pa.concat_tables([first, back]).combine_chunks(), key)


_SETTLE: Final = {
    EVENTS.name: _settle_events,
    ITEMS.name: _settle_items,
    USERS.name: _settle_users,
    TIES.name: _settle_ties,
}
