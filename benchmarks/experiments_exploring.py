"""What exploring costs a list, in one process, without a network."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.rules_latency import SEED, SHOPPERS, K, in_turns, shopper
from benchmarks.serving_shop import write_shop_release
from coterie.recommend.rules import read_rules
from coterie.release.bundle import load_release
from serving.features.online_store import FakeFeatures
from serving.lists.exploring import Explorer
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import Wanted
from serving.telemetry.metrics import ServingMetrics

ITEMS: Final = 20_000
WAYS: Final = {
    "nothing explored": "rules: []",
    "new items, in a tenth of lists": "rules: [{rule: explore, share: 0.1}]",
    "rare items as well, in a tenth of lists": "rules: [{rule: explore, share: 0.1, rare: 200}]",
    "rare items as well, in all lists": "rules: [{rule: explore, share: 1, rare: 200}]",
}


def exploring(seed: int = SEED) -> dict[str, Any]:
    """Time lists of 20 of made-up shoppers, in milliseconds of this thread, without reasons."""
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        path = Path(folder, "release")
        write_shop_release(path, ITEMS)
        release = load_release(str(path))
        maker = ListMaker(release, FakeFeatures(), ServingMetrics())
        ids = release.catalogue.column("item_id").to_pylist()
        rng = np.random.default_rng(seed)
        people = [
            replace(shopper(ids, rng), user_id=f"somebody {number}") for number in range(SHOPPERS)
        ]
        explorer = Explorer()
        ways = {
            name: _asks(maker, Wanted(rules=read_rules(text, "rules"), explorer=explorer))
            for name, text in WAYS.items()
        }
        return {"items": ITEMS, "lists": SHOPPERS, "ms": in_turns(people, ways)}


def _asks(maker: ListMaker, wanted: Wanted) -> Callable[[ShopperFeatures], Any]:
    return lambda known: maker.make(known, K, False, wanted)
