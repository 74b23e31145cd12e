"""How good made-up shops are: like the real one, fit to learn from, and near to nobody.

    python -m benchmarks.synthetic --data DIR
    python -m benchmarks.synthetic --data DIR --sets simulated --generators neighbours copula
    python -m benchmarks.synthetic --data DIR --sets simulated --orders

A shop's events are split by chance: a fifth of what each person wanted is held out. Generators
(``coterie synthesise``) learn from the rest alone, and make up as many people.

Fidelity: ``coterie.synthesis.likeness``. Use: models are fitted on the made-up shop, then serve the
real people their lists from their real histories, judged on what was held out (NDCG@20, all items
ranked), beside the same models fitted on the real shop. Ranking: the made-up shop is split in the
same way, models are compared on it as somebody would who has nothing else, and the order is set
against that on the real shop (Kendall's tau). Privacy: how near made-up people come to real ones;
and a generator learns from either half of the people, and an attacker who knows somebody's whole
history is to tell in which they were: by the distance to the nearest made-up person (``nearest``),
and by that over the distance to the nearest real one of those who were not learned from
(``calibrated``). Intervals are 95 %, by a bootstrap over people. Of lastfm the items
that most people have are taken, so that all models learn in seconds. Writes
``benchmarks/results/synthetic.json``, cell by cell.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from scipy.stats import kendalltau

from benchmarks.accuracy import prepare
from benchmarks.content_sets import read_yelp
from benchmarks.membership import judge
from coterie.data.dataset import Interactions, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.polarity import is_target
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.splits import UNDATED_MS
from coterie.files import write_atomically
from coterie.fitting.fit import fit
from coterie.models import MODELS, Inductive
from coterie.synthesis.bounded_shop import learn_bounded
from coterie.synthesis.likeness import as_source, compare_shops, nearest_people, nearness
from coterie.synthesis.made_up import ShopModel
from coterie.synthesis.settings import SynthesisSettings
from coterie.synthesis.shop import learn_shop
from coterie.synthesis.source import Bools, SourceShop, had_matrix
from coterie.training.validation import Validation
from coterie.workflow.settings import change

RESULTS: Final = Path(__file__).parent / "results" / "synthetic.json"
SETS: Final = ("simulated", "yelp", "lastfm")
SIMULATED: Final = ShopConfig(num_users=1_000, num_items=600, num_events=60_000)
MOST_ITEMS: Final = 1_500
RARE: Final = 10
"""Items that a category of Yelp has at least."""
HELD_OUT: Final = 0.2
GENERATORS: Final[dict[str, dict[str, Any]]] = (
    {"neighbours": {}, "epsilon 10": {"epsilon": 10.0}}
    | {f"neighbours, {one} tastes": {"tastes": one} for one in (16, 32)}
    | {one: {"generator": one} for one in ("copula", "adversarial", "columns", "simulator")}
    | {f"epsilon {one:g}": {"epsilon": one} for one in (3.0, 1.0)}
)
TRAINED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "popularity": ("popularity", {}),
    "item_knn": ("item_knn", {}),
    "ease": ("ease", {}),
    "social_linear": ("social_linear", {}),
    "social": ("social", {"embedding_size": 64, "loop.max_epochs": 5}),
}
"""Models that learn in seconds, with defaults but for these."""
_SMALL: Final = {"embedding_size": 32, "loop.lr": 2e-2, "loop.max_epochs": 8}
_IN_ORDER: Final = {"batch_size": 32, "dropout": 0.5, "loop.lr": 2e-3, "loop.max_epochs": 4}
_NEAR: Final = {"own_items": 24, "friends": 6, "items": 8, "buyers": 2, "hops": 2}
LONGER: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "lightgcn": ("lightgcn", _SMALL | {"layers": 2, "use_ties": True}),
    "gru4rec": ("gru4rec", _IN_ORDER),
    "sasrec": ("sasrec", _IN_ORDER),
    "gatv2": ("gatv2", _SMALL | _NEAR),
    "hgt": ("hgt", _SMALL | _NEAR),
}
"""All others that read no texts and promise no bound, small and for few epochs."""
JUDGED: Final = ("ease", "social")
REAL: Final = "real"


def main(arguments: list[str] | None = None) -> int:
    """Measure cell after cell; print a line each."""
    asked = _parse(arguments)
    torch.set_num_threads(1)
    for name in asked.sets:
        source = _source(name, asked)
        if asked.orders:
            measure_orders(name, source, asked.generators)
            continue
        for seed in range(asked.seeds):
            for label in (REAL, *asked.generators):
                if _is_there(name, label, seed):
                    continue
                real, test = hold_out(source, seed=0)
                if label == REAL:
                    cell = measure_real(real, test, seed)
                else:
                    settings = SynthesisSettings(**GENERATORS[label], seed=seed, noise_seed=seed)
                    cell = measure(real, test, settings, _results()["sets"][name][REAL])
                _keep(name, label, seed, cell)
    return 0


def measure_orders(name: str, source: SourceShop, generators: Sequence[str]) -> None:
    """Compare every model on a shop and on made-up ones, split alike."""
    real, test = hold_out(source, seed=0)
    for label in (REAL, *generators):
        there = _results().get("orders", {}).get(name, {})
        if label in there:
            continue
        kept, held = real, test
        if label != REAL:
            model = learn(real, SynthesisSettings(**GENERATORS[label], seed=0, noise_seed=0))
            made = as_source(model.draw(real.num_people, np.random.default_rng([0, 1])), real)
            kept, held = hold_out(made, seed=0)
        shop = training_set(kept)
        ours = {one: _ndcg(one, shop, None, held, 0) for one in TRAINED | LONGER}
        cell: dict[str, Any] = {"ndcg": ours}
        if label != REAL:
            found = {"0": there[REAL]}
            cell["tau"] = order_kept(ours, found, tuple(ours))
            cell["tau_quick"] = order_kept(ours, found, tuple(TRAINED))
        whole = _results()
        whole.setdefault("orders", {}).setdefault(name, {})[label] = cell
        write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")
        Console(width=200).print(name, label, json.dumps(cell))


def measure_real(real: SourceShop, test: Interactions, seed: int) -> dict[str, Any]:
    """Fit on the real shop, for comparison."""
    data = training_set(real)
    return {
        "people": real.num_people,
        "items": real.num_items,
        "events": len(real.events),
        "ties": len(real.ties),
        "ndcg": {name: _ndcg(name, data, data, test, seed) for name in TRAINED},
    }


def measure(
    real: SourceShop,
    test: Interactions,
    settings: SynthesisSettings,
    found: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Learn, draw, and judge what was drawn; ``found`` has cells of the real shop, by seed."""
    started = time.process_time()
    model = learn(real, settings)
    learned = time.process_time()
    made = as_source(model.draw(real.num_people, np.random.default_rng([settings.seed, 1])), real)
    drawn = time.process_time()
    data, seen = training_set(real), training_set(made)
    kept, held = hold_out(made, settings.seed)
    ours = {n: _ndcg(n, training_set(kept), None, held, settings.seed) for n in TRAINED}
    return {
        "learn_s": round(learned - started, 1),
        "draw_s": round(drawn - learned, 1),
        "fidelity": _rounded(compare_shops(real, made)),
        "use": {n: _ndcg(n, seen, data, test, settings.seed) for n in JUDGED},
        "ndcg_on_itself": ours,
        "tau": order_kept(ours, found, tuple(TRAINED)),
        "nearness": _rounded(nearness(real, made)),
        "membership": membership(real, settings),
    }


