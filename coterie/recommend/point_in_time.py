"""Point-in-time features: what the feature store knew of everyone at one moment, for training."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Ints, TrainingSet
from coterie.data.polarity import Entries, wanted_at
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.graph.friends import FriendLists
from coterie.recommend.batches import Community
from coterie.recommend.history_merge import split_lists
from coterie.recommend.shoppers import Histories, Memory
from coterie.schema import (
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIENDS_NAMED,
    HAD_ITEMS,
    HAD_KINDS,
    HAD_WANTED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    STRENGTHS,
)

TRAINING_FEATURES: Final = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field(RECENT_ITEMS, pa.list_(pa.string())),
        pa.field(RECENT_KINDS, pa.list_(pa.int64())),
        pa.field(RECENT_TS, pa.list_(pa.int64())),
        pa.field(RECENT_WANTED, pa.list_(pa.int64())),
        pa.field(HAD_ITEMS, pa.list_(pa.string())),
        pa.field(HAD_KINDS, pa.list_(pa.int64())),
        pa.field(HAD_WANTED, pa.list_(pa.int64())),
        pa.field(FRIEND_IDS, pa.list_(pa.string())),
        pa.field(FRIEND_STRENGTHS, pa.list_(pa.float32())),
        pa.field(FRIENDS_NAMED, pa.list_(pa.int64())),
    ]
)
"""Columns of a point-in-time table: one row a shopper; null lists where nothing was known."""


def community_of(
    known: pa.Table, users: Vocab, items: Vocab, again: Again | None = None
) -> Community:
    """Read everyone as the feature store knows them, rows in the order of ``users``.

    Args:
        known: Columns of ``TRAINING_FEATURES``; shoppers who are missing have nothing.
        users: Rows of the result; friends outside it are left out.
        items: Rows of items; items outside it are left out.
        again: What may be listed again.
    """
    row = users.rows(known["user_id"])
    found = np.full(len(users), -1, np.int64)
    found[row[row >= 0]] = np.flatnonzero(row >= 0)
    memory = Memory(_histories(known, items).take(found), _had(known, users, items))
    return Community(
        memory.recent, _friends(known, users).take(found), *memory.seen(len(items), again)
    )


def check_training_features(
    community: Community, data: TrainingSet, used: npt.NDArray[np.bool_]
) -> None:
    """Make sure that features and clean tables tell the same of every shopper.

    They are computed by different ways, in different steps: where they differ, one of them is
    stale, or knows the future, and a model fitted on one would be served with the other.

    Args:
        community: From the feature store, at the end of ``data``'s events.
        data: What a model is to be fitted on.
        used: Shape (users,): who may be used; others' events are in their own features alone.

    Raises:
        BadInputError: They differ.
    """
    # Features hold all friends: whom lists draw on is decided when they are made.
    expected = Community.of(data.with_all_friends())
    users = np.flatnonzero(used)
    found, wanted = community.histories.take(users), expected.histories.take(users)
    parts = {
        "recent items": _same(found.offsets, wanted.offsets, found.item_idx, wanted.item_idx),
        "kinds of event": _same(found.offsets, wanted.offsets, found.kind, wanted.kind),
        "items turned down": np.array_equal(found.against, wanted.against),
        "items had": all(map(np.array_equal, _seen(community, used), _seen(expected, used))),
        "friends": _same(
            community.friends.take(users).offsets,
            expected.friends.take(users).offsets,
            community.friends.take(users).person,
            expected.friends.take(users).person,
        ),
    }
    wrong = [name for name, same in parts.items() if not same]
    if wrong:
        raise BadInputError(
            f"features and clean tables differ in {', '.join(wrong)}: one of them is older, or "
            "knows what came later; run the features step again on these tables"
        )


def _same(
    offsets: Ints,
    other_offsets: Ints,
    values: npt.NDArray[np.generic],
    other: npt.NDArray[np.generic],
) -> bool:
    return np.array_equal(offsets, other_offsets) and np.array_equal(values, other)


def _seen(community: Community, used: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Count and list the items that some people are not to be shown, person by person."""
    counts = np.diff(community.seen_offsets)
    return counts[used], community.seen[np.repeat(used, counts)]


def _histories(known: pa.Table, items: Vocab) -> Histories:
    offsets, ids = split_lists(known[RECENT_ITEMS])
    ts_ms = np.asarray(split_lists(known[RECENT_TS])[1], dtype=np.int64)
    kind = np.asarray(split_lists(known[RECENT_KINDS])[1], dtype=np.int8)
    wanted_ms = np.asarray(split_lists(known[RECENT_WANTED])[1], dtype=np.int64)
    if len(wanted_ms) != len(kind):  # rows of before it was written down
        wanted_ms = wanted_at(kind, ts_ms)
    item_idx = items.rows(ids)
    kept = item_idx >= 0
    offsets = Ragged(offsets).where(kept).offsets
    item_idx, kind, ts_ms = item_idx[kept], kind[kept], ts_ms[kept]
    wanted_ms = wanted_ms[kept]
    return Histories.of(offsets, item_idx, kind, ts_ms, wanted_ms)


def _had(known: pa.Table, users: Vocab, items: Vocab) -> Entries:
    offsets, ids = split_lists(known[HAD_ITEMS])
    person = np.repeat(users.rows(known["user_id"]), np.diff(offsets))
    kind = np.asarray(split_lists(known[HAD_KINDS])[1], dtype=np.int8)
    wanted_ms = np.asarray(split_lists(known[HAD_WANTED])[1], dtype=np.int64)
    item_idx = items.rows(ids)
    had = Entries(person, item_idx, kind, np.abs(wanted_ms), wanted_ms)
    return had.take((person >= 0) & (item_idx >= 0))


def _friends(known: pa.Table, users: Vocab) -> FriendLists:
    offsets, ids = split_lists(known[FRIEND_IDS])
    strengths = np.asarray(split_lists(known[FRIEND_STRENGTHS])[1], dtype=np.float32)
    strengths = strengths.reshape(-1, len(STRENGTHS))
    person = users.rows(ids)
    kept = person >= 0
    return FriendLists(Ragged(offsets).where(kept).offsets, person[kept], strengths[kept])
