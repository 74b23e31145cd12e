"""Whether deeper graphs pay: ``gatv2`` by hops, ``hgt``, ``lightgcn``, ``social``, popularity.

    python -m benchmarks.graph_models --data DIR --sets simulated lastfm ciao beidian

Small on purpose: 32 numbers an item, few epochs (``EPOCHS``), one thread. A tenth of the shoppers
are kept out of training whole and play newcomers, of whom ties alone are known. The learning rate
is the better of two on validation, found with one seed (of ``gatv2`` with two hops, for all hops);
on public sets it is fixed (``RATES_KNOWN``). Validation chooses the number of epochs, too. Then
each model is fitted on training and validation without the newcomers, once a seed, and looked at
on test: NDCG@20 of all others, and of newcomers. Seconds are of the processor, for forward and
backward passes of an epoch, from three steps. Each row is written to
``benchmarks/results/graph_models.json`` as soon as it is measured.
"""

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from coterie.data.dataset import Split
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import convert
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.splits import choose
from coterie.evaluation.newcomers import Newcomers
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import chosen_config, fit
from coterie.models import MODELS
from coterie.workflow.settings import change

RESULTS: Final = Path(__file__).parent / "results" / "graph_models.json"
EPOCHS: Final = {"simulated": 80, "lastfm": 24, "ciao": 24, "beidian": 24}
SHOP: Final = ShopConfig(num_users=800, num_items=400, num_events=40_000, days=90, seed=21)
SMALL: Final = {"embedding_size": 32, "loop.validate_every": 4}
TREES: Final = {"own_items": 24, "friends": 6, "items": 8, "buyers": 2}
RATES: Final = (5e-3, 2e-2)
_FIXED: Final = {"gatv2": 2e-2, "hgt": 2e-2, "lightgcn": 2e-2, "social": 5e-3}
RATES_KNOWN: Final = dict.fromkeys(("lastfm", "ciao", "beidian"), _FIXED)
"""Where trying both would take too long."""
ROWS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "popularity": ("popularity", {}),
    "social": ("social", SMALL),
    "gatv2, 2 hops": ("gatv2", {**SMALL, **TREES, "hops": 2}),
    "gatv2, 1 hop": ("gatv2", {**SMALL, **TREES, "hops": 1}),
    "hgt, 2 hops": ("hgt", {**SMALL, **TREES, "hops": 2}),
    "lightgcn with ties": ("lightgcn", {**SMALL, "layers": 2, "use_ties": True}),
    "gatv2, 3 hops": ("gatv2", {**SMALL, **TREES, "hops": 3}),
}
LIKE: Final = {"gatv2, 1 hop": "gatv2, 2 hops", "gatv2, 3 hops": "gatv2, 2 hops"}
"""Rows that take the learning rate of another."""


def main(arguments: list[str] | None = None) -> None:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in asked.sets:
        split = read_split(name, asked.data)
        for row in asked.rows:
            found = measure(split, row, EPOCHS[name], _rates(name, row), asked.seeds)
            _keep(name, row, split, found)
            print(name, row, found, flush=True)


def measure(
    split: Split, row: str, epochs: int, rates: tuple[float, ...], seeds: int
) -> dict[str, Any]:
    """Choose on validation, fit without newcomers, and look at test."""
    name, settings = ROWS[row]
    learns = hasattr(MODELS[name].config_class(), "loop")
    best: tuple[float, float, Any] = (-1.0, 0.0, None)
    for rate in rates if learns else (0.0,):
        loop = {"loop.max_epochs": epochs, "loop.lr": rate} if learns else {}
        model = fit(
            split.for_validation(),
            name,
            change(MODELS[name].config_class(), {**settings, **loop}),
        )
        reached = evaluate_model(model, split.for_validation(), split.val, ks=(20,))
        best = max(best, (reached.mean("ndcg@20"), rate, model), key=lambda one: one[0])
    newcomers = Newcomers.choose(split.for_test(), split.test)
    assert newcomers is not None
    new = np.isin(split.test.user_idx, newcomers.held_out.user_idx)
    config, known, unknown = chosen_config(best[2]), [], []
    for seed in range(seeds if learns else 1):
        seeded = replace(config, loop=replace(config.loop, seed=seed)) if learns else config
        model = fit(newcomers.without, name, seeded)
        judged = evaluate_model(model, newcomers.without, split.test.take(~new), ks=(20,))
        known.append(round(judged.mean("ndcg@20"), 5))
        unknown.append(round(newcomers.evaluate(model, 0, (20,)).mean("ndcg@20"), 5))
    return {
        "validation": round(best[0], 5),
        "lr": best[1],
        "epochs": config.loop.max_epochs if learns else 0,
        "known": known,
        "newcomers": unknown,
        "epoch_s": _epoch_seconds(best[2], split) if learns else None,
    }


def _epoch_seconds(model: Any, split: Split, steps: int = 3) -> float:
    trainee = model.trainee(split.for_validation(), torch.device("cpu"))
    begun = time.process_time()
    for step in range(steps):
        trainee.zero_grad()
        trainee(trainee.batch(0, step, 0, 1)).backward()
    return round((time.process_time() - begun) / steps * int(trainee.num_batches(1)), 3)


def read_split(name: str, data: Path) -> Split:
    """Read a set that is to be measured, as clean tables have it."""
    with tempfile.TemporaryDirectory(prefix="coterie-graphs-") as folder:
        if name == "simulated":
            simulate(SHOP).write(f"{folder}/raw")
        else:
            convert(name, str(data / name), f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        return choose(load_dataset(f"{folder}/clean"))


def _rates(name: str, row: str) -> tuple[float, ...]:
    if name in RATES_KNOWN:
        return (RATES_KNOWN[name].get(ROWS[row][0], 0.0),)
    rows = _results().get("sets", {}).get(name, {}).get("rows", {})
    return (rows[LIKE[row]]["lr"],) if LIKE.get(row) in rows else RATES


def _results() -> dict[str, Any]:
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def _keep(name: str, row: str, split: Split, found: dict[str, Any]) -> None:
    results = _results()
    results["command"] = "python -m benchmarks.graph_models --data DIR"
    results["machine"] = f"{platform.machine()}, one thread"
    results["versions"] = {p: version(p) for p in ("torch", "torch-geometric")}
    one = results.setdefault("sets", {}).setdefault(name, {"rows": {}})
    one |= {
        "epochs_at_most": EPOCHS[name],
        "events": len(split.train),
        "items": split.num_items,
        "ties": len(split.ties),
        "shoppers": split.num_users,
    }
    one["rows"][row] = found
    write_atomically(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
