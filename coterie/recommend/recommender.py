"""The one path from a shopper to a list with reasons: encode, retrieve, rank, explain.

Offline evaluation and serving call these same methods; nothing else in Coterie makes a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Codes, Floats, Ints
from coterie.errors import BadInputError
from coterie.recommend.encoder import unit
from coterie.recommend.newcomers import newness
from coterie.recommend.retrieval import Recall
from coterie.recommend.score import Score
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Asked, Parameters

RETRIEVE_MARGIN = 50
"""Items of a pool beyond those asked for."""
_RESOLUTION = 1e-6
"""Scores are rounded to it before ranking, so that one batch and another agree on ties."""


class ListSource(StrEnum):
    """What a list could draw on."""

    OWN = "own"
    """The shopper's own history, and friends' where there are any."""
    FRIENDS = "friends"
    """Friends' tastes alone: the shopper has no history that this release knows."""
    POPULAR = "popular"
    """Neither: what most people had."""


class ReasonKind(StrEnum):
    """Where a part of a score comes from."""

    OWN = "own"
    FRIEND = "friend"
    POPULAR = "popular"
    OTHERS = "others"
    """Parts of a score that are too small, or too private, to be told one by one."""
    SHOP = "shop"
    """What a rule of the shop did."""
    SPONSORED = "sponsored"
    """The same, where somebody paid for it."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of b shoppers, best first."""

    item_idx: Ints
    """Shape (b, k); -1 pads a list shorter than k."""
    score: Floats
    """Shape (b, k); -inf where padded."""
    source: tuple[ListSource, ...]
    """b of them."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One exact part of one item's score."""

    kind: ReasonKind
    item_idx: int
    """The item in the shopper's or the friend's history; -1 for popularity."""
    person: int
    """The friend's row in the batch's histories; -1 for one's own and for popularity."""
    contribution: float
    """All contributions of an item add up to its score."""
    share: float
    """|contribution| over the sum of all |contributions|: an item's shares add up to 1."""
    against: bool = False
    """Whether the item of the history was turned down: then it is no reason for anything."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """All parts of the scores of one shopper's s listed items, as columns: ``explain``'s, fast.

    Item j's score is the sum of column j of ``contribution`` plus ``popular[j]``.
    """

    item_idx: Ints
    """Shape (n,): the item in the shopper's or a friend's history."""
    person: Ints
    """Shape (n,): the friend's row in the batch's histories; -1 for the shopper's own entries."""
    kind: Codes
    """Shape (n,): what they did with it, an index of ``schema.EVENT_KINDS``."""
    contribution: npt.NDArray[np.float64]
    """Shape (n, s)."""
    popular: npt.NDArray[np.float64]
    """Shape (s,): what popularity adds."""
    against: npt.NDArray[np.bool_]
    """Shape (n,): whether they turned it down: then it is no reason for anything."""
    alike: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Of ``contribution``, what comes of items being alike, by kind of content
    (``content.ALIKE_IN``); each of shape (n, s)."""


class Recommender:
    """A release, at work. Holds no shopper: each call brings its own.

    The score of item i is, in the encoder's terms and with ``linear``'s score where there is one::

        inverse_temperature x_u / |x_u| . P_i + bias_i
            + newness_u popularity_weight log(1 + popularity_i) + linear_i

    Each of these is a term of ``score``: ``learned``, ``newcomers`` and ``linear``; more may stand
    in ``score.TERMS``. Where vectors have several heads, the first product is the mean of each
    head's. Friends who do not count for a shopper are as if they were not there.
    """

    def __init__(
        self,
        parameters: Parameters,
        popularity: Floats,
        available: npt.NDArray[np.bool_] | None = None,
        before: "Recommender | None" = None,
    ):
        """Make parameters ready to be asked.

        Args:
            parameters: As trained, on the CPU.
            popularity: How many people had each item, shape (items,).
            available: Items that may be shown, shape (items,); all if None.
            before: Of a release whose items these are, but for new ones behind them: what was made
                of its vectors is not made again.

        Raises:
            BadInputError: Tensors are missing, or differ in their number of items.
        """
        known = before._score if before else None
        self._score: Score = Score.of_tensors(parameters, popularity, known)
        self._available = np.ones(len(popularity), np.bool_) if available is None else available
        self._popularity = popularity.astype(np.float64)

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return self._score.num_items

    def read(self, shoppers: Shoppers) -> Asked:
        """Read shoppers once, for all that is asked of them.

        Raises:
            BadInputError: A history names an item that the release lacks.
        """
        items = shoppers.histories.item_idx
        if len(items) and not 0 <= items.min() <= items.max() < self.num_items:
            raise BadInputError(
                f"histories name items up to row {items.max()}: "
                f"expected rows below {self.num_items}"
            )
        return self._score.read(shoppers)

    def recommend(
        self, shoppers: Shoppers | Asked, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> Lists:
        """Make the list of each shopper: the k best unseen, available items.

        Args:
            shoppers: Whose.
            k: How many items, at most.
            allowed: Items that may be listed, shape (items,), in place of ``available``; it takes
                items away, and changes no score.

        Raises:
            BadInputError: k is not over 0, or a history names an item that the release lacks.
        """
        return self._ranked(shoppers, k, allowed)

    def pool(
        self, shoppers: Shoppers | Asked, num: int, allowed: npt.NDArray[np.bool_], also: Ints
    ) -> Lists:
        """List what rules may choose from: the best items, and some wherever they rank.

        Args:
            shoppers: Whose.
            num: How many of the best.
            allowed: Items that may be listed, shape (items,).
            also: Rows of items that are listed as well, where they are allowed and unseen.

        Raises:
            BadInputError: See ``recommend``.
        """
        return self._ranked(shoppers, num + RETRIEVE_MARGIN + len(also), allowed, also)

    def _ranked(
        self,
        shoppers: Shoppers | Asked,
        k: int,
        allowed: npt.NDArray[np.bool_] | None,
        also: Ints | None = None,
        by_codes: bool = True,
    ) -> Lists:
        """Find candidates, and rank the k best of them, with some others wherever they rank."""
        if k < 1:
            raise BadInputError(f"asked for {k} items: expected k over 0")
        asked = self._asked(shoppers)
        allowed = self._allowed(allowed)
        count = int(np.count_nonzero(allowed))

        def listable(row: int) -> npt.NDArray[np.bool_]:
            there = allowed.copy()
            bounds = asked.shoppers.seen_offsets[row : row + 2]
            there[asked.shoppers.seen[bounds[0] : bounds[1]]] = False
            return there

        lost = asked.lost
        queries = self._score.queries(asked)
        found = self._score.find(queries, k, count, listable, also, by_codes)
        item_idx = np.full((len(lost), k), -1, np.int64)
        score = np.full((len(lost), k), -np.inf, np.float32)
        for row, candidates in enumerate(found):
            items, scores = candidates.items, candidates.scores
            if lost[row]:
                items = np.flatnonzero(listable(row))
                scores = self._popularity[items]
            order = _best(items, scores, k, also)
            item_idx[row, : len(order)], score[row, : len(order)] = items[order], scores[order]
        return Lists(item_idx, score, self._sources(asked))

    def check(
        self, shoppers: Shoppers | Asked, lists: Lists, allowed: npt.NDArray[np.bool_] | None = None
    ) -> Recall | None:
        """Compare lists that ``recommend`` made with what reading all vectors brings; None where
        they came from that. Where too many items are missing, all lists do from now on."""
        retriever = self._score.retriever
        if retriever.codes() is None:
            return None
        best = self._ranked(shoppers, lists.item_idx.shape[1], allowed, by_codes=False).item_idx
        there = (best[:, :, None] == lists.item_idx[:, None, :]).any(axis=2) & (best >= 0)
        return retriever.note_check(int((best >= 0).sum()), int(there.sum()))

    def term_sizes(self, asked: Asked, lists: Lists, row: int) -> dict[str, float]:
        """Add up what each term makes of histories in one shopper's list; see ``Score.sizes``."""
        items = lists.item_idx[row][lists.item_idx[row] >= 0]
        return self._score.sizes(asked, asked.sources(row), torch.from_numpy(items))

    def score(self, shoppers: Shoppers | Asked, rows: Ints) -> Lists:
        """Score the same items for each shopper, seen and hidden ones too, in the order given."""
        asked = self._asked(shoppers)
        exact = self._score.exact(self._score.queries(asked), rows)
        exact[asked.lost] = self._popularity[rows]
        items = np.broadcast_to(rows, exact.shape)
        return Lists(items, exact.astype(np.float32), self._sources(asked))

    def directions(self, rows: Ints) -> npt.NDArray[np.float64]:
        """Read vectors of length 1 of some items: products near 1 where the same people like them,
        shape (rows, d)."""
        found: npt.NDArray[np.float64] = unit(self._score.item_vectors[rows].double()).numpy()
        return found

    @torch.inference_mode()
    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Score all items, seen and hidden ones too, in single precision, shape (b, items)."""
        asked = self.read(shoppers)
        scores = self._score.every(self._score.queries(asked))
        scores[torch.from_numpy(asked.lost)] = torch.from_numpy(self._popularity).float()
        return scores

    @torch.inference_mode()
    def newness(self, shoppers: Shoppers | Asked) -> torch.Tensor:
        """Compute the shares of popularity that count, shape (b,): 1 where nothing is known."""
        asked = self._asked(shoppers)
        return newness(asked, 0, len(asked.shoppers))

    @torch.inference_mode()
    def explain(self, shoppers: Shoppers, lists: Lists) -> list[list[list[Contribution]]]:
        """Split every shown item's score into its contributions, largest share first.

        Returns:
            Per shopper, per item of the list (padding left out), the contributions.
        """
        asked = self.read(shoppers)
        return [self._explain_one(asked, lists, row) for row in range(len(shoppers))]

    def contributions(
        self, shoppers: Shoppers | Asked, lists: Lists, row: int = 0
    ) -> Contributions:
        """Split the scores of one shopper's list (padding left out) into arrays, for speed."""
        return self._parts(self._asked(shoppers), lists, row)

    @torch.inference_mode()
    def similar(
        self, item_idx: int, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Ints, Floats]:
        """Find the k available items that the same people would like, best first, with cosines.

        Args:
            item_idx: Row of the item that they are like.
            k: How many, at most.
            allowed: Items that may be found, shape (items,), in place of ``available``.

        Raises:
            BadInputError: k is not over 0, or the release lacks the item.
        """
        if k < 1 or not 0 <= item_idx < self.num_items:
            raise BadInputError(
                f"asked for {k} items like row {item_idx}: "
                f"expected k over 0 and a row below {self.num_items}"
            )
        vectors = self._score.item_vectors
        cosine = (unit(vectors) @ unit(vectors[item_idx][None])[0]).double().numpy()
        there = self._allowed(allowed).copy()
        there[item_idx] = False
        items = np.flatnonzero(there)
        best = items[_best(items, cosine[items], k)]
        return best, cosine[best].astype(np.float32)

    def _asked(self, shoppers: Shoppers | Asked) -> Asked:
        return shoppers if isinstance(shoppers, Asked) else self.read(shoppers)

    def _allowed(self, allowed: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
        if allowed is None:
            return self._available
        # Who asked may not know yet of items that were added: they are not to be listed.
        added = self.num_items - len(allowed)
        return np.pad(allowed, (0, added)) if added else allowed

    def _sources(self, asked: Asked) -> tuple[ListSource, ...]:
        own = (asked.weighed.total[: len(asked.shoppers)] > 0).tolist()
        return tuple(
            ListSource.POPULAR if none else ListSource.OWN if has else ListSource.FRIENDS
            for none, has in zip(asked.lost.tolist(), own, strict=True)
        )

    def _explain_one(self, asked: Asked, lists: Lists, row: int) -> list[list[Contribution]]:
        parts = self._parts(asked, lists, row)
        if lists.source[row] is ListSource.POPULAR:
            return [
                [Contribution(ReasonKind.POPULAR, -1, -1, float(had), 1.0)] for had in parts.popular
            ]
        entries = parts.item_idx.tolist(), parts.person.tolist(), parts.against.tolist()
        return [
            _reasons(*entries, column, bias)
            for column, bias in zip(parts.contribution.T.tolist(), parts.popular, strict=True)
        ]

    def _parts(self, asked: Asked, lists: Lists, row: int) -> Contributions:
        items = lists.item_idx[row][lists.item_idx[row] >= 0]
        if lists.source[row] is ListSource.POPULAR:
            none = np.zeros(0, np.int64)
            had = self._popularity[items]
            nothing = np.zeros((0, len(items)))
            return Contributions(
                none, none, none.astype(np.int8), nothing, had, none.astype(np.bool_)
            )
        sources = asked.sources(row)
        contribution, popular, alike = self._score.split(asked, sources, torch.from_numpy(items))
        histories, ties = asked.shoppers.histories, sources.ties
        person = np.full(len(ties), -1)
        person[ties >= 0] = asked.shoppers.friends.person[ties[ties >= 0]]
        return Contributions(
            histories.item_idx[sources.entries],
            person,
            histories.kind[sources.entries],
            contribution,
            popular,
            histories.against[sources.entries],
            alike,
        )


def _reasons(
    source: list[int], person: list[int], against: list[bool], parts: list[float], bias: float
) -> list[Contribution]:
    """List one item's contributions, largest share first."""
    every = [*zip(source, person, against, parts, strict=True), (-1, -1, False, float(bias))]
    whole = sum(abs(part) for *_, part in every) or 1.0
    reasons = [
        Contribution(_kind(item, who), item, who, part, abs(part) / whole, no)
        for item, who, no, part in every
    ]
    return sorted(reasons, key=lambda reason: -reason.share)


def _kind(item: int, person: int) -> ReasonKind:
    if item < 0:
        return ReasonKind.POPULAR
    return ReasonKind.OWN if person < 0 else ReasonKind.FRIEND


def _best(items: Ints, scores: npt.NDArray[np.float64], k: int, also: Ints | None = None) -> Ints:
    """Order the places of k items: of some whatever their scores, and of those with the highest; of
    equal scores the lower item comes first."""
    order = np.lexsort((items, -np.rint(scores / _RESOLUTION)))
    if also is None or not len(also):
        return order[:k]
    kept = np.isin(items[order], also)
    best = np.flatnonzero(~kept)[: max(k - int(kept.sum()), 0)]
    kept[best] = True
    return order[kept][:k]
