"""What vectors of a catalogue of 100,000 items cost, on one thread.

    python -m benchmarks.vectors
    python -m benchmarks.vectors --words
    python -m benchmarks.vectors --nearest
    python -m benchmarks.vectors --nearest 50000

Encodes the texts of a simulated shop, puts the vectors (and drawn ones in the place of pictures')
into a release, a replica of serving, and a feature store; and finds items that are alike in words,
and in drawn vectors. Seconds are those of the process; memory is what the process holds in the end,
each in a process of its own. Writes ``benchmarks/results/vectors.json``, which docs/content.md
shows.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.vectors_table import write_table
from coterie.content.texts import item_texts
from coterie.content.vectors import ItemVectors
from coterie.content.words import tf_idf
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.files import write_atomically
from coterie.models.content_graph import (
    TEXT_COLUMNS,
    nearest_in_vectors,
    nearest_in_words,
    whitened,
)
from coterie.recommend.encoder import Encoder
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.workflow.content import ContentSettings, encode_catalogue

RESULTS: Final = Path(__file__).parent / "results" / "vectors.json"
SIZES: Final = (20_000, 50_000, 100_000)
TEXT_WIDTH: Final = 512
GROUPS: Final = 3_000
SHOP: Final = ShopConfig(num_items=100_000)
WIDTH: Final = 64
"""Numbers of an item's learned vectors."""
PICTURES: Final = 1_344
"""Numbers of the default for pictures."""
QUERIES: Final = 50
NEIGHBOURS: Final = 20
SOME: Final = 500
"""Items whose nearest are also sought among all."""
SEED: Final = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the results; or measure one part, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs=3, metavar=("WHAT", "KINDS", "HOW"))
    parser.add_argument("--work", type=Path)
    parser.add_argument(
        "--words", action="store_true", help="measure words alone, and keep the other results"
    )
    parser.add_argument(
        "--nearest",
        nargs="*",
        type=int,
        metavar="ITEMS",
        help="the nearest in vectors alone, of so many items, likewise",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.part:
        what, kinds, how = options.part
        found = {"replica": replica, "store": feature_store}[what](options.work, kinds, how == "1")
        print(json.dumps(found))
        return 0
    if options.words or options.nearest is not None:
        results = json.loads(RESULTS.read_text())
    else:
        with tempfile.TemporaryDirectory(prefix="coterie-vectors-") as folder:
            results = measure(Path(folder))
    if options.nearest is None:
        results["words"] = nearest_words()
    if not options.words:
        sizes = options.nearest or SIZES
        known: list[dict[str, Any]] = results.get("meaning", [])
        kept = [one for one in known if one["items"] not in sizes]
        kept += [nearest_meaning(size) for size in sizes]
        results["meaning"] = sorted(kept, key=lambda one: int(one["items"]))
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(write_table(results))
    return 0


def measure(work: Path) -> dict[str, Any]:
    """Measure all parts."""
    encoding = encode(work)
    releases(work)
    replicas = {kinds: _apart(work, "replica", kinds, "0") for kinds in ("", "text", "text image")}
    replicas["text, encoder"] = _apart(work, "replica", "text", "1")
    ways = (("text", "0"), ("text image", "0"), ("text", "1"))
    return {
        "machine": f"{platform.machine()}, one thread",
        "versions": {name: version(name) for name in ("torch", "numpy", "feast", "sentencepiece")},
        "seed": SEED,
        "encoding": encoding,
        "replicas": replicas,
        "store": [_apart(work, "store", *way) for way in ways],
    }


def encode(work: Path) -> dict[str, Any]:
    """Encode the simulated catalogue by the default encoder of texts, and again."""
    simulate(SHOP).write(str(work / "raw"))
    ingest(str(work / "raw"), str(work / "clean"))
    texts = item_texts(load_dataset(str(work / "clean")).catalogue)
    settings = ContentSettings.read('{"text": {"place": "default"}}')
    seconds = []
    for _ in range(2):
        began = time.process_time()
        encode_catalogue(str(work / "clean"), "", settings, str(work / "content"))
        seconds.append(time.process_time() - began)
    return {
        "items": len(texts),
        "characters": sum(map(len, texts)) / len(texts),
        "seconds": seconds[0],
        "again_seconds": seconds[1],
    }


def nearest_words() -> dict[str, Any]:
    """Find the nearest items in words; of some, how many of the exact nearest are among them."""
    items = simulate(SHOP).items
    began = time.process_time()
    words = tf_idf([items[name] for name in TEXT_COLUMNS if name in items.column_names])
    found = nearest_in_words(words, NEIGHBOURS)
    seconds = time.process_time() - began
    some = np.random.default_rng(SEED).choice(items.num_rows, SOME, replace=False)
    alike = (words[some] @ words.T).toarray()
    alike[np.arange(SOME), some] = 0.0
    last = np.partition(alike, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    # Of equals any is as good.
    good = [found[[row]].data >= least - 1e-6 for row, least in zip(some, last, strict=True)]
    share = sum(np.minimum(one.sum(), NEIGHBOURS) for one in good) / (SOME * NEIGHBOURS)
    return {"items": items.num_rows, "seconds": seconds, "found": float(share)}


def nearest_meaning(size: int) -> dict[str, Any]:
    """Find the nearest of drawn vectors; of some, how many of the exact nearest are among them.

    They lie about ``GROUPS`` middles, most of them wide in few directions, as an encoder's do.
    """
    drawn = np.random.default_rng(SEED)
    wide = np.arange(1, TEXT_WIDTH + 1, dtype=np.float32) ** -0.5
    middles = drawn.normal(size=(GROUPS, TEXT_WIDTH)).astype(np.float32)
    given = middles[drawn.integers(GROUPS, size=size)]
    given += drawn.normal(size=given.shape).astype(np.float32)
    vectors = whitened(given * wide)
    began = time.process_time()
    found = nearest_in_vectors(vectors, NEIGHBOURS)
    seconds = time.process_time() - began
    some = drawn.choice(size, SOME, replace=False)
    alike = vectors[some] @ vectors.T
    alike[np.arange(SOME), some] = 0.0
    last = np.partition(alike, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    good = [found[[row]].data >= least - 1e-5 for row, least in zip(some, last, strict=True)]
    share = sum(np.minimum(one.sum(), NEIGHBOURS) for one in good) / (SOME * NEIGHBOURS)
    return {"items": size, "seconds": seconds, "found": float(share)}


def releases(work: Path) -> None:
    """Write releases that differ in their vectors alone."""
    catalogue = load_dataset(str(work / "clean")).catalogue
    drawn, count = np.random.default_rng(SEED), catalogue.num_rows
    items = torch.from_numpy(drawn.normal(size=(count, WIDTH)).astype(np.float32))
    kept = ItemVectors.read(work / "content", "text")
    pictures = drawn.normal(size=(count, PICTURES)) / np.sqrt(PICTURES)
    vectors = {
        "text": kept.for_items(catalogue["item_id"]).astype(np.float16),
        "image": pictures.astype(np.float16),
    }
    ItemVectors("image", "drawn", "ab" * 32, kept.item_ids, vectors["image"]).write(
        work / "content"
    )
    encoder = {f"encoder.{name}": one.detach() for name, one in Encoder().named_parameters()}
    for kinds in ("", "text", "text image"):
        content = ReleaseContent(
            version="v1",
            parameters={
                "item_in": items,
                "item_out": items.clone(),
                "item_bias": torch.zeros(count),
                "inverse_temperature": torch.tensor(4.0),
                "popularity_weight": torch.tensor(0.0),
                **encoder,
            },
            catalogue=catalogue,
            popularity=np.ones(count, np.float32),
            metrics={},
            data_fingerprint="simulated",
            limits={},
            vectors={kind: vectors[kind] for kind in kinds.split()},
            encoders={
                kind: ReleasedEncoder(kept.encoder, kept.digest, "default")
                for kind in kinds.split()
            },
        )
        write_release(str(work / f"release {kinds}".strip()), content)


def replica(work: Path, kinds: str, queries: bool) -> dict[str, Any]:
    """Load a release as a replica does; with ``queries``, also what encodes them."""
    from coterie.release.manifest import MANIFEST, FileDigest
    from coterie.release.queries import QueryEncoders
    from coterie.rollout.live import ReleaseRef
    from serving.rollouts.loaded_release import load_arm

    folder = work / f"release {kinds}".strip()
    ref = ReleaseRef(FileDigest.of((folder / MANIFEST).read_bytes()).sha256, str(folder))
    arm = load_arm(ref, encoders=QueryEncoders("default" if queries else "none"))
    found: dict[str, Any] = {}
    if arm.maker.text_encoder is not None:
        asked = [arm.maker.catalogue.title(row) for row in range(QUERIES)]
        seconds = [_seconds_of(arm.maker.text_encoder, query) for query in asked]
        found["query_ms"] = float(np.median(seconds)) * 1000
    return {"mb": _resident_mb(), **found}


def feature_store(work: Path, kinds: str, online: bool) -> dict[str, Any]:
    """Hand the vectors over to a feature store on SQLite."""
    import yaml  # type: ignore[import-untyped]

    from feature_repo.handover import SharedStore
    from feature_repo.items import hand_over_items

    content, home = work / "content", Path(tempfile.mkdtemp(dir=work))
    for kind in kinds.split():
        ItemVectors.read(content, kind).write(home / "content")
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(home / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": {"type": "sqlite", "path": str(home / "online.db")},
        "entity_key_serialization_version": 3,
    }
    shared = SharedStore(str(home), yaml.safe_dump(settings), f"sqlite://{home / 'log.sqlite'}")
    began = time.process_time()
    hand_over_items(str(home / "content"), shared, time.time_ns() // 1_000_000, online)
    return {
        "kinds": kinds,
        "online": online,
        "seconds": time.process_time() - began,
        "file_mb": (home / "item_content.parquet").stat().st_size // 1_000_000,
        "online_mb": (home / "online.db").stat().st_size // 1_000_000 if online else 0,
    }


def _apart(work: Path, *part: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.vectors", "--work", str(work)]
    done = subprocess.run([*command, "--part", *part], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _seconds_of(encoder: Any, query: str) -> float:
    began = time.process_time()
    encoder.encode([query])
    return time.process_time() - began


def _resident_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kb,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(kb) * 1024 // 1_000_000


if __name__ == "__main__":
    raise SystemExit(main())
