"""A shopper as the recommender sees one: own history, friends, and their histories."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Codes, Floats, Interactions, Ints
from coterie.data.hidden import hides
from coterie.data.polarity import Entries, speaks_against, was_had
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again
from coterie.graph.friends import FriendLists
from coterie.schema import MAX_HAD, MAX_RECENT

DAY_MS = 86_400_000.0


@dataclass(frozen=True, slots=True)
class Histories:
    """What p people did, one entry a person and item, newest first (compressed rows).

    Entry j of person i stands at ``offsets[i] + j``.
    """

    offsets: Ints
    """Shape (p + 1,)."""
    item_idx: Ints
    """Shape (n,)."""
    kind: Codes
    """Shape (n,): the strongest that the person did with the item, as ``polarity.meant`` has it."""
    age_days: Floats
    """Shape (n,): days before this person's newest entry that does not speak against its item, and
    0 after it. Against one's own newest entry, not a clock: the same history gives the same list
    whenever it is asked for. A dislike is no sign that tastes have moved on: it makes nothing
    older."""
    wanted_ms: Ints
    """Shape (n,): when the item was last wanted; below 0: last turned down; 0: neither."""

    @classmethod
    def of(
        cls, offsets: Ints, item_idx: Ints, kind: Codes, ts_ms: Ints, wanted_ms: Ints
    ) -> "Histories":
        """Make histories of entries with their newest times, which become ages.

        Args:
            offsets: Shape (p + 1,).
            item_idx: Shape (n,).
            kind: Shape (n,).
            ts_ms: Shape (n,): newest time of each, milliseconds since 1970, UTC.
            wanted_ms: Shape (n,).
        """
        counts = np.diff(offsets)
        has_some = counts > 0
        starts = offsets[:-1][has_some]
        against = speaks_against(kind, wanted_ms)
        newest = ts_ms[:0]
        if len(starts):
            liked = np.maximum.reduceat(np.where(against, np.iinfo(np.int64).min, ts_ms), starts)
            newest = np.where(
                np.logical_and.reduceat(against, starts), np.maximum.reduceat(ts_ms, starts), liked
            )
        age = np.maximum(np.repeat(newest, counts[has_some]) - ts_ms, 0) / DAY_MS
        return cls(offsets, item_idx, kind, age.astype(np.float32), wanted_ms)

    @property
    def num_people(self) -> int:
        """p, the number of people."""
        return len(self.offsets) - 1

    @property
    def against(self) -> npt.NDArray[np.bool_]:
        """Entries that speak against their item, shape (n,)."""
        return speaks_against(self.kind, self.wanted_ms)

    def signs(self, dislike_weight: float) -> Floats:
        """Weigh entries by sign: 1, or minus the weight of a dislike, shape (n,)."""
        return np.where(self.against, -dislike_weight, 1.0).astype(np.float32)

    def where(self, kept: npt.NDArray[np.bool_]) -> "Histories":
        """Keep some entries of the same people, by a mask of shape (n,)."""
        return self._rows(Ragged(self.offsets).where(kept).offsets, np.flatnonzero(kept))

    def take(self, people: Ints) -> "Histories":
        """Take the histories of some people, in the order asked; a row of -1 has no history."""
        taken, entries = Ragged(self.offsets).take(people)
        return self._rows(taken.offsets, entries)

    def _rows(self, offsets: Ints, entries: Ints) -> "Histories":
        return Histories(
            offsets,
            self.item_idx[entries],
            self.kind[entries],
            self.age_days[entries],
            self.wanted_ms[entries],
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is remembered of p people: what lists draw on, and what they had before that."""

    recent: Histories
    """The newest entries."""
    had: Entries
    """Of the others those that were had, the newest first a person: not to be shown either."""

    def seen(self, num_items: int, again: Again | None) -> tuple[Ints, Ints]:
        """List items not to show: bounds of each person's, (p + 1,), and the items, ascending."""
        recent, before = self.recent, self.had
        shown = hides(recent.kind, recent.wanted_ms, recent.item_idx, again)
        had = before.take(hides(before.kind, before.wanted_ms, before.item, again))
        person = Ragged(recent.offsets).row[shown]
        pairs = [
            person * num_items + recent.item_idx[shown],
            had.person * num_items + had.item,
        ]
        every = np.unique(np.concatenate(pairs))
        bounds = np.searchsorted(every, np.arange(recent.num_people + 1) * num_items)
        return bounds.astype(np.int64), every % num_items


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The history entries that the lists of b shoppers draw on: of each the own ones, then friends'
    in their order. One entry stands here as often as somebody draws on it."""

    offsets: Ints
    """Where each shopper's begin, shape (b + 1,)."""
    friends_from: Ints
    """Where each shopper's friends' begin, shape (b,)."""
    entries: Ints
    """Shape (n,): rows of the batch's histories."""
    ties: Ints
    """Shape (n,): the tie through which each counts, a row of the batch's friends; -1: own."""
    person: Ints
    """Shape (n,): whose entry it is, a row of the batch's histories."""

    def of(self, row: int) -> slice:
        """Find the places of one shopper's."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))


@dataclass(frozen=True, slots=True)
class Shoppers:
    """A batch of b shoppers: all that a list is made from, offline and served alike."""

    histories: Histories
    """The b shoppers first, then their friends in any order."""
    friends: FriendLists
    """Of the b shoppers; ``person`` is a row of ``histories``."""
    seen_offsets: Ints
    """Shape (b + 1,): bounds of each shopper's entries in ``seen``."""
    seen: Ints
    """Items not to show: had already."""

    def __len__(self) -> int:
        return len(self.friends.offsets) - 1

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Who has a history, shape (b,)."""
        return np.asarray(np.diff(self.histories.offsets[: len(self) + 1]) > 0)

    def sources(self) -> SourceRows:
        """List the entries that each shopper's list draws on."""
        b, friends = len(self), self.friends
        ends = friends.offsets + np.arange(b + 1)
        people = np.empty(b + len(friends.person), np.int64)
        ties = np.empty_like(people)
        own = ends[:-1]
        is_friend = np.ones(len(people), np.bool_)
        is_friend[own] = False
        people[own], ties[own] = np.arange(b), -1
        people[is_friend], ties[is_friend] = friends.person, np.arange(len(friends.person))
        taken, entries = Ragged(self.histories.offsets).take(people)
        which = taken.row
        return SourceRows(
            taken.offsets[ends], taken.offsets[own + 1], entries, ties[which], people[which]
        )

    def counting(self, dislike_weight: float) -> "Shoppers":
        """Leave out entries against their items, where a dislike has no weight."""
        against = self.histories.against
        if dislike_weight > 0 or not against.any():
            return self
        return replace(self, histories=self.histories.where(~against))


