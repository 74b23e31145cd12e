# ruff: noqa: RUF001 - Chinese has marks of its own
"""What a model might say of a fact: in other words what the fact says, and what it does not."""

from coterie.languages.texts import languages
from coterie.reasons import sentences
from coterie.reasons.sentence_forms import SentenceForm
from coterie.schema import EventKind

EN, ZH = languages()["en"], languages()["zh"]


def _form(who, what, did, sentence, texts, num=2):
    return SentenceForm(who, what, did, texts.unfilled(sentence, num))


def _forms(texts):
    bought, viewed = EventKind.PURCHASE, EventKind.VIEW
    return {
        "you": _form("you", "title", bought, sentences.YOU_ITEM[bought], texts),
        "items": _form("you", "items", viewed, sentences.YOU_ITEMS[viewed], texts),
        "friend": _form("friend", "this", bought, sentences.FRIEND_THIS[bought], texts),
        "friends": _form("friends", "this", bought, sentences.FRIENDS_THIS[bought], texts),
        "people": _form("people", "this", viewed, sentences.PEOPLE_THIS[viewed], texts),
        "some": _form("some", "this", bought, sentences.SOME_THIS[bought], texts),
        "cart": _form(
            "friend", "title", EventKind.CART, sentences.FRIEND_ITEM[EventKind.CART], texts
        ),
        "taste": _form("friend", "category", None, sentences.FRIEND_CATEGORY, texts),
    }


FORMS = {"en": _forms(EN), "zh": _forms(ZH)}

GOOD = [
    ("en", "you", "You already purchased {title}."),
    ("en", "you", "{title} was bought by you"),
    ("en", "items", "You have viewed {num} products from {category}"),
    ("en", "friend", "{friend}, whom you know, bought this"),
    ("en", "friend", "This item was purchased by {friend}"),
    ("en", "friend", "And {friend} bought this one too."),
    ("en", "friends", "{friend} and {num} others you know bought this"),
    ("en", "friends", "{friend}, together with {num} more people you know, purchased this item"),
    ("en", "friends", "This was bought by {friend} and {num} other people you know"),
    ("en", "people", "{num} of the people you know viewed this product"),
    ("en", "some", "People whom you know also bought this"),
    ("en", "cart", "{friend} added {title} to the shopping cart"),
    ("en", "taste", "{friend} has an interest in {category}"),
    ("zh", "you", "你购买过“{title}”"),
    ("zh", "items", "您看了{num}件{category}商品".replace("看了", "浏览了")),
    ("zh", "friend", "您认识的{friend}也买过这件商品。"),
    ("zh", "friends", "{friend}与其他{num}位您认识的人购买过这款商品"),
    ("zh", "people", "有 {num} 位你认识的人浏览过这个商品"),
    ("zh", "some", "您认识的人已经买了这件商品"),
    ("zh", "cart", "{friend} 把“{title}”加入过购物车"),
    ("zh", "taste", "{friend} 对{category}有兴趣"),
]
"""Language, fact, and what says the same."""

INVENTED = [
    # Names.
    ("en", "friend", "Bea bought this"),
    ("en", "friend", "{friend} and Max bought this"),
    ("en", "some", "Ana bought this"),
    ("en", "friend", "Your best friend {friend} bought this"),
    ("en", "friend", "{friend} Smith bought this"),
    ("zh", "friend", "小明买过这件商品"),
    ("zh", "friend", "您的好友{friend}买过这件商品"),
    # Numbers and quantifiers.
    ("en", "friends", "{friend} and 7 more people you know bought this"),
    ("en", "friends", "{friend} and seven more people you know bought this"),
    ("en", "friends", "{friend} and {num} hundred more people you know bought this"),
    ("en", "friends", "{num} people you know bought this, and {friend}"),
    ("en", "friends", "{friend} and {num} people bought this"),
    ("en", "some", "All people you know bought this"),
    ("en", "some", "Many people you know bought this"),
    ("en", "some", "Most people you know bought this"),
    ("en", "friend", "{friend} bought two of this"),
    ("en", "friend", "{friend} bought this twice"),
    ("zh", "friends", "{friend} 和另外三位您认识的人买过这件商品"),
    ("zh", "some", "所有您认识的人都买过这件商品"),
    ("zh", "some", "很多您认识的人买过这件商品"),
    ("zh", "people", "{num}万位您认识的人浏览过这件商品"),
    # Items.
    ("en", "you", "You bought a red desk lamp"),
    ("en", "you", "You bought {title} and a lamp"),
    ("en", "you", "You bought {title} by Acme"),
    ("en", "friend", "{friend} bought {title}"),
    ("en", "taste", "{friend} is interested in {category} and books"),
    ("zh", "you", "您买过“{title}”和台灯"),
    # What was done, and by whom.
    ("en", "people", "{num} people you know bought this"),
    ("en", "some", "You bought this"),
    ("en", "friends", "You and {friend} and {num} more people you know bought this"),
    ("en", "you", "{title} bought you"),
    ("en", "friend", "{friend} loves this"),
    ("en", "friend", "{friend} never bought this"),
    ("en", "friend", "{friend} did not buy this"),
    ("en", "friend", "{friend} bought this yesterday"),
    ("en", "friend", "{friend} bought this because you did"),
    ("en", "cart", "{friend} bought {title}"),
    ("zh", "friend", "{friend} 没有买过这件商品"),
    ("zh", "friend", "{friend} 昨天买过这件商品"),
    ("zh", "people", "{num}位您认识的人买过这件商品"),
    # Places left out, twice, or of another kind.
    ("en", "friends", "{friend} bought this"),
    ("en", "friend", "{friend}, {friend} bought this"),
    ("en", "friend", "{title} bought this"),
    ("en", "friend", "{friend.__class__} bought this"),
    ("en", "friend", "{0} bought this"),
    ("en", "friend", "{{friend}} bought this"),
    # Praise, offers, addresses, markup, and what is not for shoppers.
    ("en", "friend", "{friend} bought this, the best price in town"),
    ("en", "friend", "Buy now! {friend} bought this"),
    ("en", "friend", "{friend} bought this, see https://evil.example"),
    ("en", "friend", "{friend} bought this www.evil.example"),
    ("en", "friend", "<b>{friend}</b> bought this"),
    ("en", "friend", "**{friend}** bought this"),
    ("en", "friend", "[{friend}](x) bought this"),
    ("en", "friend", "{friend} bought this\n\nSystem: more"),
    ("en", "friend", "{friend} bought this \u202e"),
    ("en", "friend", "{friend} bоught this"),  # a Cyrillic letter
    ("en", "friend", "{friend} 买过 this"),
    ("en", "friend", ""),
    ("en", "friend", "bought"),
    ("en", "friend", "{friend}" + " also" * 80 + " bought this"),
    ("en", "friend", "{friend} bought this，"),
    ("zh", "friend", "{friend} 买过这件商品;"),
    ("zh", "friend", "{friend} 买过这件商品，全网最低价"),
    ("zh", "friend", "{friend} 买过这件商品，请访问 evil.example"),
    ("zh", "friend", "立即购买！{friend} 买过这件商品"),
]
"""Language, fact, and what it does not say."""
