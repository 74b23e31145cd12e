"""The closed-form half of a score: item-to-item weights from own entries and from friends'.

With the entries e of a shopper's history and of each friend's f::

    w_e = kind[kind_e] * (1 + age_e) ** -rate
    score_i = sum_e w_e own[item_e, i] + sum_f a_f sum_e w_e friend[item_e, i]
    a_f = 1 / (|friends| ** friend_power * W_f ** history_power),   W_f = sum_e w_e

A plain sum over entries, so every part of a score is known exactly. ``own`` and ``friend`` are
sparse: each item keeps the sources that say most about it.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.recommend.shoppers import Shoppers

Matrix = Any  # scipy.sparse.csr_matrix of doubles
PREFIX: Final = "linear."
_MATRICES: Final = ("own", "friend")
_FIELDS: Final = ("offsets", "items", "weights")
NAMES: Final = frozenset(
    {f"{PREFIX}{matrix}.{name}" for matrix in _MATRICES for name in _FIELDS}
    | {f"{PREFIX}{name}" for name in ("kind", "rate", "friend_power", "history_power")}
)
"""Its tensors in a release; a release has all of them or none."""


@dataclass(frozen=True, slots=True)
class InputWeights:
    """How much an entry of a history counts, and a friend."""

    kind: npt.NDArray[np.float64]
    """Shape (event kinds,)."""
    rate: float
    friend_power: float
    history_power: float

    def own(self, shoppers: Shoppers, num_items: int) -> Matrix:
        """w_e by shopper and item, shape (b, items)."""
        return self._entries(shoppers, num_items)[: len(shoppers)]

    def friends(self, shoppers: Shoppers, num_items: int) -> Matrix:
        """a_f w_e, added up by shopper and item, shape (b, items)."""
        return self._circles(shoppers) @ self._entries(shoppers, num_items)

    def of_entries(self, shoppers: Shoppers) -> npt.NDArray[np.float64]:
        """w_e, shape (entries,)."""
        histories = shoppers.histories
        decay = (1.0 + histories.age_days.astype(np.float64)) ** -self.rate
        return np.asarray(self.kind[histories.kind] * decay)

    def of_ties(self, shoppers: Shoppers) -> npt.NDArray[np.float64]:
        """a_f, shape (ties,); 0 for a friend without a history."""
        circles, offsets = shoppers.circles, shoppers.histories.offsets
        counts = np.diff(circles.offsets)
        cumulated = np.concatenate([[0.0], np.cumsum(self.of_entries(shoppers))])
        whole = (cumulated[offsets[1:]] - cumulated[offsets[:-1]])[circles.person]
        spread = np.repeat(counts.astype(np.float64) ** self.friend_power, counts)
        silent = np.diff(offsets)[circles.person] == 0
        return np.where(silent, 0.0, 1.0 / (spread * np.maximum(whole, 1e-9) ** self.history_power))

    def _entries(self, shoppers: Shoppers, num_items: int) -> Matrix:
        histories = shoppers.histories
        shape = (histories.num_people, num_items)
        parts = (self.of_entries(shoppers), histories.item_idx, histories.offsets)
        return sparse.csr_matrix(parts, shape)

    def _circles(self, shoppers: Shoppers) -> Matrix:
        circles = shoppers.circles
        shape = (len(shoppers), shoppers.histories.num_people)
        return sparse.csr_matrix((self.of_ties(shoppers), circles.person, circles.offsets), shape)


class LinearPart:
    """Item-to-item weights, at work. All sums are in double precision, row by row: a shopper's
    scores are the same in any batch."""

    def __init__(self, weights: InputWeights, own: Matrix, friend: Matrix):
        """Keep the weights and both matrices, source by target item, shape (items, items)."""
        self.weights = weights
        self._own, self._friend = own, friend
        self._by_target = {True: own.T.tocsr(), False: friend.T.tocsr()}

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return int(self._own.shape[0])

    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Of all items, shape (b, items), double precision."""
        own = self.weights.own(shoppers, self.num_items) @ self._own
        friends = self.weights.friends(shoppers, self.num_items) @ self._friend
        return torch.from_numpy((own + friends).toarray())

    def contributions(
        self, shoppers: Shoppers, entries: Ints, ties: Ints, items: Ints
    ) -> npt.NDArray[np.float64]:
        """What history entries add to some items' scores, shape (entries, items).

        Args:
            shoppers: The batch.
            entries: Rows of its histories, shape (n,).
            ties: The tie through which each counts, a row of its circles; -1 for own entries.
            items: Whose scores.
        """
        source = shoppers.histories.item_idx[entries]
        own = ties < 0
        weight = self.weights.of_entries(shoppers)[entries]
        weight[~own] *= self.weights.of_ties(shoppers)[ties[~own]]
        parts = np.empty((len(entries), len(items)))
        for is_own, matrix in self._by_target.items():
            rows = own == is_own
            parts[rows] = matrix[items].toarray().T[source[rows]]
        return np.asarray(parts * weight[:, None])

    def times(self, factor: float) -> "LinearPart":
        """The same with all scores multiplied."""
        return LinearPart(self.weights, self._own * factor, self._friend * factor)

    def tensors(self) -> dict[str, torch.Tensor]:
        """As a release keeps it."""
        weights = self.weights
        found = {
            "kind": torch.from_numpy(weights.kind),
            "rate": torch.tensor(weights.rate, dtype=torch.float64),
            "friend_power": torch.tensor(weights.friend_power, dtype=torch.float64),
            "history_power": torch.tensor(weights.history_power, dtype=torch.float64),
        }
        for name, matrix in zip(_MATRICES, (self._own, self._friend), strict=True):
            found[f"{name}.offsets"] = torch.from_numpy(matrix.indptr.astype(np.int64))
            found[f"{name}.items"] = torch.from_numpy(matrix.indices.astype(np.int32))
            found[f"{name}.weights"] = torch.from_numpy(matrix.data.astype(np.float32))
        return {f"{PREFIX}{name}": tensor for name, tensor in found.items()}

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], num_items: int) -> "LinearPart":
        """Back from ``tensors``.

        Raises:
            BadInputError: Tensors do not make matrices of this many items.
        """
        own, friend = (_matrix(tensors, name, num_items) for name in _MATRICES)
        weights = InputWeights(
            tensors[f"{PREFIX}kind"].double().numpy(),
            float(tensors[f"{PREFIX}rate"]),
            float(tensors[f"{PREFIX}friend_power"]),
            float(tensors[f"{PREFIX}history_power"]),
        )
        return cls(weights, own, friend)


