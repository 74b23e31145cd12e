"""The sentences of a shopper's taste in words."""

from typing import Final

from coterie.languages.texts import Plural, marked, marked_plural

CHOSE_CATEGORY: Final[Plural] = marked_plural(
    "You chose {num} item from {category}", "You chose {num} items from {category}"
)
CHOSE_BRAND: Final[Plural] = marked_plural(
    "You chose {num} item by {brand}", "You chose {num} items by {brand}"
)
TURNED_DOWN_CATEGORY: Final[Plural] = marked_plural(
    "You did not want {num} item from {category}", "You did not want {num} items from {category}"
)
CHOSE_PRICES: Final = marked("Half of what you chose costs {low} to {high}")
