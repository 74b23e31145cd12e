"""Which parts of the scores of a list are told, and what the others add up to: for all its items at
once, as a list with reasons is mostly made of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.recommender import Contributions
from coterie.schema import EVENT_KINDS

MAX_OWN: Final = 3
"""Own items named in an item's reasons; the others are added up in one more."""
MAX_OWN_AGAINST: Final = 1
"""Own items named that were turned down and speak against an item."""
MAX_FRIENDS_ITEMS: Final = 3
"""The same for what friends did."""

Sums = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rest:
    """What is not told one by one, of each of s listed items."""

    count: Ints
    """Shape (s,): own items, or friends."""
    net: Sums
    """Shape (s,): what they add."""
    gross: Sums
    """Shape (s,): the same without signs."""


@dataclass(frozen=True, slots=True)
class OwnParts:
    """What comes of a shopper's own history."""

    entry: Ints
    """Shape (o,): rows of the parts."""
    named: Ints
    """Shape (m, s): places in ``entry``, those that speak most first; -1 where there are fewer."""
    rest: Rest

    @classmethod
    def of(cls, parts: Contributions) -> "OwnParts":
        """Choose those that speak most for each item, and one that speaks against it."""
        entry = np.flatnonzero(parts.person < 0)
        added = parts.contribution[entry]
        against = parts.against[entry][:, None]
        # What was turned down is no reason for anything, even where it adds to the score.
        says_for = np.where(against, 0.0, added)
        says_against = np.where(against, -added, 0.0)
        named = np.concatenate(
            [_largest(says_for, MAX_OWN), _largest(says_against, MAX_OWN_AGAINST)]
        )
        left = np.ones(added.shape, dtype=np.bool_)
        place, position = np.nonzero(named >= 0)
        left[named[place, position], position] = False
        rest = Rest(left.sum(axis=0), np.where(left, added, 0.0).sum(axis=0), _gross(added, left))
        return cls(entry, named, rest)


@dataclass(frozen=True, slots=True)
class FriendGroups:
    """What g groups of friends did: each, the same with the same item, which they all wanted or
    all did not."""

    item: Ints
    """Shape (g,)."""
    kind: Ints
    """Shape (g,): an index in ``schema.EVENT_KINDS``."""
    entry: Ints
    """Rows of the parts, shape (n,), group by group; one a friend in each group."""
    offsets: Ints
    """Shape (g + 1,)."""
    net: Sums
    """What each group adds to each listed item, shape (g, s)."""
    gross: Sums
    """The same without signs."""
    alike: Mapping[str, Sums]
    """Of ``net``, what comes of items being alike, by kind of content."""
    named: Ints
    """Shape (m, s): groups, in the order in which they are told; -1 where there are fewer."""
    rest: Rest
    has_rest: Bools
    """Shape (s,): whether anything is left."""

    @classmethod
    def of(cls, parts: Contributions, shown: Ints) -> "FriendGroups":
        """Group friends' entries by item, kind, and whether they wanted it.

        Args:
            parts: Of the list.
            shown: Rows of its items, shape (s,).
        """
        entries = np.flatnonzero(parts.person >= 0)
        did = parts.item_idx[entries] * len(EVENT_KINDS) + parts.kind[entries]
        keys = 2 * did + parts.against[entries]
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        entry, offsets = entries[order], np.append(starts, len(entries))
        item, kind = np.divmod(found // 2, len(EVENT_KINDS))
        added = parts.contribution[entry]
        net, gross = _by_group(added, starts), _by_group(np.abs(added), starts)
        wanted = (found % 2 == 0)[:, None]
        named = _told_first(np.where(wanted, net, 0.0), wanted & (item[:, None] == shown))
        rest, has_rest = _left(parts.person[entry], offsets, net, gross, named)
        alike = {kind: _by_group(part[entry], starts) for kind, part in parts.alike.items()}
        return cls(item, kind, entry, offsets, net, gross, alike, named, rest, has_rest)

    def entries(self, group: int) -> Ints:
        """Find the rows of the parts that are one group's."""
        return self.entry[self.offsets[group] : self.offsets[group + 1]]


def _largest(values: Sums, most: int) -> Ints:
    """Find the largest values over 0 of each column, first ones first: rows, -1 for none."""
    found = np.full((most, values.shape[1]), -1, np.int64)
    if not len(values):
        return found
    values, columns = values.copy(), np.arange(values.shape[1])
    for place in range(most):
        row = values.argmax(axis=0)
        found[place] = np.where(values[row, columns] > 0, row, -1)
        values[row, columns] = 0.0
    return found


def _told_first(net: Sums, same: Bools) -> Ints:
    """Choose groups for each listed item: friends who had this very item say most to a person,
    whatever their share; then those that add most. Those that add nothing are left out."""
    found = np.full((MAX_FRIENDS_ITEMS, net.shape[1]), -1, np.int64)
    if not len(net):
        return found
    same, columns = same.copy(), np.arange(net.shape[1])
    others = np.where(same, -np.inf, net)
    for place in range(MAX_FRIENDS_ITEMS):
        first = np.where(same.any(axis=0), np.where(same, net, -np.inf), others)
        row = first.argmax(axis=0)
        found[place] = np.where(first[row, columns] > 0, row, -1)
        same[row, columns], others[row, columns] = False, -np.inf
    return found


def _left(person: Ints, offsets: Ints, net: Sums, gross: Sums, named: Ints) -> tuple[Rest, Bools]:
    """Add up what groups that are not named add, and count their friends.

    Args:
        person: Shape (n,), group by group.
        offsets: Where groups begin, shape (g + 1,).
        net: Shape (g, s).
        gross: Shape (g, s).
        named: Groups, shape (m, s); -1 for none.
    """
    left = np.ones(net.shape, dtype=np.bool_)
    place, position = np.nonzero(named >= 0)
    left[named[place, position], position] = False
    size = np.diff(offsets)
    people, who = np.unique(person, return_inverse=True)
    group = np.repeat(np.arange(len(size)), size)
    times = np.bincount(group * max(len(people), 1) + who, minlength=len(size) * len(people))
    there = times.reshape(len(size), len(people)).T.astype(np.float64) @ left
    rest = Rest((there > 0).sum(axis=0), np.where(left, net, 0.0).sum(axis=0), _gross(gross, left))
    return rest, np.asarray(left.any(axis=0))


def _by_group(values: Sums, starts: Ints) -> Sums:
    return np.add.reduceat(values, starts) if len(values) else values


def _gross(values: Sums, which: Bools) -> Sums:
    return np.asarray(np.where(which, np.abs(values), 0.0).sum(axis=0))
