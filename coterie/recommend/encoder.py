"""A shopper's vector: a weighted sum over own events, plus a gated sum over friends' tastes.

Written once, in torch: training differentiates it, evaluation and serving run it as it is.

With Q the items' input vectors, the taste of a person p whose history holds entries e is::

    w_e = exp(kind[kind_e] - rate * log(1 + age_e))
    t_p = sum_e s_e w_e Q[item_e] / W_p ** own_power,    W_p = sum_e |s_e| w_e

where s_e is 1, and minus the weight of a dislike for an entry that speaks against its item. With
a_f = exp(strength . features_f) for each friend f of a shopper u::

    f_u = sum_f a_f t_f / A_u ** friend_power,           A_u = sum_f a_f
    x_u = t_u + gate_u f_u,   gate_u = softplus(g0 + g1 log(1 + W_u) + g2 log(1 + A_u))

Everything is linear in Q once the weights are known, so a score splits exactly into its sources.
A vector may have several heads, parts that each have a cosine of their own: they start apart and
learn side by side, and their mean is steadier than any of them.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.recommend.shoppers import Shoppers
from coterie.schema import AGAINST_KINDS, EVENT_KINDS, STRENGTHS

_NUM_FOR: Final = len(EVENT_KINDS) - len(AGAINST_KINDS)
"""Kinds that speak for an item stand first."""


def to_device(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy an array to a GPU without waiting for it; on the CPU share its memory."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def unit(vectors: torch.Tensor, heads: int = 1) -> torch.Tensor:
    """Bring each of the ``heads`` parts of vectors, shape (n, d), to length 1."""
    parts = vectors.view(len(vectors), heads, vectors.shape[1] // heads)
    return F.normalize(parts, dim=2, eps=1e-12).flatten(1)


def start_of_kinds() -> torch.Tensor:
    """Make the logarithms of kinds' weights before anything is learned, (event kinds,).

    From -1 for a view to 0 for a purchase; what speaks against an item, does so as loudly.
    """
    return torch.cat([torch.linspace(-1.0, 0.0, _NUM_FOR), torch.zeros(len(AGAINST_KINDS))])


def of_all_kinds(weights: torch.Tensor, loudest: float) -> torch.Tensor:
    """Complete weights of kinds from a release of when all kinds spoke for their items."""
    if len(weights) != _NUM_FOR:
        return weights
    return F.pad(weights, (0, len(AGAINST_KINDS)), value=loudest)


@dataclass(frozen=True, slots=True)
class ShopperTensors:
    """A batch of shoppers on a device: Shoppers without what is not learned from."""

    offsets: torch.Tensor
    item: torch.Tensor
    kind: torch.Tensor
    log_age: torch.Tensor
    sign: torch.Tensor | None
    """s_e, shape (entries,); None where all are 1."""
    friend_offsets: torch.Tensor
    person: torch.Tensor
    strengths: torch.Tensor

    @classmethod
    def of(
        cls,
        shoppers: Shoppers,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        dislike_weight: float = 0.0,
    ) -> "ShopperTensors":
        """Copy a batch to a device."""
        histories, friends = shoppers.histories, shoppers.friends
        sign = histories.signs(dislike_weight) if histories.against.any() else None
        return cls(
            to_device(histories.offsets, device),
            to_device(histories.item_idx, device),
            to_device(histories.kind, device).long(),
            to_device(histories.age_days, device).to(dtype).log1p(),
            None if sign is None else to_device(sign, device).to(dtype),
            to_device(friends.offsets, device),
            to_device(friends.person, device),
            to_device(friends.strengths, device).to(dtype),
        )

    @property
    def num_shoppers(self) -> int:
        """b, the number of shoppers: the first rows of the p people."""
        return len(self.friend_offsets) - 1


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of b shoppers, encoded, with every weight that went into it."""

    entry_weight: torch.Tensor
    """s_e w_e, shape (entries,)."""
    total: torch.Tensor
    """W_p, shape (people,)."""
    sums: torch.Tensor
    """sum_e s_e w_e Q[item_e], shape (people, d)."""
    tie_weight: torch.Tensor
    """a_f / A_u ** friend_power, shape (ties,)."""
    tie_total: torch.Tensor
    """A_u, shape (b,)."""
    friends: torch.Tensor
    """f_u, shape (b, d)."""


