"""Rows of a table on their way to a clean one: each key once, in order, in bounded memory.

Rows are dealt into buckets by their key, so that all rows of a key meet in one; each bucket is
brought down to one row a key and sorted; and sorted buckets are merged range by range. One bucket
is held in memory; more of them lie in files.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROW_OFFSET: Final = "_row_offset"
"""Column: which row of its table it was, over all files, counted from 0."""
BUCKET_ROWS: Final = 1 << 20
_SAMPLES_A_RUN = 256
_HASHED_BYTES = 12
_NO_CHARACTER = "\x00"
"""Character between the parts of a key: no id holds it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What tells rows of a table apart, and how they are sorted."""

    unique: tuple[str, ...]
    """Columns of text; of rows that are equal here one is left."""
    order: tuple[str, ...]
    """Columns to sort by; together they are unique."""
    met: tuple[str, ...]
    """Columns of text whose rows, in any order of these columns, have to meet in one bucket."""


Settle = Callable[[pa.Table], pa.Table]
"""Brings the rows of a bucket, in the order of their offsets, to one row a key."""


class Spill:
    """Takes rows in any number, and gives them back clean."""

    def __init__(
        self, folder: Path, keys: Keys, rows_at_most: int, bucket_rows: int = BUCKET_ROWS
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._num_buckets = max(1, -(-rows_at_most // bucket_rows))
        self._held: list[pa.Table] = []
        self._writers: list[Any] = []
        folder.mkdir(parents=True)

    def add(self, rows: pa.Table) -> None:
        """Take some rows, later ones after earlier ones."""
        if self._num_buckets == 1:
            self._held.append(rows)
            return
        bucket = _buckets([rows[name] for name in self._keys.met], self._num_buckets)
        order = np.argsort(bucket, kind="stable")
        dealt = rows.take(pa.array(order)).combine_chunks()
        bounds = np.searchsorted(bucket[order], np.arange(self._num_buckets + 1))
        if not self._writers:
            self._writers = [
                pa.ipc.new_file(str(self._file("bucket", number)), rows.schema)
                for number in range(self._num_buckets)
            ]
        for number, writer in enumerate(self._writers):
            writer.write_table(dealt.slice(bounds[number], bounds[number + 1] - bounds[number]))

    def settled(self, settle: Settle) -> Iterator[pa.Table]:
        """Yield one row a key, sorted, in parts; the spill is empty afterwards."""
        if self._num_buckets == 1 or not self._writers:
            held, self._held = self._held, []
            if held:
                yield sorted_by(settle(pa.concat_tables(held).combine_chunks()), self._keys.order)
            return
        for writer in self._writers:
            writer.close()
        # Arrow and NumPy let go of Python while they sort; two buckets are held at a time.
        with ThreadPoolExecutor(2) as pool:
            runs = list(
                pool.map(lambda number: self._run(number, settle), range(self._num_buckets))
            )
        yield from _merged([run for run in runs if run.num_rows], self._keys.order)

    def _run(self, number: int, settle: Settle) -> pa.Table:
        """Settle one bucket into a sorted file, and look at that file without reading it."""
        bucket, run = self._file("bucket", number), self._file("run", number)
        with pa.memory_map(str(bucket)) as content:
            rows = pa.ipc.open_file(content).read_all().combine_chunks()
            rows = sorted_by(settle(rows), self._keys.order).combine_chunks()
        bucket.unlink()
        with pa.ipc.new_file(str(run), rows.schema) as writer:
            writer.write_table(rows)
        return pa.ipc.open_file(pa.memory_map(str(run))).read_all()

    def _file(self, what: str, number: int) -> Path:
        return self._folder / f"{what}-{number}.arrow"


def first_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep the first row of each key, in the order that they have."""
    codes = _joined(rows, key).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    # Codes count up as new keys turn up: a row is a first one where its code is a new maximum.
    before = np.concatenate([[-1], np.maximum.accumulate(codes)[:-1]]) if len(codes) else codes
    is_first = codes > before
    return rows if is_first.all() else rows.filter(pa.array(is_first))


