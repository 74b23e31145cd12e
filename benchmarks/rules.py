"""What a shop's rules cost: NDCG@20 that each takes, and the time of filters, pages and rules.

    python -m benchmarks.rules --data DIR --release FOLDER

``--data`` holds ``lastfm`` (an artist's category is its commonest tag) and ``ciao_time`` (split by
time; a product enters the shop with its first rating). The social model is fitted on training,
where validation chooses the weight of diversity: the largest that takes at most 1 % of NDCG@20.
Then it is fitted on both, and each rule alone is looked at on test, beside no rule, for the same
shoppers. ``--release`` is a release, such as the demo's, whose lists are timed in this process, in
seconds of its own thread: the machine may be busy. Figures go to ``benchmarks/results/rules.json``.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from rich.console import Console

from benchmarks.content_sets import Task, read_lastfm
from benchmarks.dislikes import read_ciao
from benchmarks.rules_latency import measure_latency
from coterie.data.dataset import TrainingSet
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.metrics import Values
from coterie.evaluation.protocols import measure
from coterie.evaluation.significance import paired_test
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.recommend.columns import ItemColumns
from coterie.recommend.rerank import DEPTH, CompiledRules, Pool
from coterie.recommend.rules import Cap, Diversity, Freshness, Lift, Pin, Rule, Selection

RESULTS: Final = Path(__file__).parent / "results" / "rules.json"
K: Final = 20
EPOCHS: Final = 10
SEED: Final = 0
WEIGHTS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
MOST_LOST: Final = 0.01
_BLOCK: Final = 128
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Shelf:
    """A set with what rules ask of its items."""

    validation: Task
    test: Task
    category: Sequence[str | None]
    dated: bool
    """Whether a product's first event says when it entered the shop."""

    def columns(self, data: TrainingSet) -> ItemColumns:
        """Describe the items as they were known at the end of ``data``."""
        num = data.num_items
        first = np.full(num, np.iinfo(np.int64).max)
        events = data.interactions
        np.minimum.at(first, events.item_idx, events.ts_ms)
        known = self.dated & (first < np.iinfo(np.int64).max)
        entered = pa.array(np.where(known, first, 0), pa.timestamp("ms", "UTC"), mask=~known)
        table = pa.table(
            {
                "price": pa.nulls(num, pa.float64()),
                "category": pa.array(self.category, pa.string()),
                "brand": pa.nulls(num, pa.string()),
                "created_at": entered,
            }
        )
        return ItemColumns.of(table, np.ones(num, np.bool_))


def lastfm(folder: Path) -> Shelf:
    """Artists, whose category is the tag that most people gave."""
    found = read_lastfm(folder)
    assert found.category is not None
    names = [f"tag {one}" if one >= 0 else None for one in found.category.tolist()]
    return Shelf(found.validation, found.test, names, dated=False)


def ciao(folder: Path) -> Shelf:
    """Products with their categories, rated at known times."""
    split = read_ciao(folder).split
    category = split.items.column("category").to_pylist() if split.items is not None else []
    return Shelf(
        Task(split.for_validation(), split.val),
        Task(split.for_test(), split.test),
        category,
        dated=True,
    )


SETS: Final[Mapping[str, Callable[[Path], Shelf]]] = {"lastfm": lastfm, "ciao_time": ciao}


class Shoppers:
    """Those of a task who have something held out, and the pools of their lists."""

    def __init__(self, shelf: Shelf, task: Task) -> None:
        config = SocialConfig()
        model = SocialModel(replace(config, loop=replace(config.loop, max_epochs=EPOCHS)))
        model.fit(task.fit)
        self.columns = shelf.columns(task.fit)
        self.now_ms = int(task.fit.interactions.ts_ms.max())
        self._model, self._had = model, ItemSets.hidden(task.fit)
        held_out = ItemSets.held_out(task.held_out, self._had)
        self._users = np.flatnonzero(held_out.sizes)
        self._wanted = held_out.take(self._users)

    def lists(self, rules: Sequence[Rule]) -> npt.NDArray[np.int64]:
        """Make everybody's list, shape (shoppers, K)."""
        made = np.full((len(self._users), K), -1, np.int64)
        compiled = CompiledRules.of(rules, self.columns, lambda ids: [int(one) for one in ids])
        recommender = self._model.recommender
        everything = np.ones(recommender.num_items, np.bool_)
        for start in range(0, len(self._users), _BLOCK):
            asked = self._model.shoppers(self._users[start : start + _BLOCK])
            pools = recommender.pool(asked, DEPTH, everything, compiled.pinned)
            for row, (items, score) in enumerate(
                zip(pools.item_idx, pools.score, strict=True), start
            ):
                there = items >= 0
                pool = Pool(
                    items[there],
                    score[there].astype(np.float64),
                    recommender.directions(items[there]),
                )
                found = compiled.rerank(pool, K, self.now_ms).item_idx
                made[row, : len(found)] = found
        return made

    def ndcg(self, lists: npt.NDArray[np.int64]) -> Values:
        """Compute NDCG@20 of each shopper."""
        found = measure(lists, self._users, self._wanted, self._had, ks=(K,))
        values: Values = found.metrics[f"ndcg@{K}"]
        return values

    def variety(self, lists: npt.NDArray[np.int64]) -> dict[str, float]:
        """Say how much items of a list differ: categories, and one less the mean cosine."""
        codes = np.sort(self.columns.category.codes[lists], axis=1)
        categories = 1 + (np.diff(codes, axis=1) != 0).sum(axis=1)
        vectors = self._model.recommender.directions(np.arange(len(self.columns.price)))
        listed = vectors[lists].sum(axis=1)
        alike = ((listed**2).sum(axis=1) - K) / (K * (K - 1))
        return {
            "categories": round(float(categories.mean()), 2),
            "distance": round(float(1 - alike.mean()), 4),
        }


