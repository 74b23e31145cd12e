"""The release's items as people see them."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.recommend.columns import ItemColumns, Mask
from coterie.release.bundle import Release
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import Item

_COLUMNS: Final = (
    *("item_id", "title", "description", "price", "category", "brand", "available"),
    "image_uri",
)
_WEB_PICTURE: Final = re.compile(r"https://[^\s/@\\\"'<>]+/[^\s\\\"'<>]*")
_OWN_PICTURE: Final = re.compile(r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\x00-\x1f\\:?#]+")
"""Names within a folder: nothing absolute, no way out of it, no address of any other kind."""


class Catalogue:
    """Items of one release, by row."""

    def __init__(self, release: Release) -> None:
        rows = release.catalogue.select(list(_COLUMNS)).to_pylist()
        self._items = [_item(row) for row in rows]
        self.columns = ItemColumns.of(release.catalogue, release.available)
        """What filters ask, and what is available at this moment: to be replaced, never changed."""
        self._newest: tuple[ItemColumns, npt.NDArray[np.int64]] | None = None
        self._row_of = {item.item_id: row for row, item in enumerate(self._items)}
        self.num_had: Ints = release.popularity.astype(np.int64)
        coded = pc.dictionary_encode(release.catalogue.column("category")).combine_chunks()
        self.category_codes: Ints = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int64)
        self._categories: list[str] = coded.dictionary.to_pylist()
        titles = release.catalogue.column("title")
        self._haystack = pc.utf8_lower(
            pc.binary_join_element_wise(
                titles, pc.fill_null(release.catalogue.column("category"), ""), " "
            )
        )

    def __len__(self) -> int:
        return len(self._items)

    def row(self, item_id: str) -> int:
        """Find the row of an item; -1 where the release lacks it."""
        return self._row_of.get(item_id, -1)

    def rows(self, item_ids: Sequence[str]) -> list[int]:
        """Find the rows of items; -1 for each that the release lacks."""
        return [self._row_of.get(item_id, -1) for item_id in item_ids]

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""
        return self._items[row].item_id

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""
        return self._items[row].title

    def category(self, code: int) -> str:
        """Name the category of a code by its path."""
        return self._categories[code]

    def item(self, row: int) -> Item:
        """Show the item of a row."""
        return self._items[row]

    def allowed(self, wanted: Wanted = PLAIN) -> Mask:
        """Find what may be listed at this moment, shape (items,): what is available and fits."""
        mask = wanted.filter.mask(self.columns)
        left_out = self.rows([*wanted.filter.exclude, *wanted.context])
        if left_out:
            mask = mask.copy()
            mask[[row for row in left_out if row >= 0]] = False
        return mask

    def newest(self, limit: int, wanted: Wanted = PLAIN) -> list[int]:
        """List rows of what is for sale and entered the catalogue last, the newest first.

        What nobody dated is left out, and what earlier pages showed.
        """
        columns = self.columns
        if self._newest is None or self._newest[0] is not columns:
            order = np.argsort(-columns.entered_ms, kind="stable")
            self._newest = columns, order[columns.entered_ms[order] >= 0]
        order = self._newest[1]
        found = order[self.allowed(wanted)[order]][: limit + len(wanted.shown)].tolist()
        fresh = wanted.shown.misses([self.item_id(row) for row in found])
        return [row for row, yes in zip(found, fresh, strict=True) if yes][:limit]

    def words(self, row: int) -> str:
        """Say in words what the item of a row is: its title, brand and category."""
        item = self._items[row]
        return " ".join(text for text in (item.title, item.brand, item.category) if text)

    def search(self, words: str, limit: int) -> list[int]:
        """Find rows whose title or category has all the words, in the catalogue's order."""
        mask = None
        for word in words.lower().split():
            found = pc.match_substring(self._haystack, word)
            mask = found if mask is None else pc.and_(mask, found)
        if mask is None:
            return list(range(min(limit, len(self))))
        rows: list[int] = pc.indices_nonzero(mask).slice(0, limit).to_pylist()
        return rows


def public_picture(uri: str | None) -> str | None:
    """Say where people may see a picture: what an ``image_uri`` says, if that is for everybody.

    Addresses of stores and paths of machines say how a shop is built, and lead nobody anywhere.

    >>> public_picture("https://cdn.example/a/b.jpg"), public_picture("pictures/a.png")
    ('https://cdn.example/a/b.jpg', 'pictures/a.png')
    >>> [public_picture(one) for one in ("s3://shop/a.png", "/srv/a.png", "../a.png", "", None)]
    [None, None, None, None, None]
    """
    if uri and (_WEB_PICTURE.fullmatch(uri) or _OWN_PICTURE.fullmatch(uri)):
        return uri
    return None


def _item(row: dict[str, Any]) -> Item:
    image = public_picture(row.pop("image_uri"))
    return Item(**{**row, "image": image, "available": row["available"] is not False})
