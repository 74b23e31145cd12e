"""How models of sequence learn: the next item at each place of a history, by a full softmax.

One negative a place, as SASRec was published with, makes it too sure of itself and worse than
simple models; over all items it is better than what followed it (Klenitskiy and Vasilev, 2023,
arXiv:2309.07602; Petrov and Macdonald, 2023, arXiv:2308.07192).
"""

from typing import Final, Protocol

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import TrainingSet
from coterie.models.engagement import liked_events
from coterie.models.sequence_windows import OrderedHistories, Windows
from coterie.training.batch_order import BatchOrder
from coterie.training.loop import LoopConfig, Trainee
from coterie.training.validation import Validation

_NOT_ASKED: Final = -100
"""In place of an item where a window has ended."""


class SequenceConfig(Protocol):
    """What the trainee reads of a model's config."""

    @property
    def embedding_size(self) -> int:
        """Numbers of an item."""

    @property
    def dropout(self) -> float:
        """Share of an input's numbers that is hidden in a step."""

    @property
    def max_history(self) -> int:
        """Newest items that are read, the beginning of a history counted as one."""

    @property
    def batch_size(self) -> int:
        """Windows a step, over all workers."""

    @property
    def loop(self) -> LoopConfig:
        """Epochs, and how fast to learn."""


class SequenceNetwork(nn.Module):
    """Items' vectors, which read and foresee alike, and a network that looks back in time."""

    def __init__(self, config: SequenceConfig, num_items: int, reader: nn.Module):
        super().__init__()
        size = config.embedding_size
        self.vectors = nn.Embedding(num_items + 1, size)
        nn.init.normal_(self.vectors.weight, std=size**-0.5)
        self.bias = nn.Parameter(torch.zeros(num_items))
        self.dropout = nn.Dropout(config.dropout)
        self.reader = reader
        self._size = size**0.5

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Compute a state of every place from the tokens up to it, shape (*tokens.shape, size)."""
        states: torch.Tensor = self.reader(self.dropout(self.vectors(tokens) * self._size))
        return states

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Score all items after some states, shape (*, size) to (*, num_items)."""
        return F.linear(states, self.vectors.weight[:-1], self.bias)

    def scores_after(self, tokens: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Score all items after the last token of each window, shape (windows, num_items)."""
        last = there.sum(1) - 1
        states = self(tokens)
        return self.logits(states[torch.arange(len(states), device=states.device), last])


class SequenceTrainee(Trainee):
    """A network over one training set; windows of histories are its batches."""

    def __init__(
        self,
        config: SequenceConfig,
        data: TrainingSet,
        network: SequenceNetwork,
        device: torch.device,
    ):
        super().__init__()
        liked_events(data)
        histories = OrderedHistories.of(data)
        self._learned = Windows(histories, histories.to_learn(config.max_history), device)
        self._newest = Windows(histories, histories.newest(config.max_history), device)
        seed = config.loop.seed
        self._order = BatchOrder(len(self._learned), config.batch_size, seed, device)
        self.network = network.to(device)
        self._validation = Validation(data, device)

    def num_batches(self, world: int) -> int:
        """See ``Trainee``."""
        return self._order.num_batches(world)

    def batch(
        self, epoch: int, step: int, rank: int, world: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw windows, and where they are none, shape (b, width) each."""
        return self._learned.take(self._order.rows(epoch, step, rank, world))

    def forward(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Compute the cross entropy of each next item against all items."""
        return self.loss(*batch, shapes_stay=batch[0].device.type != "cpu")

    def loss(self, tokens: torch.Tensor, there: torch.Tensor, *, shapes_stay: bool) -> torch.Tensor:
        """Compute the loss of windows.

        Args:
            tokens: Shape (b, width).
            there: Likewise.
            shapes_stay: Whether padding is scored and left out, and nothing waits for the device;
                else it is not scored, which takes less of a processor. The loss is the same.
        """
        states, wanted, asked = self.network(tokens[:, :-1]), tokens[:, 1:], there[:, 1:]
        if shapes_stay:
            wanted = torch.where(asked, wanted, _NOT_ASKED).flatten()
            logits = self.network.logits(states.flatten(0, 1))
        else:
            wanted, logits = wanted[asked], self.network.logits(states[asked])
        return F.cross_entropy(logits.float(), wanted, ignore_index=_NOT_ASKED)

    def validate(self) -> float | None:
        """See ``Trainee``."""
        return self._validation.ndcg(
            lambda users: self.network.scores_after(*self._newest.take(users))
        )
