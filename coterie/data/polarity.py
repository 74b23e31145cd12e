"""What an event says of its item, for it or against it, and what is left of many: the one place.

A rating or a review under ``schema.LIKED_RATING`` counts as a dislike, wherever events are read.
Of all that a person did with an item one entry is left, made of maxima alone: so the order in
which events come, and how often one comes, make no difference. The last word holds: a return takes
back the purchase before it, a later purchase or good rating undoes a dislike, a mere view does not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Codes, Floats, Interactions, Ints
from coterie.schema import AGAINST_KINDS, EVENT_KINDS, LIKED_RATING, TARGET_KINDS, EventKind

Mask = npt.NDArray[np.bool_]

_IS_TARGET = np.array([kind in TARGET_KINDS for kind in EVENT_KINDS])
_IS_AGAINST = np.array([kind in AGAINST_KINDS for kind in EVENT_KINDS])
_IS_RATED = np.array([kind in (EventKind.RATING, EventKind.REVIEW) for kind in EVENT_KINDS])
_DISLIKE = EVENT_KINDS.index(EventKind.DISLIKE)
# Whatever speaks against an item tells less of it than anything else that was done with it.
_BY_STRENGTH = np.lexsort((np.arange(len(EVENT_KINDS)), ~_IS_AGAINST)).astype(np.int8)
_STRENGTH = np.argsort(_BY_STRENGTH).astype(np.int8)
# The same, of single entries: to look a number up in an array takes longer than all that is asked.
_STRENGTHS: list[int] = _STRENGTH.tolist()
_SIGNS: list[int] = (_IS_TARGET.astype(np.int64) - _IS_AGAINST).tolist()
_RATED: list[bool] = _IS_RATED.tolist()


def meant(kind: Codes, value: Floats) -> Codes:
    """Find the kinds that events count as, shape (n,): a bad rating or review as a dislike.

    Args:
        kind: Indices in ``schema.EVENT_KINDS``.
        value: nan where nothing was said; what is no rating or review may have any.
    """
    bad = _IS_RATED[kind] & (np.asarray(value, np.float32) < LIKED_RATING)
    return np.where(bad, _DISLIKE, kind).astype(np.int8)


def is_target(kind: Codes) -> Mask:
    """Tell which kinds, as ``meant`` gives them, a list should foresee, shape (n,)."""
    return np.asarray(_IS_TARGET[kind])


def is_against(kind: Codes) -> Mask:
    """Tell which kinds, as ``meant`` gives them, speak against the item, shape (n,)."""
    return np.asarray(_IS_AGAINST[kind])


def liked(events: Interactions) -> Mask:
    """Mask the events to learn from and to foresee, shape (n,).

    They are of a target kind, good, and not taken back.

    An event is taken back by one of the same person that speaks against the item, at the same
    moment or later.
    """
    kind = meant(events.kind, events.value)
    mask, against = is_target(kind), is_against(kind)
    if not against.any():
        return mask
    pair = _pairs(events)
    pairs, index = np.unique(pair[against], return_inverse=True)
    last = np.full(len(pairs), np.iinfo(np.int64).min)
    np.maximum.at(last, index, events.ts_ms[against])
    index, found = _look_up(pairs, pair)
    return mask & ~(found & (events.ts_ms <= last[index]))


def had(events: Interactions) -> Mask:
    """Mask the events after which an item is not shown again, shape (n,).

    These are the ones of a target kind, and those against.
    """
    kind = meant(events.kind, events.value)
    return is_target(kind) | is_against(kind)


def turned_down(events: Interactions) -> Mask:
    """Mask the events with items that their person, in the end, did not want, shape (n,)."""
    against = is_against(meant(events.kind, events.value))
    if not against.any():
        return against
    pair = _pairs(events)
    pairs = np.unique(pair[against])
    index, found = _look_up(pairs, pair)
    undone = np.zeros(len(pairs), np.bool_)
    undone[index[found & liked(events)]] = True
    return found & ~undone[index]


@dataclass(frozen=True, slots=True)
class Entries:
    """What people did with items, as columns of shape (n,); a row an event, or one for several."""

    person: Ints
    item: Ints
    kind: Codes
    """The strongest kind, as ``meant`` has it; one that speaks against is the weakest."""
    ts_ms: Ints
    """The newest time of all that was done, milliseconds since 1970."""
    wanted_ms: Ints
    """When the item was last wanted (a target kind); below 0: last turned down, at that time, and
    not wanted since; 0: neither."""

    @classmethod
    def of(cls, events: Interactions) -> "Entries":
        """Make one entry of each event."""
        kind = meant(events.kind, events.value)
        return cls(
            events.user_idx, events.item_idx, kind, events.ts_ms, wanted_at(kind, events.ts_ms)
        )

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: Ints | Mask) -> "Entries":
        """Take the rows of an index or a mask, in that order."""
        return Entries(
            self.person[rows],
            self.item[rows],
            self.kind[rows],
            self.ts_ms[rows],
            self.wanted_ms[rows],
        )

    def collapse(self) -> tuple["Entries", Ints]:
        """Merge entries into one a person and item, and tell where its newest stood.

        Of equal times the later one counts as the newest.
        """
        if not len(self):
            return self, np.zeros(0, np.int64)
        pair = self.person * (int(self.item.max()) + 1) + self.item
        order = np.lexsort((np.arange(len(self)), self.ts_ms, pair))
        first = np.flatnonzero(np.diff(pair[order], prepend=pair[order[0]] - 1))
        newest = order[np.r_[first[1:], len(order)] - 1]
        strength = np.maximum.reduceat(_STRENGTH[self.kind[order]], first)
        # Of equal times the word against holds: twice the time leaves it one more.
        word = 2 * np.abs(self.wanted_ms) + (self.wanted_ms < 0)
        last = np.maximum.reduceat(word[order], first)
        wanted_ms = np.where(last % 2, -(last // 2), last // 2)
        found = Entries(
            self.person[newest],
            self.item[newest],
            _BY_STRENGTH[strength],
            self.ts_ms[newest],
            wanted_ms,
        )
        return found, newest


def speaks_against(kind: Codes, wanted_ms: Ints) -> Mask:
    """Tell which entries speak against their item, shape (n,)."""
    return is_against(kind) | (wanted_ms < 0)


def was_had(kind: Codes, wanted_ms: Ints) -> Mask:
    """Tell after which entries an item is not shown again, shape (n,)."""
    return is_target(kind) | speaks_against(kind, wanted_ms)


def wanted_at(kind: Codes, ts_ms: Ints) -> Ints:
    """Write what single events say as ``Entries.wanted_ms``, shape (n,); kinds as meant."""
    sign = is_target(kind).astype(np.int64) - is_against(kind)
    return np.asarray(sign * ts_ms)


Told = tuple[int, int, int]
"""Of one entry the kind, as ``meant`` has it, the time, and the time of wanting: see Entries."""


def told_by(kind: int, value: float | None, ts_ms: int) -> Told:
    """Make the entry of a single event, as ``Entries.of`` makes them of many."""
    if value is not None and _RATED[kind] and np.float32(value) < LIKED_RATING:
        kind = _DISLIKE
    return kind, ts_ms, _SIGNS[kind] * ts_ms


def both_told(one: Told, other: Told) -> Told:
    """Merge two entries of a person and an item, as ``Entries.collapse`` merges many."""
    kind = one[0] if _STRENGTHS[one[0]] >= _STRENGTHS[other[0]] else other[0]
    # Of equal times the word against holds.
    mine, theirs = one[2], other[2]
    size = abs(mine) - abs(theirs)
    wanted_ms = mine if size > 0 or (size == 0 and mine < 0) else theirs
    return kind, max(one[1], other[1]), wanted_ms


def told_had(kind: int, wanted_ms: int) -> bool:
    """Tell whether an item is not shown again after a single entry: see ``was_had``."""
    return _SIGNS[kind] != 0 or wanted_ms < 0


def _pairs(events: Interactions) -> Ints:
    """Encode each event's person and item as one number, shape (n,)."""
    return np.asarray(events.user_idx * (int(events.item_idx.max(initial=0)) + 1) + events.item_idx)


def _look_up(keys: Ints, asked: Ints) -> tuple[Ints, Mask]:
    """Find the indices of numbers among sorted keys, and which are there."""
    index = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return index, np.asarray(keys[index] == asked)
