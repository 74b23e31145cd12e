"""How small a loss of quality shadow finds, and after how many purchases.

    python -m benchmarks.shadow_quality

A shop is simulated, whose shoppers buy what they would have bought without any list. Stable learns
from all that was known; canaries from half, a fifth and a tenth of it, from what was known 7 and 30
days before, and from all of it with another seed. Both arms list the same shoppers from the same
features. What stable's list shows is taken out of both, and of what is left each arm's next 20 are
held against what the shopper then bought (``serving/rollouts/purchases.py`` does the same live).

Shoppers are drawn anew for each of the runs, with the first thing that each bought; evidence is
that of ``coterie.rollout``, looked at after every 20 of them. A/A gives each shopper's two lists to
the arms by chance. Figures go to ``benchmarks/results/shadow_quality.json``.
"""

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.shadow_quality_chart import SHOWN
from coterie.data.dataset import Interactions, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.files import write_atomically
from coterie.fitting.fit import fit
from coterie.models.base import Releasable
from coterie.models.social_config import SocialConfig
from coterie.recommend.batches import Community
from coterie.recommend.recommender import Recommender
from coterie.rollout.evidence import RATIOS
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.strength import over_each
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "shadow_quality.json"
SHOP: Final = ShopConfig(num_users=12_000, num_items=4_000, num_events=600_000, days=120)
DAY_MS: Final = 86_400_000
SIGNAL: Final = "missed_purchases"
K: Final = 20
EVERY: Final = 20
"""Purchases from one look to the next."""
MOST: Final = 20_000
"""Purchases of a run."""
AT: Final = (100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 20_000)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The first purchase of each shopper, judged by two lists."""

    missed: npt.NDArray[np.bool_]
    """Shape (n, 2): whether the canary alone missed it, and whether stable alone did."""


def main(arguments: list[str] | None = None) -> None:
    """Simulate, train, judge, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument(
        "--redraw",
        action="store_true",
        help="only the curves, of the purchases that were counted before: alpha is another now",
    )
    asked = parser.parse_args(arguments)
    if asked.redraw:
        redraw(asked.runs)
        return
    torch.set_num_threads(1)
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        simulate(SHOP).write(f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        split = CleanShop.open(f"{folder}/clean").split
    data, bought = split.for_test(), split.test
    lists = {}
    for name, (known, seed) in canaries(data, int(bought.ts_ms.min())).items():
        lists[name] = lists_of(known, data, bought, seed, asked.epochs)
        console.print(f"{name}: lists of {len(np.unique(bought.user_idx)):,} shoppers")
    found = judged_lists(lists, bought, asked.runs)
    console.print(table(found))
    write(found, len(bought), asked.runs)


def redraw(runs: int) -> None:
    """Draw rollouts anew of the purchases that results count, at the signal's alpha of now."""
    whole = json.loads(RESULTS.read_text())
    found = {}
    for name, one in whole["canaries"].items():
        missed = np.zeros((one["shoppers"], 2), np.bool_)
        by_canary, by_stable = one["missed"]
        missed[:by_canary, 0] = missed[by_canary : by_canary + by_stable, 1] = True
        found[name] = told(Judged(missed), one["ndcg"], runs, swap=name == "A/A")
    Console(width=120).print(table(found))
    content = whole | {"alpha": alpha(), "runs": runs, "canaries": found}
    write_atomically(RESULTS, json.dumps(content, sort_keys=True) + "\n")


def judged_lists(lists: dict[str, Ints], bought: Interactions, runs: int) -> dict[str, Any]:
    """Hold each canary's lists against stable's; of A/A they are given to the arms by chance."""
    stable, found = lists["stable"], {}
    for name, made in lists.items():
        if name != "stable":
            judged = judge(made, stable, bought)
            found[name] = told(judged, ndcg(made, bought) / ndcg(stable, bought) - 1, runs)
    both = judge(lists["another seed"], stable, bought)
    return found | {"A/A": told(both, 0.0, runs, swap=True)}


def write(found: dict[str, Any], purchases: int, runs: int) -> None:
    """Write figures with what they are of."""
    whole = {
        "command": "python -m benchmarks.shadow_quality",
        "machine": f"{platform.machine()}, one thread",
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "shop": {name: getattr(SHOP, name) for name in ("num_users", "num_items", "seed")},
        "purchases": purchases,
        "runs": runs,
        "alpha": alpha(),
        "limit": SIGNALS[SIGNAL].limit,
        "canaries": found,
    }
    write_atomically(RESULTS, json.dumps(whole, sort_keys=True) + "\n")


def canaries(data: TrainingSet, now_ms: int) -> dict[str, tuple[TrainingSet, int]]:
    """Give what each arm learns from, and its seed."""
    events, rng = data.interactions, np.random.default_rng(5)
    drawn = rng.random(len(events))
    parts = {
        "stable": (events, 0),
        "another seed": (events, 1),
        "half of the data": (events.take(drawn < 0.5), 0),
        "a fifth": (events.take(drawn < 0.2), 0),
        "a tenth": (events.take(drawn < 0.1), 0),
        "7 days old": (events.take(events.ts_ms < now_ms - 7 * DAY_MS), 0),
        "30 days old": (events.take(events.ts_ms < now_ms - 30 * DAY_MS), 0),
    }
    return {name: (replace(data, interactions=one), seed) for name, (one, seed) in parts.items()}


def lists_of(
    known: TrainingSet, data: TrainingSet, bought: Interactions, seed: int, epochs: int
) -> Ints:
    """Train, and list each shopper who bought something, shape (purchases, 2 k)."""
    config = SocialConfig()
    config = replace(config, loop=replace(config.loop, max_epochs=epochs, seed=seed))
    model = fit(replace(known, validation=None), "social", config)
    assert isinstance(model, Releasable)
    had = np.bincount(known.interactions.item_idx, minlength=data.num_items).astype(np.float32)
    recommender = Recommender(model.parameters, had)
    users, row = np.unique(bought.user_idx, return_inverse=True)
    community = Community.of(data)
    lists = [
        recommender.recommend(community.shoppers(some), 2 * K).item_idx
        for some in np.array_split(users, -(-len(users) // 256))
    ]
    return np.concatenate(lists)[row]


def judge(canary: Ints, stable: Ints, bought: Interactions) -> Judged:
    """Take out of both what stable showed, and see which arm's next k had what was bought."""
    shown = stable[:, :K]
    item = bought.item_idx[:, None]
    by_itself = ~(shown == item).any(axis=1)
    had = np.stack([(beyond(one, shown) == item).any(axis=1) for one in (canary, stable)], axis=1)
    missed = np.stack([had[:, 1] & ~had[:, 0], had[:, 0] & ~had[:, 1]], axis=1)
    # One a shopper, as live: what somebody buys next is much like what they bought before.
    first = np.unique(bought.user_idx[by_itself], return_index=True)[1]
    return Judged(missed[by_itself][first])


def beyond(lists: Ints, shown: Ints) -> Ints:
    """Give the next k of each list once what was shown is taken out, shape (n, k)."""
    there = (lists[:, :, None] == shown[:, None, :]).any(axis=2)
    order = np.argsort(there, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(lists, order, axis=1)


def ndcg(lists: Ints, bought: Interactions) -> float:
    """Measure what places of purchases in whole lists are worth, on average."""
    place = (lists[:, :K] == bought.item_idx[:, None]).argmax(axis=1)
    there = (lists[:, :K] == bought.item_idx[:, None]).any(axis=1)
    return float((there / np.log2(place + 2.0)).mean())


def told(judged: Judged, change: float, runs: int, swap: bool = False) -> dict[str, Any]:
    """Run rollouts on these purchases; the share that is found after so many of them."""
    rng = np.random.default_rng(9)
    after = np.array([first_found(judged, rng, swap) for _ in range(runs)])
    counts = judged.missed.sum(axis=0)
    return {
        "ndcg": round(change, 4),
        "shoppers": len(judged.missed),
        "missed": [int(counts[0]), int(counts[1])],
        "found": {str(at): round(float((after <= at).mean()), 4) for at in AT},
        "median": int(np.median(after)) if np.median(after) <= MOST else None,
    }


def first_found(judged: Judged, rng: np.random.Generator, swap: bool) -> int:
    """Draw shoppers who bought something until there are enough; after how many it is found."""
    drawn = judged.missed[rng.integers(0, len(judged.missed), MOST)]
    if swap:
        turned = rng.random(MOST) < 0.5
        drawn = np.where(turned[:, None], drawn[:, ::-1], drawn)
    counts = drawn.reshape(-1, EVERY, 2).sum(axis=1).cumsum(axis=0)
    pairs = np.arange(EVERY, MOST + 1, EVERY)
    strong = np.flatnonzero(e_values(counts, pairs) >= 1.0 / alpha())
    return int(strong[0] + 1) * EVERY if len(strong) else MOST + 1


def e_values(counts: Ints, pairs: Ints, name: str = SIGNAL) -> npt.NDArray[np.float64]:
    """Give the evidence after so many pairs, shape (n,), as ``strength.e_value`` has it.

    Args:
        counts: Pairs that the canary alone missed, and stable alone, shape (n, 2).
        pairs: All of them, shape (n,).
        name: Of the signal.
    """
    signal, canary = SIGNALS[name], counts[:, :1].astype(float)
    beside = _against(canary, counts[:, 1:].astype(float), signal.limit)
    return np.minimum(beside, over_each(pairs, counts[:, 0], signal.harmless))


def _against(
    canary: npt.NDArray[np.float64], stable: npt.NDArray[np.float64], limit: float
) -> npt.NDArray[np.float64]:
    """See ``Evidence.against``, of arms with as many samples each: shape (n, 1) to (n,)."""
    at = int(np.argmin(np.abs(np.log(RATIOS) - np.log(limit))))
    share = RATIOS[at:] / (RATIOS[at:] + 1.0)
    likelihood = canary * np.log(share) + stable * np.log1p(-share)
    beyond_it = likelihood[:, 1:] - likelihood[:, :1]
    top = beyond_it.max(axis=1, keepdims=True)
    whole: npt.NDArray[np.float64] = np.exp(np.minimum(top[:, 0], 690.0)) * np.exp(
        beyond_it - top
    ).mean(axis=1)
    return whole


def alpha() -> float:
    """Give the share of alpha that the signal has in the usual plan."""
    return Plan().alpha_of(SIGNAL)


def table(found: dict[str, Any]) -> Table:
    """Draw what was found."""
    drawn = Table("canary", "NDCG@20", "missed, canary : stable", *(f"{at:,}" for at in SHOWN))
    for name, one in found.items():
        shares = [f"{one['found'][str(at)]:.1%}" for at in SHOWN]
        drawn.add_row(name, f"{one['ndcg']:+.1%}", "{} : {}".format(*one["missed"]), *shares)
    return drawn


if __name__ == "__main__":
    main(sys.argv[1:])
