"""What it is worth to list again what runs out: NDCG@20 with the learned rule and without any.

    python -m benchmarks.repurchase

Simulated shops in which food and candles run out and are bought again after 30 days or so, split by
time. One social model is fitted with the rule that is learned from the training part, one without a
rule; both are judged on the same shoppers and the same targets, those of the rule's split: first
likings, and repeat purchases of what may be listed again. Also told is how each does on first
likings alone, which a list can lose places for. Writes ``benchmarks/results/repurchase.json``.
"""

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from coterie.data.dataset import Interactions, Split
from coterie.data.hidden import hidden_pairs
from coterie.data.ingest import ingest
from coterie.data.repurchase import NOTHING_AGAIN, RepurchaseSetting
from coterie.data.simulate import ShopConfig, simulate
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.protocols import measure
from coterie.fitting.fit import fit_twice
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "repurchase.json"
SHOP: Final = ShopConfig(
    num_users=1_500,
    num_items=1_000,
    num_events=100_000,
    days=180,
    restocked=("Food", "Beauty/Fragrance"),
)
K: Final = 20


def main() -> int:
    """Measure every seed; print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=30, help="at most (%(default)s)")
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        rows.append(measure_seed(seed, given.epochs))
        Console().print_json(json.dumps(rows[-1]))
    about = {
        "command": " ".join(["python -m benchmarks.repurchase", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {platform.python_version()}",
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(about, indent=1) + "\n")
    return 0


def measure_seed(seed: int, epochs: int) -> dict[str, Any]:
    """One shop, both ways."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(replace(SHOP, seed=seed)).write(f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        learned = CleanShop.open(f"{folder}/clean", RepurchaseSetting()).split
        never = CleanShop.open(f"{folder}/clean", NOTHING_AGAIN).split
    repeats = _repeats(learned)
    found: dict[str, Any] = {
        "seed": seed,
        "rule": dict(learned.repurchase.days),
        "targets": len(learned.test),
        "repeats": int(repeats.sum()),
    }
    usual = SocialConfig()
    config = replace(usual, loop=replace(usual.loop, seed=seed, max_epochs=epochs))
    for name, split in (("never", never), ("learned", learned)):
        model = fit_twice(split, "social", config).final
        assert isinstance(model, SocialModel)
        found[name] = {
            "all": _ndcg(model, learned, learned.test),
            "first": _ndcg(model, learned, learned.test.take(~repeats)),
            "repeat": _ndcg(model, learned, learned.test.take(repeats)),
        }
    return found


def _repeats(split: Split) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Which test targets had been had before."""
    data, test = split.for_test(), split.test
    had = hidden_pairs(data.interactions, data.num_items, None)
    return np.isin(test.user_idx * data.num_items + test.item_idx, had)


def _ndcg(model: SocialModel, split: Split, targets: Interactions) -> float:
    """Of the model's own lists, for whoever has one of these targets."""
    data = split.for_test()
    sets = targets.user_idx, targets.item_idx, data.num_users, data.num_items
    wanted = ItemSets.of(*sets)
    users = np.flatnonzero(wanted.sizes)
    lists = np.concatenate([model.lists(part, K) for part in np.array_split(users, 8)])
    judged = measure(lists, users, wanted.take(users), ItemSets.liked(data), (K,))
    return round(judged.mean(f"ndcg@{K}"), 4)


if __name__ == "__main__":
    sys.exit(main())
