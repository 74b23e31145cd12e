"""Batches of what items name, encoded: texts as they are, files once they are fetched."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from coterie.content.encoder import ContentEncoder, EncodedBatch
from coterie.content.fetch import TYPES, Fetcher, FetchSettings
from coterie.errors import CoterieError

FETCHED: Final = frozenset(TYPES)
"""Kinds whose inputs are addresses of files."""


class BatchReader:
    """Encodes texts, or the files at addresses; what cannot be had or read is a fault."""

    def __init__(self, encoder: ContentEncoder, fetch: FetchSettings) -> None:
        """Nothing is read yet."""
        self.encoder = encoder
        self._fetcher = Fetcher(encoder.kind, fetch) if encoder.kind in FETCHED else None

    def stamps(self, values: Sequence[str]) -> Sequence[str]:
        """Tell what changes when an input does: a text itself, or size and time of a file."""
        return values if self._fetcher is None else self._fetcher.stamps(values)

    def read(self, values: Sequence[str]) -> EncodedBatch:
        """Encode one batch.

        Raises:
            UnavailableError: The encoder does not answer.
        """
        if self._fetcher is None:
            return self.encoder.encode(values)
        files = self._fetcher.fetch_all(values)
        there = [place for place, file in enumerate(files) if isinstance(file, bytes)]
        faults = {p: str(file) for p, file in enumerate(files) if isinstance(file, CoterieError)}
        found = self.encoder.encode([files[place] for place in there])
        vectors = np.zeros((len(values), self.encoder.width), np.float32)
        vectors[there] = found.vectors
        return EncodedBatch(vectors, faults | {there[p]: why for p, why in found.faults.items()})
