"""How well search finds what a query means, and how fast: words, vectors, both, and with taste.

    python -m benchmarks.search --data DIR
    python -m benchmarks.search --data DIR --parts speed

DIR holds ``amazon_industrial``, ``chinese_captions`` and ``product_photos``. Items of even rows
choose what each part counts, those of odd rows are reported, means over three draws of queries; of
kinds of products every other one. With taste, a shopper looks for the item that their history leads
to: ``valid.csv`` chooses the weight, ``test.csv`` is looked at once. A run replaces its own parts
of ``benchmarks/results/search.json``, which docs/search.md shows.
"""

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.search_found import measure_found
from benchmarks.search_live import measure_live
from benchmarks.search_pictures import measure_pictures
from benchmarks.search_speed import measure_speed
from benchmarks.search_taste import measure_taste
from coterie.files import write_atomically

RESULTS: Final = Path(__file__).parent / "results" / "search.json"
PARTS: Final[dict[str, Callable[[Path], dict[str, Any]]]] = {
    "found": measure_found,
    "taste": measure_taste,
    "pictures": measure_pictures,
    "speed": measure_speed,
    "live": measure_live,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in asked.parts:
        results[part] = {
            "machine": f"{platform.machine()}, one thread",
            "versions": {n: version(n) for n in ("torch", "numpy", "scipy", "pyarrow")},
            **PARTS[part](asked.data),
        }
        print(part, json.dumps(results[part], indent=1), flush=True)
        write_atomically(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
