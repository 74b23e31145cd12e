"""Vectors of items, of one kind and one encoder: in memory, and in a folder."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load, save

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.files import write_atomically

KINDS: Final = ("text", "image", "audio")
"""What items have vectors of; others may be added under a name of their own."""
KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What a kind may be called."""
FORMAT_VERSION: Final = 1

_TOLD: Final = ".vectors.json"
_FIELDS: Final = {"version", "kind", "encoder", "digest", "items", "width", "file", "sha256"}


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """What one encoder made of each item of a catalogue."""

    kind: str
    """What was encoded: one of ``KINDS``, or another word in lower case."""
    encoder: str
    """The encoder's name."""
    digest: str
    """SHA-256 of the encoder's weights and settings: vectors of two digests do not mix."""
    item_ids: tuple[str, ...]
    """Distinct, in the order of the rows."""
    vectors: npt.NDArray[np.float16]
    """Shape (items, width), all finite; a row of zeros where nothing is known of the item."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            BadInputError: Kind, digest, type, shape, a number or an id is wrong.
        """
        if not KIND.fullmatch(self.kind):
            raise BadInputError(
                f"the kind {self.kind!r} names files: use up to 32 lower-case letters, digits or _"
            )
        if not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise BadInputError(f"the digest {self.digest!r} is no SHA-256 of 64 hex digits")
        if self.vectors.dtype != np.float16 or self.vectors.ndim != 2:
            raise BadInputError(
                f"vectors are {self.vectors.dtype} of shape {self.vectors.shape}: "
                "they have to be float16 of shape (items, width)"
            )
        if len(self.vectors) != len(self.item_ids):
            raise BadInputError(
                f"{len(self.item_ids)} items have {len(self.vectors)} vectors: one each is needed"
            )
        if len(set(self.item_ids)) != len(self.item_ids):
            raise BadInputError("an item has two vectors: item_ids have to be distinct")
        if not np.isfinite(self.vectors).all():
            raise BadInputError(
                f"vectors of {self.encoder} hold numbers beyond float16 (65,504) or none at all: "
                "bring them to length 1 before they are kept"
            )

    @property
    def width(self) -> int:
        """Numbers of one vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether anything is known of each item, shape (items,)."""
        return np.asarray(self.vectors.any(axis=1))

    def for_items(self, ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """Gather the vectors of items, shape (n, width), in the order of ``ids``.

        Rows of items that have none are zero.
        """
        rows = self._vocab.rows(ids)
        found = self.vectors[np.maximum(rows, 0)] if len(self.item_ids) else 0.0
        return np.where((rows >= 0)[:, None], found, np.zeros((1, self.width))).astype(np.float32)

    @cached_property
    def _vocab(self) -> Vocab:
        return Vocab(pa.array(self.item_ids, pa.string()))

    def write(self, folder: Path | str) -> None:
        """Write ``KIND-DIGEST.safetensors`` and ``KIND.vectors.json``, which names it, last.

        A reader finds the old vectors or the new ones, whole, whenever the writer stops.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        ends = np.cumsum([len(one.encode()) for one in self.item_ids], dtype=np.int64)
        names = np.frombuffer("".join(self.item_ids).encode(), np.uint8)
        data = save({"vectors": self.vectors, "id_bytes": names, "id_ends": ends})
        found = sha256(data).hexdigest()
        file = f"{self.kind}-{found[:16]}.safetensors"
        said = {
            "version": FORMAT_VERSION,
            "kind": self.kind,
            "encoder": self.encoder,
            "digest": self.digest,
            "items": len(self.item_ids),
            "width": self.width,
            "file": file,
            "sha256": found,
        }
        write_atomically(place / file, data)
        write_atomically(place / _told(self.kind), json.dumps(said, indent=1))
        for old in place.glob(f"{self.kind}-*.safetensors"):
            if old.name != file:
                old.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path | str, kind: str) -> "ItemVectors":
        """Read the vectors of one kind back.

        Raises:
            BadInputError: They are not there, or not as they were written.
        """
        place = Path(folder)
        said = _description(place, kind)
        try:
            data = (place / str(said["file"])).read_bytes()
        except OSError as error:
            raise BadInputError(
                f"{place}: {_told(kind)} names {said['file']}, which cannot be read ({error}): "
                "write the vectors again"
            ) from error
        if sha256(data).hexdigest() != said["sha256"]:
            raise BadInputError(
                f"{place}/{said['file']} does not match the digest in {_told(kind)}: truncated or "
                "changed; write the vectors again"
            )
        try:
            held = load(data)
            ids = _texts(held["id_bytes"], held["id_ends"])
            read = cls(kind, str(said["encoder"]), str(said["digest"]), ids, held["vectors"])
        except (SafetensorError, KeyError, pa.ArrowInvalid) as error:
            raise BadInputError(f"{place}/{said['file']} holds no vectors: {error!r}") from error
        if (len(ids), read.width) != (said["items"], said["width"]):
            raise BadInputError(
                f"{place}/{said['file']} has {len(ids)} items of {read.width} numbers, and "
                f"{_told(kind)} says {said['items']} of {said['width']}: write the vectors again"
            )
        return read


def kinds_in(folder: Path | str) -> tuple[str, ...]:
    """List the kinds that a folder holds vectors of, sorted."""
    found = (file.name.removesuffix(_TOLD) for file in Path(folder).glob(f"*{_TOLD}"))
    return tuple(sorted(found))


def _description(place: Path, kind: str) -> dict[str, Any]:
    try:
        said = json.loads((place / _told(kind)).read_bytes())
    except FileNotFoundError as error:
        raise BadInputError(
            f"{place} holds no vectors of kind {kind}, only {list(kinds_in(place))}: "
            "run the content step first"
        ) from error
    except ValueError as error:
        raise BadInputError(f"{place}/{_told(kind)} is no JSON: {error}") from error
    if not isinstance(said, dict) or set(said) != _FIELDS or said["kind"] != kind:
        raise BadInputError(f"{place}/{_told(kind)} does not describe vectors of kind {kind}")
    if said["version"] != FORMAT_VERSION:
        raise BadInputError(
            f"{place}/{_told(kind)} has version {said['version']}, this Coterie reads "
            f"{FORMAT_VERSION}: write the vectors again"
        )
    if not re.fullmatch(rf"{kind}-[0-9a-f]{{16}}\.safetensors", str(said["file"])):
        raise BadInputError(f"{place}/{_told(kind)} names {said['file']!r}, which is none of ours")
    return said


def _texts(data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Cut bytes at ``ends`` into texts; Arrow does it, so that a million ids take no loop."""
    if len(ends) and (ends[-1] != len(data) or (np.diff(ends, prepend=0) < 0).any()):
        raise KeyError("id_ends")
    offsets = pa.py_buffer(np.concatenate([np.zeros(1, np.int64), ends]))
    cut = pa.Array.from_buffers(
        pa.large_string(), len(ends), [None, offsets, pa.py_buffer(np.ascontiguousarray(data))]
    )
    cut.validate(full=True)
    return tuple(cut.to_pylist())


def _told(kind: str) -> str:
    """Name the file that describes the vectors of a kind."""
    return f"{kind}{_TOLD}"
