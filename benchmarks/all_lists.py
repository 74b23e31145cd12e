"""How many lists a second are made of all shoppers at once, beside one by one, and in what memory.

``python -m benchmarks.all_lists`` makes a release of 20,000 items and shoppers with 50 items and 30
friends each, writes everybody's lists in a process of its own, and compares some of them with those
that serving makes of the same features, one after another, in the same run.
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.all_lists_shop import write_features
from benchmarks.lists_release import FRIENDS, NEAREST, OWN, SEED, make_release
from coterie.all_lists.feature_tables import read_everyone
from coterie.all_lists.kernel import BatchKernel
from coterie.all_lists.lists import BlockLists, ListsWanted
from coterie.all_lists.output import read_lists
from coterie.data.circle import CircleRule
from coterie.release.bundle import load_release
from coterie.schema import (
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
)
from coterie.workflow.all_lists import AllListsSettings, list_everyone
from serving.features.online_store import FakeFeatures, Friends
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.telemetry.metrics import ServingMetrics

RESULTS: Final = Path(__file__).parent / "results" / "all_lists.json"
ITEMS: Final = 20_000
SHOPPERS: Final = (50_000, 200_000)
SAMPLED: Final = 200
"""Shoppers whose lists serving makes as well."""
K: Final = 20
STAGES: Final = {
    "_queries": "own items and friends summed up",
    "_products": "all items, one product of matrices",
    "_add_near": "nearest items of own ones",
    "_hide": "what was had, hidden",
    "_best_of": "candidates found",
    "_rank": "candidates scored and ranked",
}


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write ``benchmarks/results/all_lists.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.all_lists", description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--shoppers", type=int, nargs="+", default=SHOPPERS)
    parser.add_argument("--out", default=str(RESULTS))
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"machine": _machine(), "seed": SEED, "k": K, "items": options.items}
    found |= {"own": OWN, "friends": FRIENDS, "nearest": NEAREST, "shoppers": {}}
    with tempfile.TemporaryDirectory(prefix="coterie-all-lists-") as home:
        release = make_release(f"{home}/release", options.items)
        for num in options.shoppers:
            features, out = Path(home, f"features-{num}"), f"{home}/lists-{num}"
            write_features(features, release, num)
            found["shoppers"][str(num)] = _apart(_write_all, f"{home}/release", str(features), out)
            print(num, json.dumps(found["shoppers"][str(num)]), flush=True)
        first = options.shoppers[0]
        places = f"{home}/release", f"{home}/features-{first}", f"{home}/lists-{first}"
        found["stages"] = _apart(_stages, *places[:2])
        found["one by one"] = _apart(_one_by_one, *places)
    whole = found["shoppers"][str(first)]
    found["times one by one"] = round(
        found["one by one"]["cpu us a list"] / whole["cpu us a list"], 1
    )
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "command": "python -m benchmarks.all_lists",
        "day": time.strftime("%Y-%m-%d"),
    }


def _apart(work: Callable[..., dict[str, Any]], *given: str) -> dict[str, Any]:
    """Do it in a process of its own, whose memory is not this one's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def _write_all(release: str, features: str, out: str) -> dict[str, Any]:
    """Write everybody's lists as the command does, reading included."""
    base_mb, base_s = _peak_mb(), time.process_time()
    began, marks = time.perf_counter(), dict[str, float]()

    def told(what: str, done: int, total: int) -> None:
        if done == total:
            marks[what] = round(time.process_time() - base_s, 2)

    made = list_everyone(release, out, AllListsSettings(K), features, told=told)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - base_s
    lists_s = marks["lists"] - marks["tastes"]
    return {
        "cpu us a list": round(1e6 * cpu_s / made.shoppers),
        "cpu us a list, once all is read and summed up": round(1e6 * lists_s / made.shoppers),
        "lists a second of one core": round(made.shoppers / cpu_s),
        "wall s": round(wall_s, 1),
        "lists a second, on the clock": round(made.shoppers / wall_s),
        "cpu s until": marks,
        "peak MB": round(_peak_mb()),
        "peak MB before": round(base_mb),
        "files": made.files,
        "MB of files": round(sum(f.stat().st_size for f in Path(out).iterdir()) / 1e6, 1),
    }


def _peak_mb() -> float:
    """Read the most memory that this process had, its mapped files among it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _stages(release: str, features: str) -> dict[str, Any]:
    """Time the stages of some blocks in one thread, in microseconds of it for each list."""
    torch.set_num_threads(1)
    now_ms = int(time.time() * 1000)
    found = load_release(release)
    everyone = read_everyone(features, found, CircleRule(), now_ms)
    lists = BlockLists(found, everyone, ListsWanted(K, now_ms=now_ms))
    took: dict[str, float] = defaultdict(float)
    for name, what in STAGES.items():
        setattr(BatchKernel, name, _timed(getattr(BatchKernel, name), what, took))
    size, blocks = lists.block, 4
    lists.table(0, size)
    took.clear()
    began = time.thread_time()
    for block in range(blocks):
        lists.table(block * size, (block + 1) * size)
    whole = time.thread_time() - began
    took["tables, and all else"] = whole - sum(took.values())
    return {what: round(1e6 * spent / (blocks * size), 1) for what, spent in took.items()}


def _timed(method: Callable[..., Any], what: str, took: dict[str, float]) -> Callable[..., Any]:
    @wraps(method)
    def timed(*given: Any) -> Any:
        began = time.thread_time()
        try:
            return method(*given)
        finally:
            took[what] += time.thread_time() - began

    return timed


def _one_by_one(release: str, features: str, out: str) -> dict[str, Any]:
    """Make some lists as serving does, of features that are in memory; compare them."""
    torch.set_num_threads(1)
    rows = np.random.default_rng(SEED).choice(len(read_lists(out)), SAMPLED, replace=False)
    known = _features_of(features)
    maker = ListMaker(load_release(release), known, ServingMetrics())
    sampled = read_lists(out).take(np.sort(rows)).to_pylist()
    maker.recommend(sampled[0]["user_id"], K, False)
    began, answers = time.process_time(), []
    for row in sampled:
        answers.append(maker.recommend(row["user_id"], K, False))
    took = time.process_time() - began
    same = sum(
        ([one.item.item_id for one in answer.items], [one.score for one in answer.items])
        == (row["item_ids"], row["scores"])
        for answer, row in zip(answers, sampled, strict=True)
    )
    return {"lists": SAMPLED, "cpu us a list": round(1e6 * took / SAMPLED), "the same lists": same}


def _features_of(folder: str) -> FakeFeatures:
    """Hold features in memory, as an online store would answer."""
    recent, ties = (
        pq.read_table(f"{folder}/{view}.parquet")
        for view in (SHOPPER_RECENT_VIEW, SHOPPER_TIES_VIEW)
    )
    ids = recent["user_id"].to_pylist()
    histories = zip(
        *(recent[n].to_pylist() for n in (RECENT_ITEMS, RECENT_KINDS, RECENT_TS, RECENT_WANTED)),
        strict=True,
    )
    friends = zip(
        *(
            ties[n].to_pylist()
            for n in (FRIEND_IDS, FRIEND_STRENGTHS, FRIENDS_NAMED, FRIENDS_MUTUAL)
        ),
        strict=True,
    )
    return FakeFeatures(
        {user: RecentList(*map(tuple, one)) for user, one in zip(ids, histories, strict=True)},
        {user: Friends(*map(tuple, one)) for user, one in zip(ids, friends, strict=True)},
    )


if __name__ == "__main__":
    main()
