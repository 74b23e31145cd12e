"""SASRec (Kang and McAuley, 2018, arXiv:1808.09781): a causal transformer over a history."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.errors import BadInputError
from coterie.models.sequences import SequenceModel
from coterie.models.space import Choice, LogUniform, Tuning
from coterie.training.loop import LoopConfig


@dataclass(frozen=True, slots=True)
class SASRecConfig:
    """Its size, and how far it looks back."""

    embedding_size: int = 64
    """Numbers of an item, in all heads."""
    layers: int = 2
    """Blocks of attention."""
    heads: int = 2
    """Parts of a vector that attend apart."""
    dropout: float = 0.3
    """Share of the numbers between layers that is hidden in a step."""
    max_history: int = 50
    """Newest items that are read, the beginning of a history counted as one."""
    batch_size: int = 128
    """Windows of histories a step, over all workers."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(lr=1e-3, patience=10))
    """Epochs, and how fast to learn."""

    def __post_init__(self) -> None:
        sizes = (self.embedding_size, self.layers, self.heads, self.max_history, self.batch_size)
        if min(sizes) < 1 or not 0 <= self.dropout < 1:
            raise BadInputError(f"sizes start at 1, dropout is in [0, 1), found {self}")
        if self.embedding_size % self.heads:
            raise BadInputError(f"heads share embedding_size evenly, found {self}")


class CausalBlock(nn.Module):
    """Attention to what came before, then a network of each place; normalised before each."""

    def __init__(self, config: SASRecConfig):
        super().__init__()
        size = config.embedding_size
        self._heads, self._dropout = config.heads, config.dropout
        self.norm, self.next_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.asked = nn.Linear(size, 3 * size)
        self.found = nn.Linear(size, size)
        self.network = nn.Sequential(
            nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size)
        )

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the next layer, shape (b, t, size): no place sees one behind it."""
        # (b, t, 3, heads, size of a head) to three of (b, heads, t, size of a head).
        asked = self.asked(self.norm(states)).unflatten(2, (3, self._heads, -1))
        query, key, value = asked.permute(2, 0, 3, 1, 4).unbind(0)
        found = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, dropout_p=self._dropout if self.training else 0.0
        )
        found = self.found(found.transpose(1, 2).flatten(2))
        states = states + F.dropout(found, self._dropout, self.training)
        more = self.network(self.next_norm(states))
        return states + F.dropout(more, self._dropout, self.training)


class CausalTransformer(nn.Module):
    """Blocks over vectors and their places."""

    def __init__(self, config: SASRecConfig):
        super().__init__()
        self.place = nn.Parameter(torch.randn(config.max_history, config.embedding_size) * 0.1)
        self.blocks = nn.ModuleList(CausalBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.embedding_size)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Compute states of all places, shape (b, t, size), t up to ``max_history``."""
        states = vectors + self.place[: vectors.shape[1]]
        for block in self.blocks:
            states = block(states)
        normed: torch.Tensor = self.norm(states)
        return normed


class SASRec(SequenceModel):
    """The transformer of sequences, trained by a full softmax."""

    name: ClassVar[str] = "sasrec"
    label: ClassVar[str] = "SASRec"
    config_class: ClassVar[type[SASRecConfig]] = SASRecConfig
    make_reader = CausalTransformer
    tuning: ClassVar[Tuning] = Tuning(
        {
            "embedding_size": Choice((64, 128, 256)),
            "dropout": Choice((0.1, 0.3, 0.5)),
            "layers": Choice((1, 2, 3)),
            "loop.lr": LogUniform(3e-4, 5e-3),
        }
    )

    def __init__(self, config: SASRecConfig = SASRecConfig()):
        super().__init__(config)
