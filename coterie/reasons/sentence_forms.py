"""Which sentence of the catalogue a reason is, with its places unfilled.

What a reason says is one of some hundred sentences with a name, a number, a title or a category in
it. Whoever words reasons anew needs the sentence, and neither name nor title.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from coterie.languages.texts import Plural, Texts
from coterie.reasons import sentences
from coterie.schema import EventKind

Who = Literal["you", "friend", "friends", "people", "some"]
"""Whom a sentence is about: the shopper, a named friend, that one and more, people who are counted,
people who are not."""
What = Literal["this", "title", "items", "category"]
"""What they did it with: the listed item, another one, several of a category, a category itself."""


@dataclass(frozen=True, slots=True)
class SentenceForm:
    """A sentence of the catalogue."""

    who: Who
    what: What
    did: EventKind | None
    """None: they are interested in it."""
    text: str
    """In its language, places in braces: ``{friend} bought this``."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a reason says, apart from how."""

    text: str
    friend: str | None = None
    num_friends: int | None = None
    num_items: int | None = None
    title: str | None = None
    """Of the item in the history, where it is one."""
    category: str | None = None
    """Its last part."""


_ONE: Final[Mapping[tuple[Who, What], Mapping[EventKind, str]]] = {
    ("you", "title"): sentences.YOU_ITEM,
    ("friend", "this"): sentences.FRIEND_THIS,
    ("friend", "title"): sentences.FRIEND_ITEM,
    ("some", "this"): sentences.SOME_THIS,
}
_SEVERAL: Final[Mapping[tuple[Who, What], Mapping[EventKind, Plural]]] = {
    ("you", "items"): sentences.YOU_ITEMS,
    ("friends", "this"): sentences.FRIENDS_THIS,
    ("friends", "title"): sentences.FRIENDS_ITEM,
    ("people", "this"): sentences.PEOPLE_THIS,
    ("people", "title"): sentences.PEOPLE_ITEM,
}
_AGAINST: Final = frozenset({EventKind.RETURN, EventKind.DISLIKE})


def find_form(said: Said, texts: Texts) -> tuple[SentenceForm, dict[str, str]] | None:
    """Find the sentence that a reason is, and what stands in its places.

    None where it is none of those that may be worded anew: what somebody turned down, what is left
    of a sum, what rules did.
    """
    values = {
        "friend": said.friend or "",
        "title": said.title or "",
        "category": said.category or "",
    }
    for form, num in _candidates(said, texts):
        values["num"] = str(num)
        if form.text.format_map(values) == said.text:
            return form, {name: values[name] for name in values if f"{{{name}}}" in form.text}
    return None


def _candidates(said: Said, texts: Texts) -> Iterator[tuple[SentenceForm, int]]:
    """List the sentences that it may be, each with its number."""
    for (who, what), one in _ONE.items():
        for did, sentence in one.items():
            if did not in _AGAINST:
                yield SentenceForm(who, what, did, texts.unfilled(sentence)), 1
    nums = {
        "you": said.num_items or 0,
        "friends": (said.num_friends or 0) - 1,
        "people": said.num_friends or 0,
    }
    for (who, what), several in _SEVERAL.items():
        for did, plural in several.items():
            form = SentenceForm(who, what, did, texts.unfilled(plural, nums[who]))
            yield form, nums[who]
    friend = texts.unfilled(sentences.FRIEND_CATEGORY)
    yield SentenceForm("friend", "category", None, friend), 1
    for name, plural in (
        ("friends", sentences.FRIENDS_CATEGORY),
        ("people", sentences.PEOPLE_CATEGORY),
    ):
        who_else: Who = "friends" if name == "friends" else "people"
        text = texts.unfilled(plural, nums[name])
        yield SentenceForm(who_else, "category", None, text), nums[name]
