"""What a list of two releases costs beside a list of one, in one process, without a network."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.rules_latency import SEED, SHOPPERS, in_turns, shopper
from benchmarks.serving_shop import write_shop_release
from coterie.release.bundle import load_release
from serving.features.online_store import FakeFeatures
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN
from serving.rollouts.experiment_arms import Assigned
from serving.rollouts.interleaved import interleaved
from serving.rollouts.list_request import ListRequest, timed
from serving.telemetry.metrics import ServingMetrics

ITEMS: Final = 20_000
K: Final = 20


def interleaving(seed: int = SEED) -> dict[str, Any]:
    """Time lists of 20 of made-up shoppers, in milliseconds of this thread, without reasons."""
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        path = Path(folder, "release")
        write_shop_release(path, ITEMS)
        release = load_release(str(path))
        makers = [ListMaker(release, FakeFeatures(), ServingMetrics()) for _ in range(2)]
        ids = release.catalogue.column("item_id").to_pylist()
        rng = np.random.default_rng(seed)
        people = [shopper(ids, rng) for _ in range(SHOPPERS)]
        sides = tuple(Assigned(arms=name) for name in "ab")
        assigned = Assigned("x", "interleaved", sides=sides)

        def of_one(known: ShopperFeatures) -> Any:
            return timed(makers[0], ListRequest(known, K, False, PLAIN))()

        def of_two(known: ShopperFeatures) -> Any:
            asked = ListRequest(known, K, False, PLAIN)
            # The second shopper's taste stands for another release's: rankings that differ.
            other = replace(asked, known=people[(people.index(known) + 1) % len(people)])
            made = [timed(makers[0], asked)(), timed(makers[1], other)()]
            return interleaved(made, assigned, asked)

        return {
            "items": ITEMS,
            "lists": SHOPPERS,
            "ms": in_turns(people, {"of one release": of_one, "of two, put together": of_two}),
        }
