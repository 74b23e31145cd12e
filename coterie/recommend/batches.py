"""Shoppers in batches: from a training set's events and ties, or from one request's features."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coterie.data.dataset import Codes, Floats, Ints, TrainingSet
from coterie.data.distinct import Distinct
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


@dataclass(frozen=True, slots=True)
class RecentColumns:
    """Recent lists of several people one after the other, of items that the release knows."""

    rows: Ragged
    """The entries of each person."""
    item: Ints
    kind: Codes
    ts_ms: Ints
    wanted_ms: Ints

    @classmethod
    def of(
        cls,
        counts: list[int],
        item_idx: Iterable[int],
        kinds: Sequence[Sequence[int]],
        ts_ms: Sequence[Sequence[int]],
        wanted_ms: Sequence[Sequence[int]],
    ) -> "RecentColumns":
        """Read lists all at once, since there are many of them and little in each.

        Args:
            counts: Entries of each person.
            item_idx: Of all entries; -1 for one of which the release knows nothing.
            kinds: Person by person, as the following; see ``Recent``.
            ts_ms: When.
            wanted_ms: When wanted.

        Raises:
            BadInputError: A person's lists differ in length.
        """
        for numbers, what in ((kinds, "kinds"), (ts_ms, "times"), (wanted_ms, "times of wanting")):
            found = list(map(len, numbers))
            if found != counts:
                one = next(at for at, num in enumerate(counts) if found[at] != num)
                raise BadInputError(
                    f"a recent list has {counts[one]} items, but {found[one]} {what}"
                )
        size, chain = sum(counts), itertools.chain.from_iterable
        item = np.fromiter(item_idx, np.int64, size)
        kind = np.fromiter(chain(kinds), np.int8, size)
        times, wanted = (np.fromiter(chain(of), np.int64, size) for of in (ts_ms, wanted_ms))
        rows, known = Ragged.of(np.array(counts)), item >= 0
        if known.all():
            return cls(rows, item, kind, times, wanted)
        return cls(rows.where(known), item[known], kind[known], times[known], wanted[known])

    @property
    def histories(self) -> Histories:
        """Give the histories of these people."""
        return Histories.of(self.rows.offsets, self.item, self.kind, self.ts_ms, self.wanted_ms)


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
    columns = _columns((own, *friends))
    before = had_before(own.had_idx, own.had_wanted_ms, again)
    return shopper_from_columns(columns, before, strengths, again)


def shopper_from_columns(
    columns: RecentColumns,
    before: Ints,
    strengths: Sequence[float] | Floats,
    again: Again | None = None,
) -> Shoppers:
    """Make a batch of one served shopper of columns.

    Args:
        columns: The shopper's list, then the friends', strongest first.
        before: Items of before the shopper's list that are not to be shown.
        strengths: See ``shopper_from_features``.
        again: Likewise.

    Raises:
        BadInputError: There are strengths of more friends, or of fewer.
    """
    table = np.asarray(strengths, dtype=np.float32).reshape(-1, len(STRENGTHS))
    friends = len(columns.rows) - 1
    if len(table) != friends:
        raise BadInputError(
            f"{friends} friends, but strengths of {len(table)}: "
            f"expected {len(STRENGTHS)} numbers a friend"
        )
    rows, item, kind = columns.rows, columns.item, columns.kind
    wanted_ms = columns.wanted_ms
    bounds, person = np.array([0, friends], np.int64), np.arange(1, friends + 1)
    mine = slice(0, int(rows.offsets[1]))
    hidden = item[mine][hides(kind[mine], wanted_ms[mine], item[mine], again)]
    seen = Distinct.of(np.concatenate([hidden, before])).values
    listed = FriendLists(bounds, person, table)
    return Shoppers(columns.histories, listed, np.array([0, len(seen)], np.int64), seen)


def had_before(
    had_idx: Sequence[int], had_wanted_ms: Sequence[int] | None, again: Again | None
) -> Ints:
    """Find items of before the recent list that are not to be shown."""
    item = np.asarray(had_idx, dtype=np.int64)
    if again is None or had_wanted_ms is None:
        return item[item >= 0]
    wanted_ms = np.asarray(had_wanted_ms, dtype=np.int64)
    if len(wanted_ms) != len(item):
        raise BadInputError(f"{len(item)} items of before, but {len(wanted_ms)} times of them")
    known = item >= 0
    return item[known][~again.allows(item[known], wanted_ms[known])]


def _columns(people: Sequence[Recent]) -> RecentColumns:
    """Put recent lists one after the other, with what nobody wrote down."""
    wanted_ms = [
        wanted_at(np.asarray(one.kind, np.int8), np.asarray(one.ts_ms, np.int64)).tolist()
        if one.wanted_ms is None
        else one.wanted_ms
        for one in people
    ]
    items = [one.item_idx for one in people]
    return RecentColumns.of(
        list(map(len, items)),
        itertools.chain.from_iterable(items),
        [one.kind for one in people],
        [one.ts_ms for one in people],
        wanted_ms,
    )
