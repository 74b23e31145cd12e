"""A score is a sum of terms, each the product of a shopper's query and vectors of the items.

What a term has to promise, and what it is handed. ``score`` adds terms up; a term more is one class
that stands in ``score.TERMS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.recommend.nearest import NearScores
from coterie.recommend.shoppers import Shoppers, SourceRows
from coterie.recommend.source_items import SourceItems
from coterie.recommend.weighing import Doubles, Weighed
from coterie.renamed import under_new_names

Parameters = dict[str, torch.Tensor]
"""Tensors by name, as a release holds them."""
RENAMED_TENSORS: Final[Mapping[str, str]] = {
    "scale": "inverse_temperature",
    "prior": "popularity_weight",
}
"""See ``coterie.renamed``: names in releases of the version before."""


def renew_tensors(tensors: Mapping[str, torch.Tensor]) -> Parameters:
    """Bring a release's tensors from the names of the version before to those of this one."""
    return under_new_names(tensors, RENAMED_TENSORS, "tensors of a release")


@dataclass(frozen=True, slots=True)
class Asked:
    """b shoppers, read once for all terms."""

    shoppers: Shoppers
    """With the entries and friends that count."""
    weighed: Weighed
    """The weights of entries, people and ties that the encoder learned."""
    listed: SourceRows
    """The entries that each shopper's scores draw on."""
    weight: Doubles
    """How much each of these counts in the shopper's ``state``, shape (n,)."""
    state: torch.Tensor
    """x_u of the encoder's formulas, shape (b, d)."""
    only: SourceItems | None = None
    """What the only shopper of a batch of one draws on: read once, for scores and reasons."""

    @property
    def lost(self) -> npt.NDArray[np.bool_]:
        """Shoppers of whom nothing is known, shape (b,): popularity alone ranks for them."""
        return np.asarray(~self.state.numpy().any(axis=1))

    @property
    def source_items(self) -> Ints:
        """The item of each entry of ``listed``, shape (n,)."""
        return self.shoppers.histories.item_idx[self.listed.entries]

    def sources(self, row: int) -> "Sources":
        """List the entries that one shopper's scores split into."""
        some = self.listed.of(row)
        weight = torch.from_numpy(self.weight[some])
        entries, ties = self.listed.entries[some], self.listed.ties[some]
        return Sources(row, entries, ties, weight, self.items_of(row))

    def items_of(self, row: int) -> SourceItems:
        """List the items of the entries that one shopper's scores draw on."""
        return self.only or SourceItems(self.source_items[self.listed.of(row)])

    def item_weights(self, num_items: int) -> Any:
        """Sum how much each item of own and friends' histories counts in a shopper's state.

        A term that reads shoppers as the learned one does multiplies these with vectors of its own.

        Returns:
            ``scipy.sparse.csr_matrix`` of doubles, (b, items); sums of ``Sources.weight``.
        """
        shape = (len(self.shoppers), num_items)
        parts = (self.weight, self.source_items, self.listed.offsets)
        found = sparse.csr_matrix(parts, shape, copy=True)
        found.sum_duplicates()
        return found


@dataclass(frozen=True, slots=True)
class Query:
    """What b shoppers bring to one term, in double precision."""

    vector: torch.Tensor
    """Shape (b, d): its products with the term's ``vectors`` are scores."""
    beside: torch.Tensor | None = None
    """Scores that are no such product, shape (b, items), or (1, items) where all have the same."""
    near: NearScores | None = None
    """Scores that come of items' nearest, which are no such product either."""

    def all_beside(self) -> torch.Tensor | None:
        """Score all items for all shoppers by what is no product, shape (b or 1, items)."""
        if self.near is None:
            return self.beside
        near = torch.from_numpy(self.near.rows())
        return near if self.beside is None else self.beside + near


@dataclass(frozen=True, slots=True)
class Sources:
    """The n history entries that one shopper's scores draw on: own ones and friends'."""

    row: int
    """The shopper's row in the batch."""
    entries: Ints
    """Shape (n,): rows of the batch's histories."""
    ties: Ints
    """Shape (n,): the tie through which each counts, a row of the batch's friends; -1: own."""
    weight: torch.Tensor
    """Shape (n,): how much each counts in the shopper's ``state``."""
    of: SourceItems
    """The items of the entries, each once."""


@dataclass(frozen=True, slots=True)
class TermContributions:
    """What one term adds to s items' scores, by where it comes from; None: nothing."""

    of_entries: npt.NDArray[np.float64] | None = None
    """Shape (n, s)."""
    popular: npt.NDArray[np.float64] | None = None
    """Shape (s,): what holds whoever asks, or for want of other knowledge."""
    alike: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Of ``of_entries``, what comes of being alike, by kind of content; each of shape (n, s)."""


class ScoreTerm(Protocol):
    """One term of every score; it holds no shopper, and is never changed.

    A score has to split exactly, so a term is linear in the entries of histories once the shopper's
    weights are known: ``split``'s numbers add up to the query's product and what is beside it.
    """

    names: ClassVar[frozenset[str]]
    """Its tensors in a release, which has all of them or none."""

    @property
    def vectors(self) -> torch.Tensor:
        """What queries are multiplied with, shape (items, d); single precision, as releases hold
        it, stays what it is until it is multiplied."""

    def query(self, asked: Asked) -> Query:
        """Make the shoppers' query, each row the same in any batch."""

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """Split some items' scores for one shopper into contributions.

        Args:
            asked: The batch.
            sources: The shopper, and the entries to tell of.
            items: Rows of items, shape (s,).
        """

    def times(self, factor: float) -> Self:
        """Multiply all scores of the term by a factor."""

    def tensors(self) -> Parameters:
        """Name the tensors that a release keeps of the term."""


class OptionalTerm(ScoreTerm, Protocol):
    """A term that a release may have or lack: it is read back from its own tensors."""

    @classmethod
    def of_tensors(cls, tensors: Parameters, num_items: int) -> Self:
        """Read the term back from ``tensors``, among which may be other terms'.

        Raises:
            BadInputError: They do not fit each other, or not this many items.
        """


def all_scores(term: ScoreTerm, query: Query) -> torch.Tensor:
    """Score all items by one term, shape (b, items), in double precision."""
    scores, beside = query.vector @ term.vectors.double().T, query.all_beside()
    return scores if beside is None else scores + beside
