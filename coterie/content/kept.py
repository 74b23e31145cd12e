"""Vectors beside what they were made of, so that the next day encodes only what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.content.encoder import ContentEncoder, Floats
from coterie.content.vectors import ItemVectors
from coterie.errors import BadInputError


@dataclass(frozen=True, eq=False)
class ItemInputs:
    """What of each item is encoded, and how one input is told from another."""

    kind: str
    item_ids: tuple[str, ...]
    values: tuple[str, ...]
    """A text or an address of each item; empty where it has none."""
    keys: pa.Array
    """SHA-256 of each input, or of what changes when it does; empty where there is none."""

    @classmethod
    def of(
        cls, kind: str, item_ids: Sequence[str], values: Sequence[str], stamps: Sequence[str]
    ) -> "ItemInputs":
        """Make the keys; an empty stamp, as of a file that is not there, has an empty key."""
        keys = [sha256(stamp.encode()).hexdigest() if stamp else "" for stamp in stamps]
        return cls(kind, tuple(item_ids), tuple(values), pa.array(keys, pa.string()))


@dataclass(frozen=True, eq=False)
class KeptVectors:
    """Vectors of a catalogue, and the key of the input that each was made of."""

    vectors: ItemVectors
    keys: pa.Array
    """In the order of the vectors; empty where the input could not be had, so it is tried again."""

    def write(self, folder: Path) -> None:
        """Write both; keys without their vectors make no harm, so they come first."""
        folder.mkdir(parents=True, exist_ok=True)
        ids = pa.array(self.vectors.item_ids, pa.string())
        pq.write_table(
            pa.table({"item_id": ids, "key": self.keys}),
            folder / f"{self.vectors.kind}.keys.parquet",
        )
        self.vectors.write(folder)

    @classmethod
    def read(cls, folder: Path, kind: str) -> "KeptVectors | None":
        """Read what was kept; None where there is nothing that can be used again."""
        try:
            vectors = ItemVectors.read(folder, kind)
            told = pq.read_table(folder / f"{kind}.keys.parquet")
        except (BadInputError, OSError, pa.ArrowException):
            return None
        if told["item_id"].to_pylist() != list(vectors.item_ids):
            return None
        return cls(vectors, told["key"].combine_chunks())


@dataclass(frozen=True, eq=False)
class EncodingPlan:
    """Which inputs have to be encoded, each once, and where all vectors come from."""

    places: npt.NDArray[np.int64]
    """Rows of ``ItemInputs`` to encode, one of each key, shape (new,)."""
    _inputs: ItemInputs
    _earlier: KeptVectors | None
    _row_of: npt.NDArray[np.int64]
    """Row of the earlier vectors for each item; -1: none."""
    _new_of: npt.NDArray[np.int64]
    """Place among ``places`` for each item; -1: none."""

    @classmethod
    def of(
        cls, inputs: ItemInputs, encoder: ContentEncoder, earlier: KeptVectors | None
    ) -> "EncodingPlan":
        """Look up what is there already; vectors of another encoder are none."""
        if earlier is not None and earlier.vectors.digest != encoder.digest:
            earlier = None
        values = pa.array(inputs.values, pa.string())
        wanted = np.asarray(pc.not_equal(values, ""), bool)
        keyless = np.asarray(pc.equal(inputs.keys, ""), bool)
        rows = np.full(len(values), -1)
        if earlier is not None:
            rows = _rows(inputs.keys, earlier.keys)
        rows[keyless | ~wanted] = -1
        missing = np.flatnonzero(wanted & (rows < 0))
        # Several items may have one text or one picture: it is encoded once.
        distinct = values.take(pa.array(missing)).dictionary_encode()
        place = np.asarray(distinct.indices, np.int64)
        first = np.full(len(distinct.dictionary), -1)
        first[place[::-1]] = missing[::-1]
        new_of = np.full(len(values), -1)
        new_of[missing] = place
        return cls(first, inputs, earlier, rows, new_of)

    def items_of(self, new: Sequence[int]) -> list[tuple[int, int]]:
        """Find the rows of the items that need some of the ``places``, each with that one."""
        rows = np.flatnonzero(np.isin(self._new_of, new))
        return list(zip(rows.tolist(), self._new_of[rows].tolist(), strict=True))

    def finish(
        self, encoder: ContentEncoder, made: Floats, well: npt.NDArray[np.bool_]
    ) -> KeptVectors:
        """Put earlier and new vectors in the order of the items.

        Args:
            encoder: That made them.
            made: Vectors of ``places``, shape (new, width).
            well: Whether each could be made, shape (new,).
        """
        vectors = np.zeros((len(self._inputs.item_ids), encoder.width), np.float16)
        known = np.zeros(len(vectors), bool)
        if self._earlier is not None:
            old = self._row_of >= 0
            vectors[old], known[old] = self._earlier.vectors.vectors[self._row_of[old]], True
        new = self._new_of >= 0
        vectors[new], known[new] = made[self._new_of[new]], well[self._new_of[new]]
        keys = pc.if_else(pa.array(known), self._inputs.keys, "")
        kept = ItemVectors(
            self._inputs.kind, encoder.name, encoder.digest, self._inputs.item_ids, vectors
        )
        return KeptVectors(kept, keys)


def _rows(keys: pa.Array, among: pa.Array) -> npt.NDArray[np.int64]:
    found = pc.fill_null(pc.index_in(keys, value_set=among), -1)
    return np.array(found.to_numpy(zero_copy_only=False), dtype=np.int64)
