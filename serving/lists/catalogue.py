"""The release's items as people see them."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow.compute as pc

from coterie.release.bundle import Release
from serving.schemas import Item

_COLUMNS: Final = ("item_id", "title", "description", "price", "category", "brand", "available")


class Catalogue:
    """Items of one release, by row."""

    def __init__(self, release: Release) -> None:
        rows = release.catalogue.select(list(_COLUMNS)).to_pylist()
        self._items = [_item(row) for row in rows]
        self._row_of = {item.item_id: row for row, item in enumerate(self._items)}
        self._had: list[bool] = (release.popularity > 0).tolist()
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

    def had(self, row: int) -> bool:
        """Tell whether anybody had the item of a row when the release was made."""
        return self._had[row]

    def item(self, row: int) -> Item:
        """Show the item of a row."""
        return self._items[row]

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


def _item(row: dict[str, Any]) -> Item:
    return Item(**{**row, "available": row["available"] is not False})
