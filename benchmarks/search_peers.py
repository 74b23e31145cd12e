"""Word search by libraries that may take the place of ``coterie.search.words``, side by side.

    pip install --target DIR bm25s tantivy
    PYTHONPATH=DIR:. python -m benchmarks.search_peers --data DATA

Each gets the texts as cut by ``words_of``, title and brand alone, and the queries that choose
weights in ``benchmarks.search``. Not run by tests: what came out stands in the ADR on search.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.search_found import reciprocal_ranks
from benchmarks.search_queries import known_items, read_shelves
from benchmarks.search_speed import mixed_catalogue
from coterie.search.words import WordIndex, WordSettings, words_of

Search = Callable[[str], np.ndarray[Any, Any]]
SIZE: Final = 100_000
FOUND: Final = 100
"""Items that a library is asked for; the others have a score of 0."""


def ours(texts: list[str]) -> Search:
    """Search by this project's index."""
    settings = WordSettings(fields=(("title", 1.0),))
    return WordIndex(pa.table({"title": texts}), settings).scores


def by_bm25s(texts: list[str], grams: bool) -> Search:
    """Search by bm25s: words, or words and three letters in a row."""
    import bm25s

    def cut(text: str) -> list[str]:
        words = words_of(text)
        return [*words, *(g for w in words for g in _grams(w))] if grams else words

    index = bm25s.BM25(k1=0.6, b=0.25)
    index.index([cut(text) or [""] for text in texts], show_progress=False)
    return lambda query: index.get_scores(cut(query) or [""])


def by_tantivy(texts: list[str], slips: bool) -> Search:
    """Search by tantivy: words, or words that may have a slip as well."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("title", tokenizer_name="whitespace")
    builder.add_integer_field("row", stored=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(200_000_000, 1)
    for row, text in enumerate(texts):
        writer.add_document(tantivy.Document(title=" ".join(words_of(text)), row=row))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def search(query: str) -> np.ndarray[Any, Any]:
        asked, one = [], tantivy.Query
        for word in words_of(query):
            asked.append((tantivy.Occur.Should, one.term_query(index.schema, "title", word)))
            if slips and len(word) > 3:
                near = one.fuzzy_term_query(index.schema, "title", word, 1, True)
                asked.append((tantivy.Occur.Should, one.boost_query(near, 0.5)))
        scores = np.zeros(len(texts), np.float32)
        for score, address in searcher.search(one.boolean_query(asked), FOUND).hits:
            scores[searcher.doc(address)["row"][0]] = score
        return scores

    return search


PEERS: Final[dict[str, Callable[[list[str]], Search]]] = {
    "ours": ours,
    "bm25s, words": lambda texts: by_bm25s(texts, grams=False),
    "bm25s, words and letters": lambda texts: by_bm25s(texts, grams=True),
    "tantivy, words": lambda texts: by_tantivy(texts, slips=False),
    "tantivy, words with a slip": lambda texts: by_tantivy(texts, slips=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what the libraries find, and how long they take."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    data = parser.parse_args(arguments).data

    def encode(texts: Sequence[str]) -> Any:
        return np.zeros((len(texts), 2), np.float32)

    shelves = read_shelves(data, encode)
    large = mixed_catalogue(shelves[0].catalogue, SIZE, np.random.default_rng(0))
    for name, make in PEERS.items():
        cells = {}
        for shelf in shelves:
            search = make(_texts(shelf.catalogue))
            for asked in known_items(shelf, encode, 0, 0):
                scores = np.stack([search(text) for text in asked.texts])
                found = reciprocal_ranks(np.where(scores > 0, scores, -np.inf), asked.right)
                cells[f"{shelf.name} {asked.sort}"] = round(float(found.mean()), 3)
        print(name, cells, _speed(make, large, shelves[0]), flush=True)
    return 0


def _speed(make: Callable[[list[str]], Search], large: pa.Table, shelf: Any) -> str:
    began = time.process_time()
    search = make(_texts(large))
    ready = time.process_time() - began
    asked = known_items(shelf, lambda texts: np.zeros((len(texts), 2)), 0, 0)
    spent = []
    for query in [text for one in asked for text in one.texts[:50]]:
        began = time.process_time()
        search(query)
        spent.append((time.process_time() - began) * 1000)
    middle, slowest = np.median(spent), np.quantile(spent, 0.99)
    return f"{SIZE} items: ready {ready:.1f} s, p50 {middle:.1f} ms, p99 {slowest:.1f} ms"


def _texts(catalogue: pa.Table) -> list[str]:
    brands = catalogue["brand"].to_pylist() if "brand" in catalogue.column_names else None
    titles = catalogue["title"].to_pylist()
    return [f"{t} {b or ''}" for t, b in zip(titles, brands, strict=True)] if brands else titles


def _grams(word: str) -> list[str]:
    text = f"^{word}$"
    return [text[at : at + 3] for at in range(len(text) - 2)] if len(word) > 2 else []


if __name__ == "__main__":
    raise SystemExit(main())
