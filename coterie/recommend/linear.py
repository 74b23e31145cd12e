"""The closed-form half of a score: item-to-item weights from own entries and friends'.

Weights are of low rank, plus some of each item's nearest for own entries.

With the entries e of a shopper's history and of each friend f's::

    w_e = s_e kind[kind_e] * (1 + age_e) ** -rate
    a_f = 1 / (|friends| ** friend_power * W_f ** history_power),   W_f = sum_e |w_e|
    s   = sum_e w_e own[item_e] + sum_f a_f sum_e w_e friend[item_e]
    score_i = s . out[i] + sum_e w_e near[item_e, i]
              - w_i own[i] . out[i]   where the shopper's own history holds i

where s_e is 1, and minus the weight of a dislike for an entry that speaks against its item.
No item speaks for itself (it was fitted to rebuild what it sees). A plain sum over entries, so
every part of a score is known exactly.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.recommend.encoder import of_all_kinds
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Asked, Query, Sources, TermContributions

Matrix = Any  # scipy.sparse.csr_matrix of doubles
DISLIKE_WEIGHT: Final = "dislike_weight"
"""Name of a release's tensor: both halves have one weight."""
PREFIX: Final = "linear."
VECTORS: Final = ("own", "friend", "out")
_NEAR: Final = ("near", "near_item", "near_offsets")
_POWERS: Final = ("rate", "friend_power", "history_power")
NAMES: Final = frozenset(f"{PREFIX}{name}" for name in (*VECTORS, *_NEAR, "kind", *_POWERS))
"""Its tensors in a release; a release has all of them or none."""


@dataclass(frozen=True, slots=True)
class InputWeights:
    """How much an entry of a history counts, and a friend."""

    kind: npt.NDArray[np.float64]
    """Shape (event kinds,)."""
    rate: float
    friend_power: float
    history_power: float
    dislike_weight: float = 0.0
    """What an entry that speaks against its item takes away, of what it would have added."""

    def own(self, shoppers: Shoppers, num_items: int) -> Matrix:
        """Sum own weights w_e by shopper and item, shape (b, items)."""
        return self._entries(shoppers, num_items)[: len(shoppers)]

    def friends(self, shoppers: Shoppers, num_items: int) -> Matrix:
        """Sum friends' weights a_f w_e by shopper and item, shape (b, items)."""
        ties, entries = self.friends_in_two(shoppers, num_items)
        return ties @ entries

    def friends_in_two(self, shoppers: Shoppers, num_items: int) -> tuple[Matrix, Matrix]:
        """Lay out a_f by shopper and person, (b, people), and w_e by person and item.

        Their product is ``friends``; it has as many entries as all friends' histories together.
        """
        return self._ties(shoppers), self._entries(shoppers, num_items)

    def of_entries(self, shoppers: Shoppers) -> npt.NDArray[np.float64]:
        """Compute w_e, the signed weights of history entries, shape (entries,)."""
        histories = shoppers.histories
        decay = (1.0 + histories.age_days.astype(np.float64)) ** -self.rate
        return np.asarray(self.kind[histories.kind] * decay * histories.signs(self.dislike_weight))

    def of_ties(self, shoppers: Shoppers) -> npt.NDArray[np.float64]:
        """Compute a_f, the weights of friends, shape (ties,); 0 for one without a history."""
        friends, offsets = shoppers.friends, shoppers.histories.offsets
        counts = np.diff(friends.offsets)
        person = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        sizes = np.abs(self.of_entries(shoppers))
        whole = np.bincount(person, sizes, len(offsets) - 1)[friends.person]
        spread = np.repeat(counts.astype(np.float64) ** self.friend_power, counts)
        return np.where(
            whole > 0, 1.0 / (spread * np.maximum(whole, 1e-9) ** self.history_power), 0.0
        )

    def _entries(self, shoppers: Shoppers, num_items: int) -> Matrix:
        histories = shoppers.histories
        shape = (histories.num_people, num_items)
        parts = (self.of_entries(shoppers), histories.item_idx, histories.offsets)
        return sparse.csr_matrix(parts, shape)

    def _ties(self, shoppers: Shoppers) -> Matrix:
        friends = shoppers.friends
        shape = (len(shoppers), shoppers.histories.num_people)
        return sparse.csr_matrix((self.of_ties(shoppers), friends.person, friends.offsets), shape)


