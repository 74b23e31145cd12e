"""What a list is asked for beside shopper and length: filters, a page, a place in the shop."""

import functools
import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

import numpy as np

from coterie.errors import BadInputError
from coterie.languages.texts import SOURCE
from coterie.recommend.columns import ItemColumns, Mask
from coterie.recommend.rules import NO_RULES, ListRules
from serving.lists.exploring import NO_EXPLORER, Explorer
from serving.lists.paging import ABOUT_BYTES, NOTHING_SHOWN, Shown

Surface = Literal["home", "product", "cart"]
"""Where in the shop a list is shown."""
MAX_WORDS: Final = 20
"""Categories, or brands, of one filter."""
MAX_WORD: Final = 256
MAX_ATTRIBUTES: Final = 3
"""Of one filter: each is looked for in all that items state."""
MAX_EXCLUDED: Final = 200
MAX_CONTEXT: Final = 50
"""Items of a cart."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items may be listed; without a word, all that are available."""

    categories: tuple[str, ...] = ()
    """Paths: an item of one of them, or of a category below it, stays."""
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool = False
    """Leave out what the catalogue calls not available; lists show none of that anyway."""
    exclude: tuple[str, ...] = ()
    """Ids of items that are left out; unknown ones do no harm."""
    attributes: tuple[str, ...] = ()
    """Words that an item's own texts have to state of it, each of them."""

    def __post_init__(self) -> None:
        low, high = self.price_min, self.price_max
        if low is not None and high is not None and low > high:
            raise BadInputError(
                f"price_min is {low:g} and price_max {high:g}: expected the lower one first"
            )

    def mask(self, columns: ItemColumns) -> Mask:
        """Find the items that may be listed at this moment, shape (items,), ``exclude`` left in.

        What has no price is in no range of prices.
        """
        found = columns.available
        if self.categories:
            found = found & columns.category.below(self.categories)
        if self.brands:
            found = found & columns.brand.among(self.brands)
        with np.errstate(invalid="ignore"):
            if self.price_min is not None:
                found = found & (columns.price >= self.price_min)
            if self.price_max is not None:
                found = found & (columns.price <= self.price_max)
        for words in self.attributes:
            found = found & columns.attributes.stated(words, len(found))
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for beside shopper and length."""

    filter: ItemFilter = field(default_factory=ItemFilter)
    surface: Surface = "home"
    context: tuple[str, ...] = ()
    """Items that the shopper has in front of them: of the product page, or in the cart."""
    shown: Shown = NOTHING_SHOWN
    """What earlier pages showed."""
    rules: ListRules = NO_RULES
    """The shop's, of the moment at which it is asked."""
    explorer: Explorer = NO_EXPLORER
    """Says which new item a list shows once, and whose lists do."""
    about: bytes = bytes(ABOUT_BYTES)
    """What pages of one list have in common: see ``digest_of``."""
    own_taste: bool = True
    """Whether a search asks the shopper's taste as well: not where it is for somebody else."""
    language: str = SOURCE
    """Of the reasons: one of ``languages()``."""

    def __post_init__(self) -> None:
        found = len(self.context)
        if self.surface == "product" and found != 1:
            raise BadInputError(
                f"surface is product, with {found} item_id: expected the one whose page it is"
            )
        if self.surface == "home" and found:
            raise BadInputError(
                f"surface is home, with {found} item_id: expected none there; "
                "say surface=product or surface=cart"
            )

    @property
    def plain(self) -> bool:
        """Whether this is what a release is compared by: the first page, of everything, at home."""
        return not self.context and not self.shown and self.filter == ItemFilter()


PLAIN: Final = Wanted()


def digest_of(*parts: object) -> bytes:
    """Digest what a list is about: pages of one list have it in common, and of no other."""
    told = (_filter_json(part) if isinstance(part, ItemFilter) else _json(part) for part in parts)
    whole = f"[{', '.join(told)}]"
    return hashlib.blake2b(whole.encode(), digest_size=ABOUT_BYTES).digest()


@functools.lru_cache(256)
def _filter_json(part: ItemFilter) -> str:
    """Write a filter down; callers send the same few for all of their shoppers."""
    told = asdict(part)
    if not part.attributes:
        # A page's token of before there were any still holds.
        del told["attributes"]
    return _json(told)


_json: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
