"""Terms added up: coarsely for all items at once, exactly for a few of them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Floats, Ints
from coterie.errors import BadInputError
from coterie.recommend.content import ContentTerm
from coterie.recommend.learned import LearnedTerm
from coterie.recommend.linear import LinearPart
from coterie.recommend.newcomers import NewcomerTerm
from coterie.recommend.retrieval import Candidates, Retriever
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
from coterie.recommend.weighing import Doubles

TERMS: Final[tuple[type[OptionalTerm], ...]] = (LinearPart, ContentTerm)
"""What a score may have beside the learned term and newcomers' popularity, in the order in which
it is added up."""
WIDE: Final = 4
"""Numbers an item from which on a term's vectors are looked at by codes."""


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

    To look through all items is one look at the codes of all terms' vectors, however many there
    are; ``retrieval`` says how few are then scored exactly. A term of a few numbers an item is
    added up like what is no product.
    """

    def __init__(self, learned: LearnedTerm, *others: ScoreTerm, before: "Score | None" = None):
        self._learned = learned
        self._terms: tuple[ScoreTerm, ...] = (learned, *others)
        self._wide = [t for t in range(len(self._terms)) if self._terms[t].vectors.shape[1] >= WIDE]
        self._vectors = [term.vectors.numpy() for term in self._terms]
        self._fixed = learned.bias
        self._num = len(learned.vectors)
        blocks = [self._vectors[t].astype(np.float32, copy=False) for t in self._wide]
        known = before._retriever if before else None
        self._retriever: Retriever = Retriever(blocks, self._fixed, known)

    @classmethod
    def of_tensors(
        cls, tensors: Parameters, popularity: Floats, before: "Score | None" = None
    ) -> "Score":
        """Read the terms of a release.

        Args:
            tensors: All that it holds.
            popularity: How many people had each item, shape (items,).
            before: Of the same items but for new ones behind them, where there is one.

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
            before=before,
        )

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return self._num

    @property
    def retriever(self) -> Retriever:
        """What finds candidates."""
        return self._retriever

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

    def find(
        self,
        queries: Sequence[Query],
        num: int,
        count: int,
        listable: Callable[[int], npt.NDArray[np.bool_]],
        also: Ints | None = None,
        by_codes: bool = True,
    ) -> list[Candidates]:
        """Find what the best ``num`` items of each shopper are among, with their exact scores.

        Args:
            queries: Of b shoppers, one for each term.
            num: How many.
            count: Items that may be listed at all, about.
            listable: Gives the items that may be listed for a shopper of the b, (items,).
            also: Items that are candidates wherever they rank, if they may be listed.
            by_codes: See ``Retriever.find``.
        """
        found = self._retriever.find(
            [queries[term].vector.numpy() for term in self._wide],
            num,
            count,
            lambda row: self._beside(queries, row),
            listable,
            lambda row, items, beside: self._scored(queries, row, items, beside),
            by_codes,
        )
        if also is None or not len(also):
            return found
        return [self._with(one, queries, row, also, listable(row)) for row, one in enumerate(found)]

    def every(self, queries: Sequence[Query]) -> torch.Tensor:
        """Score all items term by term, in single precision, shape (b, items): so a term that
        counts nothing changes nothing."""
        parts = [
            part if beside is None else part + beside.float()
            for query, term in zip(queries, self._terms, strict=True)
            for part, beside in [
                (query.vector.float() @ term.vectors.float().T, query.all_beside())
            ]
        ]
        return functools.reduce(torch.add, parts)

    def exact(self, queries: Sequence[Query], items: Ints) -> Doubles:
        """Score some items for each shopper, shape (b, n), each summed alike in any batch."""
        return np.stack(
            [
                self._scored(queries, row, items, self._beside(queries, row))
                for row in range(len(queries[0].vector))
            ]
        )

    def _beside(self, queries: Sequence[Query], row: int) -> Doubles:
        """Add up what for one shopper is no product of wide vectors, shape (items,); without what
        an item has whoever asks, which is ``_fixed``."""
        found: Doubles | None = None
        for number, query in enumerate(queries):
            if number not in self._wide:
                for column, count in enumerate(query.vector[row].tolist()):
                    part = count * self._vectors[number][:, column]
                    found = part if found is None else np.add(found, part, out=found)
            if number and query.beside is not None:
                shared = query.beside[row if len(query.beside) > 1 else 0].numpy()
                found = shared.copy() if found is None else np.add(found, shared, out=found)
        if found is None:
            found = np.zeros(self.num_items)
        for query in queries:
            if query.near is not None:
                query.near.add_to(found, row)
        return found

    def _scored(self, queries: Sequence[Query], row: int, items: Ints, beside: Doubles) -> Doubles:
        scores = beside[items] + self._fixed[items]
        for term in self._wide:
            vectors = np.take(self._vectors[term], items, axis=0).astype(np.float64, copy=False)
            # Not a product of matrices: its rows would come out otherwise beside other items.
            scores += np.einsum("nd,d->n", vectors, queries[term].vector[row].numpy())
        return scores

    def _with(
        self,
        found: Candidates,
        queries: Sequence[Query],
        row: int,
        also: Ints,
        listable: npt.NDArray[np.bool_],
    ) -> Candidates:
        """Add items to candidates that are not among them."""
        more = np.setdiff1d(also[listable[also]], found.items)
        scores = self._scored(queries, row, more, self._beside(queries, row))
        return Candidates(np.append(found.items, more), np.append(found.scores, scores))

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> WholeSplit:
        """Split some items' scores for one shopper.

        Args:
            asked: The batch.
            sources: The shopper, and the entries to tell of.
            items: Rows of items, shape (s,).
        """
        of_entries: npt.NDArray[np.float64] | None = None
        popular = np.zeros(len(items))
        alike: dict[str, npt.NDArray[np.float64]] = {}
        for term in self._terms:
            part = term.split(asked, sources, items)
            if of_entries is None:
                of_entries = part.of_entries
            elif part.of_entries is not None:
                of_entries += part.of_entries
            if part.popular is not None:
                popular += part.popular
            alike |= {kind: alike.get(kind, 0.0) + one for kind, one in part.alike.items()}
        if of_entries is None:
            of_entries = np.zeros((len(sources.entries), len(items)))
        return WholeSplit(of_entries, popular, alike)

    def sizes(self, asked: Asked, sources: Sources, items: torch.Tensor) -> dict[str, float]:
        """Add up what each term makes of histories in some items' scores for one shopper, signs
        left out.

        Args:
            asked: The batch.
            sources: The shopper, and the entries to tell of.
            items: Rows of items, shape (s,).

        Returns:
            By the name of the term's class.
        """
        found = {}
        for term in self._terms:
            part = term.split(asked, sources, items).of_entries
            found[type(term).__name__] = 0.0 if part is None else float(np.abs(part).sum())
        return found
