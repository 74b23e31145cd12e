"""What an item says of itself, in words: one text of bounded length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError

_PRICES: Final = ("very cheap", "cheap", "mid-priced", "expensive", "very expensive")
"""Fifths of the items of one category, by price."""
_FEW: Final = 5
"""Items with a price that a category needs before one of them is dear or cheap among them."""


@dataclass(frozen=True, slots=True)
class TextSettings:
    """What of an item is put into its text, the most telling first, and how much of it."""

    max_characters: int = 1_000
    """Of the whole."""
    max_description: int = 500
    reviews: bool = False
    """Whether what shoppers wrote of it is read as well."""
    max_review: int = 200
    """Of each review."""
    max_reviews: int = 3
    price: bool = True
    """Whether a word says how its price stands within its category."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A length below 0, or no text at all.
        """
        lengths = (self.max_description, self.max_review, self.max_reviews)
        if self.max_characters < 1 or min(lengths) < 0:
            raise BadInputError(
                "an item's text needs 1 character or more, and its parts at least 0"
            )


def item_texts(
    catalogue: pa.Table,
    settings: TextSettings | None = None,
    reviews: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Compose the text of each item of a catalogue, in its order.

    Title, brand, category path, tags, price, description and reviews, each on a line of its own,
    where the item has it: what is cut at the end says least.

    Args:
        catalogue: Columns of ``schema.ITEMS``, shape (items,).
        settings: Lengths.
        reviews: Texts that shoppers wrote, by item, the newest first. Who calls this leaves out
            those of people who did not consent, and all that is later than what a model may know.
    """
    said, limit = settings or TextSettings(), (settings or TextSettings()).max_characters
    lines = [_column(catalogue, name) for name in ("title", "brand")]
    lines.append(pc.replace_substring(_column(catalogue, "category"), "/", " > "))
    lines.append(_column(catalogue, "tags"))
    if said.price:
        lines.append(price_words(catalogue))
    lines.append(_cut(_column(catalogue, "description"), said.max_description))
    if reviews and said.max_reviews:
        lines.append(_reviews(catalogue["item_id"].to_pylist(), reviews, said))
    clean = [_one_line(line) for line in lines]
    empty = pa.nulls(catalogue.num_rows, pa.string())
    # An empty line would only be a mark that the encoder reads.
    kept = [pc.if_else(pc.equal(line, ""), empty, line) for line in clean]
    # Of columns that are null throughout Arrow makes no rows at all: the first one is not.
    first = pa.repeat(pa.scalar("", pa.string()), catalogue.num_rows)
    joined = pc.binary_join_element_wise(first, *kept, "\n", null_handling="skip")
    texts: list[str] = _cut(pc.utf8_trim_whitespace(joined), limit).to_pylist()
    return texts


def price_words(catalogue: pa.Table) -> pa.Array:
    """Say how each item's price stands among those of its category, shape (items,).

    Null where it has no price, or its category has fewer than five items that do.
    """
    price = pc.cast(catalogue["price"], pa.float64()).to_numpy(zero_copy_only=False)
    category = pc.fill_null(_column(catalogue, "category"), "").dictionary_encode()
    code = category.indices.to_numpy(zero_copy_only=False)
    known = np.isfinite(price)
    order = np.lexsort((price, code))
    order = order[known[order]]
    codes, first, counts = np.unique(code[order], return_index=True, return_counts=True)
    start, size = np.zeros(len(category.dictionary), int), np.zeros(len(category.dictionary), int)
    start[codes], size[codes] = first, counts
    rank = np.zeros(len(price), np.float64)
    # Equal prices are equally dear: each has the middle of the ranks that they share.
    place = np.arange(len(order)) - start[code[order]]
    pairs, groups = np.unique(
        np.column_stack([code[order], price[order]]), axis=0, return_inverse=True
    )
    middle = np.bincount(groups.ravel(), place + 0.5, len(pairs)) / np.maximum(
        np.bincount(groups.ravel(), minlength=len(pairs)), 1
    )
    rank[order] = middle[groups.ravel()] / size[code[order]]
    fifth = np.minimum((rank * len(_PRICES)).astype(int), len(_PRICES) - 1)
    words = pa.array(_PRICES, pa.string()).take(pa.array(fifth))
    tells = pa.array(known & (size[code] >= _FEW))
    return pc.if_else(tells, words, pa.nulls(len(price), pa.string()))


def _column(catalogue: pa.Table, name: str) -> pa.Array:
    if name not in catalogue.column_names:
        return pa.nulls(catalogue.num_rows, pa.string())
    column = catalogue[name].combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _cut(texts: pa.Array, characters: int) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, 0, characters)


def _one_line(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\s+", " "))


def _reviews(
    ids: Sequence[str], reviews: Mapping[str, Sequence[str]], said: TextSettings
) -> pa.Array:
    texts = [
        " ".join(text[: said.max_review] for text in reviews.get(one, ())[: said.max_reviews])
        for one in ids
    ]
    return pa.array(texts, pa.string())
