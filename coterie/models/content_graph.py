"""Which items are alike in what the shop says of them: of each item the nearest, kind by kind.

Words are compared by tf-idf of single words and of pairs of neighbours (in Chinese: of characters);
vectors by their cosine, once what all items share is taken out and wide components are narrowed.
Words find what is nearly the same, vectors what is said otherwise; a sum of both is better than
either.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.content.words import Matrix, tf_idf
from coterie.data.dataset import Floats, TrainingSet
from coterie.data.vector_columns import vector_column, vectors_of
from coterie.models.neighbours import largest, nearest
from coterie.models.vector_groups import compared_with
from coterie.recommend.content import ALIKE_IN

KINDS: Final = tuple(ALIKE_IN)
WORDS: Final = KINDS[0]
TEXT_COLUMNS: Final = ("title", "brand", "category", "tags")
"""Of which words are taken; descriptions are long, and say less a word."""
VECTOR_KINDS: Final = KINDS[1:]
COLUMNS: Final = (*TEXT_COLUMNS, *(vector_column(kind) for kind in VECTOR_KINDS))
"""All columns of the items that are read."""
WHITENING: Final = 0.25
"""Of a component's variance, the power by which it is divided."""
SHARPNESS: Final = 2.0
"""Power of the likeness: the nearest count more than those at the edge."""
REACH: Final = 20_000
"""Items with words of an item's, each counted once a word, that it is compared with at most."""
VECTOR_REACH: Final = 100_000
"""Items that an item is compared with at most, in vectors. With 20,000 of them half a minute and
one minute found .72 and .66 of the exact nearest, of 50,000 and 100,000 drawn vectors."""
_COMPARED: Final = 3
"""Of the nearest by these words, so many times more than are kept are compared by all words."""
_PAIRS: Final = 500_000
_MAX_NUMBERS: Final = 50_000_000


def kinds_of(data: TrainingSet) -> tuple[str, ...]:
    """Tell which kinds of content the items of a training set have."""
    there = [] if data.items is None else data.items.column_names
    words = any(name in there for name in TEXT_COLUMNS)
    return (WORDS,) * words + tuple(k for k in VECTOR_KINDS if vector_column(k) in there)


def content_graphs(data: TrainingSet, kinds: tuple[str, ...], neighbours: int) -> dict[str, Matrix]:
    """Find each item's nearest in each kind of content that the items have.

    Args:
        data: With the columns of ``COLUMNS`` that there are.
        kinds: Of ``KINDS``.
        neighbours: Kept an item; it also has those whose nearest it is.

    Returns:
        By kind, matrices of (items, items): what an item says for others. Rows sum to 1, but for
        items of which nothing is known; an item says nothing for itself.
    """
    found: dict[str, Matrix] = {}
    for kind in kinds:
        if kind == WORDS:
            words = item_words(data)
            if words.nnz:
                found[kind] = _graph(nearest_in_words(words, neighbours))
        elif (vectors := vectors_of(data.items, kind)) is not None:
            found[kind] = _graph(nearest_in_vectors(whitened(vectors), neighbours))
    return found


def nearest_in_words(words: Matrix, neighbours: int) -> Matrix:
    """Find the items with the most alike words, (items, items): cosines of rows of ``words``.

    In a large catalogue those are compared that share an item's rarest words, as many as are in
    ``REACH`` items together: without a bound all would be compared with all that are a shirt. Of
    100,000 simulated items .995 of the nearest 20 are found so; what they have in common is counted
    in full. Of 20,000 of them every word still counts.
    """
    telling = _telling(words)
    ones, most = np.ones(words.shape[0]), neighbours * (1 if telling is words else _COMPARED)
    found = nearest(telling.T.tocsr(), words.T.tocsr(), ones, most, _MAX_NUMBERS)
    return found if telling is words else _compared(words, found, neighbours)


