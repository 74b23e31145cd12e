"""Query parameters of lists: filters, the next page, and where in the shop a list is shown."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints

from serving import schemas
from serving.lists.paging import MAX_TOKEN, Shown
from serving.lists.wanted import (
    MAX_ATTRIBUTES,
    MAX_CONTEXT,
    MAX_EXCLUDED,
    MAX_WORD,
    MAX_WORDS,
    ItemFilter,
    Surface,
    Wanted,
    digest_of,
)

_Word = Annotated[str, StringConstraints(min_length=1, max_length=MAX_WORD)]
_Words = Annotated[list[_Word] | None, Query(max_length=MAX_WORDS)]
_Price = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]


async def item_filter(
    category: Annotated[
        _Words, Query(description="A path: items of it and of what is below it; repeat it for more")
    ] = None,
    brand: Annotated[_Words, Query(description="Repeat it for more than one")] = None,
    price_min: Annotated[_Price, Query(description="What has no price is in no range")] = None,
    price_max: _Price = None,
    in_stock: Annotated[
        bool, Query(description="Leave out what is not available; lists do so anyway")
    ] = False,
    exclude: Annotated[
        list[schemas.Id] | None,
        Query(max_length=MAX_EXCLUDED, description="Ids of items to leave out"),
    ] = None,
    attribute: Annotated[
        list[_Word] | None,
        Query(
            max_length=MAX_ATTRIBUTES,
            description="Words that an item's own texts state of it, where a language model found "
            "them there; repeat it for more, which all have to be stated",
        ),
    ] = None,
) -> ItemFilter:
    """Read which items may be listed."""
    return ItemFilter(
        tuple(category or ()),
        tuple(brand or ()),
        price_min,
        price_max,
        in_stock,
        tuple(exclude or ()),
        tuple(attribute or ()),
    )


Filter = Annotated[ItemFilter, Depends(item_filter)]
After = Annotated[
    str, Query(max_length=MAX_TOKEN, description="The `next` of an answer: asks for the next page")
]


@dataclass(frozen=True, slots=True)
class Page:
    """A filter, and a page of what is left."""

    filter: ItemFilter
    after: str

    def wanted(self, *about: object) -> Wanted:
        """Read the token of a page of a list that is about this, beside its filter.

        Raises:
            BadInputError: The token is damaged, or another list's.
        """
        digest = digest_of(self.filter, *about)
        return Wanted(self.filter, shown=Shown.read(self.after, digest), about=digest)


async def page(filtered: Filter, after: After = "") -> Page:
    """Read filter and page."""
    return Page(filtered, after)


Paged = Annotated[Page, Depends(page)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the shop a list is shown, beside what."""

    page: Page
    surface: Surface
    item_ids: tuple[str, ...]

    def wanted(self, *about: object) -> Wanted:
        """See ``Page.wanted``."""
        read = self.page.wanted(self.surface, self.item_ids, *about)
        return replace(read, surface=self.surface, context=self.item_ids)


async def place(
    paged: Paged,
    surface: Annotated[Surface, Query(description="Where in the shop it is shown")] = "home",
    item_id: Annotated[
        list[schemas.Id] | None,
        Query(
            max_length=MAX_CONTEXT,
            description="On a product page the item, in the cart its items: the list takes them in "
            "as what the shopper does now, and shows none of them",
        ),
    ] = None,
) -> Place:
    """Read filter, page and place."""
    return Place(paged, surface, tuple(item_id or ()))


Placed = Annotated[Place, Depends(place)]
