"""A shopper's taste in words: of what they did themselves, said when they ask, and kept nowhere."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, Field

from coterie.languages.texts import Plural, Texts
from coterie.reasons.taste_sentences import (
    CHOSE_BRAND,
    CHOSE_CATEGORY,
    CHOSE_PRICES,
    TURNED_DOWN_CATEGORY,
)
from serving.features.recent import RecentList
from serving.lists.catalogue import Catalogue
from serving.schemas import Item

MOST: Final = {"category": 3, "brand": 2, "turned_down": 2}
"""Statements of a kind."""
FEWEST: Final = 2
"""Items that a statement stands on: one is no taste."""
FEWEST_PRICES: Final = 4


class TasteStatement(BaseModel):
    """One thing that is true of what a shopper did."""

    kind: Literal["category", "brand", "price", "turned_down"]
    sentence: str = Field(description="In the reader's language")
    value: str = Field(description="The category or brand as the catalogue has it; empty of prices")
    item_ids: list[str] = Field(
        description="The shopper's own items that it stands on, all of them"
    )


class TasteInWords(BaseModel):
    """What a shopper's own events say of their taste; nothing where they say too little."""

    user_id: str
    statements: list[TasteStatement]


def taste_in_words(
    catalogue: Catalogue, user_id: str, recent: RecentList, texts: Texts
) -> TasteInWords:
    """Say what a shopper chose and turned down: by counting, of items that are in the catalogue.

    Args:
        catalogue: What items are.
        user_id: Whose taste it is.
        recent: What they did, and nobody else.
        texts: The reader's language.
    """
    chosen, against = _items(catalogue, recent)
    found = [
        *_counted("category", CHOSE_CATEGORY, chosen, texts),
        *_counted("brand", CHOSE_BRAND, chosen, texts),
        *_prices(chosen, texts),
        *_counted("turned_down", TURNED_DOWN_CATEGORY, against, texts),
    ]
    return TasteInWords(user_id=user_id, statements=found)


def _items(catalogue: Catalogue, recent: RecentList) -> tuple[list[Item], list[Item]]:
    """Find what was wanted last, and what was turned down."""
    said = dict(zip(recent.had_ids, recent.had_wanted_ms, strict=True))
    said |= dict(zip(recent.item_ids, recent.wanted_ms, strict=True))
    rows = [(catalogue.row(item_id), wanted) for item_id, wanted in said.items()]
    known = [(catalogue.item(row), wanted) for row, wanted in rows if row >= 0]
    return [i for i, wanted in known if wanted > 0], [i for i, wanted in known if wanted < 0]


def _counted(
    kind: Literal["category", "brand", "turned_down"],
    sentence: Plural,
    items: Sequence[Item],
    texts: Texts,
) -> list[TasteStatement]:
    column = "brand" if kind == "brand" else "category"
    groups: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if value := getattr(item, column):
            groups[value].append(item.item_id)
    # The most first; of equals the first by name, so that an answer is the same each time.
    ranked = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    return [
        TasteStatement(
            kind=kind,
            sentence=texts.count(sentence, len(ids), **{column: value}),
            value=value,
            item_ids=sorted(ids),
        )
        for value, ids in ranked[: MOST[kind]]
        if len(ids) >= FEWEST
    ]


def _prices(items: Sequence[Item], texts: Texts) -> list[TasteStatement]:
    priced = [item for item in items if item.price is not None]
    if len(priced) < FEWEST_PRICES:
        return []
    low, high = np.quantile([item.price for item in priced if item.price is not None], [0.25, 0.75])
    return [
        TasteStatement(
            kind="price",
            sentence=texts.say(CHOSE_PRICES, low=f"{low:.2f}", high=f"{high:.2f}"),
            value="",
            item_ids=sorted(item.item_id for item in priced),
        )
    ]
