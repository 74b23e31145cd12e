"""Whether people who know each other are alike: in degree, in what they take, in category."""

import numpy as np
from scipy import sparse

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.polarity import turned_down
from coterie.graph.interactions import interaction_matrix
from coterie.network.people import Doubles, Network

_CHUNK = 200_000
_PAIRS = 1_000_000


def by_degree(network: Network) -> float:
    """Correlate the degrees of both ends of a tie (Newman, 2002); nan where all are alike."""
    degree = network.degree.astype(np.float64)
    left = np.concatenate([degree[network.one], degree[network.other]])
    right = np.concatenate([degree[network.other], degree[network.one]])
    left, right = left - left.mean(), right - right.mean()
    spread = float(left @ left)
    return float(left @ right) / spread if spread > 0 else float("nan")


def by_group(network: Network, group: Ints) -> float:
    """Compare ties within groups with what chance would give (Newman, 2003): 1, all are within.

    Args:
        network: Its undirected pairs.
        group: Of each person, from 0; -1: unknown, such pairs are left out. Shape (num_people,).
    """
    one, other = group[network.one], group[network.other]
    known = (one >= 0) & (other >= 0)
    one, other = one[known], other[known]
    if not len(one):
        return float("nan")
    ends = np.bincount(np.concatenate([one, other])) / (2 * len(one))
    chance = float(ends @ ends)
    return (float((one == other).mean()) - chance) / (1 - chance) if chance < 1 else float("nan")


def by_taste(network: Network, taste: "sparse.csr_matrix[np.float64]", seed: int = 0) -> float:
    """Correlate the tastes of both ends of a tie, as vectors.

    The mean product over ties less that of ends drawn apart, over the mean square less the same:
    Newman's coefficient for numbers, with products of vectors. At most a million ties are drawn.

    Args:
        network: Its undirected pairs.
        taste: Rows of length 1, or of 0 where nothing is known: such pairs are left out.
        seed: Of the draw.
    """
    has = np.diff(taste.indptr) > 0
    pairs = np.flatnonzero(has[network.one] & has[network.other])
    if not len(pairs):
        return float("nan")
    pairs = np.random.default_rng(seed).permutation(pairs)[:_PAIRS]
    one, other = network.one[pairs], network.other[pairs]
    mean = float(np.mean(_products(taste, one, other)))
    ends = np.bincount(np.concatenate([one, other]), minlength=network.num_people)
    centre = np.asarray((ends / ends.sum()) @ taste).ravel()
    chance = float(centre @ centre)
    return (mean - chance) / (1 - chance) if chance < 1 else float("nan")


def _products(taste: "sparse.csr_matrix[np.float64]", one: Ints, other: Ints) -> Doubles:
    found = [
        np.asarray(
            taste[one[at : at + _CHUNK]].multiply(taste[other[at : at + _CHUNK]]).sum(axis=1)
        ).ravel()
        for at in range(0, len(one), _CHUNK)
    ]
    return np.concatenate(found)


def item_tastes(data: TrainingSet) -> "sparse.csr_matrix[np.float64]":
    """Lay out what people took and did not turn down, rare items more, rows of length 1."""
    events = data.interactions.take(~turned_down(data.interactions))
    items = interaction_matrix(events, data.num_users, data.num_items).astype(np.float64)
    fame = np.bincount(items.indices, minlength=data.num_items)
    rare = np.log((1 + data.num_users) / (1 + fame))
    return _unit(sparse.csr_matrix(items @ sparse.diags_array(rare)))


def category_tastes(
    tastes: "sparse.csr_matrix[np.float64]", category: Ints
) -> "sparse.csr_matrix[np.float64]":
    """Count what people took by category, rows of length 1; ``category`` is of each item."""
    num = int(category.max(initial=-1)) + 1
    known = np.flatnonzero(category >= 0)
    of = sparse.csr_matrix(
        (np.ones(len(known)), (known, category[known])), shape=(len(category), max(num, 1))
    )
    return _unit(sparse.csr_matrix(_ones(tastes) @ of))


def favourites(categories: "sparse.csr_matrix[np.float64]") -> Ints:
    """Find each one's most frequent category; -1 where none is known, shape (num_people,)."""
    found = np.asarray(categories.argmax(axis=1)).ravel().astype(np.int64)
    return np.where(np.diff(categories.indptr) > 0, found, -1)


def _unit(matrix: "sparse.csr_matrix[np.float64]") -> "sparse.csr_matrix[np.float64]":
    length: Floats = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros(len(length)), where=length > 0)
    found = sparse.csr_matrix(sparse.diags_array(scale) @ matrix)
    found.eliminate_zeros()
    return found


def _ones(matrix: "sparse.csr_matrix[np.float64]") -> "sparse.csr_matrix[np.float64]":
    found = matrix.copy()
    found.data = np.ones_like(found.data)
    return found
