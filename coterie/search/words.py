"""Which items have the words of a query: BM25 over title, brand, category and description, and over
what a language model said of items, where it described them.

Items that change later, or are new, are beside the others (``LiveWords``) until the next index.

Each word of a query also stands for words of the catalogue that are spelt much like it, as far as
they are: so a slip of the finger, or a plural, finds what was meant. Chinese has no borders between
words: characters and pairs of neighbours are looked for.
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from coterie.content.words import Codes, Matrix, are_ascii, cut_text, cut_words
from coterie.search.live_words import LiveWords
from coterie.search.spelling import Spelling

Floats = npt.NDArray[np.float32]
MAX_WORDS: Final = 64
"""Words and pairs of a query that are looked for; more say nothing new, and take time."""
MAX_CHARACTERS: Final = 500
"""Of one field of an item."""
_ROWS: Final = 20_000
"""Items whose words are cut at once: so much memory is needed, however large the catalogue."""
_ACCENTS: Final = r"[\x{0300}-\x{036f}]"


@dataclass(frozen=True, slots=True)
class WordSettings:
    """What words count. Chosen on validation (``benchmarks/search.py``)."""

    fields: tuple[tuple[str, float], ...] = (
        ("title", 1.0),
        ("brand", 1.0),
        ("category", 1.0),
        ("description", 0.1),
        ("described", 0.2),
    )
    """Columns of the catalogue, and how often a word in each is counted."""
    saturation: float = 0.6
    """BM25's k1: how little a word counts that comes again."""
    length: float = 0.25
    """BM25's b, 0 to 1: how much a long text is held against an item."""
    least_alike: float = 0.6
    """From this likeness on, 0 to 1, a word of the catalogue stands for one of the query."""
    sharpness: float = 2.0
    """Power of the likeness by which it counts."""
    stand_ins: int = 8
    """Words of the catalogue, at most, that stand for one of the query."""


class WordIndex:
    """The words of a catalogue; read alone, so several threads may ask at once."""

    def __init__(self, catalogue: pa.Table, settings: WordSettings | None = None) -> None:
        """Index a catalogue.

        Args:
            catalogue: Row i describes item i; those of the settings' fields that it has are read.
            settings: What words count.
        """
        self._settings = settings or WordSettings()
        words, counts = _count(catalogue, self._settings.fields)
        items = np.diff(counts.indptr)
        self._rarity = _rarity(counts.shape[0], items)
        self._most_rarity = float(np.log1p((counts.shape[0] + 0.5) / 0.5))
        self._first, self._item = counts.indptr, counts.indices
        length = np.asarray(counts.sum(axis=1)).ravel()
        self._typical = float(length[length > 0].mean()) if (length > 0).any() else 1.0
        self._weight = self._saturated(counts.data, length[counts.indices])
        self._spelling = Spelling(words)
        self._live = LiveWords()
        self._counted: int = counts.shape[0]
        self.num_items: int = self._counted

    def changed(self, rows: Sequence[int], texts: pa.Table) -> "WordIndex":
        """Give an index in which some items say something else, or are new; this one stays.

        What words weigh stays as it was, so no other item's score moves; what was said before of a
        changed item is not found any more.

        Args:
            rows: Of the items, each once; new ones follow the last that is known.
            texts: What they say now, in this order, in columns as of the catalogue.
        """
        words, counts = _count(texts, self._settings.fields)
        found, known = copy.copy(self), len(self._first) - 1
        live = self._live.changed(np.array(rows, np.int64), words, counts, self._spelling.places)
        length = np.bincount(live.row, live.count, len(live.rows)).astype(np.float32)
        found._live = live.weighed(self._saturated(live.count, length[live.row]))
        rarity = _rarity(self._counted, live.num_items_of(known))
        found._rarity = np.concatenate([self._rarity[:known], rarity])
        found.num_items = max(self.num_items, 1 + max(rows, default=-1))
        return found

    def scores(self, query: str) -> Floats:
        """Score all items by a query's words, shape (items,).

        1 is what an item has that holds every word once, with nothing beside; 0: none of them.
        """
        scores, live = np.zeros(self._counted, np.float32), self._live
        of_live = np.zeros(len(live.rows), np.float32)
        whole = 0.0
        for places, alike, exact in self._nearest(words_of(query)):
            rarity = float(self._rarity[places[0]]) if exact else self._most_rarity
            whole += rarity
            of_word, of_live_word = np.zeros_like(scores), np.zeros_like(of_live)
            # The nearest comes last, and has the last word: no item is counted twice.
            for place, near in zip(places[::-1].tolist(), alike[::-1].tolist(), strict=True):
                counts = near**self._settings.sharpness * min(rarity, float(self._rarity[place]))
                if place < len(self._first) - 1:
                    span = slice(self._first[place], self._first[place + 1])
                    of_word[self._item[span]] = self._weight[span].astype(np.float32) * counts
                rows, weights = live.postings(place)
                of_live_word[rows] = weights * counts
            scores += of_word
            of_live += of_live_word
        if len(live.rows):
            scores = np.concatenate([scores, np.zeros(self.num_items - self._counted, np.float32)])
            scores[live.rows] = of_live
        return scores / whole if whole else scores

    def _nearest(self, asked: Sequence[str]) -> Iterator[tuple[Codes, Floats, bool]]:
        """Find the words most like each of those asked for, as if all stood in one vocabulary."""
        settings, num_known = self._settings, len(self._first) - 1
        least, most = settings.least_alike, settings.stand_ins
        known = self._spelling.nearest(asked, least, most)
        if self._live.spelling is None:
            yield from known
            return
        for here, there in zip(known, self._live.spelling.nearest(asked, least, most), strict=True):
            places = np.concatenate([here[0], there[0] + num_known])
            alike = np.concatenate([here[1], there[1]])
            # The word itself comes first, also before one that has the same pairs of letters.
            itself = np.zeros(len(places), np.bool_)
            itself[:1] |= here[2]
            itself[len(here[0]) : len(here[0]) + 1] |= there[2]
            best = np.lexsort((places, -alike, ~itself))[:most]
            yield places[best], alike[best], here[2] or there[2]

    def _saturated(self, counts: Floats, length: Floats) -> npt.NDArray[np.float16]:
        """BM25's weight of each count of a word in an item, without the word's rarity.

        Scaled so that a word that comes once in a text of middling length has 1.

        Args:
            counts: How much the word counts in the item, shape (n,).
            length: What all words of that item count, shape (n,).
        """
        said = self._settings
        slow = said.saturation * (1 - said.length + said.length * length / self._typical)
        return np.asarray(counts * (said.saturation + 1) / (counts + slow), np.float16)


