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
PIECES: Final = 4
"""Pieces into which a long row is cut for each entry that is kept of it."""


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
        kept = largest(pairs, most, block.start)
        row = np.searchsorted(pairs.indptr, kept, side="right") - 1
        offsets[block.start + 1 : block.stop + 1] = np.bincount(row, minlength=pairs.shape[0])
        item.append(pairs.indices[kept].astype(np.int32))
        weight.append(pairs.data[kept].astype(np.float32))
    parts = (np.concatenate(weight), np.concatenate(item), np.cumsum(offsets))
    return sparse.csr_matrix(parts, (by_item.shape[0], scaled.shape[1]))


def _fitting(products: Ints, most: int, in_all: int) -> int:
    """Bound the entries a row, so that there are at most ``in_all`` in all rows."""
    longest = int(min(most, products.max(initial=0)))
    return bisect_right(
        range(1, longest + 1), in_all, key=lambda m: int(np.minimum(products, m).sum())
    )


def largest(pairs: Any, most: int, first: int) -> Ints:
    """Find each row's largest entries but for an item's with itself, of equals the lower column.

    Args:
        pairs: Shape (rows, items), ``scipy.sparse.csr_matrix``.
        most: Entries a row.
        first: Item of the first row.

    Returns:
        Places in ``pairs.data``, ascending.
    """
    counts = np.diff(pairs.indptr)
    # The item itself may be one of the largest, so one more is looked for.
    floor = np.repeat(_floors(pairs, most + 1), counts)
    place = np.flatnonzero(pairs.data >= floor)
    row = np.searchsorted(pairs.indptr, place, side="right") - 1
    other = pairs.indices[place] != row + first
    place, row = place[other], row[other]
    # Few rows are that long, and to sort all takes longer than to multiply.
    kept = np.bincount(row, minlength=1)[row] <= most
    rest = np.flatnonzero(~kept)
    at, of = place[rest], row[rest]
    order = np.lexsort((pairs.indices[at], -pairs.data[at], of))
    rest, of = rest[order], of[order]
    kept[rest[np.arange(len(rest)) - np.searchsorted(of, of) < most]] = True
    return np.asarray(place[kept], np.int64)


def _floors(pairs: Any, most: int) -> npt.NDArray[np.float64]:
    """Bound each row's entry number ``most`` from below, without sorting the row; -inf: unbounded.

    Of a row that is cut into pieces, as many entries as there are pieces are each the largest of
    theirs. So the largest but for ``most - 1`` of these is not above what is sought.
    """
    start, pieces = pairs.indptr[:-1].astype(np.int64), PIECES * most
    length = np.diff(pairs.indptr) // pieces
    floors = np.full(len(start), -np.inf)
    long = np.flatnonzero(length > 1)
    if len(long):
        # One piece more in each row, left out below, ends the last whole one.
        begins = start[long, None] + length[long, None] * np.arange(pieces + 1)
        begins = np.minimum(begins, len(pairs.data) - 1).ravel()
        value = np.maximum.reduceat(pairs.data, begins).reshape(-1, pieces + 1)[:, :-1]
        floors[long] = np.partition(value, pieces - most, axis=1)[:, pieces - most]
    return floors


def _blocks(products: Ints) -> Iterator[slice]:
    """Cut rows of items so that each block's pairs are bounded (one row may be over)."""
    block = np.cumsum(products) // MAX_PRODUCTS
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    return (slice(int(a), int(b)) for a, b in itertools.pairwise(bounds))
