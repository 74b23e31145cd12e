"""Parts of the scores of a list, grouped: for all its items at once, as a list with reasons is
mostly made of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.data.distinct import Distinct
from coterie.reasons.discretion import Discretion
from coterie.recommend.recommender import Contributions
from coterie.schema import EVENT_KINDS

OWN: Final = 0
FRIENDS: Final = 1
HIDDEN: Final = 2
"""Whose parts a group holds: the shopper's own, friends' that may be told of, others that may not.
They are also the numbers of the groups that hold what is not told further."""
CLASSES: Final = 3
MAX_OWN: Final = 3
"""Groups of own items that an item's reasons tell; the others are added up in one more."""
MAX_FRIENDS: Final = 3
"""The same of friends' groups."""

Sums = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class ItemFacts(Protocol):
    """What reasons have to know of items, by row."""

    category_codes: Ints
    """Number of each item's category, shape (items,); -1 where it has none."""
    num_had: Ints
    """How many people had each item, shape (items,)."""

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""

    def category(self, code: int) -> str:
        """Name the category of a code by its path."""

    def is_new(self, row: int) -> bool:
        """Tell whether the item of a row is newer than the release."""


@dataclass(frozen=True, slots=True)
class PartGroups:
    """The n parts of s listed items' scores, in g groups."""

    order: Ints
    """Parts, group by group, shape (n,)."""
    offsets: Ints
    """Where groups begin, shape (g + 1,)."""
    kind: Ints
    """Whose each group is: OWN, FRIENDS or HIDDEN, shape (g,)."""
    same: Ints
    """The listed position whose very item a group is about, shape (g,); -1 for others."""
    counted: Bools
    """Whether it may be said how many people each holds, shape (g,)."""
    against: Bools
    """Whether they turned it down, shape (g,)."""
    net: Sums
    """What each group adds to each listed item, shape (g, s)."""
    gross: Sums
    """The same without signs."""
    totals: tuple[Sums, Sums]
    """Net and gross of each class, shape (CLASSES, s)."""
    num_friends: int
    """People of the class FRIENDS."""

    def sums(self, of: Mapping[str, Sums]) -> dict[str, Sums]:
        """Add up some shares of parts, each of shape (n, s), by group: (g, s) each."""
        if not of:
            return {}
        num = len(next(iter(of.values())))
        by_group = _adder(self.order, self.offsets, num)
        return {name: np.asarray(by_group @ added) for name, added in of.items()}

    def told(self, of: int, whole: Sums, min_share: float, most: int) -> Ints:
        """Choose what is told of a class for each listed item: what adds most, if it adds enough.

        Friends who had this very item say most to a person: they come first.

        Args:
            of: The class.
            whole: All that is added to or taken from each score, shape (s,).
            min_share: Of ``whole``, the least that is told.
            most: Groups a listed item.

        Returns:
            Groups, shape (most, s); -1 where there are fewer.
        """
        rows = np.flatnonzero((self.kind == of) & ~self.against)
        rows = rows[rows >= CLASSES]
        net = np.where(self.gross[rows] >= min_share * whole, self.net[rows], 0.0)
        same = self.same[rows][:, None] == np.arange(net.shape[1])
        net = np.where(same & (net > 0), net + 2 * whole, net)
        return _largest(net, rows, most)

    def told_against(self, whole: Sums, min_share: float) -> Ints:
        """Choose the one thing that a shopper turned down and that takes most, shape (1, s)."""
        rows = np.flatnonzero(self.against & (self.kind == OWN))
        taken = np.where(self.gross[rows] >= min_share * whole, -self.net[rows], 0.0)
        return _largest(taken, rows, 1)


