"""The one path from a shopper to a list with reasons: encode, retrieve, rank, explain.

Offline evaluation and serving call these same methods; nothing else in Coterie makes a list.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Codes, Floats, Ints
from coterie.errors import BadInputError
from coterie.recommend import linear
from coterie.recommend.encoder import Encoded, Encoder, ShopperTensors, of_all_kinds, unit
from coterie.recommend.linear import DISLIKE_WEIGHT, LinearPart
from coterie.recommend.shoppers import Circles, Shoppers

Parameters = dict[str, torch.Tensor]
"""All that was learned: ``item_in`` and ``item_out`` (items, d), ``item_bias`` (items,), ``scale``
and ``prior`` (), the encoder's weights under ``encoder.``; if a vector has more heads than one,
``heads`` (); if not everybody's friends count, ``friends_for`` (), a FriendsFor; if what was turned
down takes away from what is like it, ``dislike_weight`` (); and, if there is a closed form,
``linear.NAMES``."""
RETRIEVE_MARGIN = 50
"""Candidates beyond k that single precision retrieves for double precision to rank."""
_RESOLUTION = 1e-6
"""Scores are rounded to it before ranking, so that one batch and another agree on ties."""


class Source(StrEnum):
    """What a list could draw on."""

    OWN = "own"
    """The shopper's own history, and friends' where there are any."""
    FRIENDS = "friends"
    """Friends' tastes alone: the shopper has no history that this release knows."""
    POPULAR = "popular"
    """Neither: what most people had."""


class FriendsFor(IntEnum):
    """Whose friends count, as training left it: weights of friends that it did not learn must not
    make lists."""

    NOBODY = 0
    NEWCOMERS = 1
    """Who has no history of their own."""
    EVERYONE = 2


class ReasonKind(StrEnum):
    """Where a part of a score comes from."""

    OWN = "own"
    FRIEND = "friend"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of b shoppers, best first."""

    item_idx: Ints
    """Shape (b, k); -1 pads a list shorter than k."""
    score: Floats
    """Shape (b, k); -inf where padded."""
    source: tuple[Source, ...]
    """b of them."""


@dataclass(frozen=True, slots=True)
class Reason:
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
class Parts:
    """All parts of the scores of one shopper's s listed items, as columns: what reasons say, fast.

    Item j's score is the sum of column j of ``contribution`` plus ``popular[j]``.
    """

    item_idx: Ints
    """Shape (n,): the item in the shopper's or a friend's history."""
    person: Ints
    """Shape (n,): the friend's row in the batch's histories; -1 for the shopper's own entries."""
    kind: Codes
    """Shape (n,): what they did with it, a place in ``schema.EVENT_KINDS``."""
    contribution: npt.NDArray[np.float64]
    """Shape (n, s)."""
    popular: npt.NDArray[np.float64]
    """Shape (s,): what popularity adds."""
    against: npt.NDArray[np.bool_]
    """Shape (n,): whether they turned it down: then it is no reason for anything."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What b shoppers bring to the items' vectors."""

    encoded: Encoded
    state: torch.Tensor
    """x_u, shape (b, d)."""
    lost: torch.Tensor
    """Shape (b,): nothing is known, so popularity alone ranks."""
    newness: torch.Tensor
    """Shape (b,): see ``Recommender.newness``."""
    solved: tuple[torch.Tensor, torch.Tensor] | None
    """The closed form's states, shape (b, rank), and what it adds beside them, (b, items)."""


