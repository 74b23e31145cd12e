"""What exploring gives a shop over sixty days, and what it costs in the first week.

    python -m benchmarks.exploring_days

Each day each shopper of a simulated shop is shown one list of ten, and answers; a closed-form model
is fitted anew each night on all that was liked, and an item that nobody liked yet scores what items
of its category do. Items enter all the while. Beside greedy lists run some of which a share shows
one item at the fifth place, by ``coterie.recommend.exploration``: a new one, or also one that was
rarely shown. Figures go to ``benchmarks/results/exploring_days.json``.
"""

import argparse
import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.loop_shop import Bools, Doubles, Ints, LoopShop, best, ease, true_ndcg
from coterie.data.simulate import ShopConfig
from coterie.files import write_atomically
from coterie.recommend.exploration import CANDIDATES, chances, choose, promised

RESULTS: Final = Path(__file__).parent / "results" / "exploring_days.json"
SHOP: Final = ShopConfig(
    num_users=1_000, num_items=300, num_events=20_000, days=120, late_items=0.6, ending_items=0.1
)
DAYS: Final = 60
WEEK: Final = 7
K: Final = 10
PLACE: Final = 4
POOL: Final = 100
SEEDS: Final = (0, 1, 2, 3)
ENOUGH: Final = 1000
FEW: Final = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """How a shop explores."""

    name: str
    share: float
    rare: int = 0
    """Lists below which a known item counts as rarely shown."""


WAYS: Final = (
    Way("greedy", 0.0),
    Way("new items", 0.1),
    Way("new and rare items", 0.1, 200),
    Way("new and rare items", 0.3, 200),
)


class Life:
    """Sixty days of one shop, under one way."""

    def __init__(self, shop: LoopShop, way: Way, seed: int) -> None:
        """Begin with what was liked before."""
        self.shop, self.way, self.rng = shop, way, np.random.default_rng(seed)
        self.liked, self.bought = shop.liked.copy(), shop.bought.copy()
        self.shown, self.clicked = np.zeros(shop.num_items), np.zeros(shop.num_items)
        self.clicks: list[int] = []
        self.covered = np.zeros(shop.num_items, np.bool_)
        self.began = shop.liked.any(axis=0)

    def scores(self, there: Bools) -> Doubles:
        """Fit on what was liked; what nobody liked scores as its category does."""
        found = ease(self.liked.astype(np.float64))
        known = self.liked.any(axis=0)
        category, num = self.shop.category, self.shop.category.max() + 1
        of = np.eye(num)[category] * (known & there)[:, None]
        mean = (found @ of) / np.maximum(of.sum(axis=0), 1)
        # What few liked scores in part as its category does.
        trust = self.liked.sum(axis=0) / (self.liked.sum(axis=0) + FEW)
        return trust * found + (1 - trust) * mean[:, category]

    def explored(self, lists: Ints, scores: Doubles, allowed: Bools) -> Ints:
        """Let a share of shoppers see one item at the fifth place."""
        lists, rng = lists.copy(), self.rng
        usual = max(self.clicked.sum() / max(self.shown.sum(), 1.0), 0.01)
        who = np.flatnonzero(rng.random(len(lists)) < self.way.share)
        near = best(scores[who], allowed[who], POOL)
        pool = np.take_along_axis(scores[who], near, axis=1)
        could = np.zeros((len(who), len(self.shown)), np.bool_)
        np.put_along_axis(could, near, self.shown[near] < self.way.rare, axis=1)
        could |= ~self.began & (self.shown < ENOUGH)
        could &= allowed[who]
        np.put_along_axis(could, lists[who, : PLACE + 1], False, axis=1)
        some = best(scores[who], could, CANDIDATES)
        at = np.take_along_axis(scores[who], lists[who, PLACE, None], axis=1)
        own = np.take_along_axis(scores[who], some, axis=1)
        promise = promised(own, at, pool.std(axis=1, keepdims=True), usual)
        promise *= np.take_along_axis(could, some, axis=1)
        chance = chances(self.shown[some], self.clicked[some], promise, rng)
        one = np.take_along_axis(some, choose(chance, rng)[:, None], axis=1)
        # What is shown moves those behind it by one place; it stands in none above.
        rest = np.argsort(lists[who] == one, axis=1, kind="stable")
        moved = np.take_along_axis(lists[who], rest, axis=1)[:, :-1]
        seen = (promise > 0).any(axis=1)
        with_it = np.concatenate([moved[:, :PLACE], one, moved[:, PLACE:]], axis=1)
        lists[who[seen]] = with_it[seen]
        return lists

    def day(self, day: int) -> None:
        """Fit, show, and take what shoppers did."""
        there = self.shop.on_sale(day)
        allowed = there & ~self.bought
        scores = self.scores(there)
        greedy = best(scores, allowed, K)
        lists = self.explored(greedy, scores, allowed) if self.way.share else greedy
        did = self.shop.answer(lists, day, self.rng)
        rows = np.arange(len(lists))[:, None]
        self.liked[rows, lists] |= did.clicked
        self.bought[rows, lists] |= did.bought
        np.add.at(self.shown, lists, 1)
        np.add.at(self.clicked, lists, did.clicked)
        self.clicks.append(int(did.clicked.sum()))
        if day >= DAYS - WEEK:
            self.covered[lists] = True
        if day == DAYS - 1:
            self.ndcg = true_ndcg(greedy, self.shop.taste, allowed)
            self.there, self.last = there, greedy

    def figures(self) -> dict[str, float]:
        """Say how it went."""
        late = self.there & ~self.began
        found = np.isin(np.flatnonzero(late), self.last).mean()
        return {
            "clicks": sum(self.clicks),
            "clicks in the first week": sum(self.clicks[:WEEK]),
            "clicks in the last week": sum(self.clicks[-WEEK:]),
            "new items shown": float((self.shown[late] > 0).mean()),
            "new items found": float(found),
            "catalogue shown": float(self.covered[self.there].mean()),
            "true ndcg": self.ndcg,
        }


def measure() -> dict[str, Any]:
    """Live sixty days in each way, from the same beginning."""
    shop = LoopShop(SHOP, DAYS)
    ways = []
    for way in WAYS:
        lives = []
        for seed in SEEDS:
            life = Life(shop, way, seed)
            for day in range(DAYS):
                life.day(day)
            lives.append(life)
        figures = [life.figures() for life in lives]
        told = {
            name: round(float(np.mean([one[name] for one in figures])), 4) for name in figures[0]
        }
        clicks = np.mean([life.clicks for life in lives], axis=0)
        ways.append(
            {
                "way": way.name,
                "share": way.share,
                "rare": way.rare,
                **told,
                "clicks of seeds": [one["clicks"] for one in figures],
                "clicks a day": clicks.round(1).tolist(),
            }
        )
    late = (shop.on_sale(DAYS - 1) & ~shop.liked.any(axis=0)).sum()
    return {
        "machine": platform.machine(),
        "shoppers": shop.num_users,
        "items": int(shop.on_sale(DAYS - 1).sum()),
        "new items": int(late),
        "days": DAYS,
        "seeds": len(SEEDS),
        "ways": ways,
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
