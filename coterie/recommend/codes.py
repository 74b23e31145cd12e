"""Codes of half a byte for each number of items' vectors, or for two: see ``retrieval``.

To make them takes some thirty times as long as to read them, so they are kept once a machine, by
the digest of the vectors that they are of. They are read only if they are what was written.
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

LARGE: Final = 100_000
"""Items from which on two numbers share a code: reading codes takes most of the time there."""
_TRAINED_ON: Final = 8_192
_ROUNDS: Final = 8
_FORM: Final = "1"
"""Of what is kept: another where codes are made in another way."""
_DIGEST_BYTES: Final = 32
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
            found = cls._made(faiss, blocks)
            if path:
                found._keep(faiss, path)
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
        """Read what ``_keep`` wrote, if it is there and every byte as it should be."""
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
            return None
        width = sum(one.shape[1] for one in blocks)
        numbers = width * (width + width % 2)
        turned = np.frombuffer(data, np.float32, numbers, _DIGEST_BYTES).reshape(width, -1)
        rest = np.frombuffer(data, np.uint8, offset=_DIGEST_BYTES + turned.nbytes)
        return cls(faiss.deserialize_index(rest), turned, len(blocks[0]))

    def _keep(self, faiss: Any, path: Path) -> None:
        """Write codes for whoever serves these vectors next; a disk that refuses is no trouble."""
        data = self.turned.tobytes() + faiss.serialize_index(self.index).tobytes()
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