def last_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep the last row of each key."""
    backwards = rows.take(pa.array(np.arange(rows.num_rows - 1, -1, -1)))
    return first_of_each(backwards, key)


def all_of_each(rows: pa.Table, key: str, flags: Sequence[str]) -> pa.Table:
    """Give each key, whether all its rows say yes (columns ``flags``), and its last offset."""
    wanted = [*((flag, "all") for flag in flags), (ROW_OFFSET, "max")]
    found = rows.group_by(key, use_threads=False).aggregate(wanted)
    return found.select([key, *(f"{name}_{what}" for name, what in wanted)]).rename_columns(
        [key, *flags, ROW_OFFSET]
    )


def sorted_by(rows: pa.Table, order: Sequence[str]) -> pa.Table:
    """Sort rows by columns, texts by their characters' code points."""
    first = rows[order[0]]
    if not pa.types.is_timestamp(first.type) or len(order) != 2:
        return rows.take(pc.sort_indices(rows, [(name, "ascending") for name in order]))
    # Numbers sort fast, texts slowly: only rows of one moment are sorted by their texts.
    moments = first.cast(pa.int64()).to_numpy()
    if bool((np.diff(moments) > 0).all()):
        return rows
    by_time = np.argsort(moments, kind="stable")
    same = np.diff(moments[by_time]) == 0
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    if tied.any():
        group = np.cumsum(np.concatenate([[True], ~same]))[tied]
        texts = rows[order[1]].take(pa.array(by_time[tied]))
        within = pc.sort_indices(
            pa.table({"group": group, "text": texts}),
            [("group", "ascending"), ("text", "ascending")],
        )
        by_time[tied] = by_time[tied][within.to_numpy()]
    return rows.take(pa.array(by_time))


def _joined(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    columns = [rows[name].combine_chunks() for name in key]
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, _NO_CHARACTER)


def _buckets(columns: list[pa.ChunkedArray], count: int) -> npt.NDArray[np.int64]:
    total = sum((_hashes(column) for column in columns), np.uint64(0))
    return np.asarray(total % np.uint64(count), dtype=np.int64)


def _hashes(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Hash each text by its length and last bytes, where ids differ most (FNV-1a)."""
    texts = column.combine_chunks().cast(pa.string())
    bounds = np.frombuffer(texts.buffers()[1], np.int32)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    found = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    starts, ends = bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64)
    hashed = np.full(len(texts), 14695981039346656037, np.uint64) ^ (ends - starts).astype(
        np.uint64
    )
    for back in range(1, _HASHED_BYTES + 1):
        position = ends - back
        inside = position >= starts
        byte = np.where(inside, found[np.where(inside, position, 0)] if len(found) else 0, 0)
        hashed = (hashed ^ byte.astype(np.uint64)) * np.uint64(1099511628211)
    # The low bits alone choose a bucket: let the high ones count as well.
    return np.asarray(hashed ^ (hashed >> np.uint64(29)))


def _merged(runs: list[pa.Table], order: Sequence[str]) -> Iterator[pa.Table]:
    """Merge sorted runs, a range of keys at a time."""
    if not runs:
        return
    total = sum(run.num_rows for run in runs)
    samples = sorted(
        _key(run, row, order)
        for run in runs
        for row in np.linspace(0, run.num_rows - 1, _SAMPLES_A_RUN, dtype=np.int64).tolist()
    )
    num_ranges = max(1, -(-total // BUCKET_ROWS))
    cuts = [samples[len(samples) * cut // num_ranges] for cut in range(1, num_ranges)]
    starts = [0] * len(runs)
    for cut in [*cuts, None]:
        ends = [run.num_rows if cut is None else _first_from(run, cut, order) for run in runs]
        bounds = zip(runs, starts, ends, strict=True)
        parts = [run.slice(start, end - start) for run, start, end in bounds]
        starts = ends
        whole = pa.concat_tables(parts)
        if whole.num_rows:
            yield sorted_by(whole.combine_chunks(), order)


def _first_from(run: pa.Table, key: tuple[Any, ...], order: Sequence[str]) -> int:
    return bisect_left(range(run.num_rows), key, key=lambda row: _key(run, row, order))


def _key(run: pa.Table, row: int, order: Sequence[str]) -> tuple[Any, ...]:
    return tuple(run[name][row].as_py() for name in order)
