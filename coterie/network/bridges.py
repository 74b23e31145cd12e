"""Ties whose end would cut a network in two."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.network.people import Bools, Network


def bridges(network: Network, seed: int = 0) -> Bools:
    """Tell which pairs are bridges: without them, one part would be cut from the rest, shape (p,).

    Every pair outside a spanning tree gets a random label of 63 bits, and a pair of the tree the
    exclusive or of those whose circle it lies on: it is a bridge where that is 0, for it lies on
    none. Wrong with a chance of 2^-63 a pair (Pritchard and Thurimella, 2011).
    """
    n = network.num_people
    matrix = network.known(weighted=False)
    order, parent = _forest(matrix)
    above = parent[network.one] == network.other
    below = parent[network.other] == network.one
    outside = ~(above | below)
    labels = np.random.default_rng(seed).integers(1, 2**63, len(network.one), dtype=np.int64)
    held = np.zeros(n, np.int64)
    np.bitwise_xor.at(held, network.one[outside], labels[outside])
    np.bitwise_xor.at(held, network.other[outside], labels[outside])
    for level in _levels(order, parent):
        np.bitwise_xor.at(held, parent[level], held[level])
    child = np.where(above, network.one, network.other)
    return np.asarray(~outside & (held[child] == 0))


def _forest(matrix: "sparse.csr_matrix[np.float64]") -> tuple[Ints, Ints]:
    """Walk through all parts breadth first: people in that order, and whence each was reached.

    A further person, who knows one of each part, makes one tree of all; -1: reached from there.
    """
    n = matrix.shape[0]
    _, part = sparse.csgraph.connected_components(matrix, directed=False)
    _, first = np.unique(part, return_index=True)
    indices = np.concatenate([matrix.indices, first])
    offsets = np.concatenate([matrix.indptr, [len(indices)]])
    ones = np.ones(len(indices), np.int8)
    wider = sparse.csr_matrix((ones, indices, offsets), shape=(n + 1, n + 1))
    order, parent = sparse.csgraph.breadth_first_order(wider, n, directed=True)
    reached = parent[:n].astype(np.int64)
    return order[1:].astype(np.int64), np.where(reached == n, -1, reached)


def _levels(order: Ints, parent: Ints) -> "list[npt.NDArray[np.int64]]":
    """Cut the order into levels, the deepest first, without the roots."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    above = np.where(parent[order] >= 0, rank[parent[order]], -1)
    ends = [int((above < 0).sum())]
    start = 0
    found = []
    while ends[-1] < len(order):
        # Of a walk breadth first, the ranks of parents never fall.
        end = int(np.searchsorted(above, ends[-1], side="left"))
        start = ends[-1]
        found.append(order[start:end])
        ends.append(end)
    return found[::-1]