def measure_rules(shelf: Shelf) -> dict[str, Any]:
    """Choose the weight of diversity on validation, then measure each rule on test."""
    shoppers = Shoppers(shelf, shelf.validation)
    plain = float(shoppers.ndcg(shoppers.lists([])).mean())
    tried = {}
    for weight in WEIGHTS:
        lists = shoppers.lists([Diversity(weight)])
        lost = 1 - float(shoppers.ndcg(lists).mean()) / plain
        tried[str(weight)] = {"lost": round(lost, 4), **shoppers.variety(lists)}
    chosen = max((w for w in WEIGHTS if tried[str(w)]["lost"] <= MOST_LOST), default=WEIGHTS[0])
    shoppers = Shoppers(shelf, shelf.test)
    before = shoppers.lists([])
    ndcg = shoppers.ndcg(before)
    found = {}
    for name, rule in _rules(shelf, shoppers.columns, chosen).items():
        lists = shoppers.lists([rule])
        values = shoppers.ndcg(lists)
        test = paired_test(values, ndcg)
        found[name] = {
            "ndcg@20": round(float(values.mean()), 5),
            "lost": round(1 - float(values.mean()) / float(ndcg.mean()), 4),
            "p": float(test.p_value),
            "places changed": round(float((lists != before).mean()), 4),
            **shoppers.variety(lists),
        }
    return {
        "shoppers": len(ndcg),
        "items": len(shelf.category),
        "validation": {"ndcg@20": round(plain, 5), "diversity": tried, "chosen": chosen},
        "no rule": {"ndcg@20": round(float(ndcg.mean()), 5), **shoppers.variety(before)},
        "rules": found,
    }


def _rules(shelf: Shelf, columns: ItemColumns, weight: float) -> dict[str, Rule]:
    """Name the rules that are looked at; items are drawn, the category is the largest one."""
    rng = np.random.default_rng(SEED)
    drawn = tuple(str(one) for one in rng.choice(len(shelf.category), 3, replace=False))
    codes = columns.category.codes
    counts = np.bincount(codes, minlength=len(columns.category.names))
    largest = columns.category.names[int(counts[:-1].argmax())].as_py()
    chosen = Selection(categories=(largest,))
    found: dict[str, Rule] = {
        "pin one item at 3": Pin(drawn[:1], 3),
        "pin three items at 1": Pin(drawn),
        "boost the largest category by 0.5": Lift(chosen, 0.5),
        "bury the largest category by 0.5": Lift(chosen, -0.5),
        "at most 3 of a category in 10": Cap(3, "category", 10),
        f"diversity {weight:g}": Diversity(weight),
    }
    if shelf.dated:
        found["freshness 0.3, 30 days"] = Freshness(0.3, 30.0)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for; a run replaces its own parts."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--release", help="folder of a release whose lists are timed")
    asked = parser.parse_args(arguments)
    console = Console(width=140)
    torch.set_num_threads(1)
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    content["machine"] = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch")},
    }
    content["model"] = {"name": "social", "max_epochs": EPOCHS, "seed": SEED}
    for name in asked.sets if asked.data else ():
        started = time.perf_counter()
        content["sets"][name] = measure_rules(SETS[name](asked.data / name))
        content["sets"][name]["seconds"] = round(time.perf_counter() - started, 1)
        console.print(name, content["sets"][name])
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    if asked.release:
        content["latency"] = measure_latency(asked.release)
        console.print(content["latency"])
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