def _telling(words: Matrix) -> Matrix:
    """Keep each item's rarest words, ``REACH`` items' worth, and the rarest one in any case."""
    items = np.bincount(words.indices, minlength=words.shape[1])[words.indices]
    row = np.repeat(np.arange(words.shape[0]), np.diff(words.indptr))
    order = np.lexsort((items, row))
    reached = np.cumsum(items[order])
    begins = words.indptr[:-1][row]
    before = np.where(begins > 0, reached[begins - 1], 0)
    kept = np.zeros(len(row), np.bool_)
    kept[order] = (reached - before <= REACH) | (np.arange(len(row)) == begins)
    if kept.all():
        return words
    parts = (words.data[kept], (row[kept], words.indices[kept]))
    return sparse.csr_matrix(parts, words.shape)


def _compared(words: Matrix, found: Matrix, neighbours: int) -> Matrix:
    """Compare pairs by all their words, and keep the nearest."""
    row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    for start in range(0, len(row), _PAIRS):
        block = slice(start, start + _PAIRS)
        both = words[row[block]].multiply(words[found.indices[block]])
        found.data[block] = np.asarray(both.sum(axis=1)).ravel()
    kept = largest(found, neighbours, 0)
    offsets = np.searchsorted(kept, found.indptr)
    return sparse.csr_matrix((found.data[kept], found.indices[kept], offsets), found.shape)


def nearest_in_vectors(vectors: Floats, neighbours: int) -> Matrix:
    """Find the items with the largest products, over 0, of unit vectors, (items, items).

    In a large catalogue items are put into groups of like ones, and compared with those of the
    nearest groups, ``VECTOR_REACH`` items at most, so that twice the items take twice as long.
    Zeros say nothing, and are compared with nothing.
    """
    num_items, known = len(vectors), np.flatnonzero(vectors.any(axis=1))
    given = vectors if len(known) == num_items else vectors[known]
    most = min(neighbours, len(known) - 1)
    row, item, value = [known[:0]], [known[:0]], [np.zeros(0, np.float32)]
    for rows, among in compared_with(given, VECTOR_REACH) if most > 0 else ():
        alike = given[rows] @ given[among].T
        alike[np.arange(len(rows)), np.searchsorted(among, rows)] = 0.0  # an item with itself
        kept = min(most, len(among) - 1)
        # Of 100,000 columns torch finds the largest 18 times as fast as numpy's argpartition.
        best, place = torch.from_numpy(alike).topk(kept, dim=1)
        row.append(np.repeat(known[rows], kept))
        item.append(known[among[place.numpy()]].ravel())
        value.append(np.maximum(best.numpy(), 0.0).ravel())
    parts = (np.concatenate(value), (np.concatenate(row), np.concatenate(item)))
    found = sparse.csr_matrix(parts, (num_items, num_items))
    found.eliminate_zeros()
    return found


def whitened(vectors: npt.ArrayLike, power: float = WHITENING) -> Floats:
    """Bring vectors to length 1 around their mean, wide components narrowed; zeros stay zeros."""
    given = np.asarray(vectors, np.float32)
    known = np.asarray(np.any(given, axis=1))
    if known.sum() < 2:
        return np.zeros_like(given)
    centred = (given - given[known].mean(axis=0)) * known[:, None]
    variance, axes = np.linalg.eigh((centred.T @ centred / known.sum()).astype(np.float64))
    kept = variance > max(variance.max(), 1e-12) * 1e-6
    spread = centred @ (axes[:, kept] * variance[kept] ** -power).astype(np.float32)
    length = np.linalg.norm(spread, axis=1, keepdims=True)
    return np.asarray(spread / np.maximum(length, 1e-9), np.float32)


def _graph(alike: Matrix) -> Matrix:
    """Sharpen likeness, both ways, and let each item's say add up to 1."""
    sharp = alike.power(SHARPNESS)
    both = sharp.maximum(sharp.T).tocsr()
    said = np.asarray(both.sum(axis=1)).ravel()
    whole = np.where(said > 0, said, 1.0)
    return (sparse.diags_array(1.0 / whole) @ both).tocsr().astype(np.float32)


def item_words(data: TrainingSet) -> Matrix:
    """Weigh the words of each item by tf-idf, rows of length 1, (items, words)."""
    there = [] if data.items is None else data.items.column_names
    columns = [data.item_column(name) for name in TEXT_COLUMNS if name in there]
    if not columns:
        return sparse.csr_matrix(np.zeros((data.num_items, 0), np.float32))
    return tf_idf(columns)
