"""Ten nights of learning from what lists showed: do lists narrow, and do they please?

    python -m benchmarks.feedback

A simulated shop is served by the social model, fitted anew each night on all events so far; each
shopper is shown one list of ten a day for three days, and answers. One shop takes events as they
come, the other weighs targets by how often lists showed their items where shoppers look
(``exposure_power``). Both are held against what shoppers like, which the simulator knows. Figures
go to ``benchmarks/results/feedback.json``.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.loop_shop import Doubles, LoopShop, best, true_ndcg
from coterie.data.dataset import Interactions, TrainingSet
from coterie.data.simulate import ShopConfig
from coterie.files import write_atomically
from coterie.models.exposure import EXPOSURE
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.offpolicy.feedback import examination
from coterie.workflow.settings import change

RESULTS: Final = Path(__file__).parent / "results" / "feedback.json"
SHOP: Final = {
    "num_users": 400,
    "num_items": 250,
    "num_events": 7_000,
    "days": 90,
    "late_items": 0.1,
    "ending_items": 0.05,
}
SEEDS: Final = (11, 12)
"""Of shops; settings were chosen on shop 7."""
LOOPS: Final = 10
DAYS: Final = 3
K: Final = 10
WAYS: Final = {"as they come": 0.0, "by exposure": 0.5}
SETTINGS: Final = {
    "embedding_size": 32,
    "linear_weight": 0.5,
    "popularity_weight": 0.5,
    "loop.max_epochs": 25,
}


def concentration(lists: np.ndarray, num_items: int) -> float:
    """Measure how unequally lists show items: Gini's coefficient, 0 for all alike."""
    shown = np.sort(np.bincount(lists.ravel(), minlength=num_items))
    rank = 2 * np.arange(1, num_items + 1) - num_items - 1
    return float(rank @ shown / (num_items * shown.sum()))


def live(shop: LoopShop, power: float, seed: int) -> dict[str, list[float]]:
    """Live ten nights; give what lists were like after each."""
    rng = np.random.default_rng(seed)
    events, bought = shop.events, shop.bought.copy()
    items: list[np.ndarray] = []
    clicks: list[np.ndarray] = []
    told: dict[str, list[float]] = {name: [] for name in ("ndcg", "gini", "covered", "clicks")}
    config = change(SocialConfig(), {**SETTINGS, "exposure_power": power})
    for loop in range(LOOPS):
        scores = fit(shop, events, config, items, clicks)
        clicked = 0
        for day in range(DAYS):
            there = shop.on_sale(loop * DAYS + day)
            allowed = there & ~bought
            lists = best(scores, allowed, K)
            if day == 0:
                told["ndcg"].append(true_ndcg(lists, shop.taste, allowed))
                told["gini"].append(concentration(lists, shop.num_items))
                told["covered"].append(len(np.unique(lists)) / there.sum())
            did = shop.answer(lists, loop * DAYS + day, rng)
            bought[np.arange(len(lists))[:, None], lists] |= did.bought
            events = Interactions.concat(events, did.events)
            items.append(lists)
            clicks.append(did.clicked.astype(np.float64))
            clicked += int(did.clicked.sum())
        told["clicks"].append(clicked)
    return told


def fit(
    shop: LoopShop,
    events: Interactions,
    config: SocialConfig,
    items: list[np.ndarray],
    clicks: list[np.ndarray],
) -> Doubles:
    """Fit the social model, and score all items for all shoppers."""
    done = np.bincount(events.item_idx, minlength=shop.num_items).astype(np.float64)
    if items:
        shown = np.concatenate(items)
        looked = examination(shown, np.concatenate(clicks))
        weight = np.broadcast_to(looked, shown.shape).ravel()
        done += np.bincount(shown.ravel(), weight, minlength=shop.num_items)
    table = pa.table({EXPOSURE: done})
    data = TrainingSet(events, shop.ties, shop.num_users, shop.num_items, items=table)
    model = SocialModel(config)
    model.fit(data)
    return np.asarray(model.scores(np.arange(shop.num_users)), np.float64)


def measure() -> dict[str, Any]:
    """Live in each way, from the same beginning, in two shops."""
    ways: dict[str, Any] = {}
    for seed in SEEDS:
        shop = LoopShop(ShopConfig(seed=seed, **SHOP), LOOPS * DAYS)
        for name, power in WAYS.items():
            ways.setdefault(name, []).append(live(shop, power, seed))
    told = {
        name: {
            what: np.mean([life[what] for life in lives], axis=0).round(4).tolist()
            for what in lives[0]
        }
        | {"last ndcg of shops": [round(life["ndcg"][-1], 4) for life in lives]}
        for name, lives in ways.items()
    }
    return {
        "machine": platform.machine(),
        "shoppers": SHOP["num_users"],
        "items": SHOP["num_items"],
        "loops": LOOPS,
        "shops": len(SEEDS),
        "ways": told,
    }


def main() -> int:
    """Measure, and write the results."""
    argparse.ArgumentParser(description=str(__doc__).partition("\n")[0]).parse_args()
    began = time.process_time()
    results = measure()
    results["cpu seconds"] = round(time.process_time() - began)
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
