"""Ridge regression in its dual form, of low rank: the numerics of ``social_linear``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from coterie.graph.ties import to_tensor

Product = Callable[[torch.Tensor], torch.Tensor]


class Inputs:
    """What people had, as a product of sparse matrices that is never multiplied out."""

    def __init__(self, device: torch.device | str, *parts: Any):
        self.shape = (parts[0].shape[0], parts[-1].shape[1])
        self.device = device
        # Where nobody knows anybody: a GPU takes no sparse matrix without entries.
        self._nothing = any(part.nnz == 0 for part in parts)
        some = () if self._nothing else parts
        self._rows = [to_tensor(part, layout="csr").to(device) for part in some]
        self._turned = [to_tensor(part.T.tocsr(), layout="csr").to(device) for part in some]

    def of_people(self, v: torch.Tensor) -> torch.Tensor:
        """Multiply vectors by the matrix: shape (items, n) to (people, n)."""
        if self._nothing:
            return v.new_zeros(self.shape[0], v.shape[1])
        for part in reversed(self._rows):
            v = part @ v
        return v

    def of_items(self, v: torch.Tensor) -> torch.Tensor:
        """Multiply vectors by its transpose: shape (people, n) to (items, n)."""
        if self._nothing:
            return v.new_zeros(self.shape[1], v.shape[1])
        for part in self._turned:
            v = part @ v
        return v


@dataclass(frozen=True, slots=True)
class Solved:
    """The scaled problem's solution: vectors of shape (items, rank)."""

    own: torch.Tensor
    friend: torch.Tensor
    out: torch.Tensor
    left: float
    """c: what X' Y counts beside them."""


def solve(
    x: Inputs,
    f: Inputs,
    answers: Inputs,
    *,
    l2: float,
    tau: float,
    rank: int,
    residual_weight: float,
    iterations: int,
    seed: int,
) -> Solved:
    """Solve the dual problem in its largest directions, as ``social_linear``'s formulas have it.

    Args:
        x: Own inputs, shape (people, items), rows and columns weighted.
        f: Friends' inputs, likewise, multiplied by sqrt(g).
        answers: What is to be rebuilt, likewise.
        l2: Regularisation, over 0.
        tau: How far own and friends' weights of an item resemble each other, 0 to 1.
        rank: Directions that are kept.
        residual_weight: What the others count, of the least that is kept.
        iterations: Passes of the subspace iteration.
        seed: Of its start.
    """

    def kernel(v: torch.Tensor) -> torch.Tensor:
        """Compute W^.5 K W^.5 v: from shoppers to items, and back."""
        from_x, from_f = x.of_items(v), f.of_items(v)
        return x.of_people(from_x + tau * from_f) + f.of_people(from_f + tau * from_x)

    size, rng = x.shape[0], torch.Generator().manual_seed(seed)
    start = torch.randn(size, min(size, rank + max(16, rank // 2)), generator=rng)
    values, basis = _largest_eigenpairs(kernel, start.to(x.device), rank, iterations)
    inverse = 1.0 / (values.clamp_min(0.0) + l2)
    # Whatever has no direction left beyond the basis has nothing to be flat.
    left = residual_weight * inverse[0] if rank < size else inverse.new_zeros(())
    from_x, from_f = x.of_items(basis), f.of_items(basis)
    own = from_x * (inverse - left) + tau * from_f * inverse
    friend = (from_f + tau * from_x) * inverse
    return Solved(own, friend, answers.of_items(basis), float(left))


def _largest_eigenpairs(
    product: Product, start: torch.Tensor, rank: int, iterations: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the largest eigenvalues of a symmetric matrix, shape (rank,), and their vectors.

    By randomised subspace iteration (Halko, Martinsson and Tropp, 2011, arXiv:0909.4061).
    """
    basis = torch.linalg.qr(start)[0]
    for _ in range(iterations):
        basis = torch.linalg.qr(product(basis))[0]
    values, within = torch.linalg.eigh((basis.T @ product(basis)).double())
    return values[-rank:].float(), basis @ within[:, -rank:].float()
