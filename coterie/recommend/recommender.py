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
from coterie.recommend.score import Score
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Asked, Parameters

RETRIEVE_MARGIN = 50
"""Candidates beyond k that single precision retrieves for double precision to rank."""
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
    ):
        """Make parameters ready to be asked.

        Args:
            parameters: As trained, on the CPU.
            popularity: How many people had each item, shape (items,).
            available: Items that may be shown, shape (items,); all if None.

        Raises:
            BadInputError: Tensors are missing, or differ in their number of items.
        """
        self._score = Score.of_tensors(parameters, popularity)
        self._hidden = torch.zeros(len(popularity), dtype=torch.bool)
        if available is not None:
            self._hidden = torch.from_numpy(~available)
        self._popularity = torch.from_numpy(popularity.astype(np.float64))

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return self._score.num_items

    @torch.inference_mode()
    def recommend(
        self, shoppers: Shoppers, k: int, allowed: npt.NDArray[np.bool_] | None = None
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
        return self._ranked(shoppers, k, k + RETRIEVE_MARGIN, allowed)

    @torch.inference_mode()
    def pool(
        self, shoppers: Shoppers, num: int, allowed: npt.NDArray[np.bool_], also: Ints
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
        width = num + RETRIEVE_MARGIN + len(also)
        return self._ranked(shoppers, width, width, allowed, also)

    def _ranked(
        self,
        shoppers: Shoppers,
        k: int,
        width: int,
        allowed: npt.NDArray[np.bool_] | None,
        also: Ints | None = None,
    ) -> Lists:
        """Retrieve so many candidates (``width``) and what is asked for ``also``; rank k."""
        self._check_request(shoppers, k)
        asked = self._score.read(shoppers)
        queries = self._score.queries(asked)
        coarse = self._score.coarse(queries)
        coarse[asked.lost] = self._popularity.float()
        self._mask(coarse, shoppers, allowed)
        if also is not None and len(also):
            there = coarse[:, also] > -torch.inf
            coarse[:, also] = torch.where(there, torch.inf, -torch.inf)
        width = min(width, self.num_items)
        candidates = coarse.topk(width, dim=1)
        exact = self._score.exact(queries, candidates.indices)
        popular = self._popularity[candidates.indices]
        exact = torch.where(asked.lost[:, None], popular, exact)
        exact[candidates.values == -torch.inf] = -torch.inf
        item, score = _best(candidates.indices, exact, k)
        item[score == -torch.inf] = -1
        return Lists(item.numpy(), score.float().numpy(), self._sources(asked))

    @torch.inference_mode()
    def score(self, shoppers: Shoppers, rows: Ints) -> Lists:
        """Score the same items for each shopper, seen and hidden ones too, in the order given."""
        self._check_request(shoppers, 1)
        asked = self._score.read(shoppers)
        items = torch.from_numpy(rows)[None].expand(len(shoppers), -1)
        exact = self._score.exact(self._score.queries(asked), items)
        exact = torch.where(asked.lost[:, None], self._popularity[items], exact)
        return Lists(items.numpy(), exact.float().numpy(), self._sources(asked))

    def directions(self, rows: Ints) -> npt.NDArray[np.float64]:
        """Read vectors of length 1 of some items: products near 1 where the same people like them,
        shape (rows, d)."""
        found: npt.NDArray[np.float64] = unit(self._score.item_vectors[rows]).double().numpy()
        return found

    @torch.inference_mode()
    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Score all items, seen and hidden ones too, in single precision, shape (b, items)."""
        self._check_request(shoppers, 1)
        asked = self._score.read(shoppers)
        scores = self._score.every(self._score.queries(asked))
        scores[asked.lost] = self._popularity.float()
        return scores

    @torch.inference_mode()
    def newness(self, shoppers: Shoppers) -> torch.Tensor:
        """Compute the shares of popularity that count, shape (b,): 1 where nothing is known."""
        return newness(self._score.read(shoppers), 0, len(shoppers))

    @torch.inference_mode()
    def explain(self, shoppers: Shoppers, lists: Lists) -> list[list[list[Contribution]]]:
        """Split every shown item's score into its contributions, largest share first.

        Returns:
            Per shopper, per item of the list (padding left out), the contributions.
        """
        asked = self._score.read(shoppers)
        return [self._explain_one(asked, lists, row) for row in range(len(shoppers))]

    @torch.inference_mode()
    def contributions(self, shoppers: Shoppers, lists: Lists, row: int = 0) -> Contributions:
        """Split the scores of one shopper's list (padding left out) into arrays, for speed."""
        return self._parts(self._score.read(shoppers), lists, row)

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
        cosine = unit(vectors) @ unit(vectors[item_idx][None])[0]
        cosine[self._hidden_by(allowed)] = -torch.inf
        cosine[item_idx] = -torch.inf
        k = min(k, int((cosine > -torch.inf).sum()))
        item, score = _best(torch.arange(self.num_items)[None], cosine[None], k)
        return item[0].numpy(), score[0].float().numpy()

    def _check_request(self, shoppers: Shoppers, k: int) -> None:
        items = shoppers.histories.item_idx
        if k < 1 or (len(items) and not 0 <= items.min() <= items.max() < self.num_items):
            raise BadInputError(
                f"asked for {k} items by histories up to row {items.max(initial=-1)}: "
                f"expected k over 0 and rows below {self.num_items}"
            )

    def _hidden_by(self, allowed: npt.NDArray[np.bool_] | None) -> torch.Tensor:
        if allowed is None:
            return self._hidden
        # Who asked may not know yet of items that were added: they are not to be listed.
        hidden = torch.ones(self.num_items, dtype=torch.bool)
        hidden[: len(allowed)] = torch.from_numpy(~allowed)
        return hidden

    def _mask(
        self,
        scores: torch.Tensor,
        shoppers: Shoppers,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        counts = np.diff(shoppers.seen_offsets)
        scores[:, self._hidden_by(allowed)] = -torch.inf
        scores[np.repeat(np.arange(len(shoppers)), counts), shoppers.seen] = -torch.inf

    def _sources(self, asked: Asked) -> tuple[ListSource, ...]:
        own = (asked.encoded.total[: len(asked.shoppers)] > 0).tolist()
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
        items = torch.from_numpy(lists.item_idx[row][lists.item_idx[row] >= 0])
        if lists.source[row] is ListSource.POPULAR:
            none = np.zeros(0, np.int64)
            had = self._popularity[items].numpy()
            nothing = np.zeros((0, len(items)))
            return Contributions(
                none, none, none.astype(np.int8), nothing, had, none.astype(np.bool_)
            )
        sources = self._score.sources(asked, row)
        contribution, popular, alike = self._score.split(asked, sources, items)
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


def _best(items: torch.Tensor, scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the k highest of each row, of equal scores the lower item; shapes (b, k), padded."""
    rounded = torch.round(scores / _RESOLUTION)
    by_item = items.argsort(dim=1, stable=True)
    by_score = rounded.gather(1, by_item).argsort(dim=1, descending=True, stable=True)
    order = by_item.gather(1, by_score)[:, :k]
    item, score = items.gather(1, order), scores.gather(1, order)
    short = k - item.shape[1]
    if short > 0:
        item = torch.nn.functional.pad(item, (0, short), value=-1)
        score = torch.nn.functional.pad(score, (0, short), value=-torch.inf)
    return item, score
