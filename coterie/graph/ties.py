"""Who knows whom, as sparse matrices and tensors."""

import warnings
from typing import Literal

import numpy as np
import torch
from scipy import sparse

from coterie.data.dataset import Ties
from coterie.graph.interactions import check_rows


def tie_matrix(
    ties: Ties, num_users: int, undirected: bool = False, weighted: bool = True
) -> "sparse.csr_matrix[np.float32]":
    """Lay out ties by follower and followee, (num_users, num_users), float32, no diagonal.

    Args:
        ties: Directed; a pair tied in several ways has the sum of their weights.
        num_users: Rows and columns.
        undirected: Each tie counts both ways, with the larger weight of the two.
        weighted: The ties' weights; otherwise 1 where there is a tie.

    Raises:
        BadInputError: A tie names a user outside the matrix.
    """
    check_rows("follower", ties.src_idx, num_users)
    check_rows("followee", ties.dst_idx, num_users)
    other = ties.src_idx != ties.dst_idx
    matrix = sparse.csr_matrix(
        (ties.weight[other], (ties.src_idx[other], ties.dst_idx[other])),
        shape=(num_users, num_users),
        dtype=np.float32,
    )
    matrix.sum_duplicates()
    if not weighted:
        matrix.data.fill(1.0)
    if undirected:
        matrix = sparse.csr_matrix(matrix.maximum(matrix.T))
        matrix.sort_indices()
    return matrix


def tie_tensor(
    ties: Ties,
    num_users: int,
    undirected: bool = False,
    weighted: bool = True,
    layout: Literal["coo", "csr"] = "coo",
) -> torch.Tensor:
    """Make ``tie_matrix``'s answer a torch sparse tensor, coalesced, float32."""
    return to_tensor(tie_matrix(ties, num_users, undirected, weighted), layout)


def to_tensor(
    matrix: "sparse.csr_matrix[np.float32]", layout: Literal["coo", "csr"] = "coo"
) -> torch.Tensor:
    """Convert a sparse matrix to a torch sparse tensor of the same shape, float32."""
    values = torch.from_numpy(matrix.data.astype(np.float32))
    shape = (int(matrix.shape[0]), int(matrix.shape[1]))
    columns = torch.from_numpy(matrix.indices.astype(np.int64))
    if layout == "csr":
        bounds = torch.from_numpy(matrix.indptr.astype(np.int64))
        with warnings.catch_warnings():
            # torch says once a process that CSR is in beta; what is used of it here is tested.
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(bounds, columns, values, shape, check_invariants=True)
    rows = torch.from_numpy(np.repeat(np.arange(shape[0]), np.diff(matrix.indptr)))
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, shape, is_coalesced=True, check_invariants=True
    )
