"""Everyone as the features step left them: the newest moment of the offline store's two files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.all_lists.everyone import Everyone, ToldFriends, ToldHistories
from coterie.data.circle import Bools, CircleRule
from coterie.data.dataset import Floats, Ints
from coterie.data.polarity import Entries, wanted_at
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again
from coterie.data.stores import near, open_store
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.graph.friends import FriendLists
from coterie.progress import Progress, silent
from coterie.recommend.history_merge import HADS, RECENTS, split_lists
from coterie.recommend.shoppers import Histories, Memory
from coterie.release.bundle import Release
from coterie.schema import (
    FEATURE_TIMESTAMP,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    STRENGTHS,
)

_FILES: Final = tuple(f"{view}.parquet" for view in (SHOPPER_RECENT_VIEW, SHOPPER_TIES_VIEW))
_USER: Final = "user_id"
_ROWS: Final = 16_384
"""Shoppers read at a time: as text and lists they take several times the memory of their arrays."""
_TIES: Final = (FRIEND_IDS, FRIEND_STRENGTHS, FRIENDS_NAMED, FRIENDS_MUTUAL)
_NEEDED: Final = {
    _FILES[0]: {_USER, FEATURE_TIMESTAMP, *RECENTS[:3]},
    _FILES[1]: {_USER, FEATURE_TIMESTAMP, *_TIES[:3]},
}


def read_everyone(
    folder: str, release: Release, rule: CircleRule, now_ms: int, told: Progress = silent
) -> Everyone:
    """Read all shoppers from the offline rows of a feature store.

    Args:
        folder: Folder or URL that features were handed over to, or that of a filled store.
        release: Whose lists.
        rule: Whom lists draw on.
        now_ms: When they are made, milliseconds since 1970, UTC.
        told: How many are read.

    Raises:
        BadInputError: A file is missing, or is none of ours; or the release is of another shop.
        UnavailableError: The store does not answer.
    """
    fs, path = open_store(folder)
    try:
        with near(fs, path, list(_FILES)) as files:
            recent, ties = (_opened(files[name], f"{folder}/{name}") for name in _FILES)
            ids, histories = _read_histories(recent, release.items, told)
            friends = _read_friends(ties, Vocab(ids), told)
    except FileNotFoundError as error:
        raise BadInputError(
            f"{folder} lacks {' or '.join(_FILES)}: name the folder or URL that the features step "
            "handed its rows over to"
        ) from error
    except pa.ArrowException as error:
        raise BadInputError(f"{folder} holds features that cannot be read: {error}") from error
    again = Again.at(release.days_until_again, now_ms)
    return Everyone.of(ids, histories, friends, rule, len(release.items), again)


def _opened(path: Path, name: str) -> pq.ParquetFile:
    file = pq.ParquetFile(path)
    missing = _NEEDED[path.name] - set(file.schema_arrow.names)
    if missing:
        raise BadInputError(f"{name} has no column {min(missing)}: run the features step again")
    return file


def _newest_rows(
    file: pq.ParquetFile, columns: tuple[str, ...], what: str, told: Progress
) -> Iterator[pa.Table]:
    """Yield the rows of the last moment, some at a time, without moments."""
    newest = pc.max(file.read([FEATURE_TIMESTAMP])[FEATURE_TIMESTAMP])
    wanted = [name for name in (_USER, *columns) if name in file.schema_arrow.names]
    done, total = 0, file.metadata.num_rows
    for batch in file.iter_batches(_ROWS, columns=[FEATURE_TIMESTAMP, *wanted]):
        rows = pa.Table.from_batches([batch])
        yield rows.filter(pc.equal(rows[FEATURE_TIMESTAMP], newest)).select(wanted)
        done += batch.num_rows
        told(what, done, total)


def _read_histories(
    file: pq.ParquetFile, items: Vocab, told: Progress
) -> tuple[pa.Array, ToldHistories]:
    """Read ids, ascending, and what each did."""
    ids, parts = [pa.array([], pa.string())], [_histories_in(None, items)]
    for rows in _newest_rows(file, (*RECENTS, *HADS), "histories", told):
        ids.append(rows[_USER].combine_chunks().cast(pa.string()))
        parts.append(_histories_in(rows, items))
    every = pa.concat_arrays(ids)
    if every.null_count or len(pc.unique(every)) < len(every):
        raise BadInputError("features name a shopper twice: run the features step again")
    order = np.asarray(pc.sort_indices(every), np.int64)
    return every.take(pa.array(order)), _joined(parts, order)


def _histories_in(rows: pa.Table | None, items: Vocab) -> ToldHistories:
    if rows is None:
        nothing = Entries(*(np.zeros(0, kind) for kind in (int, int, np.int8, int, int)))
        return ToldHistories.of(Ragged.of(np.zeros(0, np.int64)), nothing, nothing)
    offsets, recent_ids = split_lists(rows[RECENTS[0]])
    kind, ts_ms, wanted_ms = (_values(rows, name) for name in RECENTS[1:])
    bounds = Ragged(offsets)
    if len(wanted_ms) != len(kind):  # rows of before it was written down
        wanted_ms = wanted_at(kind.astype(np.int8), ts_ms)
    recent = Entries(bounds.row, items.rows(recent_ids), kind.astype(np.int8), ts_ms, wanted_ms)
    return ToldHistories.of(bounds, recent, _had_in(rows, items))


def _had_in(rows: pa.Table, items: Vocab) -> Entries:
    if not set(HADS) <= set(rows.column_names):
        return _histories_in(None, items).memory.had
    offsets, had_ids = split_lists(rows[HADS[0]])
    kind, wanted_ms = (_values(rows, name) for name in HADS[1:])
    row = Ragged(offsets).row
    return Entries(row, items.rows(had_ids), kind.astype(np.int8), np.abs(wanted_ms), wanted_ms)


def _values(rows: pa.Table, name: str) -> Ints:
    """Flatten a column of lists of numbers; empty where there is none."""
    if name not in rows.column_names:
        return np.zeros(0, np.int64)
    return np.asarray(split_lists(rows[name])[1], np.int64)


def _joined(parts: list[ToldHistories], order: Ints) -> ToldHistories:
    """Put parts after one another, and people in an order."""
    recents, starts = [part.memory.recent for part in parts], [0]
    for one in recents:
        starts.append(starts[-1] + one.num_people)
    offsets = Ragged.of(np.concatenate([np.diff(one.offsets) for one in recents])).offsets
    columns = (
        np.concatenate([getattr(one, name) for one in recents])
        for name in ("item_idx", "kind", "age_days", "wanted_ms")
    )
    histories = Histories(offsets, *columns).take(order)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    hads = [part.memory.had for part in parts]
    had = Entries(
        place[
            np.concatenate([one.person + start for one, start in zip(hads, starts, strict=False)])
        ],
        *(
            np.concatenate([getattr(one, name) for one in hads])
            for name in ("item", "kind", "ts_ms", "wanted_ms")
        ),
    )
    did = np.concatenate([part.did_anything for part in parts])[order]
    return ToldHistories(Memory(histories, had), did)


def _read_friends(file: pq.ParquetFile, users: Vocab, told: Progress) -> ToldFriends:
    """Read friends, in the order of ``users``; who is in no row of ties has none."""
    found = [_friends_in(rows, users) for rows in _newest_rows(file, _TIES, "friends", told)]
    owner, counts, person, strengths, named, mutual = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    row = np.full(len(users), -1, np.int64)
    row[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    taken, entries = Ragged.of(counts).take(row)
    lists = FriendLists(taken.offsets, person[entries], strengths[entries])
    return ToldFriends(lists, named[entries], mutual[entries])


def _friends_in(rows: pa.Table, users: Vocab) -> tuple[Ints, Ints, Ints, Floats, Bools, Bools]:
    offsets, friend_ids = split_lists(rows[FRIEND_IDS])
    strengths = np.asarray(split_lists(rows[FRIEND_STRENGTHS])[1], np.float32)
    named, mutual = (_values(rows, name) > 0 for name in (FRIENDS_NAMED, FRIENDS_MUTUAL))
    person = users.rows(friend_ids)
    if len(mutual) != len(person):  # rows of before it was written down
        mutual = np.ones(len(person), np.bool_)
    if len(named) != len(person) or len(strengths) != len(person) * len(STRENGTHS):
        raise BadInputError(
            f"features name {len(person)} friends, with {len(named)} words on naming them and "
            f"{len(strengths)} strengths: run the features step again"
        )
    table = strengths.reshape(-1, len(STRENGTHS))
    return users.rows(rows[_USER]), np.diff(offsets), person, table, named, mutual
