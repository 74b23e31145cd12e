"""The closed-form half of a score: item-to-item weights from own entries and friends'.

Weights are of low rank, plus some of each item's nearest for own entries.

With the entries e of a shopper's history and of each friend f's::

    w_e = s_e kind[kind_e] * (1 + age_e) ** -rate
    a_f = 1 / (|friends| ** friend_power * max(W_f, least) ** history_power),  W_f = sum_e |w_e|
    s   = sum_e w_e own[item_e] + sum_f a_f sum_e w_e friend[item_e]
    score_i = s . out[i] + sum_e w_e near[item_e, i]
              - w_i own[i] . out[i]   where the shopper's own history holds i

where s_e is 1, and minus the weight of a dislike for an entry that speaks against its item.
No item speaks for itself (it was fitted to rebuild what it sees). A plain sum over entries, so
every part of a score is known exactly.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.errors import BadInputError
from coterie.recommend.encoder import of_all_kinds
from coterie.recommend.nearest import NearScores, among
from coterie.recommend.shoppers import Shoppers, SourceRows
from coterie.recommend.source_items import SourceItems
from coterie.recommend.terms import Asked, Query, Sources, TermContributions, all_scores
from coterie.recommend.weighing import Doubles

Matrix = Any  # scipy.sparse.csr_matrix of doubles
DISLIKE_WEIGHT: Final = "dislike_weight"
"""Name of a release's tensor: both halves have one weight."""
LEAST_FRIEND: Final = "least_friend_history"
"""Likewise."""
PREFIX: Final = "linear."
VECTORS: Final = ("own", "friend", "out")
_FRIEND: Final = f"{PREFIX}friend"
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
    least_friend: float = 0.0
    """What a friend's history weighs at least, W_f."""

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

    def of_ties(self, shoppers: Shoppers, of_entries: Doubles) -> Doubles:
        """Compute a_f, the weights of friends, shape (ties,); 0 for one without a history.

        Args:
            shoppers: Whose.
            of_entries: The weights of their entries.
        """
        friends, offsets = shoppers.friends, shoppers.histories.offsets
        counts = np.diff(friends.offsets)
        person = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        sizes = np.abs(of_entries)
        whole = np.bincount(person, sizes, len(offsets) - 1)[friends.person]
        spread = np.repeat(counts.astype(np.float64) ** self.friend_power, counts)
        size = np.maximum(whole, max(self.least_friend, 1e-9)) ** self.history_power
        return np.where(whole > 0, 1.0 / (spread * size), 0.0)

    def _entries(self, shoppers: Shoppers, num_items: int) -> Matrix:
        histories = shoppers.histories
        shape = (histories.num_people, num_items)
        parts = (self.of_entries(shoppers), histories.item_idx, histories.offsets)
        return sparse.csr_matrix(parts, shape)

    def _ties(self, shoppers: Shoppers) -> Matrix:
        friends = shoppers.friends
        shape = (len(shoppers), shoppers.histories.num_people)
        weights = self.of_ties(shoppers, self.of_entries(shoppers))
        return sparse.csr_matrix((weights, friends.person, friends.offsets), shape)


@dataclass(frozen=True, slots=True)
class LinearPart:
    """The closed form as a term of a score (``terms.ScoreTerm``); its vectors have shape
    (items, rank), in the precision that they came in."""

    names: ClassVar[frozenset[str]] = NAMES

    weights: InputWeights
    own: torch.Tensor
    friend: torch.Tensor
    out: torch.Tensor
    near: Matrix
    """Own item by answer, (items, items)."""

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm."""
        return self.out

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        return self._query(asked.shoppers, asked.listed, asked.only)

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        shoppers, columns = asked.shoppers, items.numpy()
        counts = self.weights.of_entries(shoppers)
        # The last, at -1, is what own entries count.
        of_ties = np.append(self.weights.of_ties(shoppers, counts), 1.0)
        out = np.take(self.out.numpy(), columns, axis=0).astype(np.float64, copy=False).T
        num_own = int(np.count_nonzero(sources.ties < 0))  # they stand first
        had = shoppers.histories.item_idx[sources.entries[:num_own]]
        parts = np.empty((len(sources.entries), len(columns)))
        of_own = np.take(self.own.numpy(), had, axis=0).astype(np.float64, copy=False) @ out
        of_own += among(self.near, had, columns)
        of_own[had[:, None] == columns] = 0.0
        parts[:num_own] = of_own
        of_friends = sources.of.rows(_FRIEND, self.friend.numpy()) @ out
        np.take(of_friends, sources.of.place[num_own:], axis=0, out=parts[num_own:])
        parts *= (counts[sources.entries] * of_ties[sources.ties])[:, None]
        return TermContributions(parts)

    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Score all items, shape (b, items)."""
        return all_scores(self, self._query(shoppers, shoppers.sources()))

    def _query(
        self, shoppers: Shoppers, listed: SourceRows, only: SourceItems | None = None
    ) -> Query:
        """Sum up s of each shopper, row by row: so the same in any batch."""
        own, friend, out = self.own.numpy(), self.friend.numpy(), self.out.numpy()
        counts = self.weights.of_entries(shoppers)
        # The last, at -1, is what own entries count.
        ties = np.append(self.weights.of_ties(shoppers, counts), 1.0)
        weights = counts[listed.entries] * ties[listed.ties]
        items = shoppers.histories.item_idx[listed.entries]
        states = np.empty((len(shoppers), self.out.shape[1]))
        itself = [np.zeros(0)]
        for row in range(len(shoppers)):
            some = listed.of(row)
            mine = slice(some.start, int(listed.friends_from[row]))
            had = np.take(own, items[mine], axis=0).astype(np.float64, copy=False)
            states[row] = np.einsum("e,ed->d", weights[mine], had)
            num_own = mine.stop - mine.start
            states[row] += (only or SourceItems(items[some])).weighted_sum(
                _FRIEND, friend, weights[mine.stop : some.stop], num_own
            )
            itself.append(
                weights[mine] * np.einsum("ed,ed->e", had, np.take(out, items[mine], axis=0))
            )
        offsets = shoppers.histories.offsets[: len(shoppers) + 1]
        mine = slice(0, int(offsets[-1]))
        mine_items, mine_weights = shoppers.histories.item_idx[mine], counts[mine]
        near = NearScores(self.near, offsets, mine_items, mine_weights, np.concatenate(itself))
        return Query(torch.from_numpy(states), near=near)

    def times(self, factor: float) -> "LinearPart":
        """Multiply all scores by a factor."""
        near = self.near.astype(np.float64) * factor
        return replace(self, out=self.out.double() * factor, near=near)

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
        vectors = [tensors[f"{PREFIX}{name}"] for name in VECTORS]
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
        both = (float(tensors.get(name, 0.0)) for name in (DISLIKE_WEIGHT, LEAST_FRIEND))
        weights = InputWeights(kind, rate, friend_power, history_power, *both)
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
    # Made empty and filled after: scipy would copy what lies in a file to bring it to one type.
    found = sparse.csr_matrix((rows, num_items), dtype=weight.dtype)
    small = item.size <= np.iinfo(item.dtype).max
    found.data, found.indices = weight, item
    found.indptr = offsets.astype(item.dtype) if small else offsets
    return found
