"""Lists of a few hundred shoppers at a time, as few passes over all items as there can be.

The scores are those of ``recommend.Recommender``, of releases whose score is made of the learned
term, the closed form and newcomers' popularity. Single precision finds candidates in one product of
matrices; double precision ranks them. How many candidates are enough is not assumed: where those
that are left out could still belong to a list, by the error of single precision, more are taken.
"""

import threading
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse._sparsetools import csc_matvec

from coterie.all_lists.everyone import Everyone
from coterie.all_lists.tastes import (
    SummedVectors,
    Tastes,
    Weights,
    entry_matrix,
    slice_of,
    sum_up,
)
from coterie.data.circle import Bools
from coterie.data.dataset import Floats, Ints
from coterie.data.ragged import Ragged
from coterie.progress import Progress, silent
from coterie.recommend.encoder import unit
from coterie.recommend.learned import LearnedTerm
from coterie.recommend.linear import NAMES, PREFIX, near_matrix
from coterie.recommend.newcomers import NewcomerTerm
from coterie.recommend.recommender import RETRIEVE_MARGIN, Lists, ListSource
from coterie.recommend.terms import Parameters, renew_tensors
from coterie.release.bundle import Release

Doubles = npt.NDArray[np.float64]
Matrix = Any  # scipy.sparse.csr_matrix of doubles
_GROUP: Final = 16
"""Items of which the best is looked at first."""
_NARROW: Final = 12
"""Candidates beyond a list that are nearly always enough."""
_NONE: Final = -3e38
"""Score of what may not be listed: lower than all others, and a number."""
_LISTED: Final = -1e38
_RESOLUTION: Final = 1e-6
"""See ``recommender``: scores are rounded to it before ranking."""
_ERROR: Final = 1e-5
"""Of a product in single precision, as a share of the lengths of its vectors: several times what is
seen with some hundreds of numbers."""
_CACHED: Final = 100_000
"""Numbers in double precision that a core keeps at hand."""
_COARSE: Final = 20_000_000
"""Scores of a block, of four bytes each."""
_PART: Final = 64
"""Shoppers of a block who are looked at together once they have scores."""


def knows(release: Release) -> bool:
    """Tell whether this makes a release's lists: whether its score has no other terms."""
    names = renew_tensors(release.parameters).keys() - LearnedTerm.may_lack
    first = LearnedTerm.names | NewcomerTerm.names
    return names in (first, first | NAMES)


@dataclass(frozen=True, slots=True)
class _Queries:
    """What b shoppers bring."""

    vector: torch.Tensor
    """Shape (b, width), in double precision."""
    lost: Bools
    """Shape (b,): of whom nothing is known."""
    own: Matrix | None
    """Weights of own entries in the closed form, (b, items)."""

    def take(self, some: slice) -> "_Queries":
        own = None if self.own is None else self.own[some]
        return _Queries(self.vector[some], self.lost[some], own)


class _Buffers(threading.local):
    """Memory that a thread uses again for each block."""

    coarse = torch.zeros(0)
    near = np.zeros((0, 0))
    vectors = torch.zeros(0)


