"""Histories of the same shoppers from two sources, merged: an older one meets what came since.

The same rule as ``serving.features.recent.merge``, for many shoppers at once: of each item is left
what ``polarity.Entries`` leaves, so neither order nor repetition makes a difference.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Codes, Ints
from coterie.data.polarity import Entries, wanted_at
from coterie.data.ragged import Ragged
from coterie.recommend.shoppers import last_had
from coterie.schema import (
    HAD_ITEMS,
    HAD_KINDS,
    HAD_WANTED,
    MAX_HAD,
    MAX_RECENT,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
)

RECENTS: Final = (RECENT_ITEMS, RECENT_KINDS, RECENT_TS, RECENT_WANTED)
HADS: Final = (HAD_ITEMS, HAD_KINDS, HAD_WANTED)
_TYPES: Final = {
    name: pa.list_(pa.string() if name in (RECENT_ITEMS, HAD_ITEMS) else pa.int64())
    for name in (*RECENTS, *HADS)
}
Mask = npt.NDArray[np.bool_]


def merge_histories(
    snapshot: pa.Table, online: pa.Table, most: int = MAX_RECENT, most_had: int = MAX_HAD
) -> pa.Table:
    """Merge two tables of recent lists, shopper by shopper.

    Args:
        snapshot: Columns of ``RECENTS`` and ``HADS``, a row a shopper; lists may be null.
        online: The same shoppers in the same order.
        most: Entries kept of a shopper, the newest.
        most_had: Of those that then fall out and were had, how many are remembered beside them.

    Returns:
        The same columns, rows in the same order, no list null. Where ``online`` knows nothing
        besides, a row is the snapshot's own, in its own order.
    """
    num = len(snapshot)
    ids = pc.unique(_ids(snapshot, online))
    ids = ids.take(pc.sort_indices(ids))
    ours, theirs = _entries(snapshot, ids), _entries(online, ids)
    known = _both(ours, theirs).collapse()[0]
    kept_as_it_is = _says_all(ours, known, num)
    # Equal times fall in the order of ids: any order will do, as long as it is always the same.
    known = known.take(np.lexsort((known.item, -known.ts_ms, known.person)))
    rank = Ragged.of_rows(known.person, num).position
    recent, had = known.take(rank < most), last_had(known.take(rank >= most), most_had)
    rows = {
        **_columns(RECENTS, num, recent, ids, (recent.kind, recent.ts_ms, recent.wanted_ms)),
        **_columns(HADS, num, had, ids, (had.kind, had.wanted_ms)),
    }
    merged = pa.table(rows)
    if not kept_as_it_is.any():
        return merged
    both = pa.concat_tables([merged, whole(snapshot)])
    return both.take(pa.array(np.arange(num) + np.where(kept_as_it_is, num, 0)))


def whole(rows: pa.Table) -> pa.Table:
    """Complete the columns of recent lists with empty ones where lists are missing or null."""
    return pa.table({name: _lists(rows, name) for name in (*RECENTS, *HADS)})


def differs(one: pa.Table, other: pa.Table) -> Mask:
    """Find rows in which two tables of the same columns, all lists, differ, shape (rows,)."""
    found = np.zeros(len(one), np.bool_)
    for name in one.column_names:
        (offsets, values), (others, other_values) = (split_lists(t[name]) for t in (one, other))
        lengths = np.diff(offsets)
        found |= lengths != np.diff(others)
        same = np.flatnonzero(~found)
        ours = values.take(pa.array(Ragged(offsets).take(same)[1]))
        theirs = other_values.take(pa.array(Ragged(others).take(same)[1]))
        unequal = pc.fill_null(pc.not_equal(ours, theirs), True)
        row = np.repeat(same, lengths[same])
        found[row[unequal.to_numpy(zero_copy_only=False)]] = True
    return found


def _ids(*tables: pa.Table) -> pa.Array:
    parts = [
        split_lists(_lists(table, n))[1] for table in tables for n in (RECENT_ITEMS, HAD_ITEMS)
    ]
    return pa.concat_arrays(parts)


def _entries(rows: pa.Table, ids: pa.Array) -> Entries:
    """Flatten recent lists and remembered items to one row each."""
    recent, had = _part(rows, RECENTS, ids), _part(rows, HADS, ids)
    person, item, kind, ts_ms, wanted_ms = recent
    if len(wanted_ms) != len(kind):  # rows of before it was written down
        wanted_ms = wanted_at(kind.astype(np.int8), ts_ms)
    had_person, had_item, had_kind, had_ms = had
    return Entries(
        np.concatenate([person, had_person]),
        np.concatenate([item, had_item]),
        np.concatenate([kind, had_kind]).astype(np.int8),
        np.concatenate([ts_ms, np.abs(had_ms)]),
        np.concatenate([wanted_ms, had_ms]),
    )


def _part(rows: pa.Table, names: tuple[str, ...], ids: pa.Array) -> tuple[Ints, ...]:
    """Flatten list columns to person, item, and the other values, one entry after another."""
    offsets, items = split_lists(_lists(rows, names[0]))
    person = np.repeat(np.arange(len(rows)), np.diff(offsets))
    item = np.asarray(pc.index_in(items, value_set=ids), np.int64)
    others = (np.asarray(split_lists(_lists(rows, name))[1], np.int64) for name in names[1:])
    return (person, item, *others)


def _both(one: Entries, other: Entries) -> Entries:
    return Entries(
        np.concatenate([one.person, other.person]),
        np.concatenate([one.item, other.item]),
        np.concatenate([one.kind, other.kind]),
        np.concatenate([one.ts_ms, other.ts_ms]),
        np.concatenate([one.wanted_ms, other.wanted_ms]),
    )


def _says_all(ours: Entries, known: Entries, num: int) -> Mask:
    """Find shoppers of whom our entries say all that is known, shape (num,)."""
    ours = ours.take(np.lexsort((ours.item, ours.person)))
    counts, all_counts = (np.bincount(e.person, minlength=num) for e in (ours, known))
    same = counts == all_counts
    # Entries that are known are by person and item too: where there are as many, they pair up.
    mine, theirs = ours.take(same[ours.person]), known.take(same[known.person])
    pairs = zip(_values(mine), _values(theirs), strict=True)
    unequal = np.logical_or.reduce([one != other for one, other in pairs])
    same[mine.person[unequal]] = False
    return np.asarray(same)


def _values(entries: Entries) -> tuple[Ints, ...]:
    return (entries.item, entries.kind.astype(np.int64), entries.ts_ms, entries.wanted_ms)


def _columns(
    names: tuple[str, ...],
    num: int,
    kept: Entries,
    ids: pa.Array,
    values: Sequence[Ints | Codes],
) -> dict[str, pa.Array]:
    offsets = pa.array(Ragged.of_rows(kept.person, num).offsets.astype(np.int32))
    columns = [ids.take(pa.array(kept.item)), *(pa.array(v.astype(np.int64)) for v in values)]
    return {
        name: pa.ListArray.from_arrays(offsets, column).cast(_TYPES[name])
        for name, column in zip(names, columns, strict=True)
    }


def _lists(rows: pa.Table, name: str) -> pa.Array:
    """Take a column of lists, empty ones where it is null or there is no such column."""
    kind = _TYPES[name]
    if name not in rows.column_names:
        return pa.array([[]] * len(rows), kind)
    offsets, values = split_lists(rows[name].cast(kind))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values).cast(kind)


def split_lists(lists: pa.Array | pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Split lists into offsets, shape (rows + 1,), and values; a null one is empty."""
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return Ragged.of(lengths).offsets, pc.list_flatten(lists)