def _rarity(num_items: int, items: npt.ArrayLike) -> Floats:
    """Say what words count that so many items have, each at least 0."""
    have = np.minimum(np.asarray(items), num_items)
    return np.asarray(np.log1p((num_items - have + 0.5) / (have + 0.5)), np.float32)


def words_of(query: str) -> list[str]:
    """Cut a query into words and pairs of characters, each once, in its order, at most 64.

    >>> words_of("Café, red CAFE 红灯")
    ['cafe', 'red', '红', '灯', '红灯']
    """
    cut = cut_text(folded(pa.array([query], pa.string()))[0].as_py())
    pairs = [a + b for (a, lone), (b, other) in itertools.pairwise(cut) if lone and other]
    return list(dict.fromkeys([*(word for word, _ in cut), *pairs]))[:MAX_WORDS]


def folded(texts: pa.Array) -> pa.Array:
    """Bring texts into the form that is compared: no accents, no wide letters.

    >>> folded(pa.array(["Café", "\\uff2e\\uff49\\uff4b\\uff45"])).to_pylist()
    ['Cafe', 'Nike']
    """
    if are_ascii(texts):
        return texts
    apart = pc.utf8_normalize(texts, "NFKD")
    bare = pc.replace_substring_regex(apart, _ACCENTS, "")
    return pc.utf8_normalize(bare, "NFKC")


def _words_and_pairs(texts: pa.Array) -> tuple[Codes, pa.Array]:
    """Cut texts into words and into pairs of neighbouring characters without borders of words.

    Returns:
        Rows of the texts, and a word or a pair each.
    """
    tokens = cut_words(folded(texts))
    alone = tokens.are_characters()[tokens.code]
    pair = np.flatnonzero(alone[:-1] & alone[1:] & (tokens.row[:-1] == tokens.row[1:]))
    word = tokens.words.take(pa.array(tokens.code))
    first, second = (word.take(pa.array(at)) for at in (pair, pair + 1))
    pairs = pc.binary_join_element_wise(first, second, "")
    return np.concatenate([tokens.row, tokens.row[pair]]), pa.concat_arrays([word, pairs])


def _count(catalogue: pa.Table, fields: Sequence[tuple[str, float]]) -> tuple[pa.Array, Matrix]:
    """Count words, each as much as its field says: the words, and (items, words), by word."""
    parts = _Parts()
    for name, counts in fields:
        if name in catalogue.column_names and counts:
            column = catalogue[name].combine_chunks()
            for start in range(0, catalogue.num_rows, _ROWS):
                texts = pc.utf8_slice_codeunits(
                    column.slice(start, _ROWS).cast(pa.string()), 0, MAX_CHARACTERS
                )
                parts.add(start, pc.fill_null(texts, ""), counts)
    return parts.put_together(catalogue.num_rows)


@dataclass
class _Parts:
    """Counts of some rows and fields, each with words of its own."""

    words: list[pa.Array] = field(default_factory=list)
    rows: list[npt.NDArray[np.int32]] = field(default_factory=list)
    codes: list[npt.NDArray[np.int32]] = field(default_factory=list)
    counts: list[Floats] = field(default_factory=list)
    _start: int = 0

    def add(self, first: int, texts: pa.Array, counts: float) -> None:
        """Add the words of texts, of which the first is that of row ``first``."""
        row, word = _words_and_pairs(texts)
        coded = pc.dictionary_encode(word)
        codes = coded.indices.to_numpy(zero_copy_only=False)
        found = (
            sparse.coo_matrix(
                (np.full(len(row), counts, np.float32), (row, codes)),
                (len(texts), len(coded.dictionary)),
            )
            .tocsr()
            .tocoo()
        )
        self.words.append(coded.dictionary)
        self.rows.append((found.row + first).astype(np.int32))
        self.codes.append((found.col + self._start).astype(np.int32))
        self.counts.append(found.data)
        self._start += len(coded.dictionary)

    def put_together(self, num_items: int) -> tuple[pa.Array, Matrix]:
        """Give each word one code in all parts."""
        if not self.words:
            return pa.array([], pa.string()), sparse.csc_matrix((num_items, 0), dtype=np.float32)
        coded = pc.dictionary_encode(pa.concat_arrays(self.words))
        of_part = coded.indices.to_numpy(zero_copy_only=False)
        found = sparse.coo_matrix(
            (
                np.concatenate(self.counts),
                (np.concatenate(self.rows), of_part[np.concatenate(self.codes)]),
            ),
            (num_items, len(coded.dictionary)),
        )
        return coded.dictionary, found.tocsc()
