"""In which share of pairs a harmless release differs from what is live, in two shops that differ.

    python -m benchmarks.harmless_pairs

Two shops are simulated: one small, whose shoppers have many friends, and one larger, with other
shoppers and items, whose shoppers have few. In each a release is trained on all that is known, one
more with another seed, and some on what was known 7 and 30 days before. Each is a canary beside the
other, and both list the same shoppers from the same features (``serving/rollouts/pairs.py``). The
share of the canary's pairs is what a plan may call harmless. Figures go to
``benchmarks/results/harmless_pairs.json``, and from there into ``docs/rollout.md``.
"""

import json
import logging
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks import slower_lists
from benchmarks.faults_shop import Shop, make_shop, train
from coterie.data.simulate import ShopConfig
from coterie.files import write_atomically
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import SIGNALS
from coterie.schema import TARGET_KINDS
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures, gather
from serving.lists.wanted import PLAIN
from serving.rollouts.loaded_release import load_arm
from serving.rollouts.pairs import Pairs, pair_side
from serving.rollouts.purchases import DEPTH, longer_lists
from serving.telemetry.metrics import ServingMetrics

RESULTS: Final = Path(__file__).parent / "results" / "harmless_pairs.json"
SHOPS: Final = {
    "small, many friends": ShopConfig(num_users=1_000, num_items=600, num_events=50_000),
    "larger, few friends": ShopConfig(
        num_users=2_000, num_items=1_200, num_events=80_000, num_friends=4.0, seed=23
    ),
}
SHOPPERS: Final = 600
LENGTH: Final = 10
MISSED: Final = "missed_purchases"
PAIRED: Final = tuple(
    name
    for name, meant in SIGNALS.items()
    if meant.paired and name not in (MISSED, slower_lists.SIGNAL)
)
"""What a release learned does not show in how long lists take: ``benchmarks.slower_lists`` does."""
Makers = Mapping[str, ListMaker]
CHANGES: Final = {
    "another seed": ("now", "another seed"),
    "7 days more data": ("a week before", "now"),
    "30 days more": ("a month before", "now"),
    "30 days less": ("now", "a month before"),
}
"""Stable and canary, by what the canary is."""


def main() -> None:
    """Measure both shops, write and print the figures."""
    logging.disable(logging.CRITICAL)
    found = {}
    for name, config in SHOPS.items():
        with tempfile.TemporaryDirectory() as home:
            shop = make_shop(Path(home, "shop"), config)
            makers = _makers(shop, _releases(shop))
            shares = {
                change: _shares(shop, makers[stable], makers[canary])
                for change, (stable, canary) in CHANGES.items()
            }
        found[name] = {"config": config_told(config), "shares": shares}
        Console(width=120).print(name, shares)
    content = {
        "about": "share of the canary's pairs that speaks against it, of releases that are none "
        "the worse",
        "shops": found,
        "shoppers": SHOPPERS,
        "command": "python -m benchmarks.harmless_pairs",
        "machine": f"{platform.machine()}, one thread",
    }
    write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")


def _releases(shop: Shop) -> dict[str, str]:
    """Train what is compared; the folder of each."""
    folders = {"now": shop.folder}
    for name, days, config in (
        ("another seed", 0, {"loop.seed": 1}),
        ("a week before", 7, {}),
        ("a month before", 30, {}),
    ):
        out = shop.home / name.replace(" ", "-")
        train(shop.home, out, out.name, shop.until - timedelta(days=days), config=config)
        folders[name] = str(out)
    return folders


def _makers(shop: Shop, folders: Mapping[str, str]) -> Makers:
    metrics, encoders = ServingMetrics(), QueryEncoders("none")
    made = {}
    for name, folder in folders.items():
        digest = shop.release.digest if folder == shop.folder else _digest(folder)
        ref = ReleaseRef(digest, folder)
        made[name] = load_arm(ref, shop.features, metrics, encoders).maker
    return made


def _digest(folder: str) -> str:
    from coterie.release.files import read_files

    return read_files(folder).digest


def _shares(shop: Shop, stable: ListMaker, canary: ListMaker) -> dict[str, float]:
    """Count pairs that are the canary's alone, of those that can tell, by signal."""
    pairs, rng = Pairs(), np.random.default_rng(0)
    asked, alone = Counter[str](), Counter[str]()
    for user_id in rng.choice(shop.user_ids[: shop.known], SHOPPERS, replace=False).tolist():
        known = gather(shop.features, user_id)
        sides = [
            pair_side(maker, maker.make(known, LENGTH, False), known) for maker in (canary, stable)
        ]
        told = pairs.compare(*sides)
        missed = _missed(shop, known, (canary, stable), sides[1].ids)
        for name, (by_canary, beside) in ({**told, MISSED: missed} if missed else told).items():
            asked[name] += 1
            alone[name] += by_canary and not beside
    return {name: alone[name] / asked[name] for name in (*PAIRED, MISSED) if asked[name]}


def _missed(
    shop: Shop, known: ShopperFeatures, makers: tuple[ListMaker, ListMaker], shown: list[str]
) -> tuple[bool, bool] | None:
    """Judge what both would have listed next by what a shopper really wanted first."""
    wanted = (
        one.item_id for one in shop.coming.get(known.user_id, ()) if one.event in TARGET_KINDS
    )
    first = next((item_id for item_id in wanted if item_id not in shown), None)
    if first is None:
        return None
    left = [
        [one for one in ids if one not in shown][:DEPTH]
        for ids in longer_lists(makers, known, LENGTH, PLAIN)
    ]
    by_canary, by_stable = (first in ids for ids in left)
    return by_stable and not by_canary, by_canary and not by_stable


def config_told(config: ShopConfig) -> dict[str, Any]:
    """Give what a table says of a shop."""
    names = ("num_users", "num_items", "num_events", "num_friends", "seed")
    return {name: asdict(config)[name] for name in names}


if __name__ == "__main__":
    sys.exit(main())
