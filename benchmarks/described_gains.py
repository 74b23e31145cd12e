"""What words that are generated of items are worth: to search, and to lists.

    python -m benchmarks.described_gains --data DIR
    python -m benchmarks.described_gains --data DIR --parts lists

No model whose words are worth something fits in a package, so describers without one speak
(``benchmarks.described_words``): a dictionary writes Chinese titles of fashion, word by word;
keywords of tools come out of their own descriptions. They bound what a model can bring, and are not
one. Search: ``benchmarks.search``'s queries; items of even rows, and every other kind, choose how
much the words count, the others are reported, each draw once. Lists: texts alone, frozen default
encoder, as ``benchmarks.finetuning`` measures them, test looked at once. Figures go to
``benchmarks/results/described_gains.json``.
"""

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch

from benchmarks.described_words import KeywordDescriber, translated
from benchmarks.finetuning import TextSet, measured
from benchmarks.search_found import SEEDS, Scored, Scorer, reciprocal_ranks, scored_all
from benchmarks.search_queries import KINDS, Floats, Shelf, read_shelves
from coterie.content.sentences import SentenceEncoder
from coterie.content.texts import item_texts
from coterie.files import write_atomically
from coterie.llm.descriptions import Described, searched, tags_with
from coterie.search.index import SearchWeights
from coterie.search.words import WordIndex, WordSettings

RESULTS: Final = Path(__file__).parent / "results" / "described_gains.json"
WEIGHTS: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
SHELVES: Final = ("tools", "fashion")
Cells = dict[str, dict[str, Any]]


def measure_search(data: Path) -> dict[str, Any]:
    """Choose how much generated words count, and report what they find."""
    encoder = SentenceEncoder()

    def encode(texts: Sequence[str]) -> Floats:
        return encoder.encode(texts).vectors

    shelves = {one.name: one for one in read_shelves(data, encode) if one.name in SHELVES}
    # Vectors stay those of the items' own texts: what is measured is words.
    plain = {name: Scorer(shelf) for name, shelf in shelves.items()}
    asked = {
        half: [one for seed in SEEDS for one in scored_all(plain, data, encode, seed, half)]
        for half in (0, 1)
    }
    told = {name: _described(shelf) for name, shelf in shelves.items()}
    tried = {weight: _mean(_again(asked[0], told, weight)) for weight in WEIGHTS}
    best = max(WEIGHTS, key=lambda weight: tried[weight])
    with_words = _again(asked[1], told, best)
    names = [*KINDS][1::2]
    titles = "\n".join(filter(None, told["fashion"]["described"].to_pylist()))
    same = sum(KINDS[name][1] in titles for name in names)
    return {
        "seeds": SEEDS,
        "tried": tried,
        "weight": best,
        "described": {n: int(np.count_nonzero(t["described"].is_valid())) for n, t in told.items()},
        "kinds": len(names),
        "kinds_whose_query_stands_in_a_title": same,
        "mrr": {
            way: {"without": _cells(asked[1], parts), "with": _cells(with_words, parts)}
            for way, parts in (("words", ("words",)), ("both", ("words", "meaning")))
        },
    }


def measure_lists(data: Path, sets: Sequence[str]) -> dict[str, Any]:
    """Measure lists by texts alone, with and without keywords behind the items' tags."""
    encoder = SentenceEncoder()
    found: dict[str, Any] = {}
    for name in sets:
        of = TextSet.read(data, name)
        items = _items_of(of, data, name)
        rows = items.to_pylist()
        describer = KeywordDescriber(rows)
        said = [describer.said(row) for row in rows]
        tags = [tags_with(row.get("tags"), one) for row, one in zip(rows, said, strict=True)]
        own = [column for column in items.column_names if column != "tags"]
        told = items.select(own).append_column("tags", pa.array(tags, pa.string()))
        texts = {
            "titles": item_texts(items.drop_columns(["description"])),
            "titles and keywords": item_texts(told.drop_columns(["description"])),
            "titles and descriptions": item_texts(items),
            "titles, keywords and descriptions": item_texts(told),
        }
        found[name] = {"items": len(rows), "items_with_keywords": sum(map(bool, said))}
        for row, some in texts.items():
            vectors = encoder.encode(some).vectors
            found[name][row] = measured(of.with_vectors(vectors), range(len(SEEDS)), alone=True)
            print(name, row, found[name][row], flush=True)
    return found