def strongest(matrix: npt.NDArray[Any], most: int) -> Matrix:
    """Of each column of a dense matrix the entries largest in size, sparse, shape as given."""
    rows = matrix.shape[0]
    if most >= rows:
        return sparse.csc_matrix(matrix)
    kept = np.argpartition(-np.abs(matrix), most, axis=0)[:most]
    values = np.take_along_axis(matrix, kept, axis=0)
    bounds = np.arange(0, kept.size + 1, most)
    found = sparse.csc_matrix((values.ravel("F"), kept.ravel("F"), bounds), matrix.shape)
    found.eliminate_zeros()
    found.sort_indices()
    return found


def _matrix(tensors: dict[str, torch.Tensor], name: str, num_items: int) -> Matrix:
    offsets, items, weights = (tensors[f"{PREFIX}{name}.{field}"].numpy() for field in _FIELDS)
    fits = (
        offsets.shape == (num_items + 1,)
        and items.shape == weights.shape == (offsets[-1],)
        and offsets[0] == 0
        and bool((np.diff(offsets) >= 0).all())
        and (not len(items) or 0 <= items.min() <= items.max() < num_items)
    )
    if not fits:
        raise BadInputError(
            f"the weights {PREFIX}{name} are no matrix of {num_items} by {num_items} items: "
            "was this release made by another version?"
        )
    return sparse.csr_matrix((weights.astype(np.float64), items, offsets), (num_items, num_items))
