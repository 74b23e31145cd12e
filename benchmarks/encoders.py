"""What the encoders of the extra ``content`` tell, and how fast, on one thread.

    python -m benchmarks.encoders --data DIR

DIR holds ``amazon_industrial``, ``chinese_captions`` and ``product_photos``. Seconds are those of
the process, so that what else runs on the machine counts less. Writes
``benchmarks/results/encoders.json``, which docs/content.md shows.
"""

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.encoders_table import LABELS, NEAREST, write_table
from coterie.content.encoder import Floats, unit_rows
from coterie.content.pictures import PictureEncoder, PictureSettings
from coterie.content.sentences import SentenceEncoder
from coterie.content.whitening import Whitening
from coterie.files import write_atomically

RESULTS: Final = Path(__file__).parent / "results" / "encoders.json"
TITLES: Final = 1_500
CAPTIONS: Final = 1_500
SEED: Final = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    data = parser.parse_args(arguments).data
    torch.set_num_threads(1)
    results = {
        "machine": f"{platform.machine()}, one thread",
        "versions": {name: version(name) for name in ("torch", "numpy", "pillow", "sentencepiece")},
        "seed": SEED,
        "texts": measure_texts(data),
        "pictures": measure_pictures(data),
    }
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(write_table(results))
    return 0


def measure_texts(data: Path) -> dict[str, Any]:
    """Titles a second, and how often the nearest captions name a caption's category."""
    encoder = SentenceEncoder()
    items = json.loads((data / "amazon_industrial" / "items.json").read_text())
    titles = [str(item.get("title") or "") for item in items.values()][:TITLES]
    _, titles_s = _timed(encoder.encode, titles)
    with (data / "chinese_captions" / "captions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["caption"] not in ("", "UNKNOWN")]
    taken = np.random.default_rng(SEED).permutation(len(rows))[:CAPTIONS]
    kinds = np.array([rows[place]["first_level_category_id"] for place in taken])
    vectors, captions_s = _timed(encoder.encode, [rows[place]["caption"] for place in taken])
    white = Whitening.fit(vectors).apply(vectors)
    return {
        "encoder": encoder.name,
        "width": encoder.width,
        "captions": len(taken),
        "titles_a_second": len(titles) / titles_s,
        "captions_a_second": len(taken) / captions_s,
        "largest_category": float(np.unique(kinds, return_counts=True)[1].max() / len(kinds)),
        "category": _voted(vectors, kinds),
        "category_whitened": _voted(white, kinds),
    }


def measure_pictures(data: Path) -> dict[str, Any]:
    """Pictures a second, and how often the nearest photo shows the same thing."""
    folder = data / "product_photos"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = [(folder / "img" / f"{row['id']}.jpg").read_bytes() for row in rows]
    labels = {name: np.array([row[name] for row in rows]) for name in LABELS}
    shown: dict[str, Any] = {}
    encoder = PictureEncoder()
    both, seconds = _timed(encoder.encode, files)
    weight, features = PictureSettings().colour, 1280
    parts = {"network": both[:, :features], "colours": both[:, features:], "both": both}
    parts["both, whitened"] = Whitening.fit(both).apply(both)
    for name, vectors in parts.items():
        nearest = _nearest(unit_rows(vectors), 1)[:, 0]
        shown[name] = {label: float((of == of[nearest]).mean()) for label, of in labels.items()}
    return {
        "encoder": encoder.name,
        "width": encoder.width,
        "colour": weight,
        "photos": len(files),
        "pictures_a_second": len(files) / seconds,
        "nearest": shown,
    }


def _timed(encode: Callable[..., Any], batch: Sequence[Any]) -> tuple[Floats, float]:
    encode(batch[:16])
    began = time.process_time()
    vectors = encode(batch).vectors
    return vectors, time.process_time() - began


def _nearest(vectors: Floats, count: int) -> np.ndarray[Any, Any]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, :count]


def _voted(vectors: Floats, kinds: np.ndarray[Any, Any]) -> float:
    """Share of rows whose kind gets most of the votes of the nearest, each by its cosine."""
    names, code = np.unique(kinds, return_inverse=True)
    nearest = _nearest(vectors, NEAREST)
    cosine = (vectors[:, None] * vectors[nearest]).sum(axis=2)
    votes = np.zeros((len(kinds), len(names)))
    np.add.at(votes, (np.arange(len(kinds))[:, None], code[nearest]), cosine)
    return float((votes.argmax(axis=1) == code).mean())


if __name__ == "__main__":
    raise SystemExit(main())
