"""How long search takes, and what it takes: to make ready, to ask, to hold."""

import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.search_queries import known_items, read_shelves
from coterie.content.sentences import SentenceEncoder
from coterie.search.index import SearchIndex
from coterie.search.meaning import VectorIndex

SIZES: Final = (20_000, 100_000)
QUERIES: Final = 200
K: Final = 20
SEED: Final = 0


def measure_speed(data: Path) -> dict[str, Any]:
    """Time catalogues of several sizes, made of real titles whose words are mixed."""
    encoder = SentenceEncoder()

    def encode(texts: Sequence[str]) -> Any:
        return encoder.encode(texts).vectors

    shelves = read_shelves(data, encode)
    tools = next(shelf for shelf in shelves if shelf.name == "tools")
    queries = [text for one in known_items(tools, encode, SEED, 1) for text in one.texts]
    rng = np.random.default_rng(SEED)
    asked = rng.permutation(queries)[:QUERIES].tolist()
    found: dict[str, Any] = {
        "seed": SEED,
        "queries": len(asked),
        "encode a query": _times(lambda query: encode([query]), asked),
    }
    for size in SIZES:
        catalogue = mixed_catalogue(tools.catalogue, size, rng)
        vectors = mixed_vectors(tools.vectors, size, rng)
        found[str(size)] = _measure(catalogue, vectors, encode, asked)
    return found


def mixed_catalogue(real: pa.Table, size: int, rng: np.random.Generator) -> pa.Table:
    """Make a catalogue: half of a title's words are another's, and one is new."""
    titles = [title.split() for title in real["title"].to_pylist()]
    first, second = rng.integers(len(titles), size=(2, size))
    number = rng.integers(size, size=size)
    mixed = [
        " ".join([*titles[a][::2], *titles[b][1::2], f"x{n}"])
        for a, b, n in zip(first.tolist(), second.tolist(), number.tolist(), strict=True)
    ]
    others = real.select(["brand", "description"]).take(pa.array(first))
    return others.append_column("title", pa.array(mixed))


def mixed_vectors(real: np.ndarray[Any, Any], size: int, rng: np.random.Generator) -> Any:
    """Make vectors between those of two items each, as half floats."""
    first, second = rng.integers(len(real), size=(2, size))
    return ((real[first].astype(np.float32) + real[second]) / 2).astype(np.float16)


def _measure(
    catalogue: pa.Table, vectors: Any, encode: Callable[[Sequence[str]], Any], asked: list[str]
) -> dict[str, Any]:
    available = np.ones(catalogue.num_rows, np.bool_)
    taste = np.random.default_rng(SEED).normal(size=catalogue.num_rows).astype(np.float32)
    before = _resident_mb()
    began = time.process_time()
    words = SearchIndex(catalogue, available)
    words_s, with_words = time.process_time() - began, _resident_mb()
    began = time.process_time()
    of_vectors = VectorIndex(vectors)
    vectors_s, with_vectors = time.process_time() - began, _resident_mb()
    both = SearchIndex(catalogue, available, of_vectors)
    return {
        "words ready s": round(words_s, 2),
        "vectors ready s": round(vectors_s, 2),
        "words MB": round(with_words - before),
        "vectors MB": round(with_vectors - with_words),
        "words ms": _times(lambda query: words.search(query, K, None, taste), asked),
        "words and vectors ms": _times(
            lambda query: both.search(query, K, encode([query])[0], taste), asked
        ),
    }


def _times(ask: Callable[[str], Any], asked: Sequence[str]) -> dict[str, float]:
    """Milliseconds of the process, the middle one and that of one in a hundred."""
    ask(asked[0])
    spent = []
    for query in asked:
        began = time.process_time()
        ask(query)
        spent.append((time.process_time() - began) * 1000)
    return {
        "p50": round(float(np.median(spent)), 2),
        "p99": round(float(np.quantile(spent, 0.99)), 2),
    }


def _resident_mb() -> float:
    """Memory of this process that is in use, in MB, once what is free was given back."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
