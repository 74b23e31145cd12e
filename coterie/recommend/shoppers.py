"""A shopper as the recommender sees one: own history, friends, and their histories."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Codes, Floats, Interactions, Ints
from coterie.schema import EVENT_KINDS, MAX_RECENT, TARGET_KINDS

DAY_MS = 86_400_000.0
_IS_TARGET = np.array([kind in TARGET_KINDS for kind in EVENT_KINDS])


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
    """Shape (n,): the strongest that the person did with the item."""
    age_days: Floats
    """Shape (n,): days before this person's newest event. Against one's own newest event, not a
    clock: the same history gives the same list whenever it is asked for."""

    @property
    def num_people(self) -> int:
        """p."""
        return len(self.offsets) - 1

    def take(self, people: Ints) -> "Histories":
        """The histories of some people, in the order asked; a row of -1 has no history."""
        known = people >= 0
        rows = np.where(known, people, 0)
        counts = np.where(known, self.offsets[rows + 1] - self.offsets[rows], 0)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Histories(
            offsets, self.item_idx[entries], self.kind[entries], self.age_days[entries]
        )


@dataclass(frozen=True, slots=True)
class Circles:
    """Whom each of b shoppers draws on (compressed rows, as in Histories)."""

    offsets: Ints
    """Shape (b + 1,)."""
    person: Ints
    """Shape (m,): the friend's row in the batch's histories."""
    strengths: Floats
    """Shape (m, len(schema.STRENGTHS)), each log(1 + value)."""

    def without(self, hidden: npt.NDArray[np.bool_]) -> "Circles":
        """The same without the friends of some shoppers, a mask of shape (b,)."""
        counts = np.diff(self.offsets)
        left = np.repeat(~hidden, counts)
        offsets = np.concatenate([[0], np.cumsum(np.where(hidden, 0, counts))]).astype(np.int64)
        return Circles(offsets, self.person[left], self.strengths[left])


@dataclass(frozen=True, slots=True)
class Shoppers:
    """A batch of b shoppers: all that a list is made from, offline and served alike."""

    histories: Histories
    """The b shoppers first, then their friends in any order."""
    circles: Circles
    seen_offsets: Ints
    """Shape (b + 1,): bounds of each shopper's entries in ``seen``."""
    seen: Ints
    """Items not to show: had already."""

    def __len__(self) -> int:
        return len(self.circles.offsets) - 1

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Who has a history, shape (b,)."""
        return np.asarray(np.diff(self.histories.offsets[: len(self) + 1]) > 0)


def histories_of(events: Interactions, num_people: int, max_items: int = MAX_RECENT) -> Histories:
    """Collapse events to one entry a person and item: strongest kind, newest time.

    Args:
        events: In any order; ``user_idx`` below ``num_people``.
        num_people: Rows of the result; people without events get empty ones.
        max_items: Entries kept a person, the newest; equal times keep the later event.
    """
    if len(events) == 0:
        none = np.zeros(0, np.int64)
        return Histories(
            np.zeros(num_people + 1, np.int64), none, none.astype(np.int8), none.astype(np.float32)
        )
    num_items = int(events.item_idx.max()) + 1
    pair = events.user_idx * num_items + events.item_idx
    # Last event of a pair in time order is its newest; ties in time fall to the later row.
    order = np.lexsort((np.arange(len(events)), events.ts_ms, pair))
    pairs = pair[order]
    first = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]])
    last = np.r_[first[1:], len(pairs)] - 1
    kind = np.maximum.reduceat(events.kind[order], first)
    newest = order[last]
    user, item, ts = events.user_idx[newest], events.item_idx[newest], events.ts_ms[newest]
    by_user = np.lexsort((-newest, -ts, user))
    user, item, ts, kind = user[by_user], item[by_user], ts[by_user], kind[by_user]
    counts = np.bincount(user, minlength=num_people)
    starts = np.concatenate([[0], np.cumsum(counts)])
    kept = np.arange(len(user)) - starts[user] < max_items
    age = (ts[starts[user]] - ts) / DAY_MS
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, max_items))]).astype(np.int64)
    return Histories(offsets, item[kept], kind[kept].astype(np.int8), age[kept].astype(np.float32))


def targets(events: Interactions) -> npt.NDArray[np.bool_]:
    """Which events are of a kind that a list should foresee, shape (n,)."""
    return is_target(events.kind)


def is_target(kind: Codes) -> npt.NDArray[np.bool_]:
    """Which kinds are ones that a list should foresee, shape (n,)."""
    return _IS_TARGET[kind]
