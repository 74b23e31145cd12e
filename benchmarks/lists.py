"""What one list costs: CPU time stage by stage, and memory, with made-up releases of several sizes.

    python -m benchmarks.lists --items 20000 200000 1000000

A release has the sizes that the social model usually has: 128 numbers an item in the learned term,
a closed form of rank 256 and nearest items, both fewer where a catalogue is large, as training cuts
them. Tastes are drawn around clusters, and popularity has a long tail. A shopper has 50 entries of
their own and 30 friends with 20 each; features lie in memory. Lists of 20 are made by ``ListMaker``
in turns with and without reasons, in CPU time of this process, which runs in one thread, so another
load on the machine matters little. Memory is that of a process of its own that loads the release
and makes lists beside another that does the same, by what the kernel counts. ``--as NAME`` keeps
figures of other code beside those of this one. ``--before CHECKOUT`` lets this code and another
checkout's make lists in turns, so what else runs on the machine slows both down alike. Figures go
to ``benchmarks/results/lists.json``.
"""

import argparse
import ctypes
import functools
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.lists_release import FRIENDS, SEED, community_of, make_release, shoppers_of
from coterie.files import write_atomically
from coterie.recommend.recommender import Recommender
from coterie.recommend.score import Score
from coterie.release.bundle import Release, load_release
from serving.features.online_store import FakeFeatures
from serving.lists.list_maker import ListMaker
from serving.lists.served_items import ServedItems
from serving.lists.shopper_features import ShopperFeatures
from serving.telemetry.metrics import ServingMetrics

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results" / "lists.json"
_TURN: Final = "turn"
THREADS: Final = "OMP_NUM_THREADS"
K: Final = 20
SHOPPERS: Final = 40
BATCH: Final = 256
SMALL: Final = 1_000
"""Items of the release whose memory is taken from that of a larger one."""
STAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("histories as arrays", ServedItems, "shoppers"),
    ("shopper read", Score, "read"),
    ("queries", Score, "queries"),
    ("all items, coarsely", Score, "coarse"),
    ("some items, exactly", Score, "exact"),
    ("retrieve and rank", Recommender, "recommend"),
    ("items looked up", ListMaker, "_listed"),
    ("parts of scores", Recommender, "contributions"),
    ("reasons chosen and told", ListMaker, "_explain"),
    ("all else", ListMaker, "make"),
)
"""What a list passes through, from within outwards: each is counted without those before it."""


