"""Which items the same people had, of each item the nearest: sparse, and linear in the events."""

import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints

MAX_PRODUCTS: Final = 20_000_000
"""Pairs that are looked at in one go: what bounds the memory."""


def nearest(
    inputs: Any, answers: Any, columns: npt.NDArray[np.float64], most: int
) -> tuple[Ints, npt.NDArray[np.float32]]:
    """The largest entries of each row of ``inputs' answers diag(columns)``, but for its diagonal.

    An event is looked at once for each entry of its shopper's history, which has a longest.

    Args:
        inputs: By shopper and item, (shoppers, items), not below 0.
        answers: Likewise.
        columns: What each answer counts, shape (items,), over 0.
        most: Entries a row.

    Returns:
        Items and weights, both of shape (items, most), in any order; 0 and 0.0 where short.
    """
    by_item = inputs.T.tocsr()
    scaled = (answers @ sparse.diags_array(columns)).tocsr()
    item = np.zeros((by_item.shape[0], most), np.int64)
    weight = np.zeros((by_item.shape[0], most), np.float32)
    for block in _blocks(by_item, np.diff(scaled.indptr)):
        pairs = (by_item[block] @ scaled).tocsr()
        row = np.repeat(np.arange(block.start, block.stop), np.diff(pairs.indptr))
        other = row != pairs.indices
        kept = _largest(row[other], pairs.indices[other], pairs.data[other], most)
        row, column, value = (part[other][kept] for part in (row, pairs.indices, pairs.data))
        place = np.arange(len(row)) - np.searchsorted(row, row)
        item[row, place], weight[row, place] = column, value
    return item, weight


def _largest(row: Ints, column: Ints, value: npt.NDArray[Any], most: int) -> Ints:
    """Places of each row's ``most`` largest, of equals the lower column, shape (n,), by row."""
    # Few rows are that long, and to sort all takes longer than to multiply.
    kept = np.bincount(row, minlength=1)[row] <= most
    rest = np.flatnonzero(~kept)
    rest = rest[np.lexsort((column[rest], -value[rest], row[rest]))]
    kept[rest[np.arange(len(rest)) - np.searchsorted(row[rest], row[rest]) < most]] = True
    return np.flatnonzero(kept)


def _blocks(by_item: Any, lengths: Ints) -> Iterator[slice]:
    """Rows of items, so many at a time that their pairs are bounded (one row may be over)."""
    products = by_item.astype(bool).astype(np.int64) @ lengths
    block = np.cumsum(products) // MAX_PRODUCTS
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    return (slice(int(a), int(b)) for a, b in itertools.pairwise(bounds))
