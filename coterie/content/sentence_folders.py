"""A fine-tuned sentence encoder in a folder: safetensors, word pieces, settings; no pickles.

It stands where a transformer's folder may stand, and says in ``config.json`` which of both it is.
"""

import json
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from coterie.content.encoder import ContentEncoder
from coterie.content.folders import TextFolder, folder_digest, near_folder
from coterie.content.sentences import (
    EPSILON,
    MAX_PIECES,
    WIDTH,
    SentenceEncoder,
    SentenceNetwork,
    SentenceWeights,
)
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError

MODEL_TYPE: Final = "coterie-sentences"
"""What ``config.json`` says of such a folder."""
_CONFIG: Final = "config.json"
_TENSORS: Final = "model.safetensors"
_PIECES: Final = "pieces.model"


def write_sentences(folder: Path, network: SentenceNetwork, pieces: bytes) -> None:
    """Write a network and its word pieces into a folder that is there."""
    state = {name: part.detach().cpu().contiguous() for name, part in network.state_dict().items()}
    save_file(state, folder / _TENSORS)
    (folder / _PIECES).write_bytes(pieces)
    told = {
        "model_type": MODEL_TYPE,
        "pieces": len(network.table),
        "epsilon": network.norm.eps,
        "longest": MAX_PIECES,
    }
    (folder / _CONFIG).write_text(json.dumps(told, indent=1))


def read_sentences(folder: Path, name: str) -> SentenceWeights:
    """Read what :func:`write_sentences` wrote.

    Raises:
        BadInputError: The folder holds something else.
    """
    try:
        told = json.loads((folder / _CONFIG).read_text())
        state = load_file(folder / _TENSORS)
        # The table says how many pieces there are: a file that names more would ask for memory.
        network = SentenceNetwork(len(state["table"]), float(told.get("epsilon", EPSILON)))
        network.load_state_dict(state)
        pieces = (folder / _PIECES).read_bytes()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BadInputError(
            f"{folder} holds no sentence encoder of {WIDTH} numbers: {error}"
        ) from error
    return SentenceWeights(name, folder_digest(folder), network.eval(), pieces)


def is_sentences(place: str) -> bool:
    """Tell whether a folder, here or on a store, says that it holds a sentence encoder.

    Raises:
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(place)
    try:
        with reaching(place):
            told = json.loads(fs.cat_file(f"{folder}/{_CONFIG}"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return isinstance(told, dict) and told.get("model_type") == MODEL_TYPE


def open_text_folder(place: str, prefix: str = "", device: str = "cpu") -> ContentEncoder:
    """Open an encoder of texts in a folder: a fine-tuned default, or any transformer.

    Raises:
        BadInputError: The folder holds no encoder that can be read.
        UnavailableError: The store does not answer.
    """
    if not is_sentences(place):
        return TextFolder(place, prefix, device)
    if prefix:
        raise BadInputError(f"{place} was learned without a prefix, and {prefix!r} is given")
    with near_folder(place) as folder, torch.no_grad():
        name = place.rstrip("/").rpartition("/")[2] or place
        return SentenceEncoder(device, read_sentences(folder, name))
