"""The words for groups of parts: found once a list, however many of its items tell them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from coterie.languages.texts import Plural, Texts
from coterie.reasons import sentences
from coterie.reasons.groups import ItemFacts, PartGroups
from coterie.reasons.told import ReasonAbout
from coterie.recommend.recommender import Contributions, ReasonKind
from coterie.schema import EVENT_KINDS, EventKind

MAX_ITEM_IDS: Final = 10
"""The shopper's own items that one reason names by their ids, at most."""


class _FriendSentences(NamedTuple):
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


class GroupWords:
    """What the groups of one shopper's list are about, in words."""

    def __init__(
        self,
        groups: PartGroups,
        parts: Contributions,
        names: Sequence[str | None],
        items: ItemFacts,
        texts: Texts,
    ) -> None:
        """Get ready; arguments are those of ``ReasonReader``, and the groups of its parts."""
        self._groups, self._parts = groups, parts
        self._names, self._items, self._texts = names, items, texts
        order = groups.order
        self._offsets: list[int] = groups.offsets.tolist()
        self._item: list[int] = parts.item_idx[order].tolist()
        self._person: list[int] = parts.person[order].tolist()
        self._kind: list[int] = parts.kind[order].tolist()
        self._texts_of_rests: dict[tuple[str, int], ReasonAbout] = {}

    def own(self, groups: Iterable[int]) -> dict[int, ReasonAbout]:
        """Say of each group what the shopper did with its items."""
        return {group: self._of_own(group) for group in groups}

    def friends(self, told: Sequence[Sequence[int]]) -> list[list[ReasonAbout | None]]:
        """Say what friends did with the items of groups.

        Args:
            told: Rows of groups, one at each listed position; -1 for none.
        """
        known = {group: self._of_friends(group) for group in set().union(*told) if group >= 0}
        return [
            [
                known[group][at % len(known[group])] if group >= 0 else None
                for at, group in enumerate(row)
            ]
            for row in told
        ]

    def own_rest(self, num: int, sentence: Plural) -> ReasonAbout:
        """Say what is left of the shopper's own items."""
        about = self._texts_of_rests.get((sentence[0], num))
        if about is None:
            text = self._texts.count(sentence, num)
            about = ReasonAbout(ReasonKind.OWN, text, num_items=num)
            self._texts_of_rests[sentence[0], num] = about
        return about

    def friends_rest(self, num: int, sentence: Plural) -> ReasonAbout:
        """Say what is left of what friends did."""
        return ReasonAbout(ReasonKind.FRIEND, self._texts.count(sentence, num))

    def plain(self, kind: ReasonKind, sentence: str) -> ReasonAbout:
        """Say something that holds whoever asks."""
        return ReasonAbout(kind, self._texts.say(sentence))

    def _bounds(self, group: int) -> slice:
        return slice(self._offsets[group], self._offsets[group + 1])

    def _of_own(self, group: int) -> ReasonAbout:
        some = self._bounds(group)
        items = self._item[some]
        num, did = len(set(items)), self._did(some)
        category = self._category(items[0])
        return ReasonAbout(
            ReasonKind.OWN,
            self._own_text(group, items[0], num, did, category),
            item_id=self._items.item_id(items[0]) if num == 1 else None,
            item_ids=[self._items.item_id(item) for item in items[:MAX_ITEM_IDS]],
            category=category if num > 1 else None,
            num_items=num,
        )

    def _own_text(self, group: int, item: int, num: int, did: int, category: str) -> str:
        if num == 1:
            turned_down = bool(self._groups.against[group])
            table = sentences.YOU_TURNED_DOWN if turned_down else sentences.YOU_ITEM
            return self._texts.say(table[EVENT_KINDS[did]], title=self._items.title(item))
        of_kind = sentences.YOU_ITEMS.get(EVENT_KINDS[did]) if did >= 0 else None
        sentence = of_kind or sentences.YOU_CATEGORY
        return self._texts.count(sentence, num, category=_leaf(category))

    def _of_friends(self, group: int) -> Sequence[ReasonAbout]:
        """Say what friends did with the items of a group: at each listed position, or once where it
        is the same everywhere."""
        some = self._bounds(group)
        items, person = self._item[some], self._person[some]
        people = list(dict.fromkeys(person))
        named = {who for who in people if who > 0 and self._names[who - 1] is not None}
        friend_of: Sequence[str | None] = [self._names[who - 1] for who in named] or [None]
        if len(named) > 1:
            # Of those who may be named the one who adds most to an item.
            places = [place for place, who in enumerate(person) if who in named]
            added = self._parts.contribution[self._groups.order[some][places]]
            best = added.argmax(axis=0).tolist()
            friend_of = [self._names[person[places[one]] - 1] for one in best]
        did = self._did(some) if len(set(items)) == 1 else -1
        told = {
            friend: self._about_friends(group, items[0], did, friend, len(people))
            for friend in set(friend_of)
        }
        return [told[friend] for friend in friend_of]

    def _about_friends(
        self, group: int, item: int, did: int, friend: str | None, num: int
    ) -> ReasonAbout:
        """Say what so many did with one item, or, where ``did`` is -1, with several of a
        category."""
        counted = bool(self._groups.counted[group])
        category = "" if did >= 0 else self._category(item)
        if did >= 0:
            tables = _OF_ITEM if self._groups.same[group] < 0 else _OF_THIS
            title = self._items.title(item)
            text = self._did_text(tables[EVENT_KINDS[did]], friend, num if counted else 0, title)
        else:
            text = self._interested(friend, num, _leaf(category))
        return ReasonAbout(
            ReasonKind.FRIEND,
            text,
            item_id=self._items.item_id(item) if did >= 0 else None,
            category=None if did >= 0 else category,
            friend=friend,
            num_friends=num if counted else None,
        )

    def _did_text(self, did: _FriendSentences, friend: str | None, num: int, title: str) -> str:
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

    def _did(self, some: slice) -> int:
        """Find what was done with all of some parts' items; -1 where it was not the same."""
        kinds = self._kind[some]
        return kinds[0] if kinds.count(kinds[0]) == len(kinds) else -1

    def _category(self, item: int) -> str:
        code = int(self._items.category_codes[item])
        return self._items.category(code) if code >= 0 else ""


def _leaf(category: str) -> str:
    return category.rpartition("/")[2]
