"""Whether search finds the item, or the kind of product, that a query was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.search_queries import (
    Encode,
    Queries,
    Shelf,
    kinds_of_product,
    known_items,
    nonsense,
    read_shelves,
)
from coterie.content.sentences import SentenceEncoder
from coterie.search.index import SearchWeights
from coterie.search.meaning import VectorIndex
from coterie.search.words import WordIndex

Floats = npt.NDArray[np.float32]
SEEDS: Final = (0, 1, 2)
DEPTH: Final = 10
"""Places of a list that count."""
MEANING: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
LEAST: Final = (0.0, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
"""Cosines tried as the least that is a match."""
CHOSEN: Final = ("meaning", "least_meaning")
HARMLESS: Final = 0.003
"""Of the mean reciprocal rank, that a stricter limit may cost."""


@dataclass(frozen=True)
class Scored:
    """Scores of all items of a shelf for queries of one sort, each (queries, items)."""

    queries: Queries
    words: Floats
    meaning: Floats

    def ranks(self, weights: SearchWeights) -> Floats:
        """Reciprocal rank of the best right answer, 0 below ``DEPTH``, shape (queries,)."""
        score = np.add(*weights.parts(self.words, self.meaning))
        fits = weights.fits(self.words, self.meaning)
        return reciprocal_ranks(np.where(fits, score, -np.inf), self.queries.right)

    def alone(self, part: str) -> "Scored":
        """Keep the scores of words, or those of meaning, alone."""
        others = {name: np.zeros_like(self.words) for name in ("words", "meaning") if name != part}
        return replace(self, **others)


def measure_found(data: Path) -> dict[str, Any]:
    """Choose weights on the one half of items, and report the other."""
    encoder = SentenceEncoder()

    def encode(texts: Sequence[str]) -> Floats:
        return encoder.encode(texts).vectors

    shelves = {shelf.name: Scorer(shelf) for shelf in read_shelves(data, encode)}
    chosen, reported = (
        [scored_all(shelves, data, encode, seed, half) for seed in SEEDS] for half in (0, 1)
    )
    weights, tried = choose([one for drawn in chosen for one in drawn])
    ways = {
        "words": [[one.alone("words") for one in drawn] for drawn in reported],
        "meaning": [[one.alone("meaning") for one in drawn] for drawn in reported],
        "both": reported,
    }
    gibberish = [one.scored(nonsense(encode, SEEDS[0])) for one in shelves.values()]
    senseless = {
        "words": [one.alone("words") for one in gibberish],
        "meaning": [one.alone("meaning") for one in gibberish],
        "both": gibberish,
    }
    return {
        "seeds": SEEDS,
        "encoder": encoder.name,
        "weights": {name: getattr(weights, name) for name in CHOSEN},
        "tried": tried,
        "items": {name: scorer.words.num_items for name, scorer in shelves.items()},
        "mrr": {name: _cells(drawn, weights) for name, drawn in ways.items()},
        "nothing found for nonsense": {
            name: _empty(scored, weights) for name, scored in senseless.items()
        },
    }


class Scorer:
    """The indices of a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.words, self.vectors = WordIndex(shelf.catalogue), VectorIndex(shelf.vectors)
        self.shelf = shelf

    def scored(self, queries: Queries) -> Scored:
        """Score all items for queries."""
        words = np.stack([self.words.scores(text) for text in queries.texts])
        meaning = np.stack([self.vectors.cosines(vector) for vector in queries.vectors])
        return Scored(queries, words, meaning)


def scored_all(
    shelves: dict[str, Scorer], data: Path, encode: Encode, seed: int, half: int
) -> list[Scored]:
    """Score all queries of a half, drawn by a seed."""
    asked = [
        one for scorer in shelves.values() for one in known_items(scorer.shelf, encode, seed, half)
    ]
    return [
        shelves[one.shelf].scored(one) for one in [*asked, *kinds_of_product(data, encode, half)]
    ]


def choose(scored: list[Scored]) -> tuple[SearchWeights, dict[str, Any]]:
    """Find what meaning counts; then the strictest limit that costs next to nothing."""
    weights = replace(SearchWeights(), least_meaning=0.0)
    by_meaning = {m: _mean(scored, replace(weights, meaning=m)) for m in MEANING}
    weights = replace(weights, meaning=max(MEANING, key=lambda m: by_meaning[m]))
    by_least = {c: _mean(scored, replace(weights, least_meaning=c)) for c in LEAST}
    harmless = [c for c in LEAST if by_least[c] >= by_least[0.0] - HARMLESS]
    return replace(weights, least_meaning=max(harmless)), {
        "meaning": by_meaning,
        "least_meaning": by_least,
    }


def reciprocal_ranks(score: Floats, right: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """Reciprocal ranks of the best right answers; of equal scores half stand before it."""
    found = np.zeros(len(score), np.float32)
    for place, rows in enumerate(right):
        best = score[place, rows].max()
        if not np.isfinite(best):
            continue
        rest = np.delete(score[place], rows)
        rank = 1 + np.count_nonzero(rest > best) + np.count_nonzero(rest == best) / 2
        found[place] = 1 / rank if rank <= DEPTH else 0.0
    return found


def _mean(scored: Iterable[Scored], weights: SearchWeights) -> float:
    """Mean over sorts of queries: each counts the same, however many there are."""
    return round(float(np.mean([one.ranks(weights).mean() for one in scored])), 4)


def _cells(drawn: list[list[Scored]], weights: SearchWeights) -> dict[str, dict[str, Any]]:
    """Mean and spread over the draws, by shelf and sort."""
    cells: dict[str, dict[str, Any]] = {}
    for same in zip(*drawn, strict=True):
        of_draw = [float(one.ranks(weights).mean()) for one in same]
        queries = same[0].queries
        cells.setdefault(queries.shelf, {})[queries.sort] = {
            "mean": round(float(np.mean(of_draw)), 3),
            "spread": round(float(np.std(of_draw)), 3),
            "queries": len(queries.texts),
        }
    return cells


def _empty(scored: Iterable[Scored], weights: SearchWeights) -> float:
    """Share of queries without sense that find nothing, over all shelves."""
    empty = [~weights.fits(one.words, one.meaning).any(axis=1) for one in scored]
    return round(float(np.mean(empty)), 3)
