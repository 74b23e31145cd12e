"""Alike in content: what the shop says of items, as a term of every score.

With the weights w of the items of own and friends' histories (``terms.Asked.item_weights``)::

    score_i = sum_e w_e near[item_e, i]

``near`` holds for each item those nearest to it in words, pictures or sound. A plain sum over
entries, so every part of a score is known exactly; and an item that nobody had yet has neighbours
all the same.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from scipy import sparse

from coterie.errors import BadInputError
from coterie.recommend.linear import near_matrix
from coterie.recommend.terms import Asked, Query, Sources, TermContributions

PREFIX: Final = "content."
_NEAR: Final = ("near", "near_item", "near_offsets")


@dataclass(frozen=True, slots=True)
class ContentTerm:
    """Neighbours in content as a term of a score (``terms.OptionalTerm``)."""

    names: ClassVar[frozenset[str]] = frozenset(f"{PREFIX}{name}" for name in _NEAR)

    near: Any
    """``scipy.sparse.csr_matrix`` of doubles, (items, items): source by answer, no diagonal."""

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm: none, as neighbours of low rank would lose those that are nearest."""
        return torch.zeros(self.near.shape[0], 0, dtype=torch.float64)

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        scores = asked.item_weights(self.near.shape[0]) @ self.near
        nothing = torch.zeros(scores.shape[0], 0, dtype=torch.float64)
        return Query(nothing, torch.from_numpy(np.asarray(scores.toarray(), np.float64)))

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        had = asked.shoppers.histories.item_idx[sources.entries]
        parts = self.near[had][:, items.numpy()].toarray()
        return TermContributions(parts * sources.weight.numpy()[:, None])

    def times(self, factor: float) -> "ContentTerm":
        """See ScoreTerm."""
        return ContentTerm(self.near * factor)

    def tensors(self) -> dict[str, torch.Tensor]:
        """See ScoreTerm."""
        return {
            f"{PREFIX}near": torch.from_numpy(self.near.data).float(),
            f"{PREFIX}near_item": torch.from_numpy(self.near.indices).int(),
            f"{PREFIX}near_offsets": torch.from_numpy(self.near.indptr).long(),
        }

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], num_items: int) -> "ContentTerm":
        """See OptionalTerm."""
        missing = sorted(cls.names - tensors.keys())
        if missing:
            raise BadInputError(f"the release lacks {', '.join(missing)}: make it again")
        parts = (tensors[f"{PREFIX}{name}"].numpy() for name in _NEAR)
        return cls(sparse.csr_matrix(near_matrix(num_items, *parts)))