def group_parts(
    parts: Contributions,
    size: Sums,
    shown: Ints,
    named: Bools,
    mutual: Bools,
    items: ItemFacts,
    discretion: Discretion,
) -> PartGroups:
    """Group the parts of a list's scores by what is told of them.

    Own parts by category, those that were turned down one by one. Friends' parts by category, and
    those with a listed item by what was done with it; what may not be told of friends, and what
    they turned down, stays with its class.

    Args:
        parts: Of the list.
        size: Their contributions without signs.
        shown: Rows of its items, shape (s,).
        named: Whether each friend may be named, shape (friends,); person 1 stands first.
        mutual: Whether each follows the shopper in turn: of others nothing is told.
        items: What is known of items.
        discretion: How much is told.
    """
    keys, did, same = _keys(parts, shown, items)
    is_friend = parts.person >= 0
    unnamed, one_sided = _of_parts(~named, parts), _of_parts(~mutual, parts)
    people = _each_once(parts.person[unnamed & ~one_sided])
    hidden = one_sided if discretion.may_tell(len(people)) else one_sided | unnamed
    whose = np.where(is_friend, np.where(hidden, HIDDEN, FRIENDS), OWN)
    secret = _Secret(parts, unnamed & ~hidden, len(people), discretion)
    untold = hidden | (is_friend & parts.against)
    # What is not told further stands first, class by class.
    keys = np.where(untold | ~secret.may_count(keys), whose - CLASSES, keys)
    about = np.flatnonzero((same >= 0) & ~untold)
    about, uncounted = secret.may_say(about, did, items.num_had)
    return _summed(parts, size, keys, whose, (about, did[about], same[about], uncounted))


def _of_parts(of_friends: Bools, parts: Contributions) -> Bools:
    """Tell of each part what holds of its friend, shape (n,); of the shopper's own nothing does."""
    # The shopper is person -1.
    return np.concatenate([[False], of_friends, [False]])[parts.person]


def _keys(parts: Contributions, shown: Ints, items: ItemFacts) -> tuple[Ints, Ints, Ints]:
    """Give parts the numbers of what they may be told as; find listed items among friends' parts.

    Returns:
        Numbers from 0, what was done with which item, and listed positions, -1 for none; shape
        (n,) each.
    """
    item = parts.item_idx
    num_items, kinds = len(items.category_codes), len(EVENT_KINDS)
    code = items.category_codes[item]
    # Without a category an item stands for itself, and for what was done with it.
    did = item * kinds + parts.kind
    keys = np.where(code >= 0, code, num_items + did)
    block = num_items * (kinds + 1)
    is_own = parts.person < 0
    keys = np.where(is_own & parts.against, block + item, keys)
    place = np.full(num_items, -1)
    place[shown] = np.arange(len(shown))
    return np.where(is_own, keys, 2 * block + keys), did, np.where(is_own, -1, place[item])


@dataclass(frozen=True, slots=True)
class _Secret:
    """The parts of people who are not named, and what may be told of them."""

    parts: Contributions
    unnamed: Bools
    """Their parts, shape (n,)."""
    pool: int
    """How many they are."""
    discretion: Discretion

    def may_count(self, keys: Ints) -> Bools:
        """Tell which parts are in a group that may be told: named ones, and those of as many
        people as are counted, shape (n,)."""
        told = ~self.unnamed
        if told.all():
            return told
        rows = np.flatnonzero(self.unnamed & ~self.parts.against)
        groups, which = np.unique(keys[rows], return_inverse=True)
        people, person = np.unique(self.parts.person[rows], return_inverse=True)
        pairs = np.unique(which * max(len(people), 1) + person) // max(len(people), 1)
        num = np.bincount(pairs, minlength=len(groups))
        told[rows] = self.discretion.may_count(num, self.pool)[which]
        return told

    def may_say(self, about: Ints, did: Ints, num_had: Ints) -> tuple[Ints, Bools]:
        """Choose the parts of which the listed item is told, of those that are about one.

        Of an item that many had it may be said that people did, where none of them is named.

        Returns:
            These parts, and which of them are told without a number.
        """
        if not self.unnamed.any():
            return about, np.zeros(len(about), np.bool_)
        keys = np.full(len(did), -1)
        keys[about] = did[about]
        counted = self.may_count(keys)[about]
        with_names = np.isin(did[about], did[about[~self.unnamed[about]]])
        common = num_had[self.parts.item_idx[about]] >= self.discretion.rare_below
        some = ~counted & common & ~with_names
        kept = counted | some
        return about[kept], some[kept]


