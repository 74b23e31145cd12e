"""Any encoder that transformers reads from a folder: weights in safetensors, no code of the folder.

The folder lies here or on a store. Nothing is asked of a model hub, and nothing in the folder is
run; of a store, what is there beside settings, words and safetensors is not even copied.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch

from coterie.content.encoder import EncodedBatch, digest_of, unit_rows
from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError

ENDINGS: Final = (".json", ".safetensors", ".txt", ".model")
"""What is read of a folder: settings, weights, and the words or pieces of a tokenizer."""
MAX_TOKENS: Final = 512
_AT_ONCE: Final = 32
_NOTHING_ASKED: Final = {"local_files_only": True, "trust_remote_code": False}


@contextmanager
def near_folder(place: str) -> Iterator[Path]:
    """Yield a local folder with the files of one that may lie on a store.

    Raises:
        BadInputError: It is no folder, or holds no settings or no safetensors.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(place)
    with TemporaryDirectory(prefix="coterie-weights-") as near:
        try:
            with reaching(place):
                found = [str(one) for one in fs.find(folder) if str(one).endswith(ENDINGS)]
        except FileNotFoundError:
            found = []
        within = [one.removeprefix(f"{folder}/") for one in found]
        if "config.json" not in within or not any(n.endswith(".safetensors") for n in within):
            raise BadInputError(
                f"{place} holds no encoder: expected config.json and weights in safetensors, as "
                "save_pretrained of transformers leaves them (pickled weights are not read)"
            )
        if is_local(fs):
            yield Path(folder)
            return
        for file, name in zip(found, within, strict=True):
            target = Path(near, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with reaching(place):
                fs.get_file(file, str(target))
        yield Path(near)


def folder_digest(folder: Path) -> str:
    """Digest all files that decide what the encoder says, by their names."""
    files = sorted(one for one in folder.rglob("*") if one.suffix in ENDINGS and one.is_file())
    told = {}
    for one in files:
        with one.open("rb") as file:
            told[one.relative_to(folder).as_posix()] = file_digest(file, "sha256").hexdigest()
    return digest_of(**{"files": told})


class TextFolder:
    """Texts, by any transformer: the mean of its tokens, or what the folder says instead."""

    kind: Final = "text"

    def __init__(self, place: str, prefix: str = "", device: str = "cpu") -> None:
        """Load the weights.

        Raises:
            BadInputError: The folder holds no encoder that can be read.
            UnavailableError: The store does not answer.
        """
        self.name = _name(place)
        self._prefix, self._device = prefix, device
        with near_folder(place) as folder:
            self._first_token = takes_first_token(folder)
            self._tokens = load_part("AutoTokenizer", folder)
            self._model = load_part("AutoModel", folder, use_safetensors=True).eval().to(device)
            self.digest = digest_of(
                folder=folder_digest(folder), prefix=prefix, tokens=MAX_TOKENS, version=1
            )
        longest = getattr(self._model.config, "max_position_embeddings", None) or MAX_TOKENS
        self._longest = min(MAX_TOKENS, int(longest), int(self._tokens.model_max_length))
        self.width = len(self.encode(["a"]).vectors[0])

    def encode(self, batch: Sequence[str]) -> EncodedBatch:
        """Encode texts; an empty one has no vector, and is no fault."""
        told = [place for place, text in enumerate(batch) if text.strip()]
        # Texts of about one length go together, so that little is padded.
        told.sort(key=lambda place: len(batch[place]))
        found: dict[int, Any] = {}
        for start in range(0, len(told), _AT_ONCE):
            places = told[start : start + _AT_ONCE]
            made = self._of([self._prefix + batch[place] for place in places])
            found |= dict(zip(places, made, strict=True))
        vectors = np.zeros((len(batch), len(made[0]) if told else self.width), np.float32)
        for place, vector in found.items():
            vectors[place] = vector
        return EncodedBatch(unit_rows(vectors))

    def _of(self, texts: Sequence[str]) -> Any:
        given = self._tokens(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            if hasattr(self._model, "get_text_features"):
                return _tensor(self._model.get_text_features(**given))
            states = self._model(**given).last_hidden_state
            if self._first_token:
                return states[:, 0].float().cpu().numpy()
            there = given["attention_mask"][..., None].to(states.dtype)
            mean = (states * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
            return mean.float().cpu().numpy()


class PictureFolder:
    """Pictures, by any transformer: CLIP and SigLIP, ViT, DINO."""

    kind: Final = "image"

    def __init__(self, place: str, device: str = "cpu") -> None:
        """Load the weights.

        Raises:
            BadInputError: The folder holds no encoder that can be read.
            UnavailableError: The store does not answer.
        """
        from PIL import Image

        self.name = _name(place)
        self._device = device
        with near_folder(place) as folder:
            self._processor = load_part("AutoImageProcessor", folder, backend="pil")
            self._model = load_part("AutoModel", folder, use_safetensors=True).eval().to(device)
            self.digest = digest_of(folder=folder_digest(folder), version=1)
        self.width = self._of([Image.new("RGB", (64, 64))]).shape[1]

    def encode(self, batch: Sequence[bytes]) -> EncodedBatch:
        """Encode the bytes of picture files."""
        from coterie.content.pictures import open_picture

        faults: dict[int, str] = {}
        vectors = np.zeros((len(batch), self.width), np.float32)
        for start in range(0, len(batch), _AT_ONCE):
            places, pictures = [], []
            for place, data in enumerate(batch[start : start + _AT_ONCE], start):
                try:
                    pictures.append(open_picture(data))
                    places.append(place)
                except BadInputError as error:
                    faults[place] = str(error)
            if places:
                vectors[places] = self._of(pictures)
        return EncodedBatch(unit_rows(vectors), faults)

    def _of(self, pictures: Sequence[Any]) -> Any:
        given = self._processor(list(pictures), return_tensors="pt").to(self._device)
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                return _tensor(self._model.get_image_features(**given))
            made = self._model(**given)
            pooled = getattr(made, "pooler_output", None)
            found = made.last_hidden_state.mean(dim=1) if pooled is None else pooled
            return found.flatten(1).float().cpu().numpy()


def load_part(what: str, folder: Path, **more: Any) -> Any:
    """Load a model, tokenizer or processor of a folder, running no code that is in it.

    Raises:
        BadInputError: It cannot be read.
    """
    import transformers

    try:
        return getattr(transformers, what).from_pretrained(str(folder), **_NOTHING_ASKED, **more)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise BadInputError(
            f"transformers cannot read {what.removeprefix('Auto')} of {folder}: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error


def _tensor(found: Any) -> Any:
    """Take the features, which newer versions of transformers wrap with what led to them."""
    features = found if isinstance(found, torch.Tensor) else found.pooler_output
    return features.float().cpu().numpy()


def takes_first_token(folder: Path) -> bool:
    """Read how a folder of sentence-transformers makes one vector of many tokens.

    Raises:
        BadInputError: In a way that is not known here.
    """
    parts = folder / "modules.json"
    if parts.is_file():
        kinds = [str(part.get("type", "")) for part in json.loads(parts.read_text())]
        known = ("Transformer", "Pooling", "Normalize")
        odd = [kind for kind in kinds if kind.rpartition(".")[2] not in known]
        if odd:
            raise BadInputError(f"{folder} goes on with {odd[0]}, which is not known here")
    pooling = folder / "1_Pooling" / "config.json"
    if not pooling.is_file():
        return False
    told = json.loads(pooling.read_text())
    modes = {name for name, on in told.items() if name.startswith("pooling_mode_") and on is True}
    if told.get("pooling_mode") in ("cls", "mean"):
        modes = {f"pooling_mode_{told['pooling_mode']}_token"}
    if modes == {"pooling_mode_cls_token"}:
        return True
    if modes in (set(), {"pooling_mode_mean_token"}, {"pooling_mode_mean_tokens"}):
        return False
    raise BadInputError(f"{folder} pools by {sorted(modes)}: the mean or the first token is known")


def _name(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2] or place
