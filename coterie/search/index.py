"""Search in a catalogue: words, meaning and the shopper's own taste, added up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.search.meaning import Encode, VectorIndex
from coterie.search.words import WordIndex, WordSettings

Floats = npt.NDArray[np.float32]
_WIDEST: float = 3.0
"""Standard deviations from the mean, at most, that a taste counts."""


@dataclass(frozen=True, slots=True)
class SearchWeights:
    """What each part of a score counts. Chosen on validation (``benchmarks/search.py``)."""

    words: float = 1.0
    meaning: float = 0.15
    taste: float = 0.05
    """A standard deviation of the shopper's scores over the catalogue."""
    least_words: float = 0.02
    """Less of a query's words is no match."""
    least_meaning: float = 0.25
    """Cosine from which on an item that has no word of the query means what it says."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first, n items."""

    item_idx: npt.NDArray[np.int64]
    score: Floats
    """The sum of the three parts below."""
    words: Floats
    meaning: Floats
    taste: Floats
    has_words: npt.NDArray[np.bool_]
    """Whether words of the query are among the item's, or ones spelt much like them."""
    has_meaning: npt.NDArray[np.bool_]
    """Whether it means what the query says."""


class SearchIndex:
    """One catalogue, ready to be searched by several threads at once."""

    def __init__(
        self,
        catalogue: pa.Table,
        available: npt.NDArray[np.bool_],
        vectors: VectorIndex | None = None,
        encode: Encode | None = None,
        weights: SearchWeights | None = None,
        words: WordSettings | None = None,
    ) -> None:
        """Index a catalogue.

        Args:
            catalogue: Row i describes item i.
            available: Items that may be found, shape (items,).
            vectors: Of its texts; without them words alone are searched.
            encode: What made them, for queries; likewise.
            weights: What each part counts.
            words: What each word counts.
        """
        self.words = WordIndex(catalogue, words)
        self._vectors, self._encode = vectors, encode
        self._available = available
        self._weights = weights or SearchWeights()

    def search(self, query: str, k: int, taste: npt.ArrayLike | None = None) -> Found:
        """Find the k items that fit a query best.

        Args:
            query: As the shopper wrote it.
            k: How many; fewer where fewer fit.
            taste: The shopper's scores of all items, in any unit; None: of a stranger.

        Raises:
            UnavailableError: The query's encoder does not answer.
        """
        weights, words = self._weights, self.words.scores(query)
        meaning = self._meaning(query)
        has_words, has_meaning = words >= weights.least_words, meaning >= weights.least_meaning
        fits = np.flatnonzero((has_words | has_meaning) & self._available)
        parts = np.zeros((3, len(fits)), np.float32)
        parts[0] = weights.words * words[fits]
        parts[1] = weights.meaning * np.maximum(meaning[fits], 0.0)
        if taste is not None and len(fits):
            parts[2] = weights.taste * self._spread(taste)[fits]
        score = parts.sum(axis=0)
        best = np.lexsort((fits, -score))[:k]
        at = fits[best]
        return Found(
            at,
            score[best],
            parts[0, best],
            parts[1, best],
            parts[2, best],
            has_words[at],
            has_meaning[at],
        )

    def _meaning(self, query: str) -> Floats:
        if self._vectors is None or self._encode is None:
            return np.zeros(self.words.num_items, np.float32)
        return self._vectors.cosines(self._encode([query])[0])

    def _spread(self, taste: npt.ArrayLike) -> Floats:
        """Bring scores to mean 0 and deviation 1 over the items that may be found."""
        given = np.asarray(taste, np.float32)
        known = given[self._available]
        spread = (given - known.mean()) / max(float(known.std()), 1e-9)
        return np.asarray(np.clip(spread, -_WIDEST, _WIDEST), np.float32)
