"""Search in a catalogue: words, meaning and the shopper's own taste, added up."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.search.meaning import VectorIndex
from coterie.search.words import WordIndex, WordSettings

Match = Literal["words", "meaning"]
Floats = npt.NDArray[np.float32]
_WIDEST: Final = 3.0
"""Standard deviations from the mean, at most, that a taste counts."""


@dataclass(frozen=True, slots=True)
class SearchWeights:
    """What each part of a score counts. Chosen on validation (``benchmarks/search.py``)."""

    words: float = 1.0
    meaning: float = 0.15
    taste: float = 0.075
    """A standard deviation of the shopper's scores over the catalogue."""
    least_words: float = 0.02
    """Less of a query's words is no match."""
    least_meaning: float = 0.2
    """Cosine from which on an item that has no word of the query means what it says."""

    def parts(self, words: Floats, meaning: Floats) -> tuple[Floats, Floats]:
        """Weigh the words and the meaning of items for one query, or several, (..., items)."""
        weighed = np.asarray(self.meaning * np.maximum(meaning, 0.0), np.float32)
        return np.asarray(self.words * words, np.float32), weighed

    def fits(self, words: Floats, meaning: Floats) -> npt.NDArray[np.bool_]:
        """Tell which items fit a query, or several, (..., items)."""
        return (words >= self.least_words) | (meaning >= self.least_meaning)


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

    def matched(self, place: int) -> list[Match]:
        """Tell by what the item at a place fits."""
        fits: dict[Match, npt.NDArray[np.bool_]] = {
            "words": self.has_words,
            "meaning": self.has_meaning,
        }
        return [name for name, by in fits.items() if by[place]]


class SearchIndex:
    """One catalogue, ready to be searched by several threads at once."""

    def __init__(
        self,
        catalogue: pa.Table,
        available: npt.NDArray[np.bool_],
        vectors: VectorIndex | None = None,
        weights: SearchWeights | None = None,
        words: WordSettings | None = None,
    ) -> None:
        """Index a catalogue.

        Args:
            catalogue: Row i describes item i.
            available: Items that may be found, shape (items,).
            vectors: Of its texts; without them words alone are searched.
            weights: What each part counts.
            words: What each word counts.
        """
        self.words = WordIndex(catalogue, words)
        self._vectors, self._available = vectors, available
        self._weights = weights or SearchWeights()

    @property
    def knows_meaning(self) -> bool:
        """Whether there are vectors of texts."""
        return self._vectors is not None

    def changed(
        self,
        rows: Sequence[int] = (),
        texts: pa.Table | None = None,
        meant: Sequence[int] = (),
        vectors: npt.ArrayLike | None = None,
    ) -> "SearchIndex":
        """Give an index in which some items say something else, or are new; this one stays.

        Args:
            rows: Of items whose words changed; new ones follow the last that is known.
            texts: What they say now, in this order.
            meant: Rows of items of whose texts there are new vectors.
            vectors: These, in the order of ``meant``.
        """
        found = copy.copy(self)
        if texts is not None:
            found.words = self.words.changed(rows, texts)
        if self._vectors is not None and len(meant) and vectors is not None:
            found._vectors = self._vectors.changed(meant, vectors)
        return found

    def meanings(self, vector: npt.ArrayLike) -> Floats | None:
        """Compare all items with a vector of a text, shape (items,); None without vectors."""
        return None if self._vectors is None else self._vectors.cosines(vector)

    def search(
        self,
        query: str,
        k: int,
        vector: npt.ArrayLike | None = None,
        taste: npt.ArrayLike | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> Found:
        """Find the k items that fit a query best.

        Args:
            query: As the shopper wrote it.
            k: How many; fewer where fewer fit.
            vector: What the encoder of the catalogue's texts made of the query, shape (width,);
                None: words alone are searched.
            taste: The shopper's scores of all items, in any unit; None: of a stranger.
            allowed: Items that may be found, shape (items,), in place of ``available``; it takes
                items away, and changes no score. Of it and taste the shorter says how many items
                are looked at: the last ones may be new to either.
        """
        may_be_found = self._available if allowed is None else allowed
        num = min(self.words.num_items, len(may_be_found))
        if taste is not None:
            taste = np.asarray(taste)
            num = min(num, len(taste))
        weights, words = self._weights, self.words.scores(query)[:num]
        meaning = np.zeros(num, np.float32)
        if self._vectors is not None and vector is not None:
            cosines = self._vectors.cosines(vector)[:num]
            meaning[: len(cosines)] = cosines
        fits = np.flatnonzero(weights.fits(words, meaning) & may_be_found[:num])
        parts = np.zeros((3, len(fits)), np.float32)
        parts[0], parts[1] = weights.parts(words[fits], meaning[fits])
        if taste is not None and len(fits):
            parts[2] = weights.taste * self._spread(taste)[fits]
        score = parts.sum(axis=0)
        best = np.lexsort((fits, -score))[:k]
        at, (of_words, of_meaning, of_taste) = fits[best], parts[:, best]
        has_words, has_meaning = (
            words[at] >= weights.least_words,
            meaning[at] >= weights.least_meaning,
        )
        return Found(at, score[best], of_words, of_meaning, of_taste, has_words, has_meaning)

    def like(
        self, row: int, text: str, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], Floats]:
        """Find the k items that say most alike of themselves, best first, with how alike: 0 to 1.

        Args:
            row: Of the item; one that is not indexed is compared by the text alone.
            text: The words that it is compared by, such as its title and brand.
            k: How many.
            allowed: Items that may be found, shape (items,), in place of ``available``.
        """
        may_be_found = self._available if allowed is None else allowed
        words = self.words.scores(text)
        known = row < len(words)
        alike = np.minimum(words / max(float(words[row]) if known else 1.0, 1e-9), 1.0)
        if known and self._vectors is not None and self._vectors.knows(row):
            meaning = np.zeros_like(alike)
            cosines = self._vectors.like(row)[: len(alike)]
            meaning[: len(cosines)] = np.clip(cosines, 0.0, 1.0)
            alike = (alike + meaning) / 2
        num = min(len(alike), len(may_be_found))
        return nearest(alike[:num], row, may_be_found[:num], k)

    def _spread(self, taste: npt.ArrayLike) -> Floats:
        """Bring scores to mean 0 and deviation 1 over the items that may be found."""
        given = np.asarray(taste, np.float32)
        known = given[: len(self._available)][self._available[: len(given)]]
        spread = (given - known.mean()) / max(float(known.std()), 1e-9)
        return np.asarray(np.clip(spread, -_WIDEST, _WIDEST), np.float32)


def nearest(
    alike: Floats, row: int, available: npt.NDArray[np.bool_], k: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Take the k other available items that are most alike, over 0, best first."""
    others = np.flatnonzero((alike > 0) & available)
    others = others[others != row]
    best = others[np.lexsort((others, -alike[others]))[:k]]
    return best, alike[best]