def histories_of(events: Interactions, num_people: int, max_items: int = MAX_RECENT) -> Histories:
    """Collapse events to one entry a person and item, the newest ``max_items`` a person.

    Args:
        events: In any order; ``user_idx`` below ``num_people``.
        num_people: Rows of the result; people without events get empty ones.
        max_items: Entries kept a person, the newest; equal times keep the later event.
    """
    return memory_of(events, num_people, max_items).recent


def memory_of(
    events: Interactions, num_people: int, most: int = MAX_RECENT, most_had: int = MAX_HAD
) -> Memory:
    """Collapse events to one entry a person and item, and keep what lists need.

    Args:
        events: In any order; ``user_idx`` below ``num_people``.
        num_people: Rows of the result.
        most: Recent entries kept a person, the newest; equal times keep the later event.
        most_had: Entries kept beside them, the last wanted or turned down; of equal times the
            lower item.
    """
    rows, recent, had = remembered(events, num_people, most, most_had)
    columns = (recent.item, recent.kind, recent.ts_ms, recent.wanted_ms)
    return Memory(Histories.of(rows.offsets, *columns), had)


def remembered(
    events: Interactions, num_people: int, most: int = MAX_RECENT, most_had: int = MAX_HAD
) -> tuple[Ragged, Entries, Entries]:
    """Collapse events to what features hold: the one place that does, with arguments of memory_of.

    Returns:
        Bounds of each person's recent entries; these, newest first; and those had before them.
    """
    entries, newest = Entries.of(events).collapse()
    entries = entries.take(np.lexsort((-newest, -entries.ts_ms, entries.person)))
    rows = Ragged.of_rows(entries.person, num_people)
    kept = rows.position < most
    return rows.where(kept), entries.take(kept), last_had(entries.take(~kept), most_had)


def last_had(entries: Entries, most: int) -> Entries:
    """Keep of entries those that were had, by person, the last ``most`` of each."""
    had = entries.take(was_had(entries.kind, entries.wanted_ms))
    had = had.take(np.lexsort((had.item, -np.abs(had.wanted_ms), had.person)))
    rank = np.arange(len(had)) - np.searchsorted(had.person, had.person)
    return had.take(rank < most)
