"""GRU4Rec (Hidasi et al., 2016, arXiv:1511.06939): a recurrent network over a history."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from coterie.errors import BadInputError
from coterie.models.sequences import SequenceModel
from coterie.models.space import Choice, LogUniform, Tuning
from coterie.training.loop import LoopConfig


@dataclass(frozen=True, slots=True)
class GRU4RecConfig:
    """Its size, and how far it looks back."""

    embedding_size: int = 64
    """Numbers of an item, and of a state."""
    layers: int = 1
    """Recurrent layers."""
    dropout: float = 0.3
    """Share of the numbers of items and states that is hidden in a step."""
    max_history: int = 50
    """Newest items that are read, the beginning of a history counted as one."""
    batch_size: int = 128
    """Windows of histories a step, over all workers."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(lr=2e-3, patience=10))
    """Epochs, and how fast to learn."""

    def __post_init__(self) -> None:
        sizes = (self.embedding_size, self.layers, self.max_history, self.batch_size)
        if min(sizes) < 1 or not 0 <= self.dropout < 1:
            raise BadInputError(f"sizes start at 1, dropout is in [0, 1), found {self}")


class RecurrentReader(nn.Module):
    """A gated recurrent unit over vectors in order."""

    def __init__(self, config: GRU4RecConfig):
        super().__init__()
        size = config.embedding_size
        self.units = nn.GRU(size, size, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(size)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Compute states of all places, shape (b, t, size)."""
        # A state that is rounded at each step of a history strays from itself.
        with torch.autocast(vectors.device.type, enabled=False):
            states, _ = self.units(vectors.float())
            normed: torch.Tensor = self.norm(self.dropout(states))
        return normed


class GRU4Rec(SequenceModel):
    """The recurrent network of sequences, trained by a full softmax."""

    name: ClassVar[str] = "gru4rec"
    label: ClassVar[str] = "GRU4Rec"
    config_class: ClassVar[type[GRU4RecConfig]] = GRU4RecConfig
    make_reader = RecurrentReader
    tuning: ClassVar[Tuning] = Tuning(
        {
            "embedding_size": Choice((64, 128, 256)),
            "dropout": Choice((0.1, 0.3, 0.5)),
            "loop.lr": LogUniform(5e-4, 1e-2),
        }
    )

    def __init__(self, config: GRU4RecConfig = GRU4RecConfig()):
        super().__init__(config)
