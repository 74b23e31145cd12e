"""The term of a score that popularity is for who is new: much at first, and soon no more."""

from typing import ClassVar

import numpy as np
import torch

from coterie.data.dataset import Floats
from coterie.data.ragged import Ragged
from coterie.recommend.terms import Asked, Parameters, Query, Sources, TermContributions


class NewcomerTerm:
    """``newness_u popularity_weight log(1 + popularity_i)``; see ``terms.ScoreTerm``.

    newness_u is ``1 / ((1 + W_u) ** 2 (1 + F_u))``: W_u is the weight of all entries of one's own,
    F_u how many friends have a history (a single one's taste says little).
    """

    names: ClassVar[frozenset[str]] = frozenset({"popularity_weight"})

    def __init__(self, weight: torch.Tensor, popularity: Floats):
        """Take ``popularity_weight`` of a release, (), and how many had each item, (items,)."""
        self._weight, self._popularity = weight, popularity
        known = torch.from_numpy(popularity.astype(np.float64)).log1p()
        self._vectors = (float(weight) * known)[:, None]
        self._numbers = self._vectors[:, 0].numpy()

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm."""
        return self._vectors

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        return Query(newness(asked, 0, len(asked.shoppers))[:, None])

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        share = newness(asked, sources.row, sources.row + 1)
        return TermContributions(popular=share.numpy() * self._numbers[items.numpy()])

    def times(self, factor: float) -> "NewcomerTerm":
        """See ScoreTerm."""
        return NewcomerTerm(self._weight * factor, self._popularity)

    def tensors(self) -> Parameters:
        """See ScoreTerm."""
        return {"popularity_weight": self._weight}


def newness(asked: Asked, first: int, stop: int) -> torch.Tensor:
    """Compute shares of popularity that count for shoppers from ``first`` to before ``stop``."""
    total, listed = asked.weighed.total, asked.shoppers.friends
    bounds = listed.offsets[first : stop + 1]
    has_some = total[listed.person[bounds[0] : bounds[-1]]] > 0
    so_far = Ragged.of(has_some).offsets[bounds - bounds[0]]
    friends = so_far[1:] - so_far[:-1]
    return torch.from_numpy((1.0 + total[first:stop]) ** -2 / (1.0 + friends))
