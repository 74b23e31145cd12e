"""From exact parts of a score to a few reasons that a person can read; the sums stay exact."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.languages.texts import Plural, Texts
from coterie.reasons import sentences
from coterie.reasons.discretion import Discretion
from coterie.reasons.groups import (
    FRIENDS,
    HIDDEN,
    MAX_FRIENDS,
    MAX_OWN,
    OWN,
    ItemFacts,
    group_parts,
)
from coterie.reasons.rounding import coarsely, in_steps, in_units, step_of
from coterie.recommend.content import ALIKE_IN
from coterie.recommend.recommender import Contributions, ReasonKind
from coterie.schema import EVENT_KINDS, EventKind

MOSTLY: Final = 0.5
"""Part of what a group adds above which it is told that items are alike, and in what."""
MAX_ITEM_IDS: Final = 10
_DIGITS: Final = 6


@dataclass(slots=True)
class ToldReason:
    """One reason of an item: a group of parts of its score.

    Not frozen: thousands are made a second, and filled in afterwards.
    """

    kind: ReasonKind
    text: str
    net: float
    """What it adds to the score."""
    gross: float
    """The same without signs."""
    share: float = 0.0
    """Of the score; those of an item add up to 1."""
    item_id: str | None = None
    """The item in the history, where it is one."""
    item_ids: Sequence[str] | None = None
    """Up to ``MAX_ITEM_IDS`` of the shopper's own items that it adds up, newest first."""
    category: str | None = None
    """Path of the category, where it is several items of one."""
    num_items: int | None = None
    """Items of the shopper's own that it adds up."""
    friend: str | None = None
    """The friend who is named."""
    num_friends: int | None = None
    """Friends that it adds up, where that may be told."""
    likeness: Mapping[str, float] | None = None
    """In what items are alike, as shares of 1."""
    likeness_text: str | None = None
    """The same in words."""


@dataclass(frozen=True, slots=True)
class _FriendSentences:
    """What friends did with an item, by how much of them may be told."""

    friend: str
    friends: Plural
    people: Plural
    some: str


def _friend_sentences(
    friend: Mapping[EventKind, str],
    friends: Mapping[EventKind, Plural],
    people: Mapping[EventKind, Plural],
    some: Mapping[EventKind, str],
) -> dict[EventKind, _FriendSentences]:
    return {
        kind: _FriendSentences(friend[kind], friends[kind], people[kind], some[kind])
        for kind in friend
    }


_OF_THIS: Final = _friend_sentences(
    sentences.FRIEND_THIS, sentences.FRIENDS_THIS, sentences.PEOPLE_THIS, sentences.SOME_THIS
)
_OF_ITEM: Final = _friend_sentences(
    sentences.FRIEND_ITEM, sentences.FRIENDS_ITEM, sentences.PEOPLE_ITEM, sentences.SOME_THIS
)


