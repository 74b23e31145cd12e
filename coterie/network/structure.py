"""Where people stand in a network: PageRank, core number, reciprocity."""

import numpy as np

from coterie.data.dataset import Floats, Ints
from coterie.network.library import as_graph, kit
from coterie.network.people import Doubles, Network

_DAMPING = 0.85
_ROUNDS = 100
_PRECISION = 1e-8


def pagerank(network: Network, weighted: bool = True) -> Doubles:
    """Compute PageRank along ties, from follower to followee: shape (num_people,), sums to 1.

    Who follows nobody passes their share on to all alike. By power iteration until a round changes
    less than 1e-8 in all, after Page et al. (1999).
    """
    matrix = network.following(weighted)
    n = network.num_people
    out = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, out, out=np.zeros(n), where=out > 0)
    back = matrix.T.tocsr()
    rank = np.full(n, 1.0 / n)
    for _ in range(_ROUNDS):
        idle = rank[out == 0].sum()
        after = _DAMPING * (back @ (rank * scale) + idle / n) + (1 - _DAMPING) / n
        change = np.abs(after - rank).sum()
        rank = after
        if change < _PRECISION:
            break
    found: Doubles = rank / rank.sum()
    return found


def core_numbers(network: Network) -> Ints:
    """Compute the largest k for which each one is in the k-core, shape (num_people,).

    The k-core is what is left when people with fewer than k acquaintances are taken out, over and
    over (Seidman, 1983).
    """
    cores = kit().centrality.CoreDecomposition(as_graph(network, weighted=False)).run().scores()
    return np.asarray(cores, dtype=np.float64).astype(np.int64)


def strengths(network: Network) -> Floats:
    """Sum the weights of everybody's undirected ties, shape (num_people,)."""
    n = network.num_people
    weight = network.weight.astype(np.float64)
    total = np.bincount(network.one, weight, n) + np.bincount(network.other, weight, n)
    return total.astype(np.float32)
