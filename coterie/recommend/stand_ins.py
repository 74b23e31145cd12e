"""Items that entered a shop after its release was made: what known items stand in for them.

Every part of a release that has a row an item gets rows for the new ones, each a weighted mean of
the rows of a few known items. All scores stay the sums that they are, so reasons stay exact.
"""

from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from scipy import sparse

from coterie.data.dataset import Floats, Ints
from coterie.recommend.content import ContentTerm
from coterie.recommend.linear import LinearPart
from coterie.recommend.terms import Parameters, renew_tensors

Matrix = Any  # scipy.sparse.csr_matrix of doubles
MOST: Final = 200
"""Known items, at most, that stand in for a new one: evenly over how many people had them, so that
they speak for their kind and not for its best sellers."""
NEAREST: Final = 20
"""The same, where they are chosen by what they say of themselves."""
_PER_ITEM: Final = ("item_in", "item_out", "item_bias")


def extended(parameters: Parameters, weights: Matrix) -> Parameters:
    """Add rows for new items to a release's tensors.

    Args:
        parameters: Of n items.
        weights: Shape (new items, n): how much each known item counts, each row adds up to 1.
    """
    found = renew_tensors(parameters)
    num_new, num_items = weights.shape
    every = sparse.vstack([sparse.identity(num_items, format="csr"), weights], format="csr")

    def rows(table: torch.Tensor) -> torch.Tensor:
        flat = table.double().numpy().reshape(num_items, -1)
        more = torch.from_numpy(weights @ flat).reshape(num_new, *table.shape[1:])
        return torch.cat([table, more.to(table)])

    def near(matrix: Matrix) -> Matrix:
        both = (every @ matrix @ every.T).tocsr()
        both.setdiag(0.0)
        both.eliminate_zeros()
        return both

    found |= {name: rows(found[name]) for name in _PER_ITEM}
    if found.keys() & LinearPart.names:
        part = LinearPart.of_tensors(found, num_items)
        found |= replace(
            part,
            own=rows(part.own),
            friend=rows(part.friend),
            out=rows(part.out),
            near=near(part.near),
        ).tensors()
    if found.keys() & ContentTerm.names:
        content = ContentTerm.of_tensors(found, num_items)
        found |= ContentTerm({kind: near(one) for kind, one in content.kinds.items()}).tensors()
    return found


class HasItems(Protocol):
    """What stand-ins are chosen from: a release."""

    @property
    def catalogue(self) -> pa.Table:
        """Columns ``category`` and ``brand``, row i describes item i."""

    @property
    def popularity(self) -> Floats:
        """How many people had each item."""


class StandIns:
    """Chooses the known items that stand in for new ones."""

    def __init__(self, category: pa.ChunkedArray, brand: pa.ChunkedArray, popularity: Floats):
        """Take what is known of n items, each of shape (n,)."""
        self._category, self._brand = category, brand
        self._known = popularity > 0 if (popularity > 0).any() else popularity >= 0
        self._order = np.argsort(-popularity, kind="stable")

    @classmethod
    def of(cls, release: "HasItems") -> "StandIns":
        """Take the items that a release was made with."""
        columns = release.catalogue["category"], release.catalogue["brand"]
        return cls(*columns, release.popularity)

    def weights(
        self, category: str | None, brand: str | None, meaning: npt.NDArray[Any] | None = None
    ) -> tuple[Ints, Floats]:
        """Choose known items for a new one: rows, and how much each counts, 1 together.

        Args:
            category: A path; its parents' items stand in where it has none.
            brand: Within the category the items of one brand come first.
            meaning: How much each known item says what the new one says, shape (n,), where an
                encoder tells: then the nearest of them stand in.
        """
        if meaning is not None:
            alike = np.where(self._known, meaning, 0.0)
            best = np.argsort(-alike, kind="stable")[:NEAREST]
            best = best[alike[best] > 0]
            if len(best):
                return best, np.asarray(alike[best] / alike[best].sum(), np.float32)
        rows = self._alike(category, brand)
        ranked = self._order[np.isin(self._order, rows)]
        some = ranked[
            np.unique(np.linspace(0, len(ranked) - 1, min(MOST, len(ranked))).astype(int))
        ]
        return some, np.full(len(some), 1.0 / len(some), np.float32)

    def _alike(self, category: str | None, brand: str | None) -> Ints:
        of_brand = self._where(pc.equal(self._brand, brand)) if brand else None
        while category:
            there = self._where(pc.starts_with(self._category, category))
            both = there & of_brand if of_brand is not None else there
            for found in (both, there):
                if found.any():
                    return np.flatnonzero(found)
            category = category.rpartition("/")[0]
        if of_brand is not None and of_brand.any():
            return np.flatnonzero(of_brand)
        return np.flatnonzero(self._known)

    def _where(self, mask: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        found = pc.fill_null(mask, False).combine_chunks().to_numpy(zero_copy_only=False)
        return np.asarray(found & self._known, dtype=np.bool_)
