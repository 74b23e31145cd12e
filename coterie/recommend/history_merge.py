"""What two places know of the same shoppers, as one: an older history meets what came meanwhile.

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
    """What is known of each shopper by either.

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
    place = np.arange(len(known)) - np.searchsorted(known.person, known.person)
    recent, had = known.take(place < most), last_had(known.take(place >= most), most_had)
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
    """The columns of recent lists, an empty list where one is missing or null."""
    return pa.table({name: _lists(rows, name) for name in (*RECENTS, *HADS)})


def differs(one: pa.Table, other: pa.Table) -> Mask:
    """Rows in which two tables of the same columns, all lists, differ, shape (rows,)."""
    found = np.zeros(len(one), np.bool_)
    for name in one.column_names:
        (offsets, values), (others, other_values) = (_flat(t[name]) for t in (one, other))
        lengths = np.diff(offsets)
        found |= lengths != np.diff(others)
        same = np.flatnonzero(~found)
        ours = values.take(pa.array(_places(offsets, same)))
        theirs = other_values.take(pa.array(_places(others, same)))
        unequal = pc.fill_null(pc.not_equal(ours, theirs), True)
        row = np.repeat(same, lengths[same])
        found[row[unequal.to_numpy(zero_copy_only=False)]] = True
    return found


def _ids(*tables: pa.Table) -> pa.Array:
    parts = [_flat(_lists(table, n))[1] for table in tables for n in (RECENT_ITEMS, HAD_ITEMS)]
    return pa.concat_arrays(parts)


def _entries(rows: pa.Table, ids: pa.Array) -> Entries:
    """A row an entry of a recent list, and one a remembered item."""
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
    """Person, item, and the other columns, one entry after another."""
    offsets, items = _flat(_lists(rows, names[0]))
    person = np.repeat(np.arange(len(rows)), np.diff(offsets))
    item = np.asarray(pc.index_in(items, value_set=ids), np.int64)
    others = (np.asarray(_flat(_lists(rows, name))[1], np.int64) for name in names[1:])
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
    """Shoppers of whom our entries say all that is known, shape (num,)."""
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
    counts = np.bincount(kept.person, minlength=num)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    columns = [ids.take(pa.array(kept.item)), *(pa.array(v.astype(np.int64)) for v in values)]
    return {
        name: pa.ListArray.from_arrays(offsets, column).cast(_TYPES[name])
        for name, column in zip(names, columns, strict=True)
    }


def _lists(rows: pa.Table, name: str) -> pa.Array:
    """A column of lists without a null among them; of empty ones where there is no such column."""
    kind = _TYPES[name]
    if name not in rows.column_names:
        return pa.array([[]] * len(rows), kind)
    offsets, values = _flat(rows[name].cast(kind))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values).cast(kind)


def _flat(lists: pa.Array | pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Offsets, shape (rows + 1,), and values of lists; a null one is an empty one."""
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), pc.list_flatten(lists)


def _places(offsets: Ints, rows: Ints) -> Ints:
    """Where the values of some rows stand."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    return np.repeat(offsets[rows] - (ends - counts), counts) + np.arange(int(counts.sum()))