def _items_of(of: TextSet, data: Path, name: str) -> pa.Table:
    """Give the columns that texts are made of, with descriptions and prices."""
    items = of.found.test.fit.items
    assert items is not None
    if name != "amazon_industrial":
        return items
    told = json.loads((data / name / "items.json").read_text())
    said = [told[item]["description"] for item in items["item_id"].to_pylist()]
    columns = items.select(["item_id", "title", "brand"])
    columns = columns.append_column("description", pa.array(map(str, said), pa.string()))
    return columns.append_column("price", pa.nulls(len(said), pa.float64()))


def _described(shelf: Shelf) -> pa.Table:
    """Put what a describer says beside a shelf's columns, as a release has it."""
    rows = shelf.catalogue.to_pylist()
    describer: Callable[[Mapping[str, Any]], list[Described]] = (
        translated if shelf.name == "fashion" else KeywordDescriber(rows).said
    )
    texts = [
        " ".join(one.value for one in searched(describer(row), row["title"], True, False)) or None
        for row in rows
    ]
    return shelf.catalogue.append_column("described", pa.array(texts, pa.string()))


def _again(asked: Sequence[Scored], told: Mapping[str, pa.Table], weight: float) -> list[Scored]:
    """Score the same queries with generated words that count so much."""
    fields = tuple(one for one in WordSettings().fields if one[0] != "described")
    settings = WordSettings((*fields, ("described", weight)))
    indices = {name: WordIndex(table, settings) for name, table in told.items()}
    return [
        replace(
            one,
            words=np.stack([indices[one.queries.shelf].scores(text) for text in one.queries.texts]),
        )
        for one in asked
    ]


def _ranks(one: Scored, parts: Sequence[str]) -> Floats:
    weights = SearchWeights()
    words, meaning = (
        getattr(one, part) if part in parts else np.zeros_like(one.words)
        for part in ("words", "meaning")
    )
    score = np.add(*weights.parts(words, meaning))
    fits = weights.fits(words, meaning)
    return reciprocal_ranks(np.where(fits, score, -np.inf), one.queries.right)


def _mean(scored: Sequence[Scored]) -> float:
    """Mean over sorts of queries: each counts the same, however many there are."""
    cells = _cells(scored, ("words", "meaning"))
    return round(float(np.mean([c["mean"] for sorts in cells.values() for c in sorts.values()])), 4)


def _cells(scored: Sequence[Scored], parts: Sequence[str]) -> Cells:
    """Mean and spread over the draws, by shelf and sort."""
    draws: dict[tuple[str, str], list[float]] = {}
    sizes: dict[tuple[str, str], int] = {}
    for one in scored:
        key = one.queries.shelf, one.queries.sort
        draws.setdefault(key, []).append(float(_ranks(one, parts).mean()))
        sizes[key] = len(one.queries.texts)
    cells: Cells = {}
    for (shelf, sort), found in draws.items():
        cells.setdefault(shelf, {})[sort] = {
            "mean": round(float(np.mean(found)), 4),
            "spread": round(float(np.std(found)), 4),
            "queries": sizes[shelf, sort],
        }
    return cells


PARTS: Final = ("search", "lists")
SETS: Final = ("amazon_industrial", "simulated")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="of lists")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in asked.parts:
        if part == "search":
            found = measure_search(asked.data)
        else:  # sets that were not asked for stand
            found = results.get(part, {}) | measure_lists(asked.data, asked.sets)
        results[part] = found | {
            "machine": f"{platform.machine()}, one thread",
            "versions": {n: version(n) for n in ("torch", "numpy", "scipy", "pyarrow")},
            "command": f"python -m benchmarks.described_gains --data DIR --parts {part}",
        }
        print(part, json.dumps(results[part], indent=1, ensure_ascii=False), flush=True)
        write_atomically(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