class StageClock:
    """Adds up the CPU time that each stage takes, without the stages that it calls."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((name for name, *_ in STAGES), 0.0)
        self._inner: list[float] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all stages that this code has."""
        kept = []
        for name, owner, method in STAGES:
            inside = getattr(owner, method, None)
            if inside is not None:
                kept.append((owner, method, inside))
                setattr(owner, method, self._watched(name, inside))
        try:
            yield
        finally:
            for owner, method, inside in kept:
                setattr(owner, method, inside)

    def _watched(self, name: str, inside: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inside)
        def watched(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.thread_time()
            try:
                return inside(*given, **named)
            finally:
                took = time.thread_time() - began
                self.seconds[name] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return watched


def measure_cpu(folder: str, rounds: int) -> dict[str, Any]:
    """Time lists with and without reasons in turns, whole and by stages, in milliseconds."""
    release = load_release(folder)
    maker = ListMaker(release, FakeFeatures(), ServingMetrics())
    people = shoppers_of(release, SHOPPERS)
    ways = {"without reasons": False, "with reasons": True}
    # Of each shopper the quickest round: what else runs on the machine makes the others longer.
    spent = {name: np.full(len(people), np.inf) for name in ways}
    for _ in range(rounds):
        for place, known in enumerate(people):
            for name, explain in ways.items():
                began = time.process_time()
                maker.make(known, K, explain)
                took = 1000 * (time.process_time() - began)
                spent[name][place] = min(spent[name][place], took)
    clock = StageClock()
    with clock.watching():
        for known in people * rounds:
            maker.make(known, K, True)
    stages = {name: 1000 * s / len(people) / rounds for name, s in clock.seconds.items()}
    return {
        "ms": {name: _spread(times) for name, times in spent.items()},
        "stages": {name: round(ms, 3) for name, ms in stages.items()},
        "batch ms": measure_batch(release, maker, people),
        # Code of before looks through all vectors.
        "recall": measure_recall(maker, people) if hasattr(Recommender, "check") else {},
    }


def measure_recall(maker: ListMaker, people: list[ShopperFeatures]) -> dict[str, float]:
    """Say which share of the best items lists have, and what it costs to read all vectors."""
    recommender, best, found = maker.items.recommender, 0, 0
    spent = 0.0
    for known in people:
        asked = maker.items.read(known.row, known.friends)
        lists = recommender.recommend(asked, K)
        began = time.process_time()
        recall = recommender.check(asked, lists)
        spent += time.process_time() - began
        if recall is not None:
            best, found = best + recall.best, found + recall.found
    return {
        "best": best,
        "share": round(found / best, 5) if best else 1.0,
        "ms by all vectors": round(1000 * spent / len(people), 3),
    }


def measure_batch(release: Release, maker: ListMaker, people: list[ShopperFeatures]) -> float:
    """Time lists of many shoppers in one call of the recommender, in milliseconds a list."""
    community = community_of(release, people)
    rows = np.arange(BATCH, dtype=np.int64) % len(people) * (FRIENDS + 1)
    shoppers = community.shoppers(rows)
    took = []
    for _ in range(4):
        began = time.process_time()
        maker.items.recommender.recommend(shoppers, K)
        took.append(1000 * (time.process_time() - began) / BATCH)
    return round(min(took), 3)


def _spread(times: npt.NDArray[np.float64]) -> dict[str, float]:
    quantiles = np.quantile(times, [0.5, 0.1, 0.9])
    return dict(zip(("p50", "p10", "p90"), (round(float(q), 3) for q in quantiles), strict=True))


def measure_memory(folder: str, processes: int) -> list[dict[str, float]]:
    """Load a release in some processes at once, make lists, and read what each holds, in MB."""
    command = [sys.executable, "-m", "benchmarks.lists", "--hold", folder]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for one in running:  # all have loaded before any is asked
        assert one.stdout
        one.stdout.readline()
    found = []
    for one in running:
        assert one.stdin
        assert one.stdout
        one.stdin.write("\n")
        one.stdin.flush()
        found.append(json.loads(one.stdout.readline()))
    for one in running:
        one.communicate()
    return found


def hold(folder: str) -> None:
    """Make lists of a release, and say what memory that takes when asked."""
    release = load_release(folder)
    maker = ListMaker(release, FakeFeatures(), ServingMetrics())
    people = shoppers_of(release, SHOPPERS)
    del release
    for known in people:
        maker.make(known, K, True)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(_memory()), flush=True)
    sys.stdin.readline()


def _memory() -> dict[str, float]:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kb = {line.split(":")[0]: int(line.split()[-2]) for line in lines}
    private = kb["Private_Clean"] + kb["Private_Dirty"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    named = {"rss": kb["Rss"], "pss": kb["Pss"], "private": private, "peak": peak}
    return {name: round(one / 1024, 1) for name, one in named.items()}


def measure(sizes: list[int], rounds: int, work: Path, memory: bool) -> dict[str, Any]:
    """Measure catalogues of all sizes."""
    found: dict[str, Any] = {}
    small = work / "small"
    make_release(str(small), SMALL)
    base = measure_memory(str(small), 2) if memory else []
    for size in sizes:
        folder = work / str(size)
        make_release(str(folder), size)
        found[str(size)] = measure_cpu(str(folder), rounds)
        if memory:
            two = measure_memory(str(folder), 2)
            found[str(size)] |= {
                "memory MB": {"base": base, "two": two},
                "bytes an item": _bytes_an_item(base, two, folder, size),
            }
    return found


def _bytes_an_item(
    base: list[dict[str, float]], two: list[dict[str, float]], folder: Path, size: int
) -> dict[str, int]:
    """Say what an item takes in each of two processes alone, and in both together."""
    more = {name: two[0][name] - base[0][name] for name in ("private", "pss")}
    both = sum(part["pss"] for part in two) - sum(part["pss"] for part in base)
    in_file = sum(file.stat().st_size for file in folder.iterdir()) / size
    per_item = {name: mb * 2**20 / (size - SMALL) for name, mb in more.items()}
    per_item |= {"pss of both": both * 2**20 / (size - SMALL), "in the release's files": in_file}
    return {name: round(one) for name, one in per_item.items()}


def measure_turns(before: str, size: int, rounds: int, turns: int) -> dict[str, Any]:
    """Let both codes measure lists of one size in turns; of each figure the median turn counts."""
    roots = {"before": Path(before).resolve(), "now": ROOT}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in roots}
    for _ in range(turns):
        for name, root in roots.items():
            found[name].append(_one_turn(root, size, rounds))
    return {
        "items": size,
        "rounds": rounds,
        "turns": turns,
        "load": round(os.getloadavg()[0], 1),
        "codes": {
            name: {
                figure: round(float(np.median([turn[figure] for turn in of])), 3)
                for figure in of[0]
            }
            for name, of in found.items()
        },
    }


