"""Who had to do with what, as a sparse matrix."""

import numpy as np
from scipy import sparse

from coterie.data.dataset import Interactions
from coterie.errors import BadInputError


def interaction_matrix(
    interactions: Interactions, num_users: int, num_items: int, binary: bool = True
) -> "sparse.csr_matrix[np.float32]":
    """Lay out users by items, (num_users, num_items), float32, sorted indices, no stored zeros.

    Args:
        interactions: In any order; events of all kinds count alike.
        num_users: Rows.
        num_items: Columns.
        binary: 1 where there is any event; otherwise the number of events.

    Raises:
        BadInputError: An event lies outside the shape.
    """
    check_rows("user", interactions.user_idx, num_users)
    check_rows("item", interactions.item_idx, num_items)
    ones = np.ones(len(interactions), np.float32)
    matrix = sparse.csr_matrix(
        (ones, (interactions.user_idx, interactions.item_idx)),
        shape=(num_users, num_items),
        dtype=np.float32,
    )
    matrix.sum_duplicates()
    if binary:
        matrix.data.fill(1.0)
    return matrix


def check_rows(what: str, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]", num: int) -> None:
    """Refuse rows that a matrix of ``num`` rows does not have.

    Raises:
        BadInputError: A row is negative or at least ``num``.
    """
    if len(rows) and (rows.min() < 0 or rows.max() >= num):
        worst = rows.max() if rows.max() >= num else rows.min()
        raise BadInputError(
            f"{what} row {int(worst)} is outside the graph's {num}: "
            "were rows and graph built from the same data?"
        )
