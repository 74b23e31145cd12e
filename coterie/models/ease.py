"""EASE (Steck, 2019, arXiv:1905.03375): the item-to-item weights that best rebuild each row."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg import lapack

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.models.space import LogUniform, Tuning
from coterie.progress import Progress, silent

Dense = npt.NDArray[Any]  # double where that is affordable, else single


@dataclass(frozen=True, slots=True)
class EASEConfig:
    """Its one strength of regularisation, and how big a matrix may be inverted."""

    l2: float = 300.0
    max_side: int = 25_000
    """Rows of the largest matrix to invert, min(users, items): 25,000 take 2.5 GB and minutes."""

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise BadInputError(f"l2 must be over 0, found {self.l2}")


class EASE:
    """Scores are ``x - (x P) / diag(P)`` with ``P = (X'X + l2 I)^-1``, for a shopper's row x.

    P is items x items. Where there are fewer users than items it is never made:
    ``P = (I - X'KX) / l2`` with ``K = (XX' + l2 I)^-1``, users x users (Woodbury), is the same.
    """

    name: ClassVar[str] = "ease"
    label: ClassVar[str] = "EASE"
    config_class: ClassVar[type[EASEConfig]] = EASEConfig
    tuning: ClassVar[Tuning] = Tuning({"l2": LogUniform(10.0, 3000.0)})
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: EASEConfig = EASEConfig()):
        self.config = config
        self._had = sp.csr_matrix(np.zeros((0, 0), np.float32))
        self._learned_from = self._had
        self._inverse: Dense = np.zeros((0, 0), np.float32)
        self._diagonal: Dense = np.zeros(0, np.float32)
        self._by_users = False

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:  # noqa: ARG002
        """Invert the smaller of the two Gram matrices.

        Raises:
            BadInputError: Nothing to learn from, or a matrix over ``max_side``.
        """
        had = engagement(data)
        side = min(had.shape)
        if side > self.config.max_side:
            raise BadInputError(
                f"EASE would invert a matrix of {side} rows, allowed are {self.config.max_side}: "
                "raise max_side if memory allows it, or use item_knn"
            )
        self._by_users = had.shape[0] < had.shape[1]
        self._inverse = _inverse_gram(had.T.tocsr() if self._by_users else had, self.config.l2)
        self._diagonal = self._diagonal_of_p(had)
        self._had = self._learned_from = had

    def _diagonal_of_p(self, had: sp.csr_matrix) -> Dense:
        if not self._by_users:
            return np.diagonal(self._inverse).copy()
        explained = np.asarray(had.multiply(self._inverse @ had).sum(axis=0)).ravel()
        return np.asarray((1.0 - explained) / self.config.l2)

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        check_users(np.zeros(0, np.int64), self._had.shape[0])
        self._had = engagement(data)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._had.shape[0])
        rows = self._had[user_idx]
        if self._by_users:
            through = (rows @ self._learned_from.T).toarray() @ self._inverse
            projected = (rows.toarray() - through @ self._learned_from) / self.config.l2
        else:
            projected = rows @ self._inverse
        return np.asarray(rows.toarray() - projected / self._diagonal, np.float32)


def _inverse_gram(rows: sp.csr_matrix, l2: float) -> Dense:
    """Compute ``(R'R + l2 I)^-1`` in place: beside the result nothing of its size is kept.

    Single precision above 8,000 columns, where double would double gigabytes and minutes.
    """
    exact = rows.shape[1] <= 8_000
    gram: Dense = np.asfortranarray((rows.T @ rows).toarray(), np.float64 if exact else np.float32)
    np.einsum("ii->i", gram)[:] += l2
    factor, invert = (lapack.dpotrf, lapack.dpotri) if exact else (lapack.spotrf, lapack.spotri)
    triangle, failed = factor(gram, lower=True, overwrite_a=True, clean=False)
    if failed:
        raise BadInputError(f"the matrix is not positive definite with l2={l2}: use a higher one")
    inverse, _ = invert(triangle, lower=True, overwrite_c=True)
    _mirror(inverse)
    return np.asarray(inverse.T)  # symmetric, so the transpose is itself, in C order


def _mirror(lower: Dense) -> None:
    """Fill the upper triangle from the lower one, which is all that LAPACK writes."""
    for start in range(0, len(lower), 1024):
        stop = min(start + 1024, len(lower))
        corner = np.tril(lower[start:stop, start:stop])
        lower[start:stop, start:stop] = corner + np.tril(corner, -1).T
        lower[start:stop, stop:] = lower[stop:, start:stop].T
