"""Codes of half a byte for each number of items' vectors, or for two: see ``retrieval``.

To make them takes some thirty times as long as to read them, so they are kept once a machine, by
the digest of the vectors that they are of, and mapped: processes share their memory. They are taken
only if they are what was written.
"""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.files import write_atomically
from coterie.kept_folder import forget_unused, kept_folder
from coterie.recommend.mapped_codes import ALIGNED, Bytes, give_codes, take_codes

LARGE: Final = 100_000
"""Items from which on two numbers share a code: reading codes takes most of the time there."""
_TRAINED_ON: Final = 8_192
_ROUNDS: Final = 8
_FORM: Final = "2"
"""Of what is kept: another where codes are made in another way."""
_DIGEST_BYTES: Final = 32
_HEAD: Final = 64
"""Bytes of the digest and of the number that says where the index without codes ends."""
Singles = npt.NDArray[np.float32]


@functools.cache
def _faiss() -> Any:
    """Import faiss, to work in the thread that asks; None where it is not there."""
    if sys.platform == "darwin":
        return None
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    return faiss


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a catalogue's vectors; never changed."""

    index: Any
    turned: Singles
    """A rotation of vectors, (d, d), d made even, which spreads what an item has in few
    directions over all: without it the items with the longest vectors, which lists are mostly made
    of, were off by a third more. Products stay what they are."""
    num_items: int

    @classmethod
    def of(cls, blocks: Sequence[Singles]) -> "Codes | None":
        """Read the codes of all items that this machine keeps, or make them and keep them: the same
        of the same vectors; None where there is no faiss."""
        faiss = _faiss()
        if faiss is None:
            return None
        path = None
        with contextlib.suppress(OSError):
            path = kept_folder() / f"codes-{_digest(faiss, blocks)}"
        found = cls._kept(faiss, path, blocks) if path else None
        if found is None:
            made = cls._made(faiss, blocks)
            if path:
                made._keep(faiss, path)
                found = cls._kept(faiss, path, blocks)  # whoever makes them maps them as well
            found = found or made
        return found

    @classmethod
    def _made(cls, faiss: Any, blocks: Sequence[Singles]) -> "Codes":
        num, width = len(blocks[0]), sum(one.shape[1] for one in blocks)
        together = 1 if num < LARGE else 2
        even = width + width % 2
        rng = np.random.default_rng(0)
        turned = np.linalg.qr(rng.normal(size=(even, even)))[0][:width].astype(np.float32)
        index = faiss.IndexPQFastScan(even, even // together, 4, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.niter, index.pq.cp.seed = _ROUNDS, 1
        some = np.sort(rng.permutation(num)[:_TRAINED_ON])
        index.train(np.concatenate([one[some] for one in blocks], axis=1) @ turned)
        for start in range(0, num, _TRAINED_ON):
            part = [one[start : start + _TRAINED_ON] for one in blocks]
            index.add(np.concatenate(part, axis=1) @ turned)
        return cls(index, turned, num)

    @classmethod
    def _kept(cls, faiss: Any, path: Path, blocks: Sequence[Singles]) -> "Codes | None":
        """Map what ``_keep`` wrote, if it is there and every byte as it should be."""
        try:
            data: Bytes = np.asarray(np.memmap(path, np.uint8, "r"))
            os.utime(path)
        except (OSError, ValueError):
            return None
        if hashlib.sha256(data[_DIGEST_BYTES:].data).digest() != bytes(data[:_DIGEST_BYTES]):
            return None
        width, num = sum(one.shape[1] for one in blocks), len(blocks[0])
        shape = width, width + width % 2
        untold = int.from_bytes(bytes(data[_DIGEST_BYTES:_HEAD]), "little")
        turned = data[_HEAD : _HEAD + 4 * shape[0] * shape[1]].view(np.float32).reshape(shape)
        index = faiss.deserialize_index(data[_HEAD + turned.nbytes : untold].copy())
        give_codes(faiss, index, data[-(-untold // ALIGNED) * ALIGNED :], num)
        return cls(index, turned, num)

    def _keep(self, faiss: Any, path: Path) -> None:
        """Write codes for whoever serves these vectors next, the index without them first; a disk
        that refuses is no trouble."""
        codes = take_codes(faiss, self.index)
        index = self.turned.tobytes() + faiss.serialize_index(self.index).tobytes()
        give_codes(faiss, self.index, codes, self.num_items)
        until = _HEAD + len(index)
        data = until.to_bytes(_HEAD - _DIGEST_BYTES, "little") + index
        data += bytes(-until % ALIGNED) + codes.tobytes()
        with contextlib.suppress(OSError):
            forget_unused(path.parent)
            write_atomically(path, hashlib.sha256(data).digest() + data, durable=False)

    def search(self, queries: Singles, width: int) -> tuple[Singles, Ints]:
        """Find the items with the largest products, best first: products and items, (b, width)."""
        products, items = self.index.search(queries @ self.turned, width)
        return products, items


def _digest(faiss: Any, blocks: Sequence[Singles]) -> str:
    """Name what codes are made of: vectors, and how."""
    found = hashlib.blake2b(f"{_FORM} {faiss.__version__}".encode(), digest_size=32)
    for one in blocks:
        found.update(f" {one.shape} {one.dtype}".encode())
        for start in range(0, len(one), _TRAINED_ON):
            found.update(np.ascontiguousarray(one[start : start + _TRAINED_ON]).data)
    return found.hexdigest()