@dataclass(slots=True)
class _GroupFacts:
    """What a group is about, whatever the listed item."""

    parts: Ints
    person: list[int]
    """Of each part."""
    people: list[int]
    """Each once."""
    named: list[int]
    """Those of them who may be named."""
    num_items: int
    did: int
    """Code of what was done with all items; -1 where it was not the same."""
    item_id: str
    """Of the first item, as the title and the category."""
    title: str
    category: str
    text: str = ""
    """What is said of own items."""
    item_ids: Sequence[str] = ()
    """Of own items."""


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
        self._coarse = coarse
        self._parts, self._names, self._items, self._texts = parts, names, items, texts
        self._shown: list[int] = shown.tolist()
        self._min_share = discretion.min_share
        whole = np.abs(parts.contribution).sum(axis=0) + np.abs(parts.popular)
        self._whole: list[float] = whole.tolist()
        named = np.array([name is not None for name in names], np.bool_)
        both = np.ones(len(names), np.bool_) if mutual is None else np.array(mutual, np.bool_)
        self._facts: dict[int, _GroupFacts] = {}
        self._num_own = int((parts.person < 0).sum())
        self._groups = group_parts(parts, shown, named, both, items, discretion)
        least = discretion.min_share
        self._num_friends = self._groups.num_friends
        self._told = {
            OWN: np.concatenate(
                [
                    self._groups.told(OWN, whole, least, MAX_OWN),
                    self._groups.told_against(whole, least),
                ]
            ),
            FRIENDS: self._groups.told(FRIENDS, whole, least, MAX_FRIENDS),
        }

    def read(self, position: int) -> list[ToldReason]:
        """Name the reasons of the item at a position: the named ones first, by share."""
        told = [*self._own(position), *self._friends(position), *self._popular(position)]
        least = self._min_share * self._whole[position]
        reasons = [one for one in told if one.gross > 0 and one.gross >= least]
        hidden = [one for one in told if 0 < one.gross < least]
        net, gross = (float(sums[HIDDEN, position]) for sums in self._groups.totals)
        others = ToldReason(
            ReasonKind.OTHERS,
            self._texts.say(sentences.OTHERS),
            sum((one.net for one in hidden), net),
            sum((one.gross for one in hidden), gross),
        )
        reasons.sort(key=lambda one: (one.item_id is None and one.category is None, -one.gross))
        if others.gross > 0:
            reasons.append(others)
        shares = in_units([one.gross for one in reasons], 2 if self._coarse else _DIGITS)
        for reason, share in zip(reasons, shares, strict=True):
            reason.share = share
        if self._coarse:
            added = [one.net for one in reasons]
            step = step_of(self._whole[position])
            for reason, net in zip(
                reasons, in_steps(added, coarsely(sum(added)), step), strict=True
            ):
                reason.net = net
            reasons = [one for one in reasons if one.share or one.net]
        return reasons

    def _own(self, position: int) -> Iterator[ToldReason]:
        told = [self._own_group(group, position) for group in self._groups_told(OWN, position)]
        yield from told
        num = self._num_own - sum(one.num_items or 0 for one in told)
        rest = sentences.YOU_REST if told else sentences.YOU_ALL
        if num:
            text = self._texts.count(rest, num)
            yield self._rest(OWN, ReasonKind.OWN, position, told, text, num_items=num)

    def _own_group(self, group: int, position: int) -> ToldReason:
        facts = self._facts_of(group)
        if not facts.text:
            facts.text = self._own_text(group, facts)
            items = self._parts.item_idx[facts.parts[:MAX_ITEM_IDS]].tolist()
            facts.item_ids = [self._items.item_id(item) for item in items]
        return self._reason(
            ReasonKind.OWN,
            group,
            position,
            facts.text,
            item_id=facts.item_id if facts.num_items == 1 else None,
            item_ids=facts.item_ids,
            category=facts.category if facts.num_items > 1 else None,
            num_items=facts.num_items,
        )

    def _own_text(self, group: int, facts: "_GroupFacts") -> str:
        """Say what the shopper did with the items of a group: the same in every listed item's."""
        if facts.num_items == 1:
            turned_down = bool(self._groups.against[group])
            table = sentences.YOU_TURNED_DOWN if turned_down else sentences.YOU_ITEM
            return self._texts.say(table[EVENT_KINDS[facts.did]], title=facts.title)
        of_kind = sentences.YOU_ITEMS.get(EVENT_KINDS[facts.did]) if facts.did >= 0 else None
        sentence = of_kind or sentences.YOU_CATEGORY
        return self._texts.count(sentence, facts.num_items, category=_leaf(facts.category))

    def _friends(self, position: int) -> Iterator[ToldReason]:
        told = [
            self._friends_group(group, position) for group in self._groups_told(FRIENDS, position)
        ]
        yield from told
        if self._num_friends:
            rest = sentences.FRIENDS_REST if told else sentences.FRIENDS_ALL
            text = self._texts.count(rest, self._num_friends)
            yield self._rest(FRIENDS, ReasonKind.FRIEND, position, told, text)

    def _friends_group(self, group: int, position: int) -> ToldReason:
        facts = self._facts_of(group)
        friend = self._friend(facts, position)
        num, counted = len(facts.people), bool(self._groups.counted[group])
        one_item = facts.did >= 0 and facts.num_items == 1
        if one_item:
            tables = _OF_ITEM if self._groups.same[group] < 0 else _OF_THIS
            kind = EVENT_KINDS[facts.did]
            text = self._did(tables[kind], friend, num if counted else 0, facts.title)
        else:
            text = self._interested(friend, num, _leaf(facts.category))
        return self._reason(
            ReasonKind.FRIEND,
            group,
            position,
            text,
            item_id=facts.item_id if one_item else None,
            category=None if one_item else facts.category,
            friend=friend,
            num_friends=num if counted else None,
        )

    def _friend(self, facts: "_GroupFacts", position: int) -> str | None:
        """Name the friend who adds most to an item, of those who may be named."""
        if len(facts.named) < 2:
            return self._names[facts.named[0] - 1] if facts.named else None
        added = self._parts.contribution[facts.parts, position].tolist()
        best = max(
            zip(added, facts.person, strict=True),
            key=lambda one: one[0] if one[1] in facts.named else -np.inf,
        )
        return self._names[best[1] - 1]

    def _facts_of(self, group: int) -> "_GroupFacts":
        """Look a group up: most are told of several listed items."""
        facts = self._facts.get(group)
        if facts is None:
            parts = self._groups.parts(group)
            items = self._parts.item_idx[parts].tolist()
            person = self._parts.person[parts].tolist()
            people = list(dict.fromkeys(person))
            kinds = set(self._parts.kind[parts].tolist())
            code = int(self._items.category_codes[items[0]])
            facts = self._facts[group] = _GroupFacts(
                parts,
                person,
                people,
                [who for who in people if who > 0 and self._names[who - 1] is not None],
                len(set(items)),
                kinds.pop() if len(kinds) == 1 else -1,
                self._items.item_id(items[0]),
                self._items.title(items[0]),
                self._items.category(code) if code >= 0 else "",
            )
        return facts

    def _did(self, did: "_FriendSentences", friend: str | None, num: int, title: str) -> str:
        """Say what friends did with an item; ``num`` of 0: people who are not counted."""
        if friend is not None and num == 1:
            return self._texts.say(did.friend, friend=friend, title=title)
        if friend is not None:
            return self._texts.count(did.friends, num - 1, friend=friend, title=title)
        if num:
            return self._texts.count(did.people, num, title=title)
        return self._texts.say(did.some, title=title)

    def _interested(self, friend: str | None, num: int, category: str) -> str:
        """Say whom a category interests."""
        if friend is None:
            return self._texts.count(sentences.PEOPLE_CATEGORY, num, category=category)
        if num == 1:
            return self._texts.say(sentences.FRIEND_CATEGORY, friend=friend, category=category)
        return self._texts.count(
            sentences.FRIENDS_CATEGORY, num - 1, friend=friend, category=category
        )

    def _popular(self, position: int) -> Iterator[ToldReason]:
        added = float(self._parts.popular[position])
        row = self._shown[position]
        # Only where content counts are items that nobody had lifted among others.
        lifted = self._parts.alike and not self._items.num_had[row]
        new = added > 0 and (lifted or self._items.is_new(row))
        text = self._texts.say(sentences.NEW if new else sentences.POPULAR)
        yield ToldReason(ReasonKind.POPULAR, text, added, abs(added))

    def _rest(
        self,
        of: int,
        kind: ReasonKind,
        position: int,
        told: Sequence[ToldReason],
        text: str,
        num_items: int | None = None,
    ) -> ToldReason:
        """Add up what of a class is not told."""
        net, gross = (float(sums[of, position]) for sums in self._groups.totals)
        net -= sum(one.net for one in told)
        gross -= sum(one.gross for one in told)
        # What is left of nothing is not quite nothing.
        if gross < 1e-9 * self._whole[position]:
            net = gross = 0.0
        return ToldReason(kind, text, net, gross, num_items=num_items)

    def _groups_told(self, of: int, position: int) -> list[int]:
        return [group for group in self._told[of][:, position].tolist() if group >= 0]

    def _reason(
        self, kind: ReasonKind, group: int, position: int, text: str, **about: Any
    ) -> ToldReason:
        groups = self._groups
        net, gross = float(groups.net[group, position]), float(groups.gross[group, position])
        likeness, likeness_text = None, None
        if self._parts.alike:
            parts = groups.parts(group)
            of_kind = {
                name: float(part[parts, position].sum()) for name, part in self._parts.alike.items()
            }
            likeness = _likeness(of_kind, gross)
            if likeness:
                most = max(likeness, key=lambda name: likeness[name])
                likeness_text = self._texts.say(sentences.ALIKE[most])
        return ToldReason(
            kind, text, net, gross, likeness=likeness, likeness_text=likeness_text, **about
        )


def _likeness(of_kind: Mapping[str, float], gross: float) -> dict[str, float] | None:
    """Say in what items are alike where that is most of what entries add: shares of 1.

    Args:
        of_kind: What comes of being alike, by kind of content.
        gross: All that the entries add, without signs.
    """
    there = {ALIKE_IN[kind]: part for kind, part in of_kind.items() if part > 0}
    whole = sum(there.values())
    # What was turned down takes away: it is told as such, whatever it was alike in.
    if not there or whole <= MOSTLY * gross:
        return None
    return {name: round(part / whole, _DIGITS) for name, part in there.items()}


def _leaf(category: str) -> str:
    return category.rpartition("/")[2]
