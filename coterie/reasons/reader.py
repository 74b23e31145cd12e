"""From exact parts of a score to a few reasons that a person can read; the sums stay exact."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.languages.texts import Texts
from coterie.reasons import sentences
from coterie.reasons.discretion import Discretion
from coterie.reasons.groups import (
    FRIENDS,
    HIDDEN,
    MAX_FRIENDS,
    MAX_OWN,
    OWN,
    ItemFacts,
    Sums,
    group_parts,
)
from coterie.reasons.likeness import likeness_of
from coterie.reasons.portions import Portions
from coterie.reasons.told import ReasonAbout, ToldReason
from coterie.reasons.wording import GroupWords
from coterie.recommend.recommender import Contributions, ReasonKind

_DIGITS: Final = 6
_OWN_REST: Final = MAX_OWN + 1
"""Rows of what a list may tell: groups of own items and the one that was turned down, what is left
of own ones, then friends' groups likewise, popularity, and what is too small."""
_FIRST_FRIENDS: Final = _OWN_REST + 1
_FRIENDS_REST: Final = _FIRST_FRIENDS + MAX_FRIENDS
_POPULAR: Final = _FRIENDS_REST + 1
_NAMED: Final = np.array([row not in {_OWN_REST, _FRIENDS_REST, _POPULAR} for row in range(10)])


