"""How long filters, pages, places and rules of a list take, in one process, without a network."""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from coterie.recommend.rules import read_rules
from coterie.release.bundle import load_release
from coterie.schema import EVENT_KINDS, STRENGTHS, EventKind
from serving.features.online_store import FakeFeatures, Friends, ShopperRow
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.paging import NOTHING_SHOWN, Shown
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, ItemFilter, Wanted
from serving.telemetry.metrics import ServingMetrics

SHOPPERS: Final = 100
ROUNDS: Final = 5
K: Final = 20
HAD: Final = 25
FRIENDS: Final = 12
SEED: Final = 0
RULES: Final = """
rules:
  - {rule: boost, category: %s, by: 0.3}
  - {rule: at_most, number: 3, of: category, within: 10}
  - {rule: diversity, weight: 0.2}
  - {rule: freshness, by: 0.3, days: 30}
"""


def measure_latency(folder: str) -> dict[str, Any]:
    """Time lists of 20 of made-up shoppers, in milliseconds of this thread, without reasons."""
    release = load_release(folder)
    maker = ListMaker(release, FakeFeatures(), ServingMetrics())
    ids = release.catalogue.column("item_id").to_pylist()
    categories = release.catalogue.column("category").to_pylist()
    rng = np.random.default_rng(SEED)
    people = [shopper(ids, rng) for _ in range(SHOPPERS)]
    read = Shown.read(NOTHING_SHOWN.next_page(ids[:100], bytes(8)) or "", bytes(8))
    chosen = ItemFilter((categories[0], categories[-1]), price_min=1.0, exclude=tuple(ids[:5]))
    rules = read_rules(RULES % json_text(categories[0]), "rules")
    ways = {
        "plain": PLAIN,
        "filtered": Wanted(chosen),
        "sixth page": Wanted(shown=read),
        "product page": Wanted(surface="product", context=(ids[3],)),
        "under four rules": Wanted(rules=rules),
    }
    return {
        "items": len(ids),
        "lists": SHOPPERS * ROUNDS,
        "ms": in_turns(people, {name: _asks(maker, wanted) for name, wanted in ways.items()}),
    }


def json_text(word: str | None) -> str:
    """Quote a word for YAML."""
    return '"' + (word or "").replace('"', "") + '"'


def _asks(maker: ListMaker, wanted: Wanted) -> Callable[[ShopperFeatures], Any]:
    return lambda known: maker.make(known, K, False, wanted)


def in_turns(
    people: list[ShopperFeatures], ways: dict[str, Callable[[ShopperFeatures], Any]]
) -> dict[str, dict[str, float]]:
    """Time each way for each shopper in turn, so that a busy machine is so for all of them."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for known in people:
            for name, ask in ways.items():
                began = time.thread_time()
                ask(known)
                if round_:  # the first one warms up
                    took[name].append(1000 * (time.thread_time() - began))
    return {
        name: {
            "mean": round(float(np.mean(times)), 2),
            "p50": round(float(np.median(times)), 2),
            "p99": round(float(np.quantile(times, 0.99)), 2),
        }
        for name, times in took.items()
    }


def shopper(ids: list[str], rng: np.random.Generator) -> ShopperFeatures:
    """Make up a shopper with a history and friends, who have some too."""
    names = tuple(f"friend {n}" for n in range(FRIENDS))
    friends = Friends(names, (0.5,) * (FRIENDS * len(STRENGTHS)), (True,) * FRIENDS)
    row = ShopperRow(_recent(ids, rng), friends)
    return ShopperFeatures("somebody", row, [_recent(ids, rng) for _ in range(FRIENDS)])


def _recent(ids: list[str], rng: np.random.Generator) -> RecentList:
    rows = rng.choice(len(ids), min(HAD, len(ids) // 4), replace=False)
    now_ms = int(time.time() * 1000)
    kind = EVENT_KINDS.index(EventKind.PURCHASE)
    times = tuple(now_ms - 60_000 * place for place in range(len(rows)))
    return RecentList(tuple(ids[row] for row in rows), (kind,) * len(rows), times)