class Recommender:
    """A release, at work. Holds no shopper: each call brings its own.

    The score of item i is, in the encoder's terms and with ``linear``'s score where there is one::

        scale x_u / |x_u| . P_i + bias_i + newness_u prior log(1 + popularity_i) + linear_i
        newness_u = 1 / ((1 + W_u) ** 2 (1 + F_u))

    Where vectors have several heads, the first product is the mean of each head's.
    What most people had counts for a newcomer, and soon no more: W_u is the weight of all entries
    of one's own, and F_u how many friends have a history (a single one's taste says little).
    Friends who do not count for a shopper are as if they were not there.
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
        _check(parameters, len(popularity))
        self._encoder = Encoder()
        weights = {
            name.removeprefix("encoder."): tensor
            for name, tensor in parameters.items()
            if name.startswith("encoder.")
        }
        weights["kind"] = of_all_kinds(weights["kind"], loudest=0.0)
        self._encoder.load_state_dict(weights)
        # Ranking sums in double precision: float32 sums differ with the size of a batch, and an
        # offline list would then not be the served one.
        self._encoder.double().requires_grad_(False)
        self._item_in = parameters["item_in"].double()
        self._item_out = parameters["item_out"].double()
        self._coarse_out = parameters["item_out"].float()
        self._bias = parameters["item_bias"].double()
        self._heads = _heads(parameters)
        self._scale = float(parameters["scale"]) / self._heads
        self._friends_for = _friends_for(parameters)
        self._dislike_weight = float(parameters.get(DISLIKE_WEIGHT, 0.0))
        self._linear: LinearPart | None = None
        if parameters.keys() >= linear.NAMES:
            self._linear = LinearPart.of_tensors(parameters, len(popularity))
            self._coarse_solved = self._linear.out.float()
        self._hidden = torch.zeros(len(popularity), dtype=torch.bool)
        if available is not None:
            self._hidden = torch.from_numpy(~available)
        self._popularity = torch.from_numpy(popularity.astype(np.float64))
        self._prior = float(parameters["prior"]) * self._popularity.log1p()

    @property
    def num_items(self) -> int:
        """Items of the release."""
        return len(self._item_in)

    @torch.inference_mode()
    def recommend(self, shoppers: Shoppers, k: int) -> Lists:
        """The k best unseen, available items of each shopper.

        Raises:
            BadInputError: k is not over 0, or a history names an item that the release lacks.
        """
        self._check_request(shoppers, k)
        shoppers = self._counting(shoppers)
        asked = self._ask(shoppers)
        coarse = self._coarse_scores(asked)
        self._mask(coarse, shoppers)
        width = min(k + RETRIEVE_MARGIN, self.num_items)
        candidates = coarse.topk(width, dim=1)
        exact = self._exact_scores(asked, candidates.indices)
        exact[candidates.values == -torch.inf] = -torch.inf
        item, score = _best(candidates.indices, exact, k)
        item[score == -torch.inf] = -1
        return Lists(item.numpy(), score.float().numpy(), self._sources(asked))

    @torch.inference_mode()
    def scores(self, shoppers: Shoppers) -> torch.Tensor:
        """Scores of all items, seen and hidden ones too, single precision, shape (b, items)."""
        self._check_request(shoppers, 1)
        return self._coarse_scores(self._ask(self._counting(shoppers)))

    @torch.inference_mode()
    def newness(self, shoppers: Shoppers) -> torch.Tensor:
        """Shares of the prior that count, shape (b,): 1 where nothing is known of a shopper."""
        shoppers = self._counting(shoppers)
        encoded, _ = self._encode(shoppers)
        return _newness(encoded, shoppers.circles, 0, len(shoppers))

    @torch.inference_mode()
    def explain(self, shoppers: Shoppers, lists: Lists) -> list[list[list[Reason]]]:
        """All parts of every shown item's score, largest share first.

        Returns:
            Per shopper, per item of its list (padding left out), the reasons.
        """
        shoppers = self._counting(shoppers)
        encoded, state = self._encode(shoppers)
        return [
            self._explain_one(shoppers, encoded, state, lists, row) for row in range(len(shoppers))
        ]

    @torch.inference_mode()
    def parts(self, shoppers: Shoppers, lists: Lists, row: int = 0) -> Parts:
        """The same sums as ``explain``'s, of one shopper's list (padding left out), as arrays."""
        shoppers = self._counting(shoppers)
        encoded, state = self._encode(shoppers)
        return self._parts(shoppers, encoded, state, lists, row)

    @torch.inference_mode()
    def similar(self, item_idx: int, k: int) -> tuple[Ints, Floats]:
        """The k available items that the same people would like, best first, with cosines.

        Raises:
            BadInputError: k is not over 0, or the release lacks the item.
        """
        if k < 1 or not 0 <= item_idx < self.num_items:
            raise BadInputError(
                f"asked for {k} items like row {item_idx}: "
                f"expected k over 0 and a row below {self.num_items}"
            )
        cosine = unit(self._item_out) @ unit(self._item_out[item_idx][None])[0]
        cosine[self._hidden] = -torch.inf
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

    def _counting(self, shoppers: Shoppers) -> Shoppers:
        """The shoppers with the entries and the friends that count."""
        shoppers = shoppers.counting(self._dislike_weight)
        if self._friends_for is FriendsFor.EVERYONE:
            return shoppers
        nobodys = self._friends_for is FriendsFor.NOBODY
        return replace(shoppers, circles=shoppers.circles.without(shoppers.known | nobodys))

    def _encode(self, shoppers: Shoppers) -> tuple[Encoded, torch.Tensor]:
        """Weights and states, shape (b, d), in double precision."""
        batch = ShopperTensors.of(
            shoppers, torch.device("cpu"), torch.float64, self._dislike_weight
        )
        encoded = self._encoder(self._item_in, batch)
        b = batch.num_shoppers
        state = self._encoder.states(
            encoded.sums[:b], encoded.total[:b], encoded.friends, encoded.tie_total
        )
        return encoded, state

    def _ask(self, shoppers: Shoppers) -> _Asked:
        encoded, state = self._encode(shoppers)
        solved = None
        if self._linear is not None:
            solved = self._linear.states(shoppers), self._linear.direct(shoppers)
        newness = _newness(encoded, shoppers.circles, 0, len(shoppers))
        return _Asked(encoded, state, state.norm(dim=1) == 0, newness, solved)

    def _coarse_scores(self, asked: _Asked) -> torch.Tensor:
        query = (self._scale * unit(asked.state, self._heads)).float()
        scores = query @ self._coarse_out.T + self._bias.float()
        scores += asked.newness.float()[:, None] * self._prior.float()
        if asked.solved is not None:
            scores += asked.solved[0].float() @ self._coarse_solved.T + asked.solved[1].float()
        scores[asked.lost] = self._popularity.float()
        return scores

    def _mask(self, scores: torch.Tensor, shoppers: Shoppers) -> None:
        counts = np.diff(shoppers.seen_offsets)
        scores[:, self._hidden] = -torch.inf
        scores[np.repeat(np.arange(len(shoppers)), counts), shoppers.seen] = -torch.inf

    def _exact_scores(self, asked: _Asked, items: torch.Tensor) -> torch.Tensor:
        """Scores of some items a shopper, shape (b, n), each summed alike in any batch."""
        vectors = self._item_out[items]
        scores = self._scale * (unit(asked.state, self._heads)[:, None, :] * vectors).sum(2)
        scores = scores + self._bias[items] + asked.newness[:, None] * self._prior[items]
        if self._linear and asked.solved is not None:
            scores = scores + (asked.solved[0][:, None, :] * self._linear.out[items]).sum(2)
            scores = scores + asked.solved[1].gather(1, items)
        return torch.where(asked.lost[:, None], self._popularity[items], scores)

    def _sources(self, asked: _Asked) -> tuple[Source, ...]:
        own = (asked.encoded.total[: len(asked.lost)] > 0).tolist()
        return tuple(
            Source.POPULAR if none else Source.OWN if has else Source.FRIENDS
            for none, has in zip(asked.lost.tolist(), own, strict=True)
        )

    def _explain_one(
        self,
        shoppers: Shoppers,
        encoded: Encoded,
        state: torch.Tensor,
        lists: Lists,
        row: int,
    ) -> list[list[Reason]]:
        parts = self._parts(shoppers, encoded, state, lists, row)
        if lists.source[row] is Source.POPULAR:
            return [[Reason(ReasonKind.POPULAR, -1, -1, float(had), 1.0)] for had in parts.popular]
        entries = parts.item_idx.tolist(), parts.person.tolist(), parts.against.tolist()
        return [
            _reasons(*entries, column, bias)
            for column, bias in zip(parts.contribution.T.tolist(), parts.popular, strict=True)
        ]

    def _parts(
        self,
        shoppers: Shoppers,
        encoded: Encoded,
        state: torch.Tensor,
        lists: Lists,
        row: int,
    ) -> Parts:
        items = torch.from_numpy(lists.item_idx[row][lists.item_idx[row] >= 0])
        if lists.source[row] is Source.POPULAR:
            none = np.zeros(0, np.int64)
            had = self._popularity[items].numpy()
            nothing = np.zeros((0, len(items)))
            return Parts(none, none, none.astype(np.int8), nothing, had, none.astype(np.bool_))
        entries, ties, weight = self._sources_of_state(shoppers, encoded, row)
        source = shoppers.histories.item_idx[entries]
        vectors = self._item_in[torch.from_numpy(source)] * weight[:, None]
        length = state[row].view(self._heads, -1).norm(dim=1).clamp_min(1e-12)
        # All sizes are said: -1 could not be told of no items, the list of who had everything.
        found = self._item_out[items]
        heads = found.reshape(len(items), self._heads, found.shape[1] // self._heads)
        out = (heads / length[:, None]).flatten(1)
        parts = (vectors @ out.T * self._scale).numpy()
        if self._linear:
            parts = parts + self._linear.contributions(shoppers, entries, ties, items.numpy())
        kind, against = shoppers.histories.kind[entries], shoppers.histories.against[entries]
        person = np.full(len(ties), -1)
        person[ties >= 0] = shoppers.circles.person[ties[ties >= 0]]
        popular = (
            self._bias[items]
            + _newness(encoded, shoppers.circles, row, row + 1) * self._prior[items]
        )
        return Parts(source, person, kind, parts, popular.numpy(), against)

    def _sources_of_state(
        self, shoppers: Shoppers, encoded: Encoded, row: int
    ) -> tuple[Ints, Ints, torch.Tensor]:
        """History entries that a state is the sum of: rows, ties (-1: own), total weights."""
        bounds = shoppers.circles.offsets[row : row + 2].tolist()
        circle = slice(*bounds)
        people = np.concatenate([[row], shoppers.circles.person[circle]])
        gate = self._encoder.gates(encoded.total[row], encoded.tie_total[row])
        of_person = torch.cat([torch.ones(1).double(), gate * encoded.tie_weight[circle]])
        shrink = self._encoder.tastes(torch.ones(len(people), 1).double(), encoded.total[people])
        starts, ends = shoppers.histories.offsets[people], shoppers.histories.offsets[people + 1]
        counts = ends - starts
        ahead = np.cumsum(counts) - counts
        entries = np.repeat(starts - ahead, counts) + np.arange(counts.sum())
        place = np.repeat(np.arange(len(people)), counts)
        weight = encoded.entry_weight[entries] * (of_person * shrink[:, 0])[place]
        ties = np.concatenate([[-1], np.arange(*bounds)])[place]
        return entries, ties, weight


def _newness(encoded: Encoded, circles: Circles, first: int, stop: int) -> torch.Tensor:
    """Of the shoppers from ``first`` to before ``stop``."""
    bounds = circles.offsets[first : stop + 1]
    person = circles.person[bounds[0] : bounds[-1]]
    so_far = np.concatenate([[0], np.cumsum(encoded.total.numpy()[person] > 0)])
    friends = torch.from_numpy(np.diff(so_far[bounds - bounds[0]]))
    return (1.0 + encoded.total[first:stop]) ** -2 / (1.0 + friends)


def _reasons(
    source: list[int], person: list[int], against: list[bool], parts: list[float], bias: float
) -> list[Reason]:
    """One item's reasons, largest share first."""
    every = [*zip(source, person, against, parts, strict=True), (-1, -1, False, float(bias))]
    whole = sum(abs(part) for *_, part in every) or 1.0
    reasons = [
        Reason(_kind(item, who), item, who, part, abs(part) / whole, no)
        for item, who, no, part in every
    ]
    return sorted(reasons, key=lambda reason: -reason.share)


