"""What it does to lists that bad ratings are no likes: real ratings, three ways to count them.

    python -m benchmarks.dislikes --data DIR
    python -m benchmarks.dislikes --data DIR --sets yelp_core40 --models social_linear

``--data`` holds ``ciao_time`` (ratings with times, split by time) and ``yelp_core40`` (stars
without times: of each shopper's 70, 10 and 20 %, by chance). All arms are asked for the same, liked
items that are new to their shopper. They differ in what dislikes count: as likes, as they once did;
nothing; or they take away, at some weights, of which the best on validation goes on to the test.
An arm is fitted on training and judged on validation, then fitted on both and looked at on test
once a seed. Settings are those of ``accuracy.json`` for the set, defaults where it has none. Beside
NDCG@20 stands which share of all list places holds an item that its shopper liked, and disliked,
later. Figures go to ``benchmarks/results/dislikes.json``; a run replaces its own cells.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow.csv as pacsv
from rich.console import Console

from coterie.data.dataset import Interactions, Ints, Split, Ties, TrainingSet
from coterie.data.foreign import PART_TIMES
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.polarity import turned_down
from coterie.data.public import convert
from coterie.data.splits import by_time
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.metrics import Values
from coterie.evaluation.protocols import measure, rank
from coterie.evaluation.significance import paired_test
from coterie.fitting.fit import chosen_config, fit
from coterie.models import MODELS
from coterie.schema import EVENT_KINDS, TIE_KINDS, EventKind, TieKind
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change

RESULTS: Final = Path(__file__).parent / "results" / "dislikes.json"
ACCURACY: Final = Path(__file__).parent / "results" / "accuracy.json"
K: Final = 20
AS_LIKES: Final = "as likes"
LEFT_OUT: Final = "left out"
WEIGHTS: Final = (0.1, 0.25, 0.5, 1.0)
EPOCHS: Final = {"popularity": 0, "ease": 0, "social_linear": 0, "social": 20}
"""Models to measure, and the most epochs that one learns: enough to tell arms apart."""


@dataclass(frozen=True)
class Ratings:
    """A set, split; and what its shoppers disliked in the two later parts."""

    split: Split
    bad_val: Interactions
    bad_test: Interactions


def main(arguments: list[str] | None = None) -> None:
    """Measure the cells that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", nargs="*", type=float, default=list(WEIGHTS))
    asked = parser.parse_args(arguments)
    console = Console(width=120)
    for name in asked.sets:
        ratings = SETS[name](asked.data / name)
        for model in asked.models:
            started = time.perf_counter()
            cell = measure_arms(
                ratings, model, settings_of(name, model), asked.seeds, asked.weights
            )
            cell["seconds"] = round(time.perf_counter() - started, 1)
            cell["command"] = f"python -m benchmarks.dislikes {' '.join(_without_data(arguments))}"
            _note(name, _about(ratings), model, cell)
            for arm, figures in cell["test"].items():
                console.print(f"{name}, {model}, dislikes {arm}: {figures}")


def read_ciao(folder: Path) -> Ratings:
    """Ratings with times, split by time as ``coterie train`` does."""
    with TemporaryDirectory() as work:
        convert("ciao", str(folder), f"{work}/raw")
        ingest(f"{work}/raw", f"{work}/clean")
        dataset = load_dataset(f"{work}/clean")
    split = by_time(dataset)
    assert split.between is not None
    test = dataset.events.take(dataset.events.ts_ms > split.between.ts_ms.max())
    return Ratings(split, _bad(split.between), _bad(test))


