"""What the loop of training runs: pairs against all others of a batch, and masked word pieces.

van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018 (InfoNCE);
Devlin et al., "BERT", NAACL 2019 (masked word pieces).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from coterie.errors import BadInputError
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.networks import TextNetwork, TransformerTextNetwork
from coterie.finetuning.pairs import ItemPairs
from coterie.training.loop import Trainee

CUT: Final = 20
"""Length of the lists by which learning stops."""
_AT_ONCE: Final = 64
_MASKED, _OTHER = 0.8, 0.9
"""Of pieces to foresee, up to which share each is masked, or another piece."""


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Tensors of one step, on the device; rows are the pairs' first items, then their second."""

    ids: Tensor
    lengths: Tensor
    same: Tensor
    """Which items say the same, as numbers, shape (rows,)."""
    masked: Tensor | None = None
    """``ids`` with some of them masked."""
    places: Tensor | None = None
    """Of these among all, flat."""
    answers: Tensor | None = None
    """What stood there, as rows of the pieces that the shop uses."""


class MaskedHead(nn.Module):
    """Foresees a masked piece among those that the shop's texts have."""

    table: Tensor

    def __init__(self, network: TransformerTextNetwork, used: npt.NDArray[np.int64]) -> None:
        super().__init__()
        table = network.table.detach()[torch.from_numpy(used)]
        self.register_buffer("table", table, persistent=False)
        width = table.shape[1]
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(len(used)))

    def forward(self, states: Tensor, answers: Tensor) -> Tensor:
        """Mean loss of some places' states, shape (places, width)."""
        read = self.norm(functional.gelu(self.dense(states)))
        return functional.cross_entropy(functional.linear(read, self.table, self.bias), answers)


class EncoderTrainee(Trainee):
    """An encoder of texts that learns which items the same people had."""

    def __init__(
        self,
        network: TextNetwork,
        pairs: ItemPairs,
        config: FinetuneConfig,
        device: torch.device,
    ) -> None:
        """Cut all texts, and bring the network to the device.

        Raises:
            BadInputError: The network has no masked word pieces, and is to learn them.
        """
        super().__init__()
        self.network, self._pairs, self._config, self._device = network, pairs, config, device
        cut = network.tokens(pairs.texts, config.max_tokens)
        self._lengths = np.array([len(one) for one in cut], np.int64)
        self._tokens = np.zeros((len(cut), int(self._lengths.max())), np.int64)
        for row, one in enumerate(cut):
            self._tokens[row, : len(one)] = one
        self._same = np.unique(np.array(pairs.texts), return_inverse=True)[1].astype(np.int64)
        self._epoch = -1, np.zeros((0, 2), np.int64)
        self._used, self.head = np.zeros(0, np.int64), None
        if config.masked_weight:
            self.head = self._masked_head(network)
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
        lengths = self._lengths[rows]
        ids = self._tokens[rows, : -(-int(lengths.max()) // 8) * 8]
        told = {"ids": ids, "lengths": lengths, "same": self._same[rows]}
        if self.head is not None:
            told |= self._masked(ids, lengths, np.random.default_rng((epoch, step, rank)))
        return TextBatch(**{name: self._sent(array) for name, array in told.items()})

    def forward(self, batch: TextBatch) -> Tensor:
        """Weigh the losses of a step; nothing in it waits for the device."""
        loss = torch.zeros((), device=self._device)
        if self._config.contrastive_weight:
            vectors = self.network(batch.ids, batch.lengths)
            loss = loss + self._config.contrastive_weight * contrastive_loss(
                vectors, batch.same, self._config.temperature
            )
        if isinstance(self.network, TransformerTextNetwork) and self.head is not None:
            assert batch.masked is not None
            assert batch.answers is not None
            states = self.network.states(batch.masked, batch.lengths)
            at = states.flatten(0, 1)[batch.places]
            loss = loss + self._config.masked_weight * self.head(at, batch.answers)
        return loss

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

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Give what learns, and no more: a table of word pieces is most of an encoder."""
        whole = super().state_dict(*args, **kwargs)
        return {name: whole[name] for name, one in self.named_parameters() if one.requires_grad}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take what :meth:`state_dict` gave.

        Raises:
            BadInputError: It is of another encoder.
        """
        if strict and set(state_dict) != set(self.state_dict()):
            raise BadInputError("the weights are of another encoder, or of other settings")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

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
            lengths = self._lengths[rows]
            ids = self._tokens[rows, : int(lengths.max())]
            found.append(self.network(self._sent(ids), self._sent(lengths)))
        back = np.argsort(np.argsort(self._lengths[items], kind="stable"), kind="stable")
        return torch.cat(found)[torch.from_numpy(back).to(self._device)]

    def _sent(self, array: npt.NDArray[np.int64]) -> Tensor:
        made = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type != "cuda":
            return made
        return made.pin_memory().to(self._device, non_blocking=True)

    def _masked_head(self, network: TextNetwork) -> MaskedHead:
        if not isinstance(network, TransformerTextNetwork):
            raise BadInputError(
                "this encoder knows no masked word pieces: masked_weight needs a folder of a "
                "transformer"
            )
        self._mask, self._special = network.mask_token, network.special_tokens
        there = np.arange(self._tokens.shape[1]) < self._lengths[:, None]
        self._used = np.unique(self._tokens[there])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.loop.seed)
            return MaskedHead(network, self._used)

    def _masked(
        self, ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[np.int64]]:
        there = np.arange(ids.shape[1]) < lengths[:, None]
        free = np.flatnonzero(there & ~np.isin(ids, list(self._special)))
        count = max(1, round(self._config.masked_share * len(free)))
        places = np.sort(rng.permutation(free)[:count])
        answers = np.searchsorted(self._used, ids.ravel()[places])
        how, masked = rng.random(len(places)), ids.copy()
        flat = masked.ravel()
        flat[places[how < _MASKED]] = self._mask
        swapped = places[(how >= _MASKED) & (how < _OTHER)]
        flat[swapped] = rng.choice(self._used, len(swapped))
        return {"masked": masked, "places": places, "answers": answers}


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
