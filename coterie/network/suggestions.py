"""People whom one may know: random walks with restart along ties."""

import numpy as np
from scipy import sparse

from coterie.data.dataset import Floats, Ints, Ties, TrainingSet
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.graph.interactions import check_rows
from coterie.graph.ties import tie_matrix

_RESTART = 0.3
_STEPS = 3
_LEAST = 1e-5
"""Chances that are followed no further: they bound what hubs cost."""
_BATCH = 512


def suggest(data: TrainingSet, users: Ints, k: int = 10) -> tuple[Ints, Floats]:
    """Suggest people whom users may know and do not follow yet.

    Args:
        data: Its ties; whom nobody may use stands in none.
        users: Rows, shape (u,).
        k: Suggestions a user.

    Returns:
        Rows of people and their scores, best first, shapes (u, k): -1 and 0 pad where fewer are
        within three steps. A score is how often a random walk that returns to the user with a
        chance of 0.3 a step is found there (Tong et al., 2006).

    Who is suggested to whom is not asked for their consent here.

    Raises:
        BadInputError: A user is outside the data, or k is under 1.
    """
    if k < 1:
        raise BadInputError(f"suggest at least one person, got k={k}")
    check_rows("user", users, data.num_users)
    walk = steps_of(data.ties, data.num_users)
    followed = tie_matrix(data.ties, data.num_users, weighted=False)
    people = np.full((len(users), k), -1, np.int64)
    scores = np.zeros((len(users), k), np.float32)
    for at in range(0, len(users), _BATCH):
        some = users[at : at + _BATCH]
        found = without(walk_scores(walk, some), some, followed)
        people[at : at + _BATCH], scores[at : at + _BATCH] = best(found, k)
    return people, scores


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


def without(
    found: "sparse.csr_matrix[np.float64]", users: Ints, followed: "sparse.csr_matrix[np.float32]"
) -> "sparse.csr_matrix[np.float64]":
    """Leave out oneself and whom one follows."""
    n = found.shape[1]
    row = np.repeat(np.arange(len(users), dtype=np.int64), np.diff(found.indptr))
    theirs = followed[users]
    had_row = np.repeat(np.arange(len(users), dtype=np.int64), np.diff(theirs.indptr))
    had = had_row * n + theirs.indices
    kept = ~np.isin(row * n + found.indices, had) & (found.indices != users[row])
    offsets = Ragged(found.indptr.astype(np.int64)).where(kept).offsets
    return sparse.csr_matrix((found.data[kept], found.indices[kept], offsets), shape=found.shape)


def best(found: "sparse.csr_matrix[np.float64]", k: int) -> tuple[Ints, Floats]:
    """Take the k largest entries of each row, the lower column first of equal ones."""
    rows = found.shape[0]
    row = np.repeat(np.arange(rows), np.diff(found.indptr))
    order = np.lexsort((found.indices, -found.data, row))
    ranked = Ragged(found.indptr.astype(np.int64))
    position = ranked.position
    kept = position < k
    people = np.full((rows, k), -1, np.int64)
    scores = np.zeros((rows, k), np.float32)
    people[row[kept], position[kept]] = found.indices[order][kept]
    scores[row[kept], position[kept]] = found.data[order][kept]
    return people, scores
