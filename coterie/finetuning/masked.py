"""Masked word pieces of a catalogue's texts, which an encoder learns to foresee before any pair.

Devlin et al., "BERT", NAACL 2019; Gururangan et al., "Don't Stop Pretraining", ACL 2020 (of texts
of one's own).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn
from torch.nn import functional

from coterie.errors import BadInputError
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.networks import TextNetwork, TransformerTextNetwork
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.text_trainee import TextTrainee

_AT_ONCE: Final = 64
_MASKED, _OTHER = 0.8, 0.9
"""Of pieces to foresee, up to which share each is masked, or another piece."""


@dataclass(frozen=True, eq=False)
class MaskedPieces:
    """Tensors of one step, on the device."""

    ids: Tensor
    """Word pieces, some of them masked, shape (texts, longest)."""
    lengths: Tensor
    places: Tensor
    """Of the pieces to foresee among all, flat."""
    answers: Tensor
    """What stood there, as rows of the pieces that the shop uses."""


class MaskedHead(nn.Module):
    """Foresees a masked piece among those that the shop's texts have."""

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        """Begin by chance.

        Args:
            table: The encoder's own rows of the pieces, shape (pieces, width), which stay as they
                are.
        """
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        pieces, width = table.shape
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(pieces))

    def forward(self, states: Tensor, answers: Tensor) -> Tensor:
        """Mean loss of some places' states, shape (places, width)."""
        read = self.norm(functional.gelu(self.dense(states)))
        return functional.cross_entropy(functional.linear(read, self.table, self.bias), answers)


class MaskedTrainee(TextTrainee):
    """A transformer that learns the shop's own words, and never from texts of held-out items."""

    network: TransformerTextNetwork

    def __init__(
        self,
        network: TextNetwork,
        pairs: ItemPairs,
        config: FinetuneConfig,
        device: torch.device,
    ) -> None:
        """Cut all texts, hide pieces of those that are held out, and bring it to the device.

        Args:
            network: What learns.
            pairs: With the catalogue's texts; those of its candidates are held out.
            config: How much is masked.
            device: Where it learns.

        Raises:
            BadInputError: The network knows no masked pieces, or no text is left to learn from.
        """
        if not isinstance(network, TransformerTextNetwork):
            raise BadInputError(
                "this encoder knows no masked word pieces: masked_epochs needs a folder of a "
                "transformer"
            )
        texts = pa.array(pairs.texts, pa.large_string())
        said = texts.unique()
        super().__init__(network, said.to_pylist(), config.max_tokens, device)
        self._config, self._mask = config, network.mask_token
        there = self._there(self._tokens, self._lengths)
        self._used = np.unique(self._tokens[there])
        self._special = np.array(sorted(network.special_tokens), np.int64)
        speaks = (there & ~np.isin(self._tokens, self._special)).any(axis=1)
        held = np.zeros(len(said), bool)
        held[pc.index_in(texts.take(pa.array(pairs.candidates)), said)] = True
        self._learned = np.flatnonzero(speaks & ~held)
        if not len(self._learned) or not (speaks & held).any():
            raise BadInputError(
                f"{len(self._learned)} texts to learn masked pieces from, "
                f"{int((speaks & held).sum())} held out: leave masked_epochs at 0"
            )
        self._held = self._hidden(np.flatnonzero(speaks & held))
        self._order = -1, self._learned
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.loop.seed)
            self.head = MaskedHead(network.table.detach()[torch.from_numpy(self._used)])
        self.to(device)

    def num_batches(self, world: int) -> int:
        """See the class above. What does not fill a step is left for another epoch."""
        texts = min(len(self._learned), 2 * self._config.pairs_per_epoch)
        return max(1, texts // (2 * self._config.batch_pairs * world))

    def batch(self, epoch: int, step: int, rank: int, world: int) -> MaskedPieces:
        """See the class above. Where texts do not fill the first step, some come again."""
        if self._order[0] != epoch:
            rng = np.random.default_rng((self._config.loop.seed, epoch))
            self._order = epoch, rng.permutation(self._learned)
        size = 2 * self._config.batch_pairs
        places = (step * world + rank) * size + np.arange(size)
        rows = self._order[1].take(places, mode="wrap")
        return self._masked(
            rows, np.random.default_rng((self._config.loop.seed, epoch, step, rank))
        )

    def forward(self, batch: MaskedPieces) -> Tensor:
        """Foresee what is hidden; nothing in it waits for the device."""
        states = self.network.states(batch.ids, batch.lengths)
        loss: Tensor = self.head(states.flatten(0, 1)[batch.places], batch.answers)
        return loss

    def validate(self) -> float | None:
        """Measure how likely the hidden pieces of held-out texts are, their geometric mean."""
        counts = torch.tensor([len(one.answers) for one in self._held], dtype=torch.float64)
        losses = torch.stack([self(one).double() for one in self._held]).cpu()
        return float(torch.exp(-(losses * counts).sum() / counts.sum()))

    def _hidden(self, rows: npt.NDArray[np.int64]) -> list[MaskedPieces]:
        """Hide pieces of held-out texts, the same for every epoch."""
        rows = rows[np.argsort(self._lengths[rows], kind="stable")]
        rng = np.random.default_rng(self._config.loop.seed)
        parts = np.split(rows, np.arange(_AT_ONCE, len(rows), _AT_ONCE))
        return [self._masked(part, rng) for part in parts]

    def _masked(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> MaskedPieces:
        ids, lengths = self._cut_of(rows, step=8)
        free = np.flatnonzero(self._there(ids, lengths) & ~np.isin(ids, self._special))
        count = max(1, round(self._config.masked_share * len(free)))
        places = np.sort(rng.permutation(free)[:count])
        answers = np.searchsorted(self._used, ids.ravel()[places])
        how, masked = rng.random(len(places)), ids.copy()
        flat = masked.ravel()
        flat[places[how < _MASKED]] = self._mask
        swapped = places[(how >= _MASKED) & (how < _OTHER)]
        flat[swapped] = rng.choice(self._used, len(swapped))
        told = {"ids": masked, "lengths": lengths, "places": places, "answers": answers}
        return MaskedPieces(**{name: self._sent(array) for name, array in told.items()})