def _summed(
    parts: Contributions,
    size: Sums,
    keys: Ints,
    whose: Ints,
    listed: tuple[Ints, Ints, Ints, Bools],
) -> PartGroups:
    """Add up parts by group, and once more those of which a listed item is told: in the score of
    this item they count there alone.

    Args:
        parts: Of the list.
        size: Their contributions without signs.
        keys: Of each part, the number of what it is told as, shape (n,); that of its class, less
            ``CLASSES``, where it is not told further.
        whose: Of each part, the class.
        listed: Of a parts: which they are, what was done with which item, the item's listed
            position, and whether no number is told.
    """
    about, did, place, uncounted = listed
    order, offsets = _by_key(keys)
    count, num = len(offsets) - 1, len(order)
    found = Distinct.of(did)
    order = np.concatenate([order, about[found.order]])
    offsets = np.concatenate([offsets, num + found.offsets[1:]])
    whole = len(offsets) - 1
    # Of the groups of listed items only what counts for these items.
    net, gross = np.zeros((2, whole, size.shape[1]))
    group = np.empty(num, np.int64)
    group[order[:num]] = np.repeat(np.arange(count), np.diff(offsets[: count + 1]))
    by_group = _adder(order[:num], offsets[: count + 1], num)
    for sums, added in ((net, parts.contribution), (gross, size)):
        sums[:count] = by_group @ added
        values = added[about, place]
        np.subtract.at(sums, (group[about], place), values)
        np.add.at(sums, (count + found.which, place), values)
    first = order[offsets[CLASSES:count]]
    kind, position = np.full(whole, FRIENDS), np.full(whole, -1)
    kind[:CLASSES], kind[CLASSES:count] = np.arange(CLASSES), whose[first]
    against, counted = np.zeros(whole, np.bool_), np.ones(whole, np.bool_)
    against[CLASSES:count] = parts.against[first]
    position[count + found.which], counted[count + found.which[uncounted]] = place, False
    of_class = (np.arange(CLASSES)[:, None] == kind).astype(np.float64)
    return PartGroups(
        order,
        offsets,
        kind,
        position,
        counted,
        against,
        net,
        gross,
        (of_class @ net, of_class @ gross),
        len(_each_once(parts.person[whose == FRIENDS])),
    )


def _adder(order: Ints, offsets: Ints, num: int) -> Any:
    """Make what adds rows up by group, a ``scipy.sparse.csr_matrix`` of shape (groups, num)."""
    shape = (len(offsets) - 1, num)
    return sparse.csr_matrix((np.ones(len(order)), order, offsets), shape=shape)


def _each_once(numbers: Ints) -> Ints:
    """List small numbers once each, ascending."""
    return np.flatnonzero(np.bincount(numbers))


def _by_key(keys: Ints) -> tuple[Ints, Ints]:
    """Order parts by key: the parts, and where each group begins; there is one of each class of
    what is not told further, be it empty."""
    found = Distinct.of(keys)
    before = np.searchsorted(found.values, np.arange(1 - CLASSES, 1))
    told = found.offsets[before[-1] :]
    return found.order, np.concatenate([[0], found.offsets[before[:-1]], told])


def _largest(values: Sums, rows: Ints, most: int) -> Ints:
    """Find the rows with the largest values over 0 of each column, first ones first."""
    found = np.full((most, values.shape[1]), -1, np.int64)
    if not len(values):
        return found
    values, columns = values.copy(), np.arange(values.shape[1])
    for place in range(most):
        best = values.argmax(axis=0)
        found[place] = np.where(values[best, columns] > 0, rows[best], -1)
        values[best, columns] = 0.0
    return found
