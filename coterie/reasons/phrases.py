"""The words in which a sentence of the catalogue may be said anew, by language.

Closed lists: whatever is not in them was invented, or might have been. A phrase holds its places,
so that a number stays with what it counts, and a name with what its person did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from coterie.reasons.sentence_forms import SentenceForm, Who
from coterie.schema import EventKind

Role = str
"""S: who; V: did; O: with what; Z: the end of a verb in two pieces; B: by whom; P: was done by;
-: says nothing."""
Phrases = Mapping[Role, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Phrasing:
    """How one sentence may be said."""

    phrases: Phrases
    orders: frozenset[str]
    """Roles in an order that says the same, those that say nothing left out."""


def wording_of(form: SentenceForm, language: str) -> Phrasing | None:
    """Give the phrases of a sentence; None in a language that has no lists."""
    if language == "en":
        return _english(form)
    if language == "zh":
        return _chinese(form)
    return None


_EN_MORE: Final = ("more people", "more person", "other people", "other person")
_EN_KNOWN: Final = ("you know", "whom you know", "who you know", "that you know")
_EN_COUNTED: Final = tuple(
    f"{{num}} {group} {known}" for group, known in product((*_EN_MORE, "others", "more"), _EN_KNOWN)
)
_EN_WHO: Final[Mapping[Who, tuple[str, ...]]] = {
    "you": ("you",),
    "friend": ("{friend}", *(f"{{friend}} {known}" for known in _EN_KNOWN[1:3])),
    "friends": (
        *(
            f"{{friend}} {joined} {group}"
            for joined, group in product(
                ("and", "together with", "along with", "as well as"), _EN_COUNTED
            )
        ),
        *(f"{group} and {{friend}}" for group in _EN_COUNTED),
    ),
    "people": tuple(
        f"{{num}} {group} {known}"
        for group, known in product(("people", "person", "of the people"), _EN_KNOWN)
    ),
    "some": tuple(f"people {known}" for known in _EN_KNOWN),
}
_EN_DID: Final[Mapping[EventKind, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    EventKind.VIEW: (("viewed",), ("viewed",)),
    EventKind.CLICK: (("looked at", "took a look at", "had a look at"), ("looked at",)),
    EventKind.SHARE: (("shared", "passed on"), ("shared", "passed on")),
    EventKind.REVIEW: (("reviewed", "wrote a review of"), ("reviewed",)),
    EventKind.RATING: (("rated", "gave a rating to"), ("rated",)),
    EventKind.PURCHASE: (("bought", "purchased"), ("bought", "purchased")),
}
"""Active, and passive."""
_EN_CART: Final = ("in the cart", "into the cart", "in the shopping cart", "into the shopping cart")
_EN_NOTHING: Final = ("also", "too", "as well", "already", "have", "has", "and")
_EN_WHAT: Final = {
    "this": ("this", "this one", "this item", "this product"),
    "title": ("{title}", "the {title}"),
    "items": tuple(
        f"{{num}} {things} {of} {{category}}"
        for things, of in product(
            ("item", "items", "product", "products", "things"), ("from", "in")
        )
    ),
    "category": ("{category}", "items from {category}", "products from {category}"),
}


def _english(form: SentenceForm) -> Phrasing:
    phrases = {"S": _EN_WHO[form.who], "O": _EN_WHAT[form.what], "-": _EN_NOTHING}
    if form.did is None:
        interested = ("interested in", "an interest in")
        verbs = [f"{is_} {one}" for is_, one in product(("is", "are"), interested[:1])]
        verbs += [f"{has} {one}" for has, one in product(("has", "have"), interested[1:])]
        return Phrasing({**phrases, "V": verbs}, frozenset({"SVO"}))
    if form.did is EventKind.CART:
        ends = (*_EN_CART, "to the cart", "to the shopping cart")
        passive = [
            f"{was} {put} by"
            for was, put in product(
                ("was", "were", "has been", "have been"),
                (*(f"put {one}" for one in _EN_CART), "added to the cart"),
            )
        ]
        verbs = ["put", "placed", "added"]
        return Phrasing(
            {**phrases, "V": verbs, "Z": ends, "P": passive}, frozenset({"SVOZ", "OPS"})
        )
    active, done = _EN_DID[form.did]
    by_whom = product(("was", "were", "has been", "have been"), done)
    return Phrasing(
        {**phrases, "V": active, "P": [f"{was} {did} by" for was, did in by_whom]},
        frozenset({"SVO", "OPS"}),
    )


_ZH_KNOWN: Final = ("您认识的人", "你认识的人")
_ZH_COUNTED: Final = tuple(
    f"{other}{{num}}{counter}{known}"
    for other, counter, known in product(("另外", "其他", "另"), ("位", "个", "名"), _ZH_KNOWN)
)
_ZH_WHO: Final[Mapping[Who, tuple[str, ...]]] = {
    "you": ("您", "你"),
    "friend": ("{friend}", "您认识的{friend}", "你认识的{friend}"),
    "friends": (
        *(
            f"{{friend}}{joined}{group}"
            for joined, group in product(("和", "与", "以及", "跟", "及"), _ZH_COUNTED)
        ),
        *(f"{group}和{{friend}}" for group in _ZH_COUNTED),
    ),
    "people": tuple(
        f"{there}{{num}}{counter}{known}"
        for there, counter, known in product(("", "有"), ("位", "个", "名"), _ZH_KNOWN)
    ),
    "some": _ZH_KNOWN,
}
_ZH_DID: Final[Mapping[EventKind, tuple[str, ...]]] = {
    EventKind.VIEW: ("浏览过", "浏览了"),
    EventKind.CLICK: ("看过", "看了", "查看过"),
    EventKind.SHARE: ("分享过", "分享了"),
    EventKind.REVIEW: ("评价过", "评价了", "点评过"),
    EventKind.PURCHASE: ("买过", "买了", "购买过", "购买了"),
}
_ZH_NOTHING: Final = ("也", "还", "曾", "曾经", "已经")
_ZH_WHAT: Final = {
    "this": ("这件商品", "这个商品", "这款商品", "这件东西", "本商品"),
    "title": ("{title}",),
    "items": tuple(
        f"{{num}}{counter}{one}"
        for counter, one in product(
            ("件", "个"), ("{category}商品", "{category}的商品", "来自{category}的商品")
        )
    ),
    "category": ("{category}", "{category}商品", "{category}的商品"),
}


def _chinese(form: SentenceForm) -> Phrasing:
    phrases = {"S": _ZH_WHO[form.who], "O": _ZH_WHAT[form.what], "-": _ZH_NOTHING}
    if form.did is None:
        return Phrasing({**phrases, "V": ("对",), "Z": ("感兴趣", "有兴趣")}, frozenset({"SVOZ"}))
    if form.did is EventKind.RATING:
        ends = ("打过分", "打了分", "评过分")
        return Phrasing({**phrases, "V": ("给", "为"), "Z": ends}, frozenset({"SVOZ"}))
    if form.did is EventKind.CART:
        into = [f"{put}{done}购物车" for put, done in product(("放进", "加入"), ("过", "了"))]
        return Phrasing({**phrases, "V": ("把", "将"), "Z": into}, frozenset({"SVOZ"}))
    return Phrasing({**phrases, "V": _ZH_DID[form.did], "P": ("被",)}, frozenset({"SVO", "OPSV"}))
