"""The sentences of reasons. Whole ones, so that every language can order and count as it does."""

from collections.abc import Mapping
from typing import Final

from coterie.languages.texts import Plural, marked, marked_plural
from coterie.schema import EventKind

YOU_ITEM: Final[Mapping[EventKind, str]] = {
    EventKind.VIEW: marked("You viewed {title}"),
    EventKind.CLICK: marked("You looked at {title}"),
    EventKind.SHARE: marked("You shared {title}"),
    EventKind.CART: marked("You put {title} in the cart"),
    EventKind.REVIEW: marked("You reviewed {title}"),
    EventKind.RATING: marked("You rated {title}"),
    EventKind.PURCHASE: marked("You bought {title}"),
    EventKind.RETURN: marked("You returned {title}"),
    EventKind.DISLIKE: marked("You did not want {title}"),
}
"""What a shopper did with one item."""

YOU_TURNED_DOWN: Final[Mapping[EventKind, str]] = {
    EventKind.VIEW: marked("You viewed {title}, but did not want it"),
    EventKind.CLICK: marked("You looked at {title}, but did not want it"),
    EventKind.SHARE: marked("You shared {title}, but did not want it"),
    EventKind.CART: marked("You put {title} in the cart, but did not want it"),
    EventKind.REVIEW: marked("You reviewed {title}, but did not want it"),
    EventKind.RATING: marked("You rated {title}, but did not want it"),
    EventKind.PURCHASE: marked("You bought {title}, but did not want it"),
    EventKind.RETURN: marked("You returned {title}"),
    EventKind.DISLIKE: marked("You did not want {title}"),
}
"""The same, where the last word was against it."""

YOU_ITEMS: Final[Mapping[EventKind, Plural]] = {
    EventKind.VIEW: marked_plural(
        "You viewed {num} item from {category}",
        "You viewed {num} items from {category}",
    ),
    EventKind.CLICK: marked_plural(
        "You looked at {num} item from {category}",
        "You looked at {num} items from {category}",
    ),
    EventKind.SHARE: marked_plural(
        "You shared {num} item from {category}",
        "You shared {num} items from {category}",
    ),
    EventKind.CART: marked_plural(
        "You put {num} item from {category} in the cart",
        "You put {num} items from {category} in the cart",
    ),
    EventKind.REVIEW: marked_plural(
        "You reviewed {num} item from {category}",
        "You reviewed {num} items from {category}",
    ),
    EventKind.RATING: marked_plural(
        "You rated {num} item from {category}",
        "You rated {num} items from {category}",
    ),
    EventKind.PURCHASE: marked_plural(
        "You bought {num} item from {category}",
        "You bought {num} items from {category}",
    ),
}
"""What a shopper did with several items of one category."""

FRIEND_THIS: Final[Mapping[EventKind, str]] = {
    EventKind.VIEW: marked("{friend} viewed this"),
    EventKind.CLICK: marked("{friend} looked at this"),
    EventKind.SHARE: marked("{friend} shared this"),
    EventKind.CART: marked("{friend} put this in the cart"),
    EventKind.REVIEW: marked("{friend} reviewed this"),
    EventKind.RATING: marked("{friend} rated this"),
    EventKind.PURCHASE: marked("{friend} bought this"),
}
"""What a friend who may be named did with the very item."""

FRIENDS_THIS: Final[Mapping[EventKind, Plural]] = {
    EventKind.VIEW: marked_plural(
        "{friend} and {num} more person you know viewed this",
        "{friend} and {num} more people you know viewed this",
    ),
    EventKind.CLICK: marked_plural(
        "{friend} and {num} more person you know looked at this",
        "{friend} and {num} more people you know looked at this",
    ),
    EventKind.SHARE: marked_plural(
        "{friend} and {num} more person you know shared this",
        "{friend} and {num} more people you know shared this",
    ),
    EventKind.CART: marked_plural(
        "{friend} and {num} more person you know put this in the cart",
        "{friend} and {num} more people you know put this in the cart",
    ),
    EventKind.REVIEW: marked_plural(
        "{friend} and {num} more person you know reviewed this",
        "{friend} and {num} more people you know reviewed this",
    ),
    EventKind.RATING: marked_plural(
        "{friend} and {num} more person you know rated this",
        "{friend} and {num} more people you know rated this",
    ),
    EventKind.PURCHASE: marked_plural(
        "{friend} and {num} more person you know bought this",
        "{friend} and {num} more people you know bought this",
    ),
}
"""The same of several, of whom one is named."""

PEOPLE_THIS: Final[Mapping[EventKind, Plural]] = {
    EventKind.VIEW: marked_plural(
        "{num} person you know viewed this",
        "{num} people you know viewed this",
    ),
    EventKind.CLICK: marked_plural(
        "{num} person you know looked at this",
        "{num} people you know looked at this",
    ),
    EventKind.SHARE: marked_plural(
        "{num} person you know shared this",
        "{num} people you know shared this",
    ),
    EventKind.CART: marked_plural(
        "{num} person you know put this in the cart",
        "{num} people you know put this in the cart",
    ),
    EventKind.REVIEW: marked_plural(
        "{num} person you know reviewed this",
        "{num} people you know reviewed this",
    ),
    EventKind.RATING: marked_plural(
        "{num} person you know rated this",
        "{num} people you know rated this",
    ),
    EventKind.PURCHASE: marked_plural(
        "{num} person you know bought this",
        "{num} people you know bought this",
    ),
}
"""The same of people who are only counted."""