def _one_turn(root: Path, size: int, rounds: int) -> dict[str, float]:
    """Run the benchmark of a checkout, take its figures, and leave its results as they were."""
    results = root / "benchmarks" / "results" / RESULTS.name
    kept = results.read_text()
    command = [sys.executable, "-m", "benchmarks.lists", "--cpu", "--as", _TURN]
    numbers = ["--items", str(size), "--rounds", str(rounds)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    try:
        subprocess.run([*command, *numbers], cwd=root, env=environment, check=True)
        one = json.loads(results.read_text())[_TURN]["sizes"][str(size)]
    finally:
        results.write_text(kept)
    return {name: spread["p50"] for name, spread in one["ms"].items()} | one["stages"]


def show(found: Mapping[str, Any]) -> None:
    """Write tables for people."""
    for name, run in found.items():
        for size, one in run["sizes"].items():
            table = Table(f"{name}, {int(size):,} items", "ms of CPU")
            for way, spread in one["ms"].items():
                table.add_row(way, f"{spread['p50']:.2f}")
            for stage, ms in one["stages"].items():
                table.add_row(f"  {stage}", f"{ms:.2f}")
            table.add_row(f"{BATCH} at once", f"{one['batch ms']:.2f}")
            if one.get("recall"):
                table.add_row("share of the best items", f"{one['recall']['share']:.4f}")
                table.add_row("  all vectors read", f"{one['recall']['ms by all vectors']:.2f}")
            for part, size_ in one.get("bytes an item", {}).items():
                table.add_row(f"bytes an item, {part}", f"{size_:,}")
            Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[20_000])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--as", dest="name", default="now", help="what the code is called")
    parser.add_argument("--cpu", action="store_true", help="leave memory out")
    parser.add_argument("--before", help="a checkout to measure in turns with this one")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if os.environ.get(THREADS) != "1":
        # As replicas have it. Libraries read it when they are loaded, so from the beginning again.
        os.environ[THREADS] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.lists", *sys.argv[1:]])
    torch.set_num_threads(1)
    if given.hold:
        return hold(given.hold)
    if given.before:
        made = measure_turns(given.before, given.items[0], given.rounds, given.turns)
        whole = json.loads(RESULTS.read_text()) | {"turns": made}
        write_atomically(RESULTS, json.dumps(whole, indent=1) + "\n")
        return None
    with TemporaryDirectory() as work:
        # What is kept of made-up releases goes with them.
        os.environ["TMPDIR"] = tempfile.tempdir = work
        sizes = measure(given.items, given.rounds, Path(work), not given.cpu)
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    before = whole.get(given.name, {}).get("sizes", {})
    whole[given.name] = {
        "sizes": before | sizes,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine()},
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "rounds": given.rounds,
        "shoppers": SHOPPERS,
        "seed": SEED,
        "load": round(os.getloadavg()[0], 1),
    }
    show({given.name: whole[given.name]})
    write_atomically(RESULTS, json.dumps(whole, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
