"""What a step of the social model learns from: shoppers, what is hidden of them, and items."""

from dataclasses import dataclass

import torch

from coterie.recommend.encoder import ShopperTensors
from coterie.training.cosine_softmax import Targets


@dataclass(frozen=True, slots=True)
class ItemSample:
    """Items of one step's softmax."""

    items: torch.Tensor
    """Shape (n,)."""
    log_odds: torch.Tensor
    """Shape (n,): log of how likely each was to be among them."""


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Shoppers with the people they draw on, and what was left out of their histories; each head
    has another one in a step."""

    people: ShopperTensors
    keep: torch.Tensor
    """Shape (entries,): 0 for what was left out, and is to be found."""
    targets: Targets
    """What was left out, a row a shopper; what was had and kept is known: no list would show it
    again."""
    sample: ItemSample | None
    """What the softmax is over; None for all items."""