SOME_THIS: Final[Mapping[EventKind, str]] = {
    EventKind.VIEW: marked("People you know viewed this"),
    EventKind.CLICK: marked("People you know looked at this"),
    EventKind.SHARE: marked("People you know shared this"),
    EventKind.CART: marked("People you know put this in the cart"),
    EventKind.REVIEW: marked("People you know reviewed this"),
    EventKind.RATING: marked("People you know rated this"),
    EventKind.PURCHASE: marked("People you know bought this"),
}
"""The same of people who are not even counted."""

FRIEND_ITEM: Final[Mapping[EventKind, str]] = {
    EventKind.VIEW: marked("{friend} viewed {title}"),
    EventKind.CLICK: marked("{friend} looked at {title}"),
    EventKind.SHARE: marked("{friend} shared {title}"),
    EventKind.CART: marked("{friend} put {title} in the cart"),
    EventKind.REVIEW: marked("{friend} reviewed {title}"),
    EventKind.RATING: marked("{friend} rated {title}"),
    EventKind.PURCHASE: marked("{friend} bought {title}"),
}
"""What a friend who may be named did with another item."""

FRIENDS_ITEM: Final[Mapping[EventKind, Plural]] = {
    EventKind.VIEW: marked_plural(
        "{friend} and {num} more person you know viewed {title}",
        "{friend} and {num} more people you know viewed {title}",
    ),
    EventKind.CLICK: marked_plural(
        "{friend} and {num} more person you know looked at {title}",
        "{friend} and {num} more people you know looked at {title}",
    ),
    EventKind.SHARE: marked_plural(
        "{friend} and {num} more person you know shared {title}",
        "{friend} and {num} more people you know shared {title}",
    ),
    EventKind.CART: marked_plural(
        "{friend} and {num} more person you know put {title} in the cart",
        "{friend} and {num} more people you know put {title} in the cart",
    ),
    EventKind.REVIEW: marked_plural(
        "{friend} and {num} more person you know reviewed {title}",
        "{friend} and {num} more people you know reviewed {title}",
    ),
    EventKind.RATING: marked_plural(
        "{friend} and {num} more person you know rated {title}",
        "{friend} and {num} more people you know rated {title}",
    ),
    EventKind.PURCHASE: marked_plural(
        "{friend} and {num} more person you know bought {title}",
        "{friend} and {num} more people you know bought {title}",
    ),
}
"""The same of several, of whom one is named."""

PEOPLE_ITEM: Final[Mapping[EventKind, Plural]] = {
    EventKind.VIEW: marked_plural(
        "{num} person you know viewed {title}",
        "{num} people you know viewed {title}",
    ),
    EventKind.CLICK: marked_plural(
        "{num} person you know looked at {title}",
        "{num} people you know looked at {title}",
    ),
    EventKind.SHARE: marked_plural(
        "{num} person you know shared {title}",
        "{num} people you know shared {title}",
    ),
    EventKind.CART: marked_plural(
        "{num} person you know put {title} in the cart",
        "{num} people you know put {title} in the cart",
    ),
    EventKind.REVIEW: marked_plural(
        "{num} person you know reviewed {title}",
        "{num} people you know reviewed {title}",
    ),
    EventKind.RATING: marked_plural(
        "{num} person you know rated {title}",
        "{num} people you know rated {title}",
    ),
    EventKind.PURCHASE: marked_plural(
        "{num} person you know bought {title}",
        "{num} people you know bought {title}",
    ),
}
"""The same of people who are only counted."""

YOU_CATEGORY: Final = marked_plural(
    "{num} item from {category} in your history", "{num} items from {category} in your history"
)
"""What a shopper did with several items of one category, where it was not the same with all."""
FRIEND_CATEGORY: Final = marked("{friend} is interested in {category}")
FRIENDS_CATEGORY: Final = marked_plural(
    "{friend} and {num} more person you know are interested in {category}",
    "{friend} and {num} more people you know are interested in {category}",
)
PEOPLE_CATEGORY: Final = marked_plural(
    "{num} person you know is interested in {category}",
    "{num} people you know are interested in {category}",
)
YOU_REST: Final = marked_plural(
    "{num} more item in your history", "{num} more items in your history"
)
YOU_ALL: Final = marked_plural("{num} item in your history", "{num} items in your history")
FRIENDS_REST: Final = marked_plural(
    "What else {num} person you know did lately", "What else {num} people you know did lately"
)
FRIENDS_ALL: Final = marked_plural(
    "What {num} person you know did lately", "What {num} people you know did lately"
)
POPULAR: Final = marked("Popular with all shoppers")
NEW: Final = marked("New in the shop")
"""What lifts an item that nobody had yet."""
OTHERS: Final = marked("All else, each a little")
"""What is too small, or too private, to be told."""
ALIKE: Final[Mapping[str, str]] = {
    "words": marked("Alike most of all in words"),
    "meaning": marked("Alike most of all in meaning"),
    "looks": marked("Alike most of all in looks"),
    "sound": marked("Alike most of all in sound"),
}
"""In what items are alike, by names of ``content.ALIKE_IN``."""
BY_RULE: Final[Mapping[str, str]] = {
    "sponsored": marked("Sponsored"),
    "chosen": marked("Chosen by the shop"),
    "buried": marked("Moved down by the shop"),
    "fresh": marked("New, which the shop favours"),
    "diverse": marked("Moved down for variety: it is like items above"),
    "capped": marked("Moved down for variety: enough of its kind stand above"),
    "explored": marked("New in the shop"),
    "rare": marked("Rarely shown so far"),
}
"""What a rule of the shop did, by names of ``rerank.RuleEffect``."""