class ReasonReader:
    """The reasons of one shopper's list; what its items share is worked out once."""

    def __init__(
        self,
        parts: Contributions,
        names: Sequence[str | None],
        items: ItemFacts,
        shown: Ints,
        texts: Texts,
        discretion: Discretion,
        mutual: Sequence[bool] | None = None,
        coarse: bool = False,
    ) -> None:
        """Choose what is told of a list's scores.

        Args:
            parts: Of the list.
            names: Of each friend, None where they may not be named; person 1 stands first.
            items: What is known of items.
            shown: Rows of the listed items, shape (s,).
            texts: The language to tell it in.
            discretion: How much is told.
            mutual: Whether each friend follows the shopper in turn, in the order of names; all do
                if not given.
            coarse: Round contributions to two digits and shares to a percent.
        """
        self._parts, self._items, self._texts = parts, items, texts
        self._shown: list[int] = shown.tolist()
        size = np.abs(parts.contribution)
        self._whole = size.sum(axis=0) + np.abs(parts.popular)
        named = np.array([name is not None for name in names], np.bool_)
        both = np.ones(len(names), np.bool_) if mutual is None else np.array(mutual, np.bool_)
        self._num_own = int((parts.person < 0).sum())
        self._groups = group_parts(parts, size, shown, named, both, items, discretion)
        least = discretion.min_share
        own = self._groups.told(OWN, self._whole, least, MAX_OWN)
        against = self._groups.told_against(self._whole, least)
        friends = self._groups.told(FRIENDS, self._whole, least, MAX_FRIENDS)
        mine = np.concatenate([own, against])
        words = GroupWords(self._groups, parts, names, items, texts)
        own_words = words.own(set(mine.ravel().tolist()) - {-1})
        self._left = self._num_own - self._items_told(mine, own_words)
        self._portions = self._portioned(mine, friends, least, coarse)
        # Row by row, then position by position.
        self._abouts = list(zip(*self._said(words, own_words, mine, friends), strict=True))
        self._told_at = np.concatenate([mine, mine[:1], friends]).T.tolist()
        self._alike = self._groups.sums(parts.alike)

    def read(self, position: int) -> list[ToldReason]:
        """Name the reasons of the item at a position: the named ones first, by share."""
        portions, abouts = self._portions, self._abouts[position]
        told = [
            ToldReason(abouts[row], net, gross, share)
            for row, net, gross, share in zip(
                portions.rows[position],
                portions.net[position],
                portions.gross[position],
                portions.share[position],
                strict=True,
            )
        ]
        if self._alike:
            for row, reason in zip(portions.rows[position], told, strict=True):
                if row < _POPULAR and _NAMED[row]:
                    self._liken(reason, self._told_at[position][row], position)
        return told

    def _portioned(
        self, told_own: Ints, told_friends: Ints, least: float, coarse: bool
    ) -> Portions:
        """Lay out what may be told of each listed item, and choose."""
        sums = (self._groups.net, self._groups.gross)
        popular = self._parts.popular
        rows = []
        for number, (of, added) in enumerate(zip(sums, (popular, np.abs(popular)), strict=True)):
            of_class = self._groups.totals[number]
            mine, theirs = _at(of, told_own), _at(of, told_friends)
            rows.append(
                [
                    *mine,
                    of_class[OWN] - _added_up(mine),
                    *theirs,
                    of_class[FRIENDS] - _added_up(theirs),
                    added,
                ]
            )
        net, gross = np.array(rows[0]), np.array(rows[1])
        # What is left of nothing is not quite nothing.
        nothing = gross[[_OWN_REST, _FRIENDS_REST]] < 1e-9 * self._whole
        nothing[0] |= self._left == 0
        nothing[1] |= not self._groups.num_friends
        for row, none in zip((_OWN_REST, _FRIENDS_REST), nothing, strict=True):
            net[row, none] = gross[row, none] = 0.0
        untold = (self._groups.totals[0][HIDDEN], self._groups.totals[1][HIDDEN])
        digits = 2 if coarse else _DIGITS
        found = Portions.of(net, gross, _NAMED, untold, least * self._whole, digits)
        return found.coarse(self._whole.tolist()) if coarse else found

    def _items_told(self, told: Ints, words: Mapping[int, ReasonAbout]) -> Ints:
        """Count the own items of the groups that each listed item tells, shape (s,)."""
        num_items = np.zeros(len(self._groups.kind) + 1, np.int64)  # the last, at -1, is none
        num_items[list(words)] = [about.num_items or 0 for about in words.values()]
        return np.asarray(num_items[told].sum(axis=0))

    def _said(
        self, words: GroupWords, own_words: Mapping[int, ReasonAbout], own: Ints, friends: Ints
    ) -> list[Sequence[ReasonAbout | None]]:
        """Say in words what may be told, row by row: of each what holds at each position."""
        num = len(self._shown)
        own_alone, friends_alone = ((of.max(axis=0) < 0).tolist() for of in (own, friends))
        rests = (sentences.FRIENDS_REST, sentences.FRIENDS_ALL)
        of_friends = [words.friends_rest(self._groups.num_friends, one) for one in rests]
        popular = [
            words.plain(ReasonKind.POPULAR, one) for one in (sentences.POPULAR, sentences.NEW)
        ]
        return [
            *([own_words.get(group) for group in row] for row in own.tolist()),
            [
                words.own_rest(left, sentences.YOU_ALL if alone else sentences.YOU_REST)
                for left, alone in zip(self._left.tolist(), own_alone, strict=True)
            ],
            *words.friends(friends.tolist()),
            [of_friends[alone] for alone in friends_alone],
            [popular[self._is_new(position)] for position in range(num)],
            [words.plain(ReasonKind.OTHERS, sentences.OTHERS)] * num,
        ]

    def _is_new(self, position: int) -> bool:
        """Tell whether what popularity adds is added for want of it."""
        if self._parts.popular[position] <= 0:
            return False
        row = self._shown[position]
        # Only where content counts are items that nobody had lifted among others.
        lifted = bool(self._parts.alike) and not self._items.num_had[row]
        return lifted or self._items.is_new(row)

    def _liken(self, reason: ToldReason, group: int, position: int) -> None:
        """Say in what items are alike where that is most of a reason."""
        of_kind: Mapping[str, float] = {
            name: float(added[group, position]) for name, added in self._alike.items()
        }
        likeness = likeness_of(of_kind, float(self._groups.gross[group, position]))
        if likeness:
            most = max(likeness, key=lambda name: likeness[name])
            reason.likeness = likeness
            reason.likeness_text = self._texts.say(sentences.ALIKE[most])


def _at(sums: Sums, told: Ints) -> Sums:
    """Look up what groups add to the items that they are told of, shape (told, s); 0 for -1."""
    found = sums[told, np.arange(told.shape[1])]
    return np.where(told >= 0, found, 0.0)


def _added_up(rows: Sums) -> Sums:
    """Add rows up one after the other."""
    found = np.zeros(rows.shape[1])
    for row in rows:
        found += row
    return found
