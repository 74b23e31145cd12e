"""The features of made-up shoppers of a made-up release: what the benchmark of all lists reads."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.lists_release import FRIENDS, OWN, SEED
from coterie.release.bundle import Release
from coterie.schema import (
    EVENT_KINDS,
    FEATURE_TIMESTAMP,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    HAD_ITEMS,
    HAD_KINDS,
    HAD_WANTED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    STRENGTHS,
    EventKind,
)

_HOUR_MS: Final = 3_600_000


def write_features(folder: Path, release: Release, num: int) -> None:
    """Write the offline rows of so many shoppers: 50 items each, and 30 friends among them."""
    rng = np.random.default_rng(SEED + 1)
    folder.mkdir(parents=True)
    users = pa.array([f"shopper-{row:08d}" for row in range(num)])
    moment = pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")), num)
    # Popular ones more often; the few that are drawn twice are had once more recently.
    weight = np.cumsum(release.popularity.astype(np.float64) ** 0.7)
    item = np.searchsorted(weight, rng.random((num, OWN)) * weight[-1]) % len(weight)
    item = np.sort(item, axis=1)
    item += np.cumsum(np.pad(np.diff(item, axis=1) == 0, ((0, 0), (1, 0))), axis=1)
    item = rng.permuted(item % len(weight), axis=1)
    buy = EVENT_KINDS.index(EventKind.PURCHASE)
    kind = rng.choice([0, 1, buy], (num, OWN))
    newest = int(time.time() * 1000) - _HOUR_MS
    ts_ms = np.broadcast_to(newest - 7 * _HOUR_MS * np.arange(OWN), (num, OWN))
    nothing = pa.array([[]] * num, pa.list_(pa.int64()))
    recent = {
        RECENT_ITEMS: _lists(release.items.ids.take(pa.array(item.ravel())), OWN),
        RECENT_KINDS: _lists(pa.array(kind.ravel()), OWN),
        RECENT_TS: _lists(pa.array(ts_ms.ravel()), OWN),
        RECENT_WANTED: _lists(pa.array(np.where(kind == buy, ts_ms, 0).ravel()), OWN),
        HAD_ITEMS: pa.array([[]] * num, pa.list_(pa.string())),
        HAD_KINDS: nothing,
        HAD_WANTED: nothing,
    }
    friend = (np.arange(num)[:, None] + rng.integers(1, num, (num, FRIENDS))) % num
    strengths = rng.random(num * FRIENDS * len(STRENGTHS), np.float32)
    ones = pa.array(np.ones(num * FRIENDS, np.int64))
    ties = {
        FRIEND_IDS: _lists(users.take(pa.array(friend.ravel())), FRIENDS),
        FRIEND_STRENGTHS: _lists(pa.array(strengths), FRIENDS * len(STRENGTHS)),
        FRIENDS_NAMED: _lists(ones, FRIENDS),
        FRIENDS_MUTUAL: _lists(ones, FRIENDS),
    }
    for view, columns in ((SHOPPER_RECENT_VIEW, recent), (SHOPPER_TIES_VIEW, ties)):
        table = pa.table({"user_id": users, **columns, FEATURE_TIMESTAMP: moment})
        pq.write_table(table, folder / f"{view}.parquet")


def _lists(values: pa.Array, width: int) -> pa.Array:
    offsets = np.arange(0, len(values) + 1, width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
