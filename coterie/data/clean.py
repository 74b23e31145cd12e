"""One table against the contract, part by part: what is good goes on, what is bad is set aside."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.checks import COLUMN, CUT, FOUND, NOTED, REASON, check, checked_type
from coterie.data.chunks import Chunk
from coterie.data.engine import Runner, daft_on
from coterie.data.ids import normal_ids
from coterie.data.pseudonymous import AS_THEY_ARE, PseudonymousRows
from coterie.data.spill import ROW_OFFSET, Keys, Spill, all_of_each, first_of_each, last_of_each
from coterie.data.suppressed import NOBODY, REFERRING, Suppressed, people_in
from coterie.data.tables import TableSource, refuse_columns
from coterie.schema import EVENTS, QUARANTINE, TIMESTAMP, BadRow, Duplicates, Mirror, Table

FILE, ROW = "_file", "_row"
_GROUP = 16
"""Chunks that a cluster is given at once."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of one table's rows: read + added = kept + bad + duplicates + erased +
    too_old."""

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
    erased: int = 0
    """Rows left out since they are of people who were erased."""
    too_old: int = 0
    """Events left out since they are older than what is kept, where a shop says so."""
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
    """People whose row of ``users`` is bad: they are taken to refuse (``BadRow.REFUSES``)."""
    withdrawn: set[str] = field(default_factory=set)
    """Items of which a bad row says that they cannot be had, or says nothing that can be read
    (``BadRow.WITHDRAWS``)."""
    suspects: set[str] = field(default_factory=set)
    """Texts that may be the id of one of them, where nobody knows which field is which."""

    def parts(self) -> Iterator[pa.Table]:
        """Yield the clean rows once, sorted; the counts are whole afterwards."""
        num_kept = num_added = 0
        if self.refusing:
            self.spill.add(_refusals(self.table, self.refusing))
        for part in self.spill.settled(partial(settle, self.table)):
            # What was in no file has an offset below 0.
            num_added += pc.sum(pc.less(part[ROW_OFFSET], 0)).as_py() or 0
            num_kept += part.num_rows
            if self.withdrawn:
                part = _withdraw(self.table, part, self.withdrawn)
            yield part.select(self.table.arrow.names).cast(self.table.arrow)
        read, bad = self.counts.read, self.counts.bad
        self.counts = replace(
            self.counts,
            kept=num_kept,
            added=num_added,
            duplicates=read
            - bad
            - self.counts.erased
            - self.counts.too_old
            - (num_kept - num_added),
        )


def clean_table(
    table: Table,
    source: TableSource,
    scratch: Path,
    now: datetime,
    runner: Runner = "native",
    gone: Suppressed = NOBODY,
    oldest: datetime | None = None,
    people: PseudonymousRows = AS_THEY_ARE,
) -> Clean:
    """Check all rows of a table.

    Args:
        table: Which one.
        source: Where its rows are; it may have none.
        scratch: Folder for what memory should not hold.
        now: Nothing happens after it.
        runner: Where rows are checked.
        gone: Who was erased: their rows are left out, bad ones too, and names of theirs.
        oldest: Events before it are left out; None: none are.
        people: Gives their pseudonyms, where there are any.

    Raises:
        BadInputError: A file cannot be read, and where.
    """
    names = source.files(table)
    most = source.num_rows_at_most(table) if names else 0
    bad_file = scratch / f"{table.name}-quarantine.arrow"
    clean = Clean(
        table,
        Spill(scratch / table.name, keys_of(table), most),
        Counts(unknown_columns=source.unknown_columns(table)),
        dict.fromkeys(names, 0),
        bad_file,
    )
    with pa.ipc.new_file(str(bad_file), QUARANTINE) as quarantine:
        on_cluster = runner == "ray"
        for checked in (_on_cluster if on_cluster else _here)(table, _counted(clean, source), now):
            spared = people.of(table, _spared(clean, checked, gone), FILE)
            _sift(clean, _young(clean, spared, oldest), quarantine)
    clean.suspects = people.ids(clean.suspects)
    return clean


def _counted(clean: Clean, source: TableSource) -> Iterator[tuple[int, Chunk]]:
    """Yield a table's chunks with the offset of each one's first row, and count rows by file."""
    offset = 0
    for chunk in source.chunks(clean.table) if clean.files else ():
        clean.files[chunk.file] = clean.files.get(chunk.file, 0) + len(chunk)
        if clean.table.bad_row is BadRow.REFUSES:
            # A key that turns up late in a file is looked at like the others.
            refuse_columns(clean.table, [*chunk.columns], chunk.file, whole=False)
            clean.suspects.update(_misplaced_ids(clean.table, chunk))
        yield offset, chunk
        offset += len(chunk)


def _here(table: Table, chunks: Iterator[tuple[int, Chunk]], now: datetime) -> Iterator[pa.Table]:
    """Check on all cores of this machine; Arrow lets go of Python while it works."""
    workers = cpu_count() or 1
    waiting: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for offset, chunk in chunks:
            waiting.append(pool.submit(_checked, table, offset, chunk, now))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _checked(table: Table, offset: int, chunk: Chunk, now: datetime) -> pa.Table:
    found = check(table, chunk.columns, now, chunk.faults)
    return _beside(pa.Table.from_batches([pa.RecordBatch.from_struct_array(found)]), offset, chunk)


def _beside(checked: pa.Table, offset: int, chunk: Chunk) -> pa.Table:
    offsets = np.arange(offset, offset + len(chunk), dtype=np.int64)
    files = pa.repeat(pa.scalar(chunk.file), len(chunk))
    more = {ROW_OFFSET: pa.array(offsets), FILE: files, ROW: pa.array(chunk.rows)}
    for name, column in more.items():
        checked = checked.append_column(name, column)
    return checked


def _on_cluster(
    table: Table, chunks: Iterator[tuple[int, Chunk]], now: datetime
) -> Iterator[pa.Table]:
    """Check on the Ray cluster that the process is connected to, through Daft."""
    group: list[pa.Table] = []
    for offset, chunk in chunks:
        columns = {f"c:{name}": column for name, column in chunk.columns.items()}
        columns |= {f"f:{name}": fault for name, fault in chunk.faults.items()}
        packed = _beside(pa.table(columns), offset, chunk)
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
    frame = frame.select(checked(*(daft.col(name) for name in names)), ROW_OFFSET, FILE, ROW)
    more = [
        pa.field(ROW_OFFSET, pa.int64()),
        pa.field(FILE, pa.string()),
        pa.field(ROW, pa.int64()),
    ]
    # Daft gives texts back in a wider type.
    return frame.sort(ROW_OFFSET).to_arrow().cast(pa.schema([*checked_type(table), *more]))


def _spared(clean: Clean, checked: pa.Table, gone: Suppressed) -> pa.Table:
    """Leave out rows of people who were erased, and their names from rows of others."""
    if not gone:
        return checked
    table = clean.table
    left = pa.array([True]).take(pa.array(np.zeros(checked.num_rows, np.int64)))
    for name in people_in(table):
        left = pc.and_(left, pc.invert(gone.among(checked[name])))
    found = checked.filter(left)
    for name in table.arrow.names:
        if name in REFERRING:
            named = pc.if_else(gone.among(found[name]), None, found[name].combine_chunks())
            found = found.set_column(found.column_names.index(name), name, named)
    counts, num = clean.counts, checked.num_rows
    clean.counts = replace(
        counts, read=counts.read + num - len(found), erased=counts.erased + num - len(found)
    )
    return found


def _young(clean: Clean, checked: pa.Table, oldest: datetime | None) -> pa.Table:
    """Leave out events that are older than what is kept."""
    if oldest is None or clean.table is not EVENTS:
        return checked
    # A row whose time cannot be read is bad, whenever it was.
    left = pc.fill_null(pc.greater_equal(checked["ts"], pa.scalar(oldest, TIMESTAMP)), True)
    found = checked.filter(left)
    num = checked.num_rows - found.num_rows
    counts = clean.counts
    clean.counts = replace(counts, read=counts.read + num, too_old=counts.too_old + num)
    return found


def _sift(clean: Clean, checked: pa.Table, quarantine: Any) -> None:
    """Put good rows into the spill, bad ones and those with a note into quarantine."""
    table = clean.table
    is_bad, is_noted = pc.is_valid(checked[REASON]), pc.is_valid(checked[NOTED])
    num_bad, num_noted = (pc.sum(mask).as_py() or 0 for mask in (is_bad, is_noted))
    good = checked.filter(pc.invert(is_bad)) if num_bad else checked
    clean.spill.add(good.select([*table.arrow.names, ROW_OFFSET]))
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
        if table.bad_row is BadRow.REFUSES:
            clean.refusing.update(bad[table.key[0]].drop_null().to_pylist())
        if table.bad_row is BadRow.WITHDRAWS:
            for name in table.strict:
                gone = bad.filter(pc.or_(pc.equal(bad[COLUMN], name), pc.invert(bad[name])))
                clean.withdrawn.update(gone[table.key[0]].drop_null().to_pylist())


def _quarantined(table: Table, rows: pa.Table) -> pa.Table:
    reason = pc.coalesce(rows[REASON], rows[NOTED])
    columns = [pa.repeat(pa.scalar(table.name), rows.num_rows), rows[FILE], rows[ROW]]
    columns += [rows[COLUMN], reason, rows[FOUND]]
    return pa.table(columns, names=QUARANTINE.names).cast(QUARANTINE)


def _withdraw(table: Table, rows: pa.Table, keys: set[str]) -> pa.Table:
    gone = pc.is_in(rows[table.key[0]], value_set=pa.array(sorted(keys), pa.string()))
    for name in table.strict:
        yes = pc.and_(rows[name], pc.invert(gone))
        rows = rows.set_column(rows.column_names.index(name), name, yes)
    return rows


def _refusals(table: Table, keys: set[str]) -> pa.Table:
    """Make a row a key that says no, and nothing else."""
    told = {table.key[0]: pa.array(sorted(keys), pa.string())}
    told |= dict.fromkeys(table.strict, pa.repeat(pa.scalar(False), len(keys)))
    columns = [told.get(c.name, pa.nulls(len(keys), c.type)) for c in table.columns]
    below = pa.array(np.arange(-len(keys), 0))
    return pa.table([*columns, below], [*table.arrow.names, ROW_OFFSET])


def _misplaced_ids(table: Table, chunk: Chunk) -> list[str]:
    """Collect all that may be an id in the wrong place.

    That is the fields of rows that are not as wide as their header or have no id, and what stands
    for a consent and is none.
    """
    fields = [text for row in chunk.fields for text in row]
    if not chunk.fields:
        texts = [
            c.cast(pa.string()) for c in chunk.columns.values() if not pa.types.is_list(c.type)
        ]
        ids = chunk.columns.get(table.key[0], pa.nulls(len(chunk))).cast(pa.string())
        without_id = pc.is_null(normal_ids(ids)[0])
        fields += [t for column in texts for t in column.filter(without_id).drop_null().to_pylist()]
        for name in table.consents:
            words = chunk.columns.get(name, pa.nulls(0)).cast(pa.string())
            fields += pc.unique(words).drop_null().to_pylist()
    ids, _ = normal_ids(pa.array(fields, pa.string()))
    return list(ids.drop_null().to_pylist())


def keys_of(table: Table) -> Keys:
    """Say how rows of a table are told apart, sorted, and brought together."""
    # Whichever way round a row stands, both have to meet.
    return Keys(table.key, table.order, table.mirror.columns if table.mirror else table.key)


def settle(table: Table, rows: pa.Table) -> pa.Table:
    """Bring rows, in the order of their offsets, to one a key, as the table says."""
    last = table.duplicates is Duplicates.LAST
    found = last_of_each(rows, table.key) if last else first_of_each(rows, table.key)
    if table.strict and found.num_rows < rows.num_rows:
        found = _stricter(table, found, rows)
    return _both_ways(table.key, table.mirror, found) if table.mirror else found


def _stricter(table: Table, found: pa.Table, rows: pa.Table) -> pa.Table:
    """Let rows say no where any row of their key does, at the last offset of that key."""
    (key,) = table.key
    said = all_of_each(rows, key, table.strict)
    row = pc.index_in(found[key], value_set=said[key])
    for name in (*table.strict, ROW_OFFSET):
        at = found.column_names.index(name)
        found = found.set_column(at, name, said[name].take(row))
    return found


def _both_ways(key: Sequence[str], mirror: Mirror, found: pa.Table) -> pa.Table:
    """Add the rows that are also there the other way round, at an offset below 0."""
    words = pa.array(sorted(mirror.is_in), pa.string())
    turned = found.filter(pc.is_in(found[mirror.where], value_set=words))
    names, (one, other) = found.column_names, mirror.columns
    other_way = {one: other, other: one}
    back = turned.select([other_way.get(name, name) for name in names]).rename_columns(names)
    below = pc.subtract(pa.scalar(-1, pa.int64()), back[ROW_OFFSET])
    back = back.set_column(names.index(ROW_OFFSET), ROW_OFFSET, below)
    # What was given stands first, so it stays.
    return first_of_each(pa.concat_tables([found, back]).combine_chunks(), key)
