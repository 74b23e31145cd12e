"""The learned term of a score: a scaled cosine of the shopper's state with items, plus a bias."""

from dataclasses import replace
from enum import IntEnum
from typing import ClassVar, Final

import numpy as np
import torch

from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.recommend.encoder import Encoder, ShopperTensors, of_all_kinds, unit
from coterie.recommend.linear import DISLIKE_WEIGHT
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Asked, Parameters, Query, Sources, TermContributions

ENCODER: Final = "encoder."


class FriendsFor(IntEnum):
    """Whose friends count, as training left it: weights of friends that it did not learn must not
    make lists."""

    NOBODY = 0
    NEWCOMERS = 1
    """Who has no history of their own."""
    EVERYONE = 2


class LearnedTerm:
    """The first term of every score; see ``terms.ScoreTerm``.

    It also reads shoppers for all terms: whose entries and friends count, and how much.
    """

    names: ClassVar[frozenset[str]] = frozenset(
        {"item_in", "item_out", "item_bias", "inverse_temperature"}
        | {f"{ENCODER}{name}" for name, _ in Encoder().named_parameters()}
    )

    may_lack: ClassVar[frozenset[str]] = frozenset({"heads", "friends_for", DISLIKE_WEIGHT})
    """Tensors that a release need not have: then there is one head, everyone's friends count, and
    what was turned down takes nothing away."""

    def __init__(self, tensors: Parameters):
        """Make tensors that were checked, of ``names`` and ``may_lack``, ready to be asked."""
        self._tensors = tensors
        self._encoder = Encoder()
        weights = {
            name.removeprefix(ENCODER): tensor
            for name, tensor in tensors.items()
            if name.startswith(ENCODER)
        }
        weights["kind"] = of_all_kinds(weights["kind"], loudest=0.0)
        self._encoder.load_state_dict(weights)
        # Ranking sums in double precision: float32 sums differ with the size of a batch, and an
        # offline list would then not be the served one.
        self._encoder.double().requires_grad_(False)
        self._item_in = tensors["item_in"].double()
        self._item_out = tensors["item_out"].double()
        self._bias = tensors["item_bias"].double()
        self._heads = int(tensors.get("heads", 1))
        self._scale = float(tensors["inverse_temperature"]) / self._heads
        self._friends_for = FriendsFor(int(tensors.get("friends_for", FriendsFor.EVERYONE)))
        self._dislike_weight = float(tensors.get(DISLIKE_WEIGHT, 0.0))

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

    def read(self, shoppers: Shoppers) -> Asked:
        """Weigh what shoppers bring, in double precision, without what does not count."""
        shoppers = self._counting(shoppers)
        batch = ShopperTensors.of(
            shoppers, torch.device("cpu"), torch.float64, self._dislike_weight
        )
        encoded = self._encoder(self._item_in, batch)
        b = batch.num_shoppers
        state = self._encoder.states(
            encoded.sums[:b], encoded.total[:b], encoded.friends, encoded.tie_total
        )
        return Asked(shoppers, encoded, state, self._encoder)

    def _counting(self, shoppers: Shoppers) -> Shoppers:
        """Leave out the shoppers' entries and friends that do not count."""
        shoppers = shoppers.counting(self._dislike_weight)
        if self._friends_for is FriendsFor.EVERYONE:
            return shoppers
        nobodys = self._friends_for is FriendsFor.NOBODY
        return replace(shoppers, friends=shoppers.friends.without(shoppers.known | nobodys))

    def sources(self, asked: Asked, row: int) -> Sources:
        """List the history entries that a shopper's state is the sum of."""
        encoded, friends = asked.encoded, asked.shoppers.friends
        histories = asked.shoppers.histories
        bounds = friends.offsets[row : row + 2].tolist()
        theirs = slice(*bounds)
        people = np.concatenate([[row], friends.person[theirs]])
        gate = self._encoder.gates(encoded.total[row], encoded.tie_total[row])
        of_person = torch.cat([torch.ones(1).double(), gate * encoded.tie_weight[theirs]])
        shrink = self._encoder.tastes(torch.ones(len(people), 1).double(), encoded.total[people])
        taken, entries = Ragged(histories.offsets).take(people)
        weight = encoded.entry_weight[entries] * (of_person * shrink[:, 0])[taken.row]
        ties = np.concatenate([[-1], np.arange(*bounds)])[taken.row]
        return Sources(row, entries, ties, weight)

    def query(self, asked: Asked) -> Query:
        """See ScoreTerm."""
        return Query(self._scale * unit(asked.state, self._heads), self._bias[None])

    def split(self, asked: Asked, sources: Sources, items: torch.Tensor) -> TermContributions:
        """See ScoreTerm."""
        source = torch.from_numpy(asked.shoppers.histories.item_idx[sources.entries])
        vectors = self._item_in[source] * sources.weight[:, None]
        state = asked.state[sources.row].view(self._heads, -1)
        length = state.norm(dim=1).clamp_min(1e-12)
        # -1 could not be told of no items, which are the list of who had everything.
        size = self._item_out.shape[1] // self._heads
        heads = self._item_out[items].view(len(items), self._heads, size)
        out = (heads / length[:, None]).flatten(1)
        return TermContributions((vectors @ out.T * self._scale).numpy(), self._bias[items].numpy())

    def times(self, factor: float) -> "LearnedTerm":
        """See ScoreTerm."""
        scaled = {
            name: self._tensors[name] * factor for name in ("inverse_temperature", "item_bias")
        }
        return LearnedTerm(self._tensors | scaled)

    def tensors(self) -> Parameters:
        """See ScoreTerm."""
        return dict(self._tensors)