class Encoder(nn.Module):
    """The few learned weights that are not items'; see the module's formulas."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = nn.Parameter(start_of_kinds())
        self.rate = nn.Parameter(torch.tensor(-3.0))
        """softplus of this is the decay with age."""
        self.own_power = nn.Parameter(torch.tensor(0.0))
        """sigmoid of this is the power: between a sum (0) and a mean (1)."""
        self.friend_power = nn.Parameter(torch.tensor(0.0))
        self.gate = nn.Parameter(torch.tensor([-1.0, 0.0, 0.0]))
        self.strength = nn.Parameter(torch.zeros(len(STRENGTHS)))

    def forward(
        self, item_in: torch.Tensor, batch: ShopperTensors, keep: torch.Tensor | None = None
    ) -> Encoded:
        """Encode a batch.

        Args:
            item_in: Q, shape (items, d), of the parameters' type.
            batch: Who they are.
            keep: 0 for history entries to leave out, else 1, shape (entries,); all kept if None.
        """
        entry_weight = self.entry_weights(batch)
        if keep is not None:
            entry_weight = entry_weight * keep
        ones = item_in.new_ones(len(entry_weight), 1)
        size = entry_weight if batch.sign is None else entry_weight.abs()
        total = _bag(torch.arange(len(ones), device=ones.device), ones, batch.offsets, size)
        sums = _bag(batch.item, item_in, batch.offsets, entry_weight)
        total = total[:, 0]
        tastes = self.tastes(sums, total)
        raw = (batch.strengths @ self.strength).exp()
        shopper = torch.repeat_interleave(batch.friend_offsets.diff(), output_size=len(raw))
        tie_total = raw.new_zeros(batch.num_shoppers).index_add(0, shopper, raw)
        tie_weight = raw * self._shrink(tie_total, self.friend_power).index_select(0, shopper)
        friends = _bag(batch.person, tastes, batch.friend_offsets, tie_weight)
        return Encoded(entry_weight, total, sums, tie_weight, tie_total, friends)

    def entry_weights(self, batch: ShopperTensors) -> torch.Tensor:
        """Compute s_e w_e, the signed weights of history entries, shape (entries,)."""
        # A product, not an index: a GPU adds gradients of equal indices up one after the other.
        kinds = F.one_hot(batch.kind, len(self.kind)).to(self.kind.dtype) @ self.kind
        weights = (kinds - F.softplus(self.rate) * batch.log_age).exp()
        return weights if batch.sign is None else weights * batch.sign

    def tastes(self, sums: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
        """Compute tastes t_p from sums, shape (n, d), and totals, shape (n,)."""
        return sums * self._shrink(total, self.own_power)[:, None]

    def gates(self, total: torch.Tensor, tie_total: torch.Tensor) -> torch.Tensor:
        """Compute gate_u, how much friends count beside oneself, shape (n,)."""
        g0, g1, g2 = self.gate
        return F.softplus(g0 + g1 * total.clamp_min(0).log1p() + g2 * tie_total.log1p())

    def states(
        self,
        sums: torch.Tensor,
        total: torch.Tensor,
        friends: torch.Tensor,
        tie_total: torch.Tensor,
    ) -> torch.Tensor:
        """Compute x_u, the vectors of shoppers, shape (n, d)."""
        own = self.tastes(sums, total)
        return own + self.gates(total, tie_total)[:, None] * friends

    @staticmethod
    def _shrink(total: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
        # A person without events has a sum of 0, whatever it is multiplied with; the clamp keeps
        # the gradient of the power finite there.
        return total.clamp_min(1e-6) ** -torch.sigmoid(power)


def _bag(
    rows: torch.Tensor, table: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    """Sum table rows between offsets by weight, shape (len(offsets) - 1, d)."""
    # In half precision products come in half, and a sum takes one kind of number.
    weights = None if weights is None else weights.to(table.dtype)
    return F.embedding_bag(
        rows, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
