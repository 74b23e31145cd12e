"""Which items the same people had, of each item the nearest: sparse, and linear in the events."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints

MAX_PRODUCTS: Final = 20_000_000
"""Pairs that are looked at in one go: what bounds the memory."""


def nearest(
    inputs: Any, answers: Any, columns: npt.NDArray[np.float64], most: int, in_all: int
) -> Any:
    """Find the largest entries a row of ``inputs' answers diag(columns)``, but for its diagonal.

    An event is looked at once for each entry of its shopper's history, which has a longest.

    Args:
        inputs: By shopper and item, (shoppers, items), not below 0.
        answers: Likewise.
        columns: What each answer counts, shape (items,), over 0.
        most: Entries a row.
        in_all: Entries of all rows: where they could be more, the longest rows are cut shorter.

    Returns:
        A matrix of (items, items), ``scipy.sparse.csr_matrix`` of floats.
    """
    by_item = inputs.T.tocsr()
    scaled = (answers @ sparse.diags_array(columns)).tocsr().astype(np.float32)
    products = by_item.astype(bool).astype(np.int64) @ np.diff(scaled.indptr)
    most = _fitting(products, most, in_all)
    offsets = np.zeros(by_item.shape[0] + 1, np.int64)
    item, weight = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for block in _blocks(products):
        pairs = (by_item[block] @ scaled).tocsr()
        row = np.repeat(np.arange(block.start, block.stop), np.diff(pairs.indptr))
        other = row != pairs.indices
        row, column, value = row[other], pairs.indices[other], pairs.data[other]
        kept = _largest(row, column, value, most)
        offsets[block.start + 1 : block.stop + 1] = np.bincount(
            row[kept] - block.start, minlength=block.stop - block.start
        )
        item.append(column[kept].astype(np.int32))
        weight.append(value[kept].astype(np.float32))
    parts = (np.concatenate(weight), np.concatenate(item), np.cumsum(offsets))
    return sparse.csr_matrix(parts, (by_item.shape[0], scaled.shape[1]))


def _fitting(products: Ints, most: int, in_all: int) -> int:
    """Bound the entries a row, so that there are at most ``in_all`` in all rows."""
    longest = int(min(most, products.max(initial=0)))
    return bisect_right(
        range(1, longest + 1), in_all, key=lambda m: int(np.minimum(products, m).sum())
    )


def _largest(row: Ints, column: Ints, value: npt.NDArray[Any], most: int) -> Ints:
    """Find the indices of each row's ``most`` largest, of equals the lower column, (n,)."""
    # Few rows are that long, and to sort all takes longer than to multiply.
    kept = np.bincount(row, minlength=1)[row] <= most
    rest = np.flatnonzero(~kept)
    rest = rest[np.lexsort((column[rest], -value[rest], row[rest]))]
    kept[rest[np.arange(len(rest)) - np.searchsorted(row[rest], row[rest]) < most]] = True
    return np.flatnonzero(kept)


def _blocks(products: Ints) -> Iterator[slice]:
    """Cut rows of items so that each block's pairs are bounded (one row may be over)."""
    block = np.cumsum(products) // MAX_PRODUCTS
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    return (slice(int(a), int(b)) for a, b in itertools.pairwise(bounds))