def _kind(item: int, person: int) -> ReasonKind:
    if item < 0:
        return ReasonKind.POPULAR
    return ReasonKind.OWN if person < 0 else ReasonKind.FRIEND


def _best(items: torch.Tensor, scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k highest of each row, equal scores by the lower item; shapes (b, k), padded."""
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


def _check(parameters: Parameters, num_items: int) -> None:
    needed = {"item_in", "item_out", "item_bias", "scale", "prior"}
    needed |= {f"encoder.{name}" for name, _ in Encoder().named_parameters()}
    names = set(parameters) - {"heads", "friends_for", DISLIKE_WEIGHT}
    if names != needed and names != needed | linear.NAMES:
        raise BadInputError(
            f"parameters are {sorted(parameters)}, expected {sorted(needed)}: "
            "was this release made by another version?"
        )
    rows = {name: len(parameters[name]) for name in ("item_in", "item_out", "item_bias")}
    if set(rows.values()) != {num_items}:
        raise BadInputError(f"tensors have {rows} rows, expected one for each of {num_items} items")
    heads, width = _heads(parameters), parameters["item_in"].shape[1]
    if heads < 1 or width % heads:
        raise BadInputError(f"vectors of {width} numbers cannot have {heads} heads of one length")
    _friends_for(parameters)


def _heads(parameters: Parameters) -> int:
    return int(parameters.get("heads", 1))


def _friends_for(parameters: Parameters) -> FriendsFor:
    found = int(parameters.get("friends_for", FriendsFor.EVERYONE))
    try:
        return FriendsFor(found)
    except ValueError:
        raise BadInputError(
            f"friends_for is {found}, expected one of {[f.value for f in FriendsFor]}: "
            "was this release made by another version?"
        ) from None