@dataclass(frozen=True, slots=True)
class LinearPart:
    """The closed form as a term of a score (``terms.ScoreTerm``); its vectors have shape
    (items, rank), in double precision."""

    names: ClassVar[frozenset[str]] = NAMES

    weights: InputWeights
    own: torch.Tensor
    friend: torch.Tensor
    out: torch.Tensor
    near: Matrix
    """Own item by answer, (items, items)."""
    itself: Matrix = field(init=False)
    """What an item's vectors say for itself, a diagonal: to sum it up takes longer than a list."""

    def __post_init__(self) -> None:
        itself = sparse.diags_array((self.own * self.out).sum(1).numpy()).tocsr()
        object.__setattr__(self, "itself", itself)

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm."""
        return self.out

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        return Query(self.states(asked.shoppers), self.direct(asked.shoppers))

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        parts = self.contributions(asked.shoppers, sources.entries, sources.ties, items.numpy())
        return TermContributions(parts)

    def states(self, shoppers: Shoppers) -> torch.Tensor:
        """Compute s, shape (b, rank), summed row by row: so the same in any batch."""
        num_items = len(self.out)
        own = self.weights.own(shoppers, num_items) @ self.own.numpy()
        friends = self.weights.friends(shoppers, num_items) @ self.friend.numpy()
        return torch.from_numpy(own + friends)

    def direct(self, shoppers: Shoppers) -> torch.Tensor:
        """Score items by what own entries say beside their vectors, shape (b, items)."""
        own = self.weights.own(shoppers, len(self.out))
        return torch.from_numpy((own @ self.near - own @ self.itself).toarray())

    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Score all items, shape (b, items)."""
        return self.states(shoppers) @ self.out.T + self.direct(shoppers)

    def contributions(
        self, shoppers: Shoppers, entries: Ints, ties: Ints, items: Ints
    ) -> npt.NDArray[np.float64]:
        """Compute what history entries add to some items' scores, shape (entries, items).

        Args:
            shoppers: The batch.
            entries: Rows of its histories, shape (n,).
            ties: The tie through which each counts, a row of its friends; -1 for own entries.
            items: Whose scores.
        """
        source = torch.from_numpy(shoppers.histories.item_idx[entries])
        is_own = ties < 0
        weight = self.weights.of_entries(shoppers)[entries]
        weight[~is_own] *= self.weights.of_ties(shoppers)[ties[~is_own]]
        vectors = torch.where(
            torch.from_numpy(is_own)[:, None], self.own[source], self.friend[source]
        )
        parts: npt.NDArray[np.float64] = (vectors @ self.out[torch.from_numpy(items)].T).numpy()
        parts[is_own] += self.near[source.numpy()[is_own]][:, items].toarray()
        parts[is_own[:, None] & (source.numpy()[:, None] == items)] = 0.0
        return np.asarray(parts * weight[:, None])

    def times(self, factor: float) -> "LinearPart":
        """Multiply all scores by a factor."""
        return replace(self, out=self.out * factor, near=self.near * factor)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Name the tensors that a release keeps of it."""
        found = {name: getattr(self, name).float() for name in VECTORS}
        found["near"] = torch.from_numpy(self.near.data).float()
        found["near_item"] = torch.from_numpy(self.near.indices).int()
        found["near_offsets"] = torch.from_numpy(self.near.indptr).long()
        found["kind"] = torch.from_numpy(self.weights.kind)
        found |= {
            name: torch.tensor(getattr(self.weights, name), dtype=torch.float64) for name in _POWERS
        }
        return {f"{PREFIX}{name}": tensor for name, tensor in found.items()}

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], num_items: int) -> "LinearPart":
        """Read the closed form back from a release's tensors.

        Raises:
            BadInputError: Their shapes do not fit this many items.
        """
        vectors = [tensors[f"{PREFIX}{name}"].double() for name in VECTORS]
        shapes = {tuple(vector.shape) for vector in vectors}
        if len(shapes) > 1 or not all(len(s) == 2 and s[0] == num_items for s in shapes):
            raise BadInputError(
                f"the closed form's vectors have shapes {sorted(shapes)}, expected one shape with "
                f"{num_items} rows: was this release made by another version?"
            )
        weight, item, offsets = (tensors[f"{PREFIX}{name}"].numpy() for name in _NEAR)
        near = near_matrix(num_items, weight, item, offsets)
        kind = of_all_kinds(tensors[f"{PREFIX}kind"].double(), loudest=1.0).numpy()
        rate, friend_power, history_power = (float(tensors[f"{PREFIX}{n}"]) for n in _POWERS)
        dislike_weight = float(tensors.get(DISLIKE_WEIGHT, 0.0))
        weights = InputWeights(kind, rate, friend_power, history_power, dislike_weight)
        own, friend, out = vectors
        return cls(weights, own, friend, out, near)


def near_matrix(
    num_items: int,
    weight: npt.NDArray[Any],
    item: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    kinds: int = 1,
) -> Matrix:
    """Make a matrix of each item's nearest, (kinds x items, items); ``offsets`` bound its rows.

    Raises:
        BadInputError: They do not fit each other, or an item is none of the catalogue's.
    """
    rows = kinds * num_items
    flat = weight.shape == item.shape == (item.size,) and offsets.shape == (rows + 1,)
    if not flat or offsets[0] != 0 or offsets[-1] != item.size or np.diff(offsets).min() < 0:
        raise BadInputError(
            f"nearest items of a term have shapes {weight.shape}, {item.shape} and "
            f"{offsets.shape}, expected {num_items} rows one after the other"
            f"{f', {kinds} times' if kinds > 1 else ''}: was this release made by another version?"
        )
    low, high = item.min(initial=0), item.max(initial=0)
    if not 0 <= low <= high < num_items:
        raise BadInputError(
            f"nearest items of a term are rows {low} to {high}, "
            f"expected 0 to {num_items - 1}: make the release again"
        )
    return sparse.csr_matrix((weight.astype(np.float64), item, offsets), (rows, num_items))