class BatchKernel:
    """A release over everybody; several threads may ask at once."""

    def __init__(
        self,
        release: Release,
        everyone: Everyone,
        allowed: Bools,
        told: Progress = silent,
    ) -> None:
        """Sum up everybody's entries.

        Args:
            release: One that this ``knows``.
            everyone: Whose lists, and whose friends.
            allowed: Items that may be listed, shape (items,).
            told: How far it is.
        """
        parameters = renew_tensors(release.parameters)
        self._everyone, self._weights = everyone, Weights(parameters)
        self._vectors = SummedVectors.of(parameters)
        self._tastes: Tastes = sum_up(self._weights, self._vectors, everyone.community, told)
        self._heads = int(parameters.get("heads", 1))
        self._scale = float(parameters["inverse_temperature"]) / self._heads
        self._row_of = np.flatnonzero(allowed)
        self._place_of = np.full(len(allowed), -1, np.int64)
        self._place_of[self._row_of] = np.arange(len(self._row_of))
        self._popularity = torch.from_numpy(release.popularity[self._row_of].astype(np.float64))
        self._exact = self._answer_vectors(parameters, release.popularity)
        self._width = -(-max(len(self._row_of), 1) // _GROUP) * _GROUP
        self._coarse = torch.zeros(self._width, self._exact.shape[1])
        self._coarse[: len(self._row_of)] = self._exact
        self._coarse[len(self._row_of) :, self._vectors.learned.shape[1]] = _NONE
        self._longest = float(self._exact.norm(dim=1).max()) if len(self._exact) else 0.0
        self._near = self._nearest(parameters) if self._weights.has_linear else None
        self._buffers = _Buffers()

    def _answer_vectors(self, parameters: Parameters, popularity: Floats) -> torch.Tensor:
        """Put all that queries are multiplied with side by side, for what may be listed."""
        newcomers = NewcomerTerm(parameters["popularity_weight"], popularity)
        columns = [
            parameters["item_out"].double(),
            parameters["item_bias"].double()[:, None],
            newcomers.vectors,
        ]
        if self._weights.has_linear:
            columns.append(parameters[f"{PREFIX}out"].double())
        return torch.cat(columns, dim=1)[torch.from_numpy(self._row_of)]

    def _nearest(self, parameters: Parameters) -> Matrix:
        """Lay out what own entries say beside vectors: (items, what may be listed)."""
        num = len(self._place_of)
        weight, item, offsets = (
            parameters[f"{PREFIX}{name}"].numpy() for name in ("near", "near_item", "near_offsets")
        )
        out = parameters[f"{PREFIX}out"].double().numpy()
        itself = sparse.diags_array((self._vectors.own * out).sum(axis=1)).tocsr()
        near = (near_matrix(num, weight, item, offsets) - itself)[:, self._row_of]
        return sparse.csr_matrix((near.data, near.indices, near.indptr), (num, self._width))

    def recommend(self, first: int, stop: int, k: int) -> Lists:
        """Make the lists of the shoppers from row ``first`` to before row ``stop``."""
        return self._ranked(first, stop, k, min(k + _NARROW, self._width))

    def pool(self, first: int, stop: int, num: int, also: Ints) -> Lists:
        """List what rules may choose from; see ``Recommender.pool``."""
        width = num + RETRIEVE_MARGIN + len(also)
        return self._ranked(first, stop, width, min(width, self._width), also)

    def block(self) -> int:
        """Say how many shoppers to ask for at a time: so many as fill what a product of matrices
        needs to be fast, in memory that does not grow with the catalogue."""
        return min(max(_COARSE // max(self._width, 1), _PART), 1_024)

    @torch.inference_mode()
    def _ranked(self, first: int, stop: int, k: int, width: int, also: Ints | None = None) -> Lists:
        queries = self._queries(slice(first, stop))
        coarse = self._products(queries)
        items = np.full((stop - first, k), -1, np.int64)
        scores = np.full((stop - first, k), -np.inf, np.float32)
        for start in range(0, stop - first, _PART):
            some = slice(start, min(start + _PART, stop - first))
            part, found = queries.take(some), coarse[some]
            near = self._add_near(part, found)
            self._hide(found, first + some.start, first + some.stop, also)
            items[some], scores[some] = self._list(part, found, near, k, width)
        return Lists(items, scores, self._sources(first, stop, queries.lost))

    def _list(
        self,
        queries: _Queries,
        coarse: torch.Tensor,
        near: Doubles | None,
        k: int,
        width: int,
    ) -> tuple[Ints, Floats]:
        """Retrieve so many candidates (``width``), and more where they may not be all; rank k."""
        best = self._best_of(coarse, width)
        items, scores = self._rank(queries, near, best.indices, best.values, k)
        if k < width < self._width:
            unsure = self._unsure(queries, best.values, k)
            if len(unsure):
                more = coarse[unsure].topk(min(k + RETRIEVE_MARGIN, self._width), dim=1)
                rows = unsure.numpy()
                some = _Queries(queries.vector[unsure], queries.lost[rows], None)
                beside = None if near is None else near[rows]
                again = self._rank(some, beside, more.indices, more.values, k)
                items[rows], scores[rows] = again
        return items, scores

    def _queries(self, some: slice) -> _Queries:
        """Sum up what shoppers and their friends bring, in double precision."""
        tastes, weights = self._tastes, self._weights
        bounds = tastes.friends.offsets[some.start : some.stop + 1]
        ties = slice(int(bounds[0]), int(bounds[-1]))
        offsets, person = bounds - bounds[0], tastes.friends.person[ties]
        rows, counts = Ragged(offsets).row, np.diff(offsets)
        total = tastes.total[some]
        tie_weight, gate = weights.encoder.of_ties(tastes.friends.strengths[ties], offsets, total)
        if weights.least_friend > 0:
            short = weights.encoder.of_short(tastes.total[person], weights.least_friend)
            tie_weight = tie_weight * short
        shape = (len(counts), len(tastes.total))
        friends = sparse.csr_matrix((tie_weight * gate[rows], person, offsets), shape)
        state = tastes.learned[some] + friends @ tastes.learned
        with_history = np.bincount(rows, tastes.total[person] > 0, len(counts))
        newness = (1.0 + total) ** -2 / (1.0 + with_history)
        vector = torch.from_numpy(state)
        parts = [
            self._scale * unit(vector, self._heads),
            torch.ones(len(counts), 1, dtype=torch.float64),
            torch.from_numpy(newness)[:, None],
        ]
        own = None
        if weights.has_linear:
            part = slice_of(tastes.histories, some)
            own = entry_matrix(part, weights.linear(part), len(self._place_of))
            spread = np.repeat(counts, counts) ** -weights.linear_friends
            friends = sparse.csr_matrix((spread, person, offsets), shape)
            linear = own @ self._vectors.own + friends @ tastes.linear
            parts.append(torch.from_numpy(linear))
        lost = vector.norm(dim=1).numpy() == 0
        return _Queries(torch.cat(parts, dim=1), lost, own)

    def _products(self, queries: _Queries) -> torch.Tensor:
        """Multiply queries with the vectors of all that may be listed, in single precision."""
        b = len(queries.vector)
        if self._buffers.coarse.numel() < b * self._width:
            self._buffers.coarse = torch.empty(b * self._width)
        coarse = self._buffers.coarse[: b * self._width].view(b, self._width)
        torch.mm(queries.vector.float(), self._coarse.T, out=coarse)
        lost = np.flatnonzero(queries.lost)
        if len(lost):
            coarse[lost] = _NONE
            coarse[lost, : len(self._row_of)] = self._popularity.float()
        return coarse

    def _add_near(self, queries: _Queries, coarse: torch.Tensor) -> Doubles | None:
        """Add to scores what own entries say beside vectors, and give it in double precision."""
        if self._near is None or queries.own is None:
            return None
        b = len(coarse)
        if len(self._buffers.near) < b:
            self._buffers.near = np.empty((_PART, self._width))
        near, own = self._buffers.near[:b], queries.own
        for row, sums in enumerate(near):
            some = slice(own.indptr[row], own.indptr[row + 1])
            # One shopper after the other: sums stay in the cache from the first to the last.
            sums.fill(0.0)
            _add_rows(self._near, own.indices[some], own.data[some], sums)
            coarse[row] += torch.from_numpy(sums)
        return near

    def _hide(self, coarse: torch.Tensor, first: int, stop: int, also: Ints | None) -> None:
        """Take out what shoppers had, and put what is asked for ``also`` before all others."""
        community = self._everyone.community
        bounds = community.seen_offsets[first : stop + 1]
        place = self._place_of[community.seen[bounds[0] : bounds[-1]]]
        row = Ragged(bounds - bounds[0]).row
        flat = torch.from_numpy((row * self._width + place)[place >= 0])
        coarse.view(-1).index_fill_(0, flat, _NONE)
        if also is not None and len(also):
            places = self._place_of[also]
            columns = torch.from_numpy(places[places >= 0])
            there = coarse[:, columns] > _LISTED
            coarse[:, columns] = torch.where(there, -_NONE, _NONE)

    def _best_of(self, coarse: torch.Tensor, width: int) -> Any:
        """Find the best of each row: they are among the groups whose best are the best."""
        groups = self._width // _GROUP
        if groups <= 2 * width:
            return coarse.topk(width, dim=1)
        b = len(coarse)
        chosen = coarse.view(b, _GROUP, groups).amax(dim=1).topk(width, dim=1, sorted=False).indices
        steps = torch.arange(0, self._width, groups)[:, None]
        place = (chosen[:, None, :] + steps).view(b, -1)
        found = coarse.gather(1, place).topk(width, dim=1)
        return type(found)((found.values, place.gather(1, found.indices)))

    def _rank(
        self,
        queries: _Queries,
        near: Doubles | None,
        place: torch.Tensor,
        coarse: torch.Tensor,
        k: int,
    ) -> tuple[Ints, Floats]:
        """Score candidates in double precision, and take the k best: of equal ones the lower row.

        Args:
            queries: Of b shoppers.
            near: Their scores that are no product, shape (b, width).
            place: Candidates, shape (b, n).
            coarse: Their scores in single precision.
            k: Items of a list.
        """
        place = place.clamp_max(max(len(self._row_of) - 1, 0))
        if not len(self._row_of):
            shape = (len(place), k)
            return np.full(shape, -1), np.full(shape, -np.inf, np.float32)
        exact = self._exactly(queries.vector, place)
        if near is not None:
            exact += torch.from_numpy(near).gather(1, place)
        lost = torch.from_numpy(queries.lost)
        exact = torch.where(lost[:, None], self._popularity[place], exact)
        exact = exact.masked_fill_(coarse <= _LISTED, -torch.inf)
        scores, items = exact.numpy(), self._row_of[place.numpy()]
        order = np.lexsort((items, -np.rint(scores / _RESOLUTION)), axis=1)[:, :k]
        items, scores = (np.take_along_axis(one, order, 1) for one in (items, scores))
        items[scores == -np.inf] = -1
        short = ((0, 0), (0, k - items.shape[1]))
        items = np.pad(items, short, constant_values=-1)
        return items, np.pad(scores, short, constant_values=-np.inf).astype(np.float32)

    def _exactly(self, vector: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Multiply queries with the vectors of candidates, in double precision."""
        num, width = place.shape[1], vector.shape[1]
        exact = torch.empty(place.shape, dtype=torch.float64)
        rows = max(1, _CACHED // (num * width))
        if self._buffers.vectors.numel() < rows * num * width:
            self._buffers.vectors = torch.empty(rows * num * width, dtype=torch.float64)
        for first in range(0, len(place), rows):
            some = place[first : first + rows]
            found = self._buffers.vectors[: some.numel() * width].view(-1, width)
            torch.index_select(self._exact, 0, some.reshape(-1), out=found)
            found = found.view(len(some), num, width)
            exact[first : first + rows] = (found @ vector[first : first + rows, :, None])[:, :, 0]
        return exact

    def _unsure(self, queries: _Queries, values: torch.Tensor, k: int) -> torch.Tensor:
        """Find the rows where what is left out could belong to a list."""
        error = _ERROR * self._longest * queries.vector.norm(dim=1)
        last, least = values[:, k - 1].double(), values[:, -1].double()
        return torch.nonzero((least > _LISTED) & (last - least <= 2 * error))[:, 0]

    def _sources(self, first: int, stop: int, lost: Bools) -> tuple[ListSource, ...]:
        own = self._tastes.total[first:stop] > 0
        return tuple(
            ListSource.POPULAR if none else ListSource.OWN if has else ListSource.FRIENDS
            for none, has in zip(lost.tolist(), own.tolist(), strict=True)
        )


def _add_rows(near: Matrix, items: Ints, weights: Doubles, sums: Doubles) -> None:
    """Add the rows of some items by weight to what is in ``sums``, shape (width,).

    Rows are columns of the table turned around, so this is its product with a vector, of which only
    some columns are multiplied: each from its own begin to its end. Between two chosen columns
    stands one with the weight 0, which ends before it begins as long as columns come last to first.
    Nothing is copied: what has to be read is read once.
    """
    order = np.argsort(-items)
    items = items[order]
    bounds = np.empty(2 * len(items) + 1, near.indptr.dtype)
    bounds[:-1:2], bounds[1::2] = near.indptr[items], near.indptr[items + 1]
    bounds[-1] = bounds[-2] if len(items) else 0
    each = np.zeros(2 * len(items))
    each[::2] = weights[order]
    csc_matvec(len(sums), len(each), bounds, near.indices, near.data, each, sums)