def read_yelp(folder: Path) -> Ratings:
    """Stars without times: of each shopper's, in random order, 70 % are training."""
    user, item, stars = _columns(folder / "ratings.txt")
    src, dst, _ = _columns(folder / "friendships.txt")
    users, items = np.unique(user), np.unique(item)
    known = np.isin(src, users) & np.isin(dst, users)
    ones = np.ones(known.sum(), np.float32)
    ties = Ties(
        np.searchsorted(users, src[known]),
        np.searchsorted(users, dst[known]),
        np.full(len(ones), TIE_KINDS.index(TieKind.FOLLOW), np.int8),
        ones,
        np.zeros(len(ones), np.int64),
    )
    part = _parts(user)
    times = np.array([1000 * int(time.timestamp()) for time in PART_TIMES.values()])
    events = Interactions(
        np.searchsorted(users, user),
        np.searchsorted(items, item),
        np.full(len(user), EVENT_KINDS.index(EventKind.RATING), np.int8),
        stars.astype(np.float32),
        times[part],
        np.full(len(user), -1, np.int64),
    )
    train, val, test = (events.take(part == place) for place in range(3))
    wanted = [found.take(~turned_down(found)) for found in (val, test)]
    split = Split("by chance", train, *wanted, ties, len(users), len(items), between=val)
    return Ratings(split, _bad(val), _bad(test))


SETS: Final = {"ciao_time": read_ciao, "yelp_core40": read_yelp}


def settings_of(name: str, model: str) -> dict[str, Any]:
    """Read what tuning found for a set (docs/accuracy.md); nothing where it found nothing."""
    cells = json.loads(ACCURACY.read_text())["protocols"]["train+val"].get(name, {})
    return dict(cells.get(model, {}).get("settings", {}))


def measure_arms(
    ratings: Ratings,
    model: str,
    settings: dict[str, Any],
    seeds: int,
    weights: Sequence[float],
) -> dict[str, Any]:
    """One model's cell: every arm on validation, those without a weight and the best on test."""
    config = change(MODELS[model].config_class(), flatten(settings))
    if EPOCHS[model]:
        config = replace(config, loop=replace(config.loop, max_epochs=EPOCHS[model]))
    tried = {arm: _on_validation(ratings, model, config, arm) for arm in (AS_LIKES, LEFT_OUT)}
    with_weight = {}
    for weight in weights if hasattr(config, "dislike_weight") else ():
        weighted = replace(config, dislike_weight=weight)
        arm = f"taking away {weight}"
        with_weight[arm] = _on_validation(ratings, model, weighted, arm)
    best = max(with_weight, key=lambda arm: with_weight[arm][0]["ndcg@20"], default=LEFT_OUT)
    tried |= with_weight
    test, per_shopper = {}, {}
    for arm in dict.fromkeys((AS_LIKES, LEFT_OUT, best)):
        found = [_on_test(ratings, model, tried[arm][1], arm, seed) for seed in range(seeds)]
        test[arm] = {name: [figures[name] for figures, _ in found] for name in found[0][0]}
        per_shopper[arm] = np.mean([values for _, values in found], axis=0)
    return {
        "settings": settings,
        "max_epochs": EPOCHS[model],
        "validation": {arm: figures for arm, (figures, _) in tried.items()},
        "test": test,
        "beside as likes": {
            arm: _beside(values, per_shopper[AS_LIKES])
            for arm, values in per_shopper.items()
            if arm != AS_LIKES
        },
    }


def _on_validation(
    ratings: Ratings, model: str, config: Any, arm: str
) -> tuple[dict[str, float], Any]:
    """Figures of an arm, and the config to fit it with on all that came before the test."""
    data = _seen_by(arm, ratings.split.for_validation())
    fitted = fit(data, model, _seeded(config, 0))
    return _judge(fitted, data, ratings.split.val, ratings.bad_val)[0], chosen_config(fitted)


def _on_test(
    ratings: Ratings, model: str, config: Any, arm: str, seed: int
) -> tuple[dict[str, float], Values]:
    data = _seen_by(arm, ratings.split.for_test())
    fitted = fit(data, model, _seeded(config, seed))
    return _judge(fitted, data, ratings.split.test, ratings.bad_test)


def _seen_by(arm: str, data: TrainingSet) -> TrainingSet:
    """Give what a model may see: where dislikes count as likes, ratings are left out."""
    if arm != AS_LIKES:
        return data
    events = data.interactions
    unsaid = np.full(len(events), np.nan, np.float32)
    return replace(data, interactions=replace(events, value=unsaid))


