"""How long search takes while some items changed, or came, after the index was made."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.search_queries import known_items, read_shelves
from benchmarks.search_speed import QUERIES, SEED, K, mixed_catalogue, mixed_vectors
from coterie.search.index import SearchIndex
from coterie.search.meaning import VectorIndex

SIZE: Final = 20_000
LIVE: Final = (0, 100, 1_000)
ROUNDS: Final = 5


def measure_live(data: Path) -> dict[str, Any]:
    """Time searches of one index with more and more live items, half of them new, in turns."""
    rng = np.random.default_rng(SEED)

    def drawn(texts: Sequence[str]) -> Any:
        return rng.normal(size=(len(texts), 512)).astype(np.float32)

    tools = next(shelf for shelf in read_shelves(data, drawn) if shelf.name == "tools")
    queries = [text for one in known_items(tools, drawn, SEED, 1) for text in one.texts]
    asked = rng.permutation(queries)[:QUERIES].tolist()
    catalogue = mixed_catalogue(tools.catalogue, SIZE, rng)
    index = SearchIndex(
        catalogue, np.ones(SIZE, np.bool_), VectorIndex(mixed_vectors(tools.vectors, SIZE, rng))
    )
    said = mixed_catalogue(tools.catalogue, max(LIVE), rng)
    meant = drawn([""] * max(LIVE))
    ways: dict[str, Callable[[str], Any]] = {}
    taken: dict[str, float] = {}
    for number in LIVE:
        rows = [*range(number // 2), *range(SIZE, SIZE + number - number // 2)]
        began = time.thread_time()
        live = index.changed(rows, said.slice(0, number), rows, meant[:number]) if number else index
        taken[str(number)] = round((time.thread_time() - began) * 1000, 1)
        ways[str(number)] = _search(live, SIZE + number - number // 2, rng)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for query in asked:
            for name, ask in ways.items():
                began = time.thread_time()
                ask(query)
                spent[name].append((time.thread_time() - began) * 1000)
    return {
        "seed": SEED,
        "items": SIZE,
        "searches": len(asked) * ROUNDS,
        "read ms": taken,
        "ms": {
            name: {
                "p50": round(float(np.median(some)), 2),
                "p99": round(float(np.quantile(some, 0.99)), 2),
            }
            for name, some in spent.items()
        },
    }


def _search(index: SearchIndex, num: int, rng: np.random.Generator) -> Callable[[str], Any]:
    allowed, taste = np.ones(num, np.bool_), rng.normal(size=num).astype(np.float32)
    vector = rng.normal(size=512).astype(np.float32)
    return lambda query: index.search(query, K, vector, taste, allowed)
