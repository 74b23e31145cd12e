"""The release's items as people see them."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.changes import RowState, is_there, values_of
from coterie.data.dataset import Ints
from coterie.recommend.attributes import ItemAttributes
from coterie.recommend.columns import ItemColumns, Mask
from coterie.release.bundle import Release
from coterie.release.described import ATTRIBUTE, TEXT
from serving.lists.search import SAID
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import Item

_COLUMNS: Final = (
    *("item_id", "title", "description", "price", "category", "brand", "available"),
    "image_uri",
)
_MADE: Final = 20_000
"""Items that are kept ready, at most: about 40 MB."""
_CHANGEABLE: Final = frozenset({"title", "description", "price", "category", "brand"})
_WEB_PICTURE: Final = re.compile(r"https://[^\s/@\\\"'<>]+/[^\s\\\"'<>]*")
_OWN_PICTURE: Final = re.compile(r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\x00-\x1f\\:?#]+")
"""Names within a folder: nothing absolute, no way out of it, no address of any other kind."""


class _RowsById(dict[str, int]):
    """Rows by id: -1 for any that is not there, without a call of Python for those that are."""

    def __missing__(self, item_id: str) -> int:
        return -1


class ItemRows:
    """A catalogue's items by row: made when they are asked for, since a table takes a tenth of the
    memory, and kept while they are asked for often."""

    def __init__(self, table: pa.Table) -> None:
        columns = table.select(list(_COLUMNS)).combine_chunks()
        self._columns = [columns.column(name).chunk(0) if len(table) else [] for name in _COLUMNS]
        self._released = len(table)
        self._later: list[Item] = []
        self._changed: dict[int, Item] = {}
        self._made: dict[int, Item] = {}

    def __len__(self) -> int:
        return self._released + len(self._later)

    def __getitem__(self, row: int) -> Item:
        item = self._changed.get(row) or self._made.get(row)
        if item is not None:
            return item
        if not 0 <= row < self._released:
            return self._later[row - self._released if row >= 0 else row]
        values = (column[row].as_py() for column in self._columns)
        item = _item(dict(zip(_COLUMNS, values, strict=True)))
        if len(self._made) >= _MADE:
            self._made = {}
        self._made[row] = item
        return item

    def __setitem__(self, row: int, item: Item) -> None:
        if row >= self._released:
            self._later[row - self._released] = item
        else:
            self._changed[row] = item

    def add(self, items: Sequence[Item]) -> None:
        """Add items behind all others."""
        self._later += items

    def texts(self) -> pa.Array:
        """Write the title and category of every item, in the order of rows."""
        title, category = (self._columns[_COLUMNS.index(name)] for name in ("title", "category"))
        known = pa.array([], pa.string())
        if self._released:
            known = pc.binary_join_element_wise(title, pc.fill_null(category, ""), " ")
        changed = sorted(self._changed)
        if changed:
            mask = np.zeros(self._released, np.bool_)
            mask[changed] = True
            said = pa.array([_text(self._changed[row]) for row in changed], known.type)
            known = pc.replace_with_mask(known, pa.array(mask), said)
        later = pa.array([_text(item) for item in self._later], known.type)
        return pa.concat_arrays([known, later])


def _text(item: Item) -> str:
    return f"{item.title} {item.category or ''}"


class Catalogue:
    """Items of one release, by row, as changes leave them; new ones come after its own.

    One thread changes it at a time; others may read meanwhile.
    """

    def __init__(self, release: Release) -> None:
        self._items = ItemRows(release.catalogue)
        self._gone: set[int] = set()
        columns = ItemColumns.of(release.catalogue, release.available)
        self.columns = replace(columns, attributes=_attributes(release.described))
        """What filters ask, and what is available at this moment: to be replaced, never changed."""
        self._newest: tuple[ItemColumns, npt.NDArray[np.int64]] | None = None
        self._ids: list[str] = release.catalogue.column("item_id").to_pylist()
        self._row_of = _RowsById(zip(self._ids, range(len(self._ids)), strict=True))
        self.num_had: Ints = release.popularity.astype(np.int64)
        coded = pc.dictionary_encode(release.catalogue.column("category")).combine_chunks()
        self.category_codes: Ints = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int64)
        self._categories: list[str] = coded.dictionary.to_pylist()
        self._haystack: pa.Array | None = None

    def __len__(self) -> int:
        return len(self._items)

    def change(self, states: Mapping[str, RowState]) -> dict[str, RowState]:
        """Take changes of items in: what is not for sale any more is not shown from here on.

        Returns:
            Those of items that are not in the catalogue, and should be: see ``add``.
        """
        rows = {item_id: self.row(item_id) for item_id in states}
        known = {row: states[item_id] for item_id, row in rows.items() if row >= 0}
        before = {row: self._items[row] for row in known}
        for row, state in known.items():
            self._items[row] = _changed(before[row], state)
            (self._gone.add if is_there(state) is False else self._gone.discard)(row)
        if known:
            self._take(list(known), list(known.values()))
            self._forget(
                [row for row, item in before.items() if _says_else(item, self._items[row])]
            )
        return {i: s for i, s in states.items() if rows[i] < 0 and is_there(s)}

    def add(self, states: Mapping[str, RowState]) -> None:
        """Add items that entered the shop after the release was made, and are none of its own."""
        first = len(self._items)
        items = [_changed(Item(item_id=i, title=i, new=True), s) for i, s in states.items()]
        self.num_had = np.append(self.num_had, np.zeros(len(items), np.int64))
        codes = [self._code(item.category) for item in items]
        self.category_codes = np.append(self.category_codes, np.array(codes, np.int64))
        self._items.add(items)
        self._ids += [item.item_id for item in items]
        self._take(list(range(first, len(self._items))), list(states.values()))
        for row, item in enumerate(items, first):
            self._row_of[item.item_id] = row

    def _take(self, rows: list[int], states: Sequence[RowState]) -> None:
        """Let filters and searches see what changed in some rows, or what is new there."""
        items = [self._items[row] for row in rows]
        now_ms = time.time_ns() // 1_000_000
        entered = [values_of(state).get("created_at") for state in states]
        self.columns = self.columns.changed(
            rows,
            [
                item.available and row not in self._gone
                for row, item in zip(rows, items, strict=True)
            ],
            [item.price for item in items],
            ([item.category for item in items], [item.brand for item in items]),
            # Who says nothing of it says nothing of a known item, and that a new one is new.
            [
                now_ms if ms is None and item.new else ms
                for ms, item in zip(entered, items, strict=True)
            ],
        )
        self._haystack = None

    def _forget(self, rows: Sequence[int]) -> None:
        """Hold no item to what its texts stated before."""
        if rows and self.columns.attributes:
            attributes = self.columns.attributes.without(rows)
            self.columns = replace(self.columns, attributes=attributes)

    def _code(self, category: str | None) -> int:
        """Find the code of a category, which may be a new one; -1 for none."""
        if category is None:
            return -1
        if category not in self._categories:
            self._categories.append(category)
        return self._categories.index(category)

    def is_new(self, row: int) -> bool:
        """Tell whether the item of a row entered the shop after the release was made."""
        return self._items[row].new is True

    def is_gone(self, row: int) -> bool:
        """Tell whether the item of a row was taken out of the shop."""
        return row in self._gone

    def row(self, item_id: str) -> int:
        """Find the row of an item; -1 where the release lacks it."""
        return self._row_of[item_id]

    def rows(self, item_ids: Sequence[str]) -> list[int]:
        """Find the rows of items; -1 for each that the release lacks."""
        return list(map(self._row_of.__getitem__, item_ids))

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""
        return self._ids[row]

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""
        return self._items[row].title

    def title_of(self, item_id: str) -> str | None:
        """Name an item by its title; None where the release lacks it."""
        row = self.row(item_id)
        return self.title(row) if row >= 0 else None

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
            mask[[row for row in left_out if 0 <= row < len(mask)]] = False
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
        """Find rows whose title or category has all the words, in the catalogue's order; without
        words the first ones."""
        mask = pa.array(np.ones(len(self), np.bool_))
        if self._gone:
            mask = pa.array(~np.isin(np.arange(len(self)), list(self._gone)))
        haystack = self._texts() if words.split() else None
        for word in words.lower().split():
            mask = pc.and_(mask, pc.match_substring(haystack, word))
        rows: list[int] = pc.indices_nonzero(mask).slice(0, limit).to_pylist()
        return rows

    def _texts(self) -> pa.Array:
        """Give the words of items, made anew after they changed."""
        haystack = self._haystack
        if haystack is None:
            self._haystack = haystack = pc.utf8_lower(self._items.texts())
        return haystack


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


def _attributes(described: pa.Table | None) -> ItemAttributes:
    """Read what items' own texts state: of what a model brought nobody is held to anything."""
    if described is None:
        return ItemAttributes()
    stated = pc.and_(pc.equal(described["field"], ATTRIBUTE), pc.equal(described["source"], TEXT))
    some = described.filter(stated)
    return ItemAttributes.of(some["item_idx"].to_numpy(), some["value"].to_pylist())


def _says_else(before: Item, after: Item) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in SAID)


def _item(row: dict[str, Any]) -> Item:
    image = public_picture(row.pop("image_uri"))
    return Item(**{**row, "image": image, "available": row["available"] is not False})


def _changed(item: Item, state: RowState) -> Item:
    """Show an item as changes leave it."""
    said = values_of(state)
    fields = {name: said[name] for name in _CHANGEABLE & said.keys()}
    if "image_uri" in said:
        fields["image"] = public_picture(said["image_uri"])
    if "available" in said:
        fields["available"] = said["available"] is not False
    return item.model_copy(update=fields)