def order_kept(
    ours: Mapping[str, float], found: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> float:
    """Give Kendall's tau of models on a made-up shop and on the real one, means of its seeds."""
    cells = [cell["ndcg"] for cell in found.values()]
    theirs = [np.mean([cell[name] for cell in cells if name in cell]) for name in names]
    return round(float(kendalltau([ours[name] for name in names], theirs).statistic), 3)


def learn(real: SourceShop, settings: SynthesisSettings) -> ShopModel:
    """Learn a shop as ``coterie synthesise`` does."""
    if settings.epsilon is not None:
        return learn_bounded(real, settings, lambda _: None).shop
    return learn_shop(real, settings)


def hold_out(source: SourceShop, seed: int) -> tuple[SourceShop, Interactions]:
    """Take a fifth of what each wanted, by chance, with all that they did with it."""
    pairs, rng = source.pairs(), np.random.default_rng(seed)
    held = pairs.wanted & (rng.random(len(pairs.person)) < HELD_OUT)
    first = np.unique(pairs.of_event, return_index=True)[1]
    gone = held[pairs.of_event]
    test = source.events.take(first[held])
    left = replace(source, events=source.events.take(~gone), part=source.part[~gone])
    return left, test


def training_set(shop: SourceShop) -> TrainingSet:
    """Let models see a shop."""
    return TrainingSet(shop.events, shop.ties, shop.num_people, shop.num_items)


def _ndcg(
    name: str, data: TrainingSet, served: TrainingSet | None, test: Interactions, seed: int
) -> float:
    """Fit on one shop, and foresee what was held out of it, or of another that it serves."""
    kind, given = (TRAINED | LONGER)[name]
    config = change(MODELS[kind].config_class(), dict(given))
    if hasattr(config, "loop"):
        config = replace(config, loop=replace(config.loop, seed=seed))
    model = fit(data, kind, config)
    if served is not None and served is not data:
        assert isinstance(model, Inductive)
        model.serve(served)
    judged = Validation(replace(served or data, validation=test), torch.device("cpu"))
    value = judged.ndcg(lambda users: torch.from_numpy(model.scores(users.numpy())))
    return round(float(value or 0.0), 5)


def membership(real: SourceShop, settings: SynthesisSettings) -> dict[str, Any]:
    """Learn from either half of the people, and ask of everybody who was in it."""
    rng = np.random.default_rng([settings.seed, 2])
    half = np.zeros(real.num_people, np.bool_)
    half[rng.permutation(real.num_people)[: real.num_people // 2]] = True
    had = had_matrix(real)
    asked = np.flatnonzero(np.diff(had.indptr) >= 3)
    near, against = np.empty((2, len(asked))), np.empty((2, len(asked)))
    for fit_, inside in enumerate((half, ~half)):
        some = part_of(real, inside)
        made = learn(some, settings).draw(some.num_people, rng)
        near[fit_] = nearest_people(had[asked], had_matrix(as_source(made, real)))[0]
        first, second = nearest_people(had[asked], had[np.flatnonzero(~inside)])
        # Whoever is among the others is the nearest to themselves.
        others = np.where(inside[asked], first, second)
        against[fit_] = near[fit_] / np.maximum(others, 1e-6)
    member = np.stack([half[asked], ~half[asked]])
    return {
        "asked": len(asked),
        "nearest": judge(-near, member)["auc"],
        "calibrated": judge(-against, member)["auc"],
    }


def part_of(source: SourceShop, kept: Bools) -> SourceShop:
    """Take some of a shop's people."""
    row = np.where(kept, np.cumsum(kept) - 1, -1)
    theirs = kept[source.events.user_idx]
    events, ties = source.events.take(theirs), source.ties
    ties = ties.take(kept[ties.src_idx] & kept[ties.dst_idx])
    told = np.where(events.referrer_idx >= 0, row[events.referrer_idx], -1)
    return replace(
        source,
        num_people=int(kept.sum()),
        events=replace(events, user_idx=row[events.user_idx], referrer_idx=told),
        part=source.part[theirs],
        ties=replace(ties, src_idx=row[ties.src_idx], dst_idx=row[ties.dst_idx]),
    )


def _source(name: str, asked: argparse.Namespace) -> SourceShop:
    if name == "simulated":
        folder = Path(asked.work, name)
        if not (folder / "clean").exists():
            simulate(SIMULATED).write(folder / "raw")
            ingest(str(folder / "raw"), str(folder / "clean"))
        return SourceShop.of(load_dataset(str(folder / "clean")))
    if name == "yelp":
        return yelp(Path(asked.data, "yelp_core40"))
    prepare(Path(asked.data), Path(asked.work), [name])
    return most_wanted(SourceShop.of(load_dataset(f"{asked.work}/{name}/clean")))


def yelp(folder: Path) -> SourceShop:
    """Read restaurants and other places, by the first category of each; rare ones are one."""
    read = read_yelp(folder)
    data, category = read.test.fit, read.category
    assert category is not None
    rare = np.bincount(category + 1)[category + 1] < RARE
    events = data.interactions
    return SourceShop(
        num_people=data.num_users,
        num_items=data.num_items,
        events=replace(events, ts_ms=np.full(len(events), UNDATED_MS)),
        part=np.full(len(events), -1, np.int8),
        ties=data.ties,
        price=np.full(data.num_items, np.nan),
        group=np.unique(np.where(rare, -1, category), return_inverse=True)[1].astype(np.int64),
        named=1.0,
    )


def most_wanted(source: SourceShop) -> SourceShop:
    """Keep the items that most people have; no part of a published split."""
    events = source.events
    wanted = np.bincount(events.item_idx[is_target(events.kind)], minlength=source.num_items)
    some = np.sort(np.argsort(-wanted, kind="stable")[:MOST_ITEMS])
    row = np.full(source.num_items, -1)
    row[some] = np.arange(len(some))
    theirs = row[events.item_idx] >= 0
    events = events.take(theirs)
    return replace(
        source,
        num_items=len(some),
        events=replace(events, item_idx=row[events.item_idx]),
        part=np.full(len(events), -1, np.int8),
        price=source.price[some],
        group=source.group[some],
    )


def _rounded(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {name: _rounded(one) for name, one in told.items()}
    if isinstance(told, list):
        return [_rounded(one) for one in told]
    return round(told, 4) if isinstance(told, float) else told


def _is_there(name: str, label: str, seed: int) -> bool:
    return str(seed) in _results()["sets"].get(name, {}).get(label, {})


def _keep(name: str, label: str, seed: int, cell: dict[str, Any]) -> None:
    whole = _results()
    whole["command"] = "python -m benchmarks.synthetic --data DIR"
    whole["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    whole["versions"] = {one: version(one) for one in ("numpy", "opacus", "scipy", "torch")}
    whole["sets"].setdefault(name, {}).setdefault(label, {})[str(seed)] = cell
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")
    Console(width=200).print(name, label, seed, json.dumps(cell))


def _results() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    return content


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of public sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--orders", action="store_true", help="of every model, alone")
    parser.add_argument("--work", default="var/synthetic", help="where tables are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
