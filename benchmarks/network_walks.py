"""People suggested by random walks with restart, of whom nobody was asked: for measurements alone.

What a shopper is shown is ``serving.lists.acquaintances``, where both sides agree (ADR 76).
"""

import numpy as np
from scipy import sparse

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.graph.interactions import check_rows
from coterie.graph.ties import tie_matrix
from coterie.network.walks import steps_of, walk_scores

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
