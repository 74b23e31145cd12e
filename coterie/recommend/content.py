"""Alike in content: what the shop says of items, as a term of every score.

With the weights w of the items of own and friends' histories (``terms.Asked.item_weights``)::

    score_i = sum_e w_e sum_k near_k[item_e, i]

``near_k`` holds for each item those nearest to it in a kind of content: in words, in what a text
means, in looks, in sound. A plain sum over entries and kinds, so every part of a score is known
exactly; and an item that nobody had yet has neighbours all the same.
"""

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import torch
from scipy import sparse

from coterie.errors import BadInputError
from coterie.recommend.linear import near_matrix
from coterie.recommend.nearest import NearScores, among
from coterie.recommend.terms import Asked, Query, Sources, TermContributions

Matrix = Any  # scipy.sparse.csr_matrix of doubles
PREFIX: Final = "content."
ALIKE_IN: Final[Mapping[str, str]] = {
    "words": "words",
    "text": "meaning",
    "image": "looks",
    "audio": "sound",
}
"""Kinds of content, and what people call them. Releases hold them in this order: a new kind comes
last."""
_KINDS: Final = tuple(ALIKE_IN)
_TOGETHER: Final = ""
"""The kind of a release that does not tell kinds apart."""
_NEAR: Final = ("near", "near_item", "near_offsets")


@dataclass(frozen=True, slots=True)
class ContentTerm:
    """Neighbours in content as a term of a score (``terms.OptionalTerm``)."""

    names: ClassVar[frozenset[str]] = frozenset(f"{PREFIX}{name}" for name in _NEAR)

    kinds: Mapping[str, Matrix]
    """By kind of ``ALIKE_IN``, of those that items have, each (items, items): source by answer, no
    diagonal. One of the name "" where a release of before does not tell them apart."""
    near: Matrix = field(init=False)
    """All kinds added up."""

    def __post_init__(self) -> None:
        near = functools.reduce(operator.add, self.kinds.values())
        object.__setattr__(self, "near", sparse.csr_matrix(near))

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm: none, as neighbours of low rank would lose those that are nearest."""
        return torch.zeros(self.near.shape[0], 0, dtype=torch.float64)

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        nothing = torch.zeros(len(asked.shoppers), 0, dtype=torch.float64)
        near = NearScores(self.near, asked.listed.offsets, asked.source_items, asked.weight)
        return Query(nothing, near=near)

    def split(
        self,
        asked: Asked,  # noqa: ARG002 - others read it
        sources: Sources,
        items: torch.Tensor,
    ) -> TermContributions:
        """See ScoreTerm."""
        weight = sources.weight.numpy()[:, None]
        parts = {
            kind: among(near, sources.of.items, items.numpy())[sources.of.place] * weight
            for kind, near in self.kinds.items()
        }
        whole = functools.reduce(operator.add, parts.values())
        return TermContributions(whole, alike={n: p for n, p in parts.items() if n != _TOGETHER})

    def times(self, factor: float) -> "ContentTerm":
        """See ScoreTerm."""
        return ContentTerm({k: near.astype(np.float64) * factor for k, near in self.kinds.items()})

    def tensors(self) -> dict[str, torch.Tensor]:
        """See ScoreTerm: kinds one below the other, an empty one where items have none."""
        kinds = [_TOGETHER] if _TOGETHER in self.kinds else _KINDS
        nothing = sparse.csr_matrix(self.near.shape)
        every = sparse.vstack([self.kinds.get(kind, nothing) for kind in kinds], format="csr")
        return {
            f"{PREFIX}near": torch.from_numpy(every.data).float(),
            f"{PREFIX}near_item": torch.from_numpy(every.indices).int(),
            f"{PREFIX}near_offsets": torch.from_numpy(every.indptr).long(),
        }

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], num_items: int) -> "ContentTerm":
        """See OptionalTerm."""
        missing = sorted(cls.names - tensors.keys())
        if missing:
            raise BadInputError(f"the release lacks {', '.join(missing)}: make it again")
        weight, item, offsets = (tensors[f"{PREFIX}{name}"].numpy() for name in _NEAR)
        if len(offsets) == num_items + 1:
            return cls({_TOGETHER: near_matrix(num_items, weight, item, offsets)})
        every = near_matrix(num_items, weight, item, offsets, len(_KINDS))
        blocks = (
            sparse.csr_matrix(every[start : start + num_items])
            for start in range(0, every.shape[0], num_items)
        )
        found = {kind: block for kind, block in zip(_KINDS, blocks, strict=True) if block.nnz}
        return cls(found or {_KINDS[0]: sparse.csr_matrix((num_items, num_items))})
