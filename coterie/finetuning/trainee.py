"""What the loop of training runs: pairs against all others of a batch.

van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018 (InfoNCE).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.networks import TextNetwork
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.text_trainee import TextTrainee

CUT: Final = 20
"""Length of the lists by which learning stops."""
_AT_ONCE: Final = 64


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Tensors of one step, on the device; rows are the pairs' first items, then their second."""

    ids: Tensor
    lengths: Tensor
    same: Tensor
    """Which items say the same, as numbers, shape (rows,)."""


class EncoderTrainee(TextTrainee):
    """An encoder of texts that learns which items the same people had."""

    def __init__(
        self,
        network: TextNetwork,
        pairs: ItemPairs,
        config: FinetuneConfig,
        device: torch.device,
    ) -> None:
        """Cut all texts, and bring the network to the device."""
        super().__init__(network, pairs.texts, config.max_tokens, device)
        self._pairs, self._config = pairs, config
        # Not by numpy, whose strings are all as long as the longest: gigabytes, of a million items.
        numbered = pa.array(pairs.texts, pa.large_string()).dictionary_encode()
        self._same = numbered.indices.to_numpy().astype(np.int64)
        self._epoch = -1, np.zeros((0, 2), np.int64)
        self.to(device)

    def num_batches(self, world: int) -> int:
        """See the class above. What does not fill a step is left for another epoch."""
        drawn = min(self._pairs.num_pairs, self._config.pairs_per_epoch)
        return max(1, drawn // (self._config.batch_pairs * world))

    def batch(self, epoch: int, step: int, rank: int, world: int) -> TextBatch:
        """See the class above."""
        size = self._config.batch_pairs
        first = (step * world + rank) * size
        pairs = self._drawn(epoch)[first : first + size]
        rows = pairs.T.ravel()
        ids, lengths = self._cut_of(rows, step=8)
        told = {"ids": ids, "lengths": lengths, "same": self._same[rows]}
        return TextBatch(**{name: self._sent(array) for name, array in told.items()})

    def forward(self, batch: TextBatch) -> Tensor:
        """Find each pair's other half; nothing in it waits for the device."""
        vectors = self.network(batch.ids, batch.lengths)
        return contrastive_loss(vectors, batch.same, self._config.temperature)

    def validate(self) -> float | None:
        """Measure NDCG@20 of held-out pairs, each target among all held-out items."""
        pairs = self._pairs
        items, row = np.unique(
            np.concatenate([pairs.anchors, pairs.candidates]), return_inverse=True
        )
        vectors = self._encode(items)
        asked = torch.from_numpy(row[: len(pairs.anchors)]).to(self._device)
        among = vectors[torch.from_numpy(row[len(pairs.anchors) :]).to(self._device)]
        scores = vectors[asked] @ among.T
        target = torch.from_numpy(np.searchsorted(pairs.candidates, pairs.targets)).to(self._device)
        of_target = scores.gather(1, target[:, None])
        # Equal scores stand half before, half behind: no order of rows may win.
        above = (scores > of_target).sum(1) + ((scores == of_target).sum(1) - 1) / 2.0
        gains = torch.where(above < CUT, 1.0 / torch.log2(above + 2.0), 0.0)
        return float(gains.mean())

    def _drawn(self, epoch: int) -> npt.NDArray[np.int64]:
        """Draw an epoch's pairs, once."""
        if self._epoch[0] != epoch:
            rng = np.random.default_rng((self._config.loop.seed, epoch))
            self._epoch = epoch, self._pairs.draw(rng)
        return self._epoch[1]

    def _encode(self, items: npt.NDArray[np.int64]) -> Tensor:
        order = items[np.argsort(self._lengths[items], kind="stable")]
        found = []
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            ids, lengths = self._cut_of(rows)
            found.append(self.network(self._sent(ids), self._sent(lengths)))
        back = np.argsort(np.argsort(self._lengths[items], kind="stable"), kind="stable")
        return torch.cat(found)[torch.from_numpy(back).to(self._device)]


def contrastive_loss(vectors: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Find each pair's other half among all of the batch, both ways: the mean cross-entropy.

    Args:
        vectors: Of length 1, the pairs' first items, then their second, shape (2 n, width).
        same: Equal where two items say the same, shape (2 n,): no negatives of each other.
        temperature: What cosines are divided by.
    """
    n = len(vectors) // 2
    left, right = vectors[:n].float(), vectors[n:].float()
    own = torch.eye(n, dtype=torch.bool, device=vectors.device)
    first, second = same[:n], same[n:]
    crossed = (first[:, None] == second[None, :]) & ~own
    scores = (left @ right.T) / temperature
    losses = []
    for logits, target in ((scores, second), (scores.T, first)):
        twice = (target[:, None] == target[None, :]) & ~own
        never = twice | (crossed if target is second else crossed.T)
        answer = torch.arange(n, device=vectors.device)
        losses.append(functional.cross_entropy(logits.masked_fill(never, -torch.inf), answer))
    return (losses[0] + losses[1]) / 2.0
