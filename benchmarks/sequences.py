"""Models of sequence beside ``social`` and EASE, where events are dated.

    python -m benchmarks.sequences --data DIR
    python -m benchmarks.sequences --data DIR --sets simulated --models sasrec sasrec_shuffled

Protocol: docs/accuracy.md, NDCG@20 and recall@20 over the whole ranking, split by time. A row's
settings are the best on validation of the few in ``GRIDS``: small networks and few epochs, a
processor's work. Then it is fitted on training and validation, once a seed, for as many epochs as
were best, and looked at on test. Rows that end in ``_shuffled`` have the settings of the row of
that name, and each shopper's events in random order: what is lost is what order was worth. A row
that ends in ``_had`` is that of ``social`` on the events alone that sequences are made of. Of a
set that ``accuracy.json`` has, the table also shows that file's rows, whose studies were longer.
Large sets have one setting (``LARGE``). A set that ends in ``_frequent`` has the items alone that
had ``FREQUENT`` events in the first four fifths of them: a softmax over all is a GPU's work.

A model of sequence is also added to ``social`` on validation, scores of both brought to one spread
a shopper, for some weights (``WEIGHTS``): whether a term of sequence could gain. A run replaces its
own rows in ``benchmarks/results/sequences.json``.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.accuracy import prepare
from coterie.data.dataset import Interactions, Ints, Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import Here, chosen_config, fit
from coterie.models import MODELS
from coterie.models.engagement import liked_events
from coterie.workflow.settings import change
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "sequences.json"
OFTEN: Final = "_frequent"
SETS: Final = (
    "lastfm_by_time",
    "lastfm_by_time" + OFTEN,
    "ciao_time" + OFTEN,
    "simulated",
)
FREQUENT: Final = 10
SHOP: Final = ShopConfig(num_users=800, num_items=600, num_events=40_000)
FIGURES: Final = ("recall@20", "ndcg@20")
SHUFFLED: Final = "_shuffled"
NO_TIES: Final = "_no_ties"
HAD: Final = "_had"
SEQUENTIAL: Final = ("gru4rec", "sasrec")
ENDINGS: Final = (SHUFFLED, HAD, NO_TIES)
SHORT: Final = {
    "batch_size": 32,
    "loop.lr": 2e-3,
    "loop.max_epochs": 60,
    "loop.patience": 5,
}
GRIDS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "popularity": ({},),
    "ease": tuple({"l2": l2} for l2 in (50.0, 100.0, 200.0, 400.0, 800.0)),
    "social": ({"loop.max_epochs": 40},),
    "social_no_ties": ({"loop.max_epochs": 40, "use_ties": False},),
    "gru4rec": tuple(SHORT | {"dropout": dropout} for dropout in (0.3, 0.5)),
    "sasrec": tuple(SHORT | {"dropout": dropout} for dropout in (0.3, 0.5)),
}
LARGE: Final = {"batch_size": 16, "dropout": 0.3, "loop.max_epochs": 15, "loop.patience": 3}
"""Of models of sequence, on all sets but the simulated one."""
WEIGHTS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Of a model of sequence beside ``social``."""
ROWS: Final = (*GRIDS, "social_no_ties" + HAD, "gru4rec" + SHUFFLED, "sasrec" + SHUFFLED)


def main(arguments: list[str] | None = None) -> None:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3, help="of models that learn from chance")
    parser.add_argument("--epochs", type=int, help="at most, of models of sequence")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args(arguments)
    for name in asked.sets:
        split, fitted = read_split(name, asked.data), dict[str, Any]()
        for row in asked.models:
            command = f"--sets {name} --models {row} --seeds {asked.seeds}"
            most = {} if asked.epochs is None else {"loop.max_epochs": asked.epochs}
            command += f" --epochs {asked.epochs}" if most else ""
            grid = [one | (most if "batch_size" in one else {}) for one in _grid(name, row)]
            cell = measure(split, row, grid, asked.seeds, Here(device=asked.device), fitted)
            _keep(name, row, cell | {"command": command, "device": asked.device})
            print(name, row, cell, flush=True)


def read_split(name: str, data: Path) -> Split:
    """Read a set, split by time."""
    with TemporaryDirectory(prefix="coterie-sequences-") as work:
        if name.endswith(OFTEN):
            whole = name.removesuffix(OFTEN)
            prepare(data, Path(work), [whole])
            keep_frequent(Path(work, whole, "raw"))
            ingest(f"{work}/{whole}/raw", f"{work}/clean")
            return CleanShop.open(f"{work}/clean").split
        if name != "simulated":
            prepare(data, Path(work), [name])
            return CleanShop.open(f"{work}/{name}/clean").split
        simulate(SHOP).write(f"{work}/raw")
        ingest(f"{work}/raw", f"{work}/clean")
        return CleanShop.open(f"{work}/clean").split


