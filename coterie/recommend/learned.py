"""The learned term of a score: a scaled cosine of the shopper's state with items, plus a bias."""

from dataclasses import replace
from enum import IntEnum
from typing import ClassVar, Final

import numpy as np
import torch

from coterie.errors import BadInputError
from coterie.recommend.encoder import Encoder, of_all_kinds
from coterie.recommend.linear import DISLIKE_WEIGHT, LEAST_FRIEND
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.source_items import SourceItems
from coterie.recommend.terms import Asked, Parameters, Query, Sources, TermContributions
from coterie.recommend.weighing import Doubles, EncoderWeights

ENCODER: Final = "encoder."
_ITEM_IN: Final = "item_in"


class FriendsFor(IntEnum):
    """Whose friends count, as training left it: weights of friends that it did not learn must not
    make lists."""

    NOBODY = 0
    NEWCOMERS = 1
    """Who has no history of their own."""
    EVERYONE = 2


def encoder_weights(tensors: Parameters) -> EncoderWeights:
    """Read the weights of the encoder among a release's tensors."""
    encoder = Encoder()
    weights = {
        name.removeprefix(ENCODER): tensor
        for name, tensor in tensors.items()
        if name.startswith(ENCODER)
    }
    weights["kind"] = of_all_kinds(weights["kind"], loudest=0.0)
    encoder.load_state_dict(weights)
    return EncoderWeights.of(encoder)


class LearnedTerm:
    """The first term of every score; see ``terms.ScoreTerm``.

    It also reads shoppers for all terms: whose entries and friends count, and how much.
    """

    names: ClassVar[frozenset[str]] = frozenset(
        {"item_in", "item_out", "item_bias", "inverse_temperature"}
        | {f"{ENCODER}{name}" for name, _ in Encoder().named_parameters()}
    )

    may_lack: ClassVar[frozenset[str]] = frozenset(
        {"heads", "friends_for", DISLIKE_WEIGHT, LEAST_FRIEND}
    )
    """Tensors that a release need not have: then there is one head, everyone's friends count, of
    however short a history, and what was turned down takes nothing away."""

    def __init__(self, tensors: Parameters):
        """Make tensors that were checked, of ``names`` and ``may_lack``, ready to be asked."""
        self._tensors = tensors
        # Ranking sums in double precision: float32 sums differ with the size of a batch, and an
        # offline list would then not be the served one. Vectors stay as they are until then.
        self._encoder = encoder_weights(tensors)
        self._item_in = tensors["item_in"]
        self._item_out = tensors["item_out"]
        self._bias = tensors["item_bias"].double()
        self._heads = int(tensors.get("heads", 1))
        self._scale = float(tensors["inverse_temperature"]) / self._heads
        self._friends_for = FriendsFor(int(tensors.get("friends_for", FriendsFor.EVERYONE)))
        self._dislike_weight = float(tensors.get(DISLIKE_WEIGHT, 0.0))
        self._least_friend = float(tensors.get(LEAST_FRIEND, 0.0))

    @classmethod
    def of_tensors(cls, tensors: Parameters, num_items: int) -> "LearnedTerm":
        """See ScoreTerm."""
        per_item = ("item_in", "item_out", "item_bias")
        rows = {name: len(tensors[name]) for name in per_item}
        if set(rows.values()) != {num_items}:
            raise BadInputError(
                f"tensors have {rows} rows, expected one for each of {num_items} items"
            )
        heads, width = int(tensors.get("heads", 1)), tensors["item_in"].shape[1]
        if heads < 1 or width % heads:
            raise BadInputError(
                f"vectors of {width} numbers cannot have {heads} heads of one length"
            )
        friends_for = int(tensors.get("friends_for", FriendsFor.EVERYONE))
        if friends_for not in {f.value for f in FriendsFor}:
            raise BadInputError(
                f"friends_for is {friends_for}, expected one of {[f.value for f in FriendsFor]}: "
                "was this release made by another version?"
            )
        return cls({name: t for name, t in tensors.items() if name in cls.names | cls.may_lack})

    @property
    def vectors(self) -> torch.Tensor:
        """See ScoreTerm."""
        return self._item_out

    @property
    def bias(self) -> Doubles:
        """What each item has whoever asks, shape (items,): it stands beside all products."""
        return np.asarray(self._bias.numpy())

    def read(self, shoppers: Shoppers) -> Asked:
        """Weigh what shoppers bring, in double precision, without what does not count."""
        shoppers = self._counting(shoppers)
        weighed = self._encoder.weigh(shoppers, self._dislike_weight, self._least_friend)
        listed = shoppers.sources()
        tie = np.append(
            weighed.tie_weight * np.repeat(weighed.gate, np.diff(shoppers.friends.offsets)), 1.0
        )
        # The last, at -1, is what own entries count.
        of_person = weighed.shrink[listed.person] * tie[listed.ties]
        weight = weighed.entry_weight[listed.entries] * of_person
        items, table = shoppers.histories.item_idx[listed.entries], self._item_in.numpy()
        state = np.empty((len(shoppers), table.shape[1]))
        for row in range(len(shoppers)):
            some = listed.of(row)
            drawn_on = SourceItems(items[some], kept=len(shoppers) == 1)
            state[row] = drawn_on.weighted_sum(_ITEM_IN, table, weight[some])
        only = drawn_on if len(shoppers) == 1 else None
        return Asked(shoppers, weighed, listed, weight, torch.from_numpy(state), only)

    def _counting(self, shoppers: Shoppers) -> Shoppers:
        """Leave out the shoppers' entries and friends that do not count."""
        shoppers = shoppers.counting(self._dislike_weight)
        if self._friends_for is FriendsFor.EVERYONE:
            return shoppers
        nobodys = self._friends_for is FriendsFor.NOBODY
        return replace(shoppers, friends=shoppers.friends.without(shoppers.known | nobodys))

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        num, width = asked.state.shape
        parts = asked.state.numpy().reshape(num, self._heads, width // self._heads)
        length = np.maximum(np.sqrt(np.einsum("bhd,bhd->bh", parts, parts)), 1e-12)
        vector = self._scale * (parts / length[:, :, None]).reshape(num, width)
        return Query(torch.from_numpy(vector), self._bias[None])

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        rows, width = items.numpy(), self._item_out.shape[1]
        # -1 could not be told of no items, which are the list of who had everything.
        shape = (self._heads, width // self._heads)
        state = asked.state.numpy()[sources.row].reshape(shape)
        length = np.maximum(np.sqrt(np.einsum("hd,hd->h", state, state)), 1e-12)
        heads = np.take(self._item_out.numpy(), rows, axis=0).astype(np.float64)
        heads = heads.reshape(len(rows), *shape)
        out = (heads * (self._scale / length)[:, None]).reshape(len(rows), width)
        of_items = sources.of.rows(_ITEM_IN, self._item_in.numpy()) @ out.T
        added = np.take(of_items, sources.of.place, axis=0)
        added *= sources.weight.numpy()[:, None]
        return TermContributions(added, self._bias.numpy()[rows])

    def times(self, factor: float) -> "LearnedTerm":
        """See ScoreTerm."""
        scaled = {
            name: self._tensors[name] * factor for name in ("inverse_temperature", "item_bias")
        }
        return LearnedTerm(self._tensors | scaled)

    def tensors(self) -> Parameters:
        """See ScoreTerm."""
        return dict(self._tensors)
