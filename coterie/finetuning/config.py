"""What an encoder is fine-tuned for, how long, and how much of it changes."""

from dataclasses import dataclass, field
from typing import Final

from coterie.errors import BadInputError
from coterie.training.loop import LoopConfig

LOOP: Final = LoopConfig(max_epochs=8, patience=2, lr=1e-4, weight_decay=0.01, max_grad_norm=1.0)


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """Small budgets by default: two cores do them in minutes."""

    loop: LoopConfig = field(default_factory=lambda: LOOP)
    """Epochs, patience, learning rate; the score that stops early is NDCG@20 of held-out pairs."""
    batch_pairs: int = 64
    """Pairs a step of one worker; each one's negatives are the others'."""
    pairs_per_epoch: int = 4_096
    """Pairs an epoch at most, drawn anew each time."""
    max_tokens: int = 48
    """Word pieces of a text that are learned from."""
    temperature: float = 0.05
    """What cosines are divided by before the softmax."""
    masked_epochs: int = 0
    """Epochs at most of foreseeing masked word pieces of the catalogue's texts, before any pair is
    learned from; 0 leaves them out."""
    masked_share: float = 0.15
    """Share of word pieces that are to be foreseen."""
    lora_rank: int = 0
    """Rank of the adapters that are learned instead of all weights (LoRA); 0 learns all weights
    but the table of word pieces."""
    held_out_share: float = 0.1
    """Share of items that are in no pair that is learned from: their pairs stop early."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A count, a share or a weight is out of its range.
        """
        if self.batch_pairs < 2 or self.pairs_per_epoch < 2 or self.max_tokens < 3:
            raise BadInputError(
                "a step needs two pairs or more, each text three word pieces or more: "
                f"found batch_pairs {self.batch_pairs}, pairs_per_epoch {self.pairs_per_epoch}, "
                f"max_tokens {self.max_tokens}"
            )
        if not 0 < self.held_out_share < 1 or not 0 < self.masked_share < 1:
            raise BadInputError(
                "held_out_share and masked_share must be between 0 and 1: found "
                f"{self.held_out_share} and {self.masked_share}"
            )
        if not self.temperature > 0 or min(self.lora_rank, self.masked_epochs) < 0:
            raise BadInputError(
                "temperature must be over 0, lora_rank and masked_epochs not below: found "
                f"{self.temperature}, {self.lora_rank} and {self.masked_epochs}"
            )