def _seeded(config: Any, seed: int) -> Any:
    if hasattr(config, "loop"):
        config = replace(config, loop=replace(config.loop, seed=seed))
    if hasattr(config, "linear"):
        config = replace(config, linear=replace(config.linear, seed=seed))
    return replace(config, seed=seed) if hasattr(config, "seed") else config


def _judge(
    model: Any, data: TrainingSet, good: Interactions, bad: Interactions
) -> tuple[dict[str, float], Values]:
    """Figures of the lists of all who liked or disliked something later; NDCG@20 of each who liked
    something."""
    had = ItemSets.hidden(data)
    liked, disliked = ItemSets.held_out(good, had), ItemSets.held_out(bad, had)
    users = np.flatnonzero(liked.sizes + disliked.sizes)
    lists = rank(model, users, had, K)
    wants = liked.sizes[users] > 0
    foreseen = measure(lists[wants], users[wants], liked.take(users[wants]), had, ks=(K,))
    ndcg = foreseen.metrics[f"ndcg@{K}"]
    figures = {"ndcg@20": float(ndcg.mean())} | {
        name: float(items.take(users).contain(lists).mean())
        for name, items in (("liked", liked), ("disliked", disliked))
    }
    return {name: round(figure, 6) for name, figure in figures.items()}, ndcg


def _beside(ours: Values, other: Values) -> dict[str, Any]:
    """Compare by NDCG@20: difference, its 95 % interval over shoppers, how likely by chance."""
    test = paired_test(ours, other)
    figures = (test.difference.mean, test.difference.low, test.difference.high, test.p_value)
    rounded = (None if figure is None else round(figure, 5) for figure in figures)
    return dict(zip(("difference", "low", "high", "p"), rounded, strict=True))


def _bad(events: Interactions) -> Interactions:
    return events.take(turned_down(events))


def _columns(path: Path) -> tuple[Ints, Ints, Ints]:
    """Three columns of whole numbers."""
    options = pacsv.ReadOptions(column_names=["a", "b", "c"])
    found = pacsv.read_csv(path, options, pacsv.ParseOptions(delimiter="\t"))
    a, b, c = (found[name].to_numpy().astype(np.int64) for name in found.column_names)
    return a, b, c


def _parts(user: Ints) -> Ints:
    """0, 1 or 2 for training, validation, test: 70, 10 and 20 % of each shopper's, by chance."""
    drawn = np.random.default_rng(0).random(len(user))
    order = np.lexsort((drawn, user))
    _, first, counts = np.unique(user[order], return_index=True, return_counts=True)
    share = (np.arange(len(user)) - np.repeat(first, counts)) / np.repeat(counts, counts)
    part = np.empty(len(user), np.int64)
    part[order] = (share >= 0.7).astype(np.int64) + (share >= 0.8)
    return part


def _without_data(arguments: list[str] | None) -> list[str]:
    """Repeat what was asked for, but for the folder, which is nobody's business."""
    given = sys.argv[1:] if arguments is None else arguments
    place = given.index("--data")
    return [*given[:place], "--data", "DIR", *given[place + 2 :]]


def _about(ratings: Ratings) -> dict[str, Any]:
    split = ratings.split
    seen = split.for_test().interactions
    return {
        "split": split.name,
        "shoppers": split.num_users,
        "items": split.num_items,
        "before_test": len(seen),
        "disliked_before_test": round(float(turned_down(seen).mean()), 4),
        "liked_in_test": len(split.test),
        "disliked_in_test": len(ratings.bad_test),
    }


def _note(name: str, about: dict[str, Any], model: str, cell: dict[str, Any]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    names = ("numpy", "scipy", "torch")
    cell |= {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "versions": {"python": platform.python_version()} | {n: version(n) for n in names},
    }
    results.setdefault(name, {"about": about, "models": {}})["models"][model] = cell
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
