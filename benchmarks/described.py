"""How much of what a small model says of items can be kept.

    python -m benchmarks.described --data DIR --model FOLDER --items 6

Asks a model in a folder what items of ``DIR/amazon_industrial`` are, as ``coterie describe`` does,
drawn with seed 0, and counts what came back in the form, and what of it was kept by which source.
A handful of items: the smallest model that a package brings takes half a minute of a core for one.
Figures go to ``benchmarks/results/described.json``.
"""

import argparse
import json
import platform
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.llm.descriptions import question_of_item, read_description
from coterie.llm.models import open_model
from coterie.llm.question import Usage

RESULTS: Final = Path(__file__).parent / "results" / "described.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, count, and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", required=True, help="folder with a .gguf file, or safetensors")
    parser.add_argument("--items", type=int, default=6)
    asked = parser.parse_args(arguments)
    told = list(json.loads((asked.data / "amazon_industrial" / "items.json").read_text()).values())
    heard: list[Usage] = []
    model = open_model(asked.model, "", "", heard.append, 3_600.0, 0)
    assert model is not None
    sources: Counter[str] = Counter()
    in_form = kept = 0
    began = time.process_time()
    for done, row in enumerate(np.random.default_rng(0).permutation(len(told))[: asked.items], 1):
        item = _item(told[row])
        try:
            value = model.ask(question_of_item(item)).value
            said = read_description(value, item)
            in_form += 1
        except BadInputError as error:
            value, said = str(error), []
        kept += bool(said)
        sources.update(one.source for one in said)
        print(item["title"], "->", value, "->", said, flush=True)
        # Each takes so long that what is known is written down.
        results = {
            "model": model.name,
            "items": done,
            "in_form": in_form,
            "items_with_something_kept": kept,
            "kept_by_source": dict(sources),
            "tokens_out": sum(one.tokens_out for one in heard),
            "cpu_seconds": round(time.process_time() - began),
            "machine": f"{platform.machine()}, one thread",
            "versions": {name: version(name) for name in ("torch", "transformers", "gguf")},
            "command": f"python -m benchmarks.described --data DIR --model DIR --items {done}",
        }
        write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    return 0


def _item(told: dict[str, Any]) -> dict[str, Any]:
    categories = told.get("categories")
    return {
        "title": told.get("title"),
        "brand": told.get("brand"),
        "category": "/".join(categories) if isinstance(categories, list) else categories,
        "tags": None,
        "description": told.get("description"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
