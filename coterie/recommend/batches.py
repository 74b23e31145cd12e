"""Shoppers in batches: from a training set's events and ties, or from one request's features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.hidden import hides
from coterie.data.polarity import wanted_at
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again
from coterie.errors import BadInputError
from coterie.graph.circle import friends_drawn_on
from coterie.graph.friends import FriendLists, friend_lists
from coterie.graph.strength import tie_strengths
from coterie.recommend.shoppers import Histories, Shoppers, memory_of
from coterie.schema import STRENGTHS


@dataclass(frozen=True, slots=True)
class Community:
    """Everyone of a training set, ready to be asked for in batches."""

    histories: Histories
    friends: FriendLists
    seen_offsets: Ints
    seen: Ints

    @classmethod
    def of(cls, data: TrainingSet) -> "Community":
        """Collapse a training set's events, and weigh its ties; friends are whom lists draw on."""
        ties, strengths = tie_strengths(data)
        memory = memory_of(data.interactions, data.num_users)
        friends = friend_lists(ties, strengths, data.num_users)
        everybody = cls(memory.recent, friends, *memory.seen(data.num_items, data.again))
        return everybody.in_circle(data)

    def in_circle(self, data: TrainingSet) -> "Community":
        """Leave out friends whom the lists of a training set, this one's, may not draw on."""
        if data.circle is None:
            return self
        has_history = np.diff(self.histories.offsets) > 0
        drawn = friends_drawn_on(self.friends, data.ties, data.circle, has_history)
        return replace(self, friends=drawn.friends)

    def shoppers(self, user_idx: Ints) -> Shoppers:
        """Make a batch of some users, with each of their friends once behind them."""
        friends = self.friends.take(user_idx)
        people, index = np.unique(friends.person, return_inverse=True)
        behind = index.astype(np.int64) + len(user_idx)
        histories = self.histories.take(np.concatenate([user_idx, people]))
        seen, entries = Ragged(self.seen_offsets).take(user_idx)
        friends = replace(friends, person=behind)
        return Shoppers(histories, friends, seen.offsets, self.seen[entries])


@dataclass(frozen=True, slots=True)
class Recent:
    """One person's recent list, as features hold it; items unknown to the release are -1."""

    item_idx: Sequence[int]
    """One entry an item, newest first."""
    kind: Sequence[int]
    """Indices of ``schema.EVENT_KINDS``."""
    ts_ms: Sequence[int]
    wanted_ms: Sequence[int] | None = None
    """See ``polarity.Entries``; None where nobody wrote it down: kinds and times tell then."""
    had_idx: Sequence[int] = ()
    """What fell out of the list, and was wanted or turned down."""
    had_wanted_ms: Sequence[int] | None = None
    """When that was wanted, likewise; None where nobody knows: then none of it comes back."""


def shopper_from_features(
    own: Recent,
    friends: Sequence[Recent],
    strengths: Sequence[float] | Floats,
    again: Again | None = None,
) -> Shoppers:
    """Make a batch of one served shopper, just as a batch from a training set holds one.

    Args:
        own: The shopper's list, empty for a stranger.
        friends: The friends' lists, strongest first.
        strengths: ``len(schema.STRENGTHS)`` numbers a friend, flattened.
        again: What may be listed again; None: nothing.

    Raises:
        BadInputError: Lists differ in length.
    """
    table = np.asarray(strengths, dtype=np.float32).reshape(-1, len(STRENGTHS))
    if len(table) != len(friends):
        raise BadInputError(
            f"{len(friends)} friends, but strengths of {len(table)}: "
            f"expected {len(STRENGTHS)} numbers a friend"
        )
    columns = [_columns(recent) for recent in (own, *friends)]
    rows = Ragged.of(np.array([len(item) for item, *_ in columns]))
    parts = (np.concatenate(column) for column in zip(*columns, strict=True))
    histories = Histories.of(rows.offsets, *parts)
    bounds, person = np.array([0, len(friends)], np.int64), np.arange(1, len(friends) + 1)
    own_item, own_kind, _, wanted_ms = columns[0]
    hidden = own_item[hides(own_kind, wanted_ms, own_item, again)]
    seen = np.unique(np.concatenate([hidden, _had_before(own, again)]))
    listed = FriendLists(bounds, person, table)
    return Shoppers(histories, listed, np.array([0, len(seen)], np.int64), seen)


def _had_before(own: Recent, again: Again | None) -> Ints:
    """Find items of before the recent list that are not to be shown."""
    item = np.asarray(own.had_idx, dtype=np.int64)
    if again is None or own.had_wanted_ms is None:
        return item[item >= 0]
    wanted_ms = np.asarray(own.had_wanted_ms, dtype=np.int64)
    if len(wanted_ms) != len(item):
        raise BadInputError(f"{len(item)} items of before, but {len(wanted_ms)} times of them")
    known = item >= 0
    return item[known][~again.allows(item[known], wanted_ms[known])]


def _columns(
    recent: Recent,
) -> tuple[Ints, npt.NDArray[np.int8], Ints, Ints]:
    item = np.asarray(recent.item_idx, dtype=np.int64)
    kind = np.asarray(recent.kind, dtype=np.int8)
    ts = np.asarray(recent.ts_ms, dtype=np.int64)
    if not len(item) == len(kind) == len(ts):
        raise BadInputError(
            f"a recent list has {len(item)} items, {len(kind)} kinds and {len(ts)} times"
        )
    wanted = wanted_at(kind, ts)
    if recent.wanted_ms is not None:
        wanted = np.asarray(recent.wanted_ms, dtype=np.int64)
    if len(wanted) != len(item):
        raise BadInputError(
            f"a recent list has {len(item)} items, but {len(wanted)} times when they were wanted"
        )
    known = item >= 0
    return item[known], kind[known], ts[known], wanted[known]
