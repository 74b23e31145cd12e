"""How often random walks with restart along ties come from one person to another."""

import numpy as np
from scipy import sparse

from coterie.data.dataset import Ints, Ties
from coterie.graph.ties import tie_matrix

_RESTART = 0.3
_STEPS = 3
_LEAST = 1e-5
"""Chances that are followed no further: they bound what hubs cost."""


def steps_of(ties: Ties, num_users: int) -> "sparse.csr_matrix[np.float64]":
    """Lay out the chances of a step from each person to another, in either direction of a tie."""
    known = tie_matrix(ties, num_users, undirected=True).astype(np.float64)
    known.data = np.log1p(known.data)
    total = np.asarray(known.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros(num_users), where=total > 0)
    return sparse.csr_matrix(sparse.diags_array(scale) @ known)


def walk_scores(
    walk: "sparse.csr_matrix[np.float64]", users: Ints, steps: int = _STEPS
) -> "sparse.csr_matrix[np.float64]":
    """Follow walks with restart from some users, shape (len(users), people), pruned."""
    n = walk.shape[0]
    ones, rows = np.ones(len(users)), np.arange(len(users))
    at = sparse.csr_matrix((ones, (rows, users)), shape=(len(users), n))
    total = at * _RESTART
    for _ in range(steps):
        at = sparse.csr_matrix(at @ walk) * (1 - _RESTART)
        at.data[at.data < _LEAST] = 0.0
        at.eliminate_zeros()
        total = total + at * _RESTART
    return sparse.csr_matrix(total)
