"""Rows of a snapshot into an online store that is in use: nothing that came meanwhile is lost.

Serving pushes a shopper's list after each event, built of what is online. So a shopper who did
something before a snapshot came has a row without their history, and one who does something while
it comes must not lose that. Reading, merging and writing happen under the lock that serving pushes
under, a batch at a time; whether the online store compares times makes no difference.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore

from coterie.data.dataset import AskedTimes, Ints
from coterie.data.locks import PUSH, Locks
from coterie.data.ragged import Ragged
from coterie.data.suppressed import NOBODY, Suppressed
from coterie.errors import UnavailableError
from coterie.progress import Progress, silent
from coterie.recommend.history_merge import (
    HADS,
    RECENTS,
    differs,
    merge_histories,
    split_lists,
    whole,
)
from coterie.recommend.point_in_time import TRAINING_FEATURES
from coterie.retries import until_available
from coterie.schema import (
    ASKED_TS,
    FRIEND_IDS,
    FRIEND_WIDTHS,
    MAX_ASKED,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
)
from feature_repo.views import CREATED, TIMESTAMP, shopper_ties

BATCH: Final = 250
"""Shoppers under one lock: it is held for a small part of the time that serving waits for it."""
PATIENCE_S: Final = 60.0
"""For so long a batch is tried again."""
_AGAIN_S: Final = 1.0
"""Between two attempts at a batch."""
_PAUSE_S: Final = 0.05
"""Seconds between two batches: longer than a push that waits sleeps before it tries the lock."""
_TIES: Final = tuple(field.name for field in shopper_ties.schema)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RECENT: Final = (*RECENTS, *HADS, ASKED_TS)
_NAMES: Final = {SHOPPER_RECENT_VIEW: _RECENT, SHOPPER_TIES_VIEW: _TIES}


@dataclass(frozen=True, slots=True)
class Written:
    """What a snapshot changed online."""

    shoppers: int
    """Of the snapshot."""
    recent: int = 0
    """Recent lists that were written; the others said the same already."""
    ties: int = 0
    """Lists of friends that were written; the others are of this snapshot, or of a newer one."""

    def __add__(self, other: "Written") -> "Written":
        return Written(
            self.shoppers + other.shoppers, self.recent + other.recent, self.ties + other.ties
        )


def write_online(
    store: FeatureStore,
    recent: pa.Table,
    ties: pa.Table,
    snapshot_ms: int,
    locks: Locks,
    told: Progress = silent,
    who_is_gone: Callable[[], Suppressed] = lambda: NOBODY,
) -> Written:
    """Bring one moment of both views online, shopper by shopper.

    A recent list is merged with the one that is online, item by item. A list of friends takes
    the place of the one that is online, unless that is of a newer snapshot.

    Args:
        store: With the views registered.
        recent: Rows of the recent view, one a shopper.
        ties: Rows of the ties view, likewise.
        snapshot_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        locks: Of those who share the event log that serving pushes from.
        told: How far it is.
        who_is_gone: Reads who was erased: a snapshot of before brings nobody back.

    Raises:
        UnavailableError: The online store or the log did not answer for a minute.
    """
    ids = pc.unique(pa.concat_arrays([_ids(recent), _ids(ties)]))
    views = [rows.take(pc.index_in(ids, value_set=_ids(rows))) for rows in (recent, ties)]
    total = Written(0)
    for first in range(0, len(ids), BATCH):
        some, mine, friends = (rows.slice(first, BATCH) for rows in (ids, *views))
        total += _again(
            partial(_write, store, some, mine, friends, snapshot_ms, locks, who_is_gone)
        )
        told("features online", total.shoppers, len(ids))
        time.sleep(_PAUSE_S)
    return total


def _ids(rows: pa.Table) -> pa.Array:
    return rows["user_id"].combine_chunks().cast(pa.string())


def _again(work: Callable[[], Written]) -> Written:
    """Do it again until it is done; to do it twice changes nothing."""
    return until_available(work, PATIENCE_S, _AGAIN_S)


def _write(
    store: FeatureStore,
    shoppers: pa.Array,
    recent: pa.Table,
    ties: pa.Table,
    snapshot_ms: int,
    locks: Locks,
    who_is_gone: Callable[[], Suppressed],
) -> Written:
    """Write rows of the same shoppers; null where a view has none."""
    with locks.lock(PUSH, wait_s=PATIENCE_S) as fencing_token:
        if gone := who_is_gone():
            left = pc.invert(gone.among(shoppers))
            shoppers, recent, ties = (one.filter(left) for one in (shoppers, recent, ties))
            ties = _without(ties, gone)
        ids = shoppers.to_pylist()
        if not ids:
            return Written(0)
        found, known_ms = _read(store, ids)
        merged = merge_histories(recent, found)
        # A row is also written where there was none: a shopper without events is known, too.
        asked = merge_asked(recent[ASKED_TS], found[ASKED_TS])
        before = pc.fill_null(found[ASKED_TS], [])
        new = differs(merged, whole(found)) | differs(_one(asked), _one(before))
        changed = np.flatnonzero(new | (known_ms[0] == 0))
        merged = merged.append_column(ASKED_TS, asked)
        told = ties["user_id"].is_valid().to_numpy()
        newer = np.flatnonzero(told & (known_ms[1] < snapshot_ms))
        # A process that stood still for longer than its lock lasts has read what is no longer so.
        locks.check_held()
        _push(store, SHOPPER_RECENT_VIEW, ids, merged, changed, fencing_token)
        _push(store, SHOPPER_TIES_VIEW, ids, ties.select(_TIES), newer, snapshot_ms * 1000)
    return Written(len(ids), len(changed), len(newer))


def merge_asked(snapshot: pa.ChunkedArray, online: pa.ChunkedArray) -> pa.ListArray:
    """Merge when people were asked, row by row: the newest times of both, newest first.

    Args:
        snapshot: Lists of milliseconds; null where there is no row.
        online: The same people in the same order.
    """
    num = len(snapshot)
    parts = [split_lists(pc.fill_null(one, [])) for one in (snapshot, online)]
    person = np.concatenate([Ragged(offsets).row for offsets, _ in parts])
    times = np.concatenate([values.to_numpy(zero_copy_only=False) for _, values in parts])
    both = AskedTimes(person.astype(np.int64), times.astype(np.int64))
    offsets, kept = both.newest(num, np.iinfo(np.int64).max, MAX_ASKED)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(kept, pa.int64()))


def _one(asked: pa.ListArray | pa.ChunkedArray) -> pa.Table:
    return pa.table({ASKED_TS: asked})


def _without(ties: pa.Table, gone: Suppressed) -> pa.Table:
    """Take who was erased out of lists of friends."""
    rows = ties.to_pylist()
    for row in rows:
        ids = row[FRIEND_IDS] or []
        kept = [place for place, one in enumerate(ids) if one not in gone]
        if len(kept) == len(ids):
            continue
        for name, width in FRIEND_WIDTHS.items():
            held = row.get(name)
            if held:
                row[name] = [held[place * width + at] for place in kept for at in range(width)]
    return pa.Table.from_pylist(rows, ties.schema)


def _read(store: FeatureStore, ids: Sequence[str]) -> tuple[pa.Table, Ints]:
    """Read the recent lists that are online, and the times of both views' rows, shape (2, ids)."""
    refs = [f"{view}:{name}" for view, names in _NAMES.items() for name in names]
    try:
        answer = store.get_online_features(
            features=refs, entity_rows=[{"user_id": user_id} for user_id in ids]
        )
    except Exception as error:  # whatever the store's client raises
        raise UnavailableError(f"the online store did not answer: {error}") from error
    columns = answer.to_dict()
    recents = pa.table(
        {
            **{n: pa.array(columns[n], TRAINING_FEATURES.field(n).type) for n in (*RECENTS, *HADS)},
            ASKED_TS: pa.array(columns[ASKED_TS], pa.list_(pa.int64())),
        }
    )
    names = list(answer.proto.metadata.feature_names.val)
    known_ms = [
        [
            stamp.ToMilliseconds()
            for stamp in answer.proto.results[names.index(of[0])].event_timestamps
        ]
        for of in _NAMES.values()
    ]
    return recents, np.array(known_ms, np.int64)


def _push(
    store: FeatureStore,
    view: str,
    ids: Sequence[str],
    rows: pa.Table,
    which: Ints,
    fencing_token: int,
) -> None:
    if not len(which):
        return
    taken = rows.take(pa.array(which))
    when = _EPOCH + timedelta(microseconds=fencing_token)
    values: dict[str, Any] = {name: taken[name].to_pylist() for name in taken.column_names}
    frame = pd.DataFrame(
        {"user_id": [ids[row] for row in which], **values, TIMESTAMP: when, CREATED: when}
    )
    try:
        store.write_to_online_store(view, frame)
    except Exception as error:  # whatever the store's client raises
        raise UnavailableError(f"the online store refused rows of {view}: {error}") from error
