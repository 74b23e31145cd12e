"""Parts of the scores of a list, grouped: for all its items at once, as a list with reasons is
mostly made of these."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints
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

    def parts(self, group: int) -> Ints:
        """Find the parts of a group."""
        return self.order[self.offsets[group] : self.offsets[group + 1]]

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
    shown: Ints,
    named: Bools,
    items: ItemFacts,
    discretion: Discretion,
) -> PartGroups:
    """Group the parts of a list's scores by what is told of them.

    Own parts by category, those that were turned down one by one. Friends' parts by category, and
    those with a listed item by what was done with it; what may not be told of friends, and what
    they turned down, stays with its class.

    Args:
        parts: Of the list.
        shown: Rows of its items, shape (s,).
        named: Whether each friend may be named, shape (friends,); person 1 stands first.
        items: What is known of items.
        discretion: How much is told.
    """
    keys, same = _keys(parts, shown, items)
    is_friend = parts.person >= 0
    unnamed = is_friend & ~named[np.maximum(parts.person - 1, 0)] if len(named) else is_friend
    people = np.unique(parts.person[unnamed])
    whose = np.where(is_friend, FRIENDS, OWN)
    uncounted = np.zeros(len(keys), np.bool_)
    if not discretion.may_tell(len(people)):
        whose[unnamed] = HIDDEN
        keys[unnamed] = -1
    else:
        keys, uncounted = _without_untold(
            keys, same, parts, unnamed, len(people), items, discretion
        )
    keys[is_friend & parts.against] = -1
    # The first three groups are what is not told further, then come the others.
    _, group = np.unique(np.where(keys < 0, whose, keys + CLASSES), return_inverse=True)
    first = np.unique(whose[keys < 0])
    group = np.where(keys < 0, whose, group - len(first) + CLASSES)
    same = np.where(keys < 0, -1, same)
    return _summed(parts, group, whose, same, uncounted, len(shown))


def _keys(parts: Contributions, shown: Ints, items: ItemFacts) -> tuple[Ints, Ints]:
    """Give parts the numbers of what they may be told as; find listed items among friends' parts.

    Returns:
        Numbers from 0, and listed positions, -1 for none; shape (n,) each.
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
    keys = np.where(is_own, keys, 2 * block + keys)
    place = np.full(num_items, -1)
    place[shown] = np.arange(len(shown))
    same = np.where(is_own, -1, place[item])
    return np.where(same >= 0, 4 * block + did, keys), same


def _without_untold(
    keys: Ints,
    same: Ints,
    parts: Contributions,
    unnamed: Bools,
    pool: int,
    items: ItemFacts,
    discretion: Discretion,
) -> tuple[Ints, Bools]:
    """Take people who are not named out of groups in which their number may not be told.

    Of an item that many had it may still be said that people did, where none of them is named.

    Returns:
        The keys, -1 for what is not told, and which parts are told without a number.
    """
    rows = np.flatnonzero(unnamed & ~parts.against)
    groups, which = np.unique(keys[rows], return_inverse=True)
    people, person = np.unique(parts.person[rows], return_inverse=True)
    pairs = np.unique(which * max(len(people), 1) + person) // max(len(people), 1)
    may = discretion.may_count(np.bincount(pairs, minlength=len(groups)), pool)[which]
    with_names = np.isin(groups, keys[(parts.person >= 0) & ~unnamed & ~parts.against])[which]
    common = items.num_had[parts.item_idx[rows]] >= discretion.rare_below
    some = ~may & (same[rows] >= 0) & common & ~with_names
    kept, uncounted = keys.copy(), np.zeros(len(keys), np.bool_)
    kept[rows[~(may | some)]] = -1
    uncounted[rows[some]] = True
    return kept, uncounted


def _summed(
    parts: Contributions, group: Ints, whose: Ints, same: Ints, uncounted: Bools, num_shown: int
) -> PartGroups:
    """Add up parts by group."""
    count, num = max(int(group.max(initial=-1)) + 1, CLASSES), len(group)
    order = np.argsort(group, kind="stable")
    offsets = np.append(0, np.cumsum(np.bincount(group, minlength=count)))
    matrix = sparse.csr_matrix((np.ones(num), order, offsets), shape=(count, num))
    net = np.asarray(matrix @ parts.contribution).reshape(count, num_shown)
    gross = np.asarray(matrix @ np.abs(parts.contribution)).reshape(count, num_shown)
    kind, about = np.arange(count) % CLASSES, np.full(count, -1)
    kind[group], about[group] = whose, same
    against, counted = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    against[group] = parts.against
    against[:CLASSES] = False
    counted[group[uncounted]] = False
    of_class = (np.arange(CLASSES)[:, None] == kind).astype(np.float64)
    totals = of_class @ net, of_class @ gross
    friends = len(np.unique(parts.person[whose == FRIENDS]))
    return PartGroups(order, offsets, kind, about, counted, against, net, gross, totals, friends)


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
