"""What filters and rules ask of a catalogue: arrays by row, made once and replaced whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.recommend.attributes import ItemAttributes

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WordColumn:
    """A column of words, each once, and which one every item has."""

    codes: npt.NDArray[np.int32]
    """Shape (items,): an index in ``names``; an empty one where there is none."""
    names: pa.Array
    """As filters compare them: see ``folded``."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Self:
        """Give each word of a column a number."""
        words = pc.fill_null(column.combine_chunks(), "")
        found = pc.utf8_lower(pc.utf8_normalize(words, "NFC")).dictionary_encode()
        names = pa.concat_arrays([found.dictionary, pa.array([""], found.dictionary.type)])
        return cls(found.indices.to_numpy(zero_copy_only=False).astype(np.int32), names)

    def among(self, wanted: Sequence[str]) -> Mask:
        """Find the items that have one of these words, shape (items,)."""
        told = pa.array([folded(word) for word in wanted], self.names.type)
        return self._of(pc.is_in(self.names, value_set=told))

    def below(self, paths: Sequence[str]) -> Mask:
        """Find the items whose path is one of these or goes on from it, shape (items,)."""
        told = [folded(path) for path in paths]
        found = pc.is_in(self.names, value_set=pa.array(told, self.names.type))
        for path in told:
            found = pc.or_(found, pc.starts_with(self.names, f"{path}/"))
        return self._of(found)

    def missing(self) -> Mask:
        """Find the items that have no word, shape (items,)."""
        return self.among([""])

    def changed(self, rows: Sequence[int], words: Sequence[str | None], length: int) -> Self:
        """Give some items, which may be new ones, other words.

        Args:
            rows: Which.
            words: Of each; None where there is none.
            length: Items from then on.
        """
        told = pa.array([folded(word or "") for word in words], self.names.type)
        more = pc.unique(told.filter(pc.invert(pc.is_in(told, value_set=self.names))))
        names = pa.concat_arrays([self.names, more])
        codes = np.append(self.codes, np.zeros(length - len(self.codes), np.int32))
        codes[list(rows)] = pc.index_in(told, value_set=names).to_numpy(zero_copy_only=False)
        return replace(self, codes=codes, names=names)

    def _of(self, names: pa.Array) -> Mask:
        return np.asarray(names.to_numpy(zero_copy_only=False), np.bool_)[self.codes]


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """What is true of a catalogue's items at one moment.

    Never changed: who learns something new makes another one, and puts it in the place of this one
    (``Catalogue.columns``), so that a list sees one moment whole.
    """

    available: Mask
    """Shape (items,): what may be shown at all."""
    price: npt.NDArray[np.float64]
    """Shape (items,): not a number where nobody said."""
    category: WordColumn
    brand: WordColumn
    entered_ms: npt.NDArray[np.int64]
    """Shape (items,): when each entered the catalogue, milliseconds since 1970; -1: unknown."""
    attributes: ItemAttributes = field(default_factory=ItemAttributes)
    """What their own texts state, where a language model found it there."""

    @classmethod
    def of(cls, catalogue: pa.Table, available: Mask) -> Self:
        """Read a release's catalogue.

        Args:
            catalogue: Row i describes item i.
            available: Items that may be shown, shape (items,).
        """
        price = pc.cast(catalogue.column("price"), pa.float64())
        entered = pc.cast(catalogue.column("created_at"), pa.timestamp("ms", "UTC"), safe=False)
        return cls(
            np.asarray(available, np.bool_),
            pc.fill_null(price, np.nan).to_numpy(),
            WordColumn.of(catalogue.column("category")),
            WordColumn.of(catalogue.column("brand")),
            pc.fill_null(entered.cast(pa.int64()), -1).to_numpy(),
        )

    def changed(
        self,
        rows: Sequence[int],
        available: Sequence[bool],
        price: Sequence[float | None],
        words: tuple[Sequence[str | None], Sequence[str | None]],
        entered_ms: Sequence[int | None],
    ) -> Self:
        """Make columns in which some items are different, or new ones stand at the end.

        Args:
            rows: Which; the others stay as they are.
            available: Of each, as the following.
            price: None where nobody said.
            words: Categories and brands.
            entered_ms: None where it stays.
        """
        at, length = list(rows), max(len(self.available), max(rows, default=-1) + 1)
        more = length - len(self.available)
        allowed = np.append(self.available, np.zeros(more, np.bool_))
        prices = np.append(self.price, np.full(more, np.nan))
        entered = np.append(self.entered_ms, np.full(more, -1))
        allowed[at] = available
        prices[at] = [np.nan if one is None else one for one in price]
        entered[at] = [
            before if ms is None else ms for before, ms in zip(entered[at], entered_ms, strict=True)
        ]
        category, brand = (
            labels.changed(at, said, length)
            for labels, said in zip((self.category, self.brand), words, strict=True)
        )
        return replace(
            self,
            available=allowed,
            price=prices,
            category=category,
            brand=brand,
            entered_ms=entered,
        )


def folded(word: str) -> str:
    """Bring a category or a brand into the form in which filters and rules compare it.

    >>> folded(" Home/Kitchen/ ")
    'home/kitchen'
    """
    stripped = word.strip().strip("/")
    lowered: str = pc.utf8_lower(pc.utf8_normalize(pa.scalar(stripped), "NFC")).as_py()
    return lowered
