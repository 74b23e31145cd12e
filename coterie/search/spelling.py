"""Words of a catalogue that are spelt much like a word: by letters that stand close together."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from coterie.content.words import Codes

Floats = npt.NDArray[np.float32]
_BEGIN, _END = "\x02", "\x03"
"""Stand around a word: its first and its last letter make a pair with them."""
_LONGEST: Final = 24
"""Letters of a word that are compared."""
_GAPS: Final = (1, 2)
"""How far apart the letters of a pair stand. With the neighbour but one, two letters that changed
places keep most of their pairs."""
_LEAST_LETTERS: Final = 3
"""Shorter words, and with them Chinese characters and pairs, stand for themselves alone."""


class Spelling:
    """A vocabulary by its pairs of letters; likeness is Dice's, 2 shared / (own + other's)."""

    def __init__(self, words: pa.Array) -> None:
        """Index words, each different; their places are those of the array."""
        self.places: dict[str, int] = {word: at for at, word in enumerate(words.to_pylist())}
        """Of the words: to be read alone."""
        row, pair = _pairs(words)
        coded = pc.dictionary_encode(pair)
        self._code = {one: code for code, one in enumerate(coded.dictionary.to_pylist())}
        codes = coded.indices.to_numpy(zero_copy_only=False)
        ones = np.ones(len(row), np.int8)
        held = sparse.csc_matrix((ones, (row, codes)), (len(words), len(self._code)))
        self._first, self._word = held.indptr, held.indices
        self._pairs = np.bincount(held.indices, minlength=len(words)).astype(np.float32)

    def nearest(
        self, asked: Sequence[str], least: float, most: int
    ) -> Iterator[tuple[Codes, Floats, bool]]:
        """Find the words most like each of those asked for.

        Args:
            asked: Words.
            least: Likeness that is enough, 0 to 1.
            most: How many of each.

        Yields:
            Of each its places, the most alike first; how alike they are, 1 the word itself; and
            whether that is among them.
        """
        for word in asked:
            itself = self.places.get(word, -1)
            pairs = _of_one(word)
            codes = [self._code[pair] for pair in pairs if pair in self._code]
            shared = np.zeros(len(self._pairs), np.float32)
            for code in codes:
                shared[self._word[self._first[code] : self._first[code + 1]]] += 1.0
            alike = 2.0 * shared / np.maximum(self._pairs + len(pairs), 1.0)
            if itself >= 0:
                alike[itself] = 2.0
            found = np.flatnonzero(alike >= least)
            order = found[np.lexsort((found, -alike[found]))][:most].astype(np.int64)
            yield order, np.minimum(alike[order], 1.0), itself >= 0


def _of_one(word: str) -> set[str]:
    """Cut a word into pairs as ``_pairs`` does, without the cost of arrays."""
    if len(word) < _LEAST_LETTERS:
        return set()
    text = _BEGIN + word[:_LONGEST] + _END
    return {a + b for gap in _GAPS for a, b in zip(text, text[gap:], strict=False)}


def _pairs(words: pa.Array) -> tuple[Codes, pa.Array]:
    """Cut words into pairs of letters: places of the words, and a pair each."""
    long = pc.greater_equal(pc.utf8_length(words), _LEAST_LETTERS)
    place = np.flatnonzero(long.to_numpy(zero_copy_only=False))
    text = pc.utf8_slice_codeunits(words.take(pa.array(place)), 0, _LONGEST)
    text = pc.binary_join_element_wise(_BEGIN, text, _END, "")
    length = pc.utf8_length(text).to_numpy(zero_copy_only=False)
    rows, pairs = [np.zeros(0, np.int64)], [pa.array([], pa.string())]
    for gap, start in itertools.product(_GAPS, range(int(length.max(initial=0)))):
        enough = np.flatnonzero(length > start + gap)
        some = text.take(pa.array(enough))
        first, second = (pc.utf8_slice_codeunits(some, at, at + 1) for at in (start, start + gap))
        rows.append(place[enough])
        pairs.append(pc.binary_join_element_wise(first, second, ""))
    return np.concatenate(rows), pa.concat_arrays(pairs)