def keep_frequent(raw: Path) -> None:
    """Keep the events of items that were frequent before validation and test began."""
    events = pq.read_table(raw / "events.parquet")
    times = events["ts"].cast("int64").to_numpy()
    ids, item = np.unique(events["item_id"].to_numpy(), return_inverse=True)
    early = np.bincount(item[times <= np.quantile(times, 0.8)], minlength=len(ids))
    pq.write_table(events.filter(early[item] >= FREQUENT), raw / "events.parquet")
    items = pq.read_table(raw / "items.parquet")
    kept = np.isin(items["item_id"].to_numpy(), ids[early >= FREQUENT])
    pq.write_table(items.filter(kept), raw / "items.parquet")


def _grid(name: str, row: str) -> tuple[dict[str, Any], ...]:
    model = row.removesuffix(SHUFFLED)
    if model == row and model in SEQUENTIAL and name != "simulated":
        return (SHORT | LARGE,)
    if model == row:
        return GRIDS[row.removesuffix(HAD)]
    return (json.loads(RESULTS.read_text())[name][model]["settings"],)


def measure(
    split: Split,
    row: str,
    grid: Sequence[dict[str, Any]],
    seeds: int,
    where: Here,
    fitted: dict[str, Any],
) -> dict[str, Any]:
    """Choose a row's settings on validation, then look at test once a seed.

    Args:
        split: Of the set.
        row: One of ``ROWS``.
        grid: Settings to choose from.
        seeds: Looks at test, of models that learn from chance.
        where: What it is fitted on.
        fitted: Models of this set that were fitted without validation, by row: the chosen one is
            added, and ``social`` is taken from there to be mixed with others.
    """
    begun, name = time.process_time(), row
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    # What a list may show does not depend on what the model read.
    whole, last = split.for_validation(), split.for_test()
    data = _seen_by(row, whole)
    tried = []
    for settings in grid:
        model = fit(data, name, change(MODELS[name].config_class(), settings), where)
        tried.append((_judge(model, whole, split.val)["ndcg@20"], settings, model))
    reached, settings, chosen = max(tried, key=lambda one: one[0])
    fitted[row] = chosen
    beside = _beside_social(fitted, row, split, where) if row in SEQUENTIAL else {}
    config, seen = chosen_config(chosen), _seen_by(row, last)
    learns = hasattr(config, "loop")
    looks = []
    for seed in range(seeds if learns else 1):
        if learns:
            config = replace(config, loop=replace(config.loop, seed=seed))
        looks.append(_judge(fit(seen, name, config, where), last, split.test))
    return {
        "settings": settings,
        "tried": [[score, other] for score, other, _ in tried],
        "epochs": config.loop.max_epochs if learns else None,
        "validation": reached,
        **({"beside_social": beside} if beside else {}),
        "test": {figure: [look[figure] for look in looks] for figure in FIGURES},
        "cpu_seconds": round(time.process_time() - begun),
    }


@dataclass(frozen=True)
class _Both:
    """Two models' scores, each with mean 0 and spread 1 of a shopper, added up."""

    one: Any
    other: Any
    weight: float

    def scores(self, user_idx: Ints) -> Any:
        """See ``protocols.Scores``."""
        one, other = (_of_one_spread(m.scores(user_idx)) for m in (self.one, self.other))
        return one + self.weight * other


def _of_one_spread(scores: Any) -> Any:
    return (scores - scores.mean(1, keepdims=True)) / (scores.std(1, keepdims=True) + 1e-9)


def _beside_social(fitted: dict[str, Any], row: str, split: Split, where: Here) -> dict[str, float]:
    """Measure NDCG@20 on validation of ``social`` and a share of another model, by weight."""
    data = split.for_validation()
    if "social" not in fitted:
        config = change(MODELS["social"].config_class(), GRIDS["social"][0])
        fitted["social"] = fit(data, "social", config, where)
    return {
        str(weight): _judge(_Both(fitted["social"], fitted[row], weight), data, split.val)[
            "ndcg@20"
        ]
        for weight in WEIGHTS
    }


def _seen_by(row: str, data: TrainingSet) -> TrainingSet:
    if row.endswith(HAD):
        return replace(data, interactions=liked_events(data))
    return in_random_order(data) if row.endswith(SHUFFLED) else data


def in_random_order(data: TrainingSet) -> TrainingSet:
    """Give each shopper's events one another's times, by chance."""
    seen = data.interactions
    rng = np.random.default_rng(0)
    # Rows of a shopper in their order of time, and in any.
    ordered = np.lexsort((np.arange(len(seen)), seen.user_idx))
    drawn = np.lexsort((rng.random(len(seen)), seen.user_idx))
    times = np.empty_like(seen.ts_ms)
    times[drawn] = seen.ts_ms[ordered]
    moved = replace(seen, ts_ms=times)
    return replace(data, interactions=moved.take(np.argsort(times, kind="stable")))


def _judge(model: Any, data: TrainingSet, wanted: Interactions) -> dict[str, float]:
    metrics = evaluate_model(model, data, wanted, ks=(20,)).metrics
    return {figure: round(float(metrics[figure].mean()), 5) for figure in FIGURES}


def _keep(name: str, row: str, cell: Mapping[str, Any]) -> None:
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    whole.setdefault(name, {})[row] = dict(cell) | {
        "command": f"python -m benchmarks.sequences --data DIR {cell['command']}",
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"{torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version()}
        | {one: version(one) for one in ("numpy", "torch")},
    }
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
