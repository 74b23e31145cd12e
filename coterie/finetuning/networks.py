"""Encoders whose weights learn: the default one of texts, or any transformer of a folder."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from coterie.content.encoder import digest_of
from coterie.content.encoders import DEFAULT, EncoderChoice
from coterie.content.folders import (
    ENDINGS,
    MAX_TOKENS,
    folder_digest,
    load_part,
    near_folder,
    takes_first_token,
)
from coterie.content.sentence_folders import is_sentences, read_sentences, write_sentences
from coterie.content.sentences import MAX_PIECES, SentenceWeights, cut_pieces, packaged_weights
from coterie.errors import BadInputError

LORA_ALPHA: Final = 2
"""What adapters count, by their rank."""


class TextNetwork(nn.Module):
    """What of an encoder learns: texts to word pieces, pieces to vectors, weights to a folder."""

    base: str
    """Digest of what it began as."""

    def tokens(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        """Cut texts into word pieces, at most ``longest`` of each."""
        raise NotImplementedError

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode texts, shape (texts, width), each of length 1.

        Args:
            ids: Word pieces, shape (texts, longest), anything behind a text's end.
            lengths: Pieces of each text, shape (texts,), at least 1.
        """
        raise NotImplementedError

    def write(self, folder: Path) -> None:
        """Write an encoder's folder, which ``coterie.content`` opens."""
        raise NotImplementedError


class SentenceTextNetwork(TextNetwork):
    """The default encoder of texts. Its table of word pieces stays as it is, in 8 bits."""

    def __init__(self, weights: SentenceWeights) -> None:
        from sentencepiece import SentencePieceProcessor

        super().__init__()
        self.network, self.base = weights.network.train(), weights.digest
        self._model = weights.pieces
        self._pieces = SentencePieceProcessor(model_proto=weights.pieces)

    def tokens(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        """See the class above."""
        return cut_pieces(self._pieces, texts, min(longest, MAX_PIECES))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See the class above."""
        vectors: Tensor = self.network(ids, lengths)
        return vectors

    def write(self, folder: Path) -> None:
        """See the class above."""
        write_sentences(folder, self.network, self._model)


class TransformerTextNetwork(TextNetwork):
    """A transformer of a folder, all of it but its table of word pieces, or adapters (LoRA)."""

    def __init__(self, choice: EncoderChoice, lora_rank: int) -> None:
        super().__init__()
        self._place, self._prefix = choice.place, choice.prefix
        # What the folder has no weights for is drawn: the same each time, or no digest would be.
        with near_folder(choice.place) as folder, torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._first_token = takes_first_token(folder)
            self._tokens = load_part("AutoTokenizer", folder)
            # This attention takes masks as they are: others look into them, and wait for a GPU.
            model = load_part("AutoModel", folder, use_safetensors=True, attn_implementation="sdpa")
            self.base = digest_of(folder=folder_digest(folder), prefix=choice.prefix)
            self.model = _with_adapters(model, lora_rank) if lora_rank else model
        for table in model.get_input_embeddings().parameters():
            table.requires_grad = False
        longest = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
        self._longest = min(MAX_TOKENS, int(longest), int(self._tokens.model_max_length))
        self._lora = bool(lora_rank)

    @property
    def mask_token(self) -> int:
        """The word piece that stands for a masked one."""
        if self._tokens.mask_token_id is None:
            raise BadInputError(
                f"the tokenizer of {self._place} has no mask: leave masked_epochs at 0"
            )
        return int(self._tokens.mask_token_id)

    @property
    def special_tokens(self) -> set[int]:
        """Pieces that are never masked."""
        return {int(one) for one in self._tokens.all_special_ids}

    @property
    def table(self) -> Tensor:
        """The table of word pieces, shape (pieces, width)."""
        table: Tensor = self.model.get_input_embeddings().weight
        return table

    def tokens(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        """See the class above."""
        given = [self._prefix + text for text in texts]
        limit = min(longest, self._longest)
        found: list[list[int]] = self._tokens(given, truncation=True, max_length=limit)["input_ids"]
        return found

    def states(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Read word pieces in their context, shape (texts, longest, width)."""
        there = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        mask = there[:, None, None, :].expand(-1, 1, ids.shape[1], -1)
        states: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See the class above."""
        states = self.states(ids, lengths)
        if self._first_token:
            return functional.normalize(states[:, 0].float(), dim=-1)
        there = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        mean = (states * there[..., None]).float().sum(dim=1) / lengths[:, None]
        return functional.normalize(mean, dim=-1)

    def write(self, folder: Path) -> None:
        """See the class above. Adapters become part of the weights they adapt."""
        with near_folder(self._place) as before:
            for file in before.rglob("*"):
                weights = file.suffix == ".safetensors" or file.name.endswith(".index.json")
                if file.is_file() and file.suffix in ENDINGS and not weights:
                    target = folder / file.relative_to(before)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
        model = self.model.merge_and_unload() if self._lora else self.model
        model.save_pretrained(folder)


def open_network(choice: EncoderChoice, lora_rank: int = 0) -> TextNetwork:
    """Open an encoder of texts to be fine-tuned, on the processor.

    Raises:
        BadInputError: There is no such encoder, or it cannot learn so.
        UnavailableError: A store does not answer.
    """
    place = choice.place
    if place.startswith(("https://", "http://")) or not place:
        raise BadInputError(
            f"{place or 'nothing'} cannot be fine-tuned: expected {DEFAULT}, or a folder of weights"
        )
    if place != DEFAULT and not is_sentences(place):
        return TransformerTextNetwork(choice, lora_rank)
    if lora_rank:
        raise BadInputError(
            f"{place} is no transformer: adapters (lora_rank {lora_rank}) need a folder of one"
        )
    if place == DEFAULT:
        return SentenceTextNetwork(packaged_weights())
    with near_folder(place) as folder:
        return SentenceTextNetwork(read_sentences(folder, place))


def _with_adapters(model: Any, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise BadInputError("adapters need peft: pip install 'coterie[finetune]'") from error
    settings = LoraConfig(
        r=rank, lora_alpha=LORA_ALPHA * rank, target_modules="all-linear", lora_dropout=0.0
    )
    with warnings.catch_warnings():
        # peft asks transformers under a name that goes away with the next one.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, settings)
