"""Whether a query finds products by their pictures, in words that their titles have not.

Every other title of a catalogue of photos is taken away, drawn by chance; the pictures stay. What
is learned is learned from the other half, and answers are ranked among the items without a title.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.search_found import SEEDS, reciprocal_ranks
from benchmarks.search_queries import Encode, Queries, Shelf, kinds_of_product, known_items
from coterie.content.pictures import PictureEncoder
from coterie.content.sentences import SentenceEncoder
from coterie.content.texts import item_texts
from coterie.search.index import SearchWeights
from coterie.search.meaning import VectorIndex
from coterie.search.words import WordIndex

Floats = npt.NDArray[np.float32]
BATCH: Final = 64
WITHOUT: Final = ("every item has a title", "every other item has none")


def measure_pictures(data: Path) -> dict[str, Any]:
    """Search with texts alone, and with pictures: the half that chose, and the one reported."""
    encoder = SentenceEncoder()

    def encode(texts: Sequence[str]) -> Floats:
        return encoder.encode(texts).vectors

    with (data / "product_photos" / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pictures = _pictures([data / "product_photos" / "img" / f"{row['id']}.jpg" for row in rows])
    titles = [row["productDisplayName"] for row in rows]
    return {
        "seeds": SEEDS,
        "items": len(titles),
        "mrr": {
            half: {
                what: _found(data, titles, pictures, encode, place, bool(bare))
                for bare, what in enumerate(WITHOUT)
            }
            for place, half in enumerate(("chosen on", "reported"))
        },
    }


def _pictures(files: Sequence[Path]) -> Floats:
    encoder = PictureEncoder()
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    return np.concatenate([encoder.encode([f.read_bytes() for f in b]).vectors for b in batches])


def _found(
    data: Path, titles: list[str], pictures: Floats, encode: Encode, half: int, bare: bool
) -> dict[str, dict[str, float]]:
    """Mean over draws, by sort of query: of texts alone, and of pictures as well."""
    found: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        catalogue, vectors, hidden = _shelf(titles, encode, seed, bare)
        words = WordIndex(catalogue)
        ways = {
            "texts": VectorIndex(vectors),
            "texts and pictures": VectorIndex(vectors, pictures=VectorIndex(pictures)),
        }
        queries = kinds_of_product(data, encode, half)
        if not bare:
            queries += known_items(Shelf("fashion", catalogue, vectors, titles), encode, seed, half)
        for one in queries:
            right = [rows[hidden[rows]] for rows in one.right] if bare else one.right
            among = hidden if bare else np.ones(len(titles), np.bool_)
            for way, index in ways.items():
                ranks = _ranks(words, index, one, right, among)
                found.setdefault(one.sort, {}).setdefault(way, []).append(ranks)
    return {
        sort: {way: round(float(np.mean(each)), 3) for way, each in of.items()}
        for sort, of in found.items()
    }


def _shelf(
    titles: list[str], encode: Encode, seed: int, bare: bool
) -> tuple[pa.Table, Floats, npt.NDArray[np.bool_]]:
    hidden = np.zeros(len(titles), np.bool_)
    if bare:
        drawn = np.random.default_rng(seed).permutation(len(titles))
        hidden[drawn[: len(titles) // 2]] = True
    said = [None if gone else title for title, gone in zip(titles, hidden, strict=True)]
    catalogue = pa.table({"title": pa.array(said, pa.string())})
    prices = pa.nulls(len(titles), pa.float64())
    texts = item_texts(catalogue.append_column("price", prices))
    vectors = encode(texts)
    return catalogue, vectors.astype(np.float16).astype(np.float32), hidden


def _ranks(
    words: WordIndex,
    index: VectorIndex,
    asked: Queries,
    right: list[npt.NDArray[np.int64]],
    among: npt.NDArray[np.bool_],
) -> float:
    """Mean reciprocal rank of the best right answer among some items."""
    weights, some = SearchWeights(), [place for place, rows in enumerate(right) if len(rows)]
    said = np.stack([words.scores(asked.texts[place]) for place in some])
    meant = np.stack([index.cosines(asked.vectors[place]) for place in some])
    fits = weights.fits(said, meant) & among
    score = np.where(fits, np.add(*weights.parts(said, meant)), -np.inf)
    return float(reciprocal_ranks(score, [right[place] for place in some]).mean())
