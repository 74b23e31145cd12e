"""Terms added up: coarsely for all items in one product of matrices, exactly for a few of them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Floats
from coterie.errors import BadInputError
from coterie.recommend.content import ContentTerm
from coterie.recommend.learned import LearnedTerm
from coterie.recommend.linear import LinearPart
from coterie.recommend.newcomers import NewcomerTerm
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import (
    Asked,
    OptionalTerm,
    Parameters,
    Query,
    ScoreTerm,
    Sources,
    renew_tensors,
)

TERMS: Final[tuple[type[OptionalTerm], ...]] = (LinearPart, ContentTerm)
"""What a score may have beside the learned term and newcomers' popularity, in the order in which
it is added up."""


class WholeSplit(NamedTuple):
    """What n entries and popularity add to s items' scores, over all terms."""

    of_entries: npt.NDArray[np.float64]
    """Shape (n, s)."""
    popular: npt.NDArray[np.float64]
    """Shape (s,)."""
    alike: Mapping[str, npt.NDArray[np.float64]]
    """See ``terms.TermContributions``."""


class Score:
    """The terms of a release, ready to be asked by the same shoppers.

    All that queries are multiplied with lies in one matrix of single precision, term beside term:
    to look through all items is one product, however many terms there are.
    """

    def __init__(self, learned: LearnedTerm, *others: ScoreTerm):
        self._learned = learned
        self._terms: tuple[ScoreTerm, ...] = (learned, *others)
        self._vectors = torch.cat([term.vectors.float() for term in self._terms], dim=1)
        widths = [term.vectors.shape[1] for term in self._terms]
        self._blocks: Sequence[torch.Tensor] = torch.split(self._vectors, widths, dim=1)

    @classmethod
    def of_tensors(cls, tensors: Parameters, popularity: Floats) -> "Score":
        """Read the terms of a release.

        Args:
            tensors: All that it holds.
            popularity: How many people had each item, shape (items,).

        Raises:
            BadInputError: Tensors are missing, unknown, or differ in their number of items.
        """
        tensors = renew_tensors(tensors)
        found = [term for term in TERMS if tensors.keys() & term.names]
        needed = LearnedTerm.names | NewcomerTerm.names
        needed = needed.union(*(term.names for term in found))
        if set(tensors) - LearnedTerm.may_lack != needed:
            raise BadInputError(
                f"parameters are {sorted(tensors)}, expected {sorted(needed)}: "
                "was this release made by another version?"
            )
        num_items = len(popularity)
        return cls(
            LearnedTerm.of_tensors(tensors, num_items),
            NewcomerTerm(tensors["popularity_weight"], popularity),
            *(term.of_tensors(tensors, num_items) for term in found),
        )

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return len(self._vectors)

    @property
    def item_vectors(self) -> torch.Tensor:
        """The learned vectors of items that the same people like, shape (items, d)."""
        return self._learned.vectors

    def read(self, shoppers: Shoppers) -> Asked:
        """Read shoppers once, for all that follows."""
        return self._learned.read(shoppers)

    def queries(self, asked: Asked) -> list[Query]:
        """Make the shoppers' queries, one for each term."""
        return [term.query(asked) for term in self._terms]

    def coarse(self, queries: list[Query]) -> torch.Tensor:
        """Score all items in single precision, well enough to retrieve by, shape (b, items)."""
        scores = torch.cat([query.vector for query in queries], dim=1).float() @ self._vectors.T
        for query in queries:
            if query.beside is not None:
                scores += query.beside.float()
        return scores

    def every(self, queries: list[Query]) -> torch.Tensor:
        """Score all items term by term: so a term that counts nothing changes nothing."""
        parts = [
            part if query.beside is None else part + query.beside.float()
            for query, vectors in zip(queries, self._blocks, strict=True)
            for part in [query.vector.float() @ vectors.T]
        ]
        return functools.reduce(torch.add, parts)

    def exact(self, queries: list[Query], items: torch.Tensor) -> torch.Tensor:
        """Score some items a shopper, shape (b, n), each summed alike in any batch."""
        scores = torch.zeros(items.shape, dtype=torch.float64)
        for term, query in zip(self._terms, queries, strict=True):
            scores += (query.vector[:, None, :] * term.vectors[items]).sum(2)
            if query.beside is not None:
                scores += query.beside.expand(len(items), -1).gather(1, items)
        return scores

    def sources(self, asked: Asked, row: int) -> Sources:
        """List the history entries that one shopper's scores split into."""
        return self._learned.sources(asked, row)

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> WholeSplit:
        """Split some items' scores for one shopper.

        Args:
            asked: The batch.
            sources: The shopper, and the entries to tell of.
            items: Rows of items, shape (s,).
        """
        of_entries = np.zeros((len(sources.entries), len(items)))
        popular = np.zeros(len(items))
        alike: dict[str, npt.NDArray[np.float64]] = {}
        for term in self._terms:
            part = term.split(asked, sources, items)
            if part.of_entries is not None:
                of_entries += part.of_entries
            if part.popular is not None:
                popular += part.popular
            alike |= {kind: alike.get(kind, 0.0) + one for kind, one in part.alike.items()}
        return WholeSplit(of_entries, popular, alike)
