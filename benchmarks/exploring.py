"""What exploring new items gives them and costs the others, in a simulated shop's first day.

    python -m benchmarks.exploring

Items that came late are taken out of the tables before the model is fitted, and enter the shop live
after. Then a day passes: each shopper gets one list, and answers as simulated shoppers do, which
lists before theirs have taught what to explore. What it costs is NDCG@20 of what each shopper had
last of the other items, which was taken out too. Figures go to
``benchmarks/results/exploring.json``.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, World, simulate
from coterie.files import write_atomically
from coterie.release.bundle import load_release
from coterie.release.gate import Limits
from coterie.schema import TARGET_KINDS
from serving.events.event import KIND_CODES, Event
from serving.features.online_store import FakeFeatures
from serving.features.recent import RecentList
from serving.lists.exploring import Explorer
from serving.lists.list_maker import ListMaker
from serving.lists.wanted import PLAIN
from serving.telemetry.metrics import ServingMetrics

RESULTS: Final = Path(__file__).parent / "results" / "exploring.json"
SHOP: Final = ShopConfig(num_users=600, num_items=400, num_events=24_000)
NEW: Final = 20
SHARES: Final = (0.0, 0.1, 1.0)
SEEDS: Final = (0, 1)
K: Final = 20
EPOCHS: Final = 4


def measure() -> dict[str, Any]:
    """Make the shop, fit its model, and let the day pass with each share."""
    with tempfile.TemporaryDirectory() as home:
        shop = simulate(SHOP)
        shop.write(f"{home}/raw")
        world: World = shop.world
        new = _late(world)
        events, wanted = _hold_out(pq.read_table(f"{home}/raw/events.parquet"), new)
        items = pq.read_table(f"{home}/raw/items.parquet")
        is_new = pc.is_in(items["item_id"], pa.array(new))
        pq.write_table(events, f"{home}/raw/events.parquet")
        pq.write_table(items.filter(pc.invert(is_new)), f"{home}/raw/items.parquet")
        ingest(f"{home}/raw", f"{home}/clean")
        told = workflow.FitSettings(config={"loop.max_epochs": EPOCHS})
        workflow.fit_challenger(f"{home}/clean", f"{home}/model", told)
        limits = Limits(min_gain_over_popularity=-1)
        workflow.make_release(f"{home}/clean", f"{home}/model", f"{home}/v1", "v1", limits)
        features = FakeFeatures(recent=_recent(events))
        maker = ListMaker(load_release(f"{home}/v1"), features, ServingMetrics())
        entered = items.filter(is_new).to_pylist()
        maker.add_items({row["item_id"]: _state(row) for row in entered})
        days = [
            {"share": share, **_mean([_day(maker, world, wanted, new, share, s) for s in SEEDS])}
            for share in SHARES
        ]
    return {
        "machine": platform.machine(),
        "shoppers": len(wanted),
        "items": SHOP.num_items - NEW,
        "new items": NEW,
        "days": days,
    }


def _late(world: World) -> list[str]:
    """Choose items that came last and are still there."""
    there = np.flatnonzero(world.ends_ms > world.end_ms)
    return world.item_ids[there[np.argsort(-world.arrives_ms[there])[:NEW]]].tolist()


def _hold_out(events: pa.Table, new: Sequence[str]) -> tuple[pa.Table, dict[str, str]]:
    """Take out new items, and of each shopper what they had last with all that they did with it."""
    known = events.filter(pc.invert(pc.is_in(events["item_id"], pa.array(new)))).sort_by("ts")
    is_target = pc.is_in(known["event"], pa.array([str(kind) for kind in TARGET_KINDS]))
    targets = known.filter(is_target).to_pydict()
    wanted = dict(zip(targets["user_id"], targets["item_id"], strict=True))
    pairs = zip(known["user_id"].to_pylist(), known["item_id"].to_pylist(), strict=True)
    return known.filter(pa.array([wanted.get(user) != item for user, item in pairs])), wanted


def _recent(events: pa.Table) -> dict[str, RecentList]:
    """Give what each shopper did, each item once, the newest first."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in events.sort_by([("ts", "descending")]).to_pylist():
        of_user = found.setdefault(row["user_id"], {})
        of_user.setdefault(
            row["item_id"], (KIND_CODES[row["event"]], int(row["ts"].timestamp() * 1000))
        )
    return {
        user: RecentList(tuple(had), *(tuple(part) for part in zip(*had.values(), strict=True)))
        for user, had in found.items()
    }


def _state(row: dict[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in ("title", "category", "brand", "price")}
    return {name: (value, 1, "put") for name, value in {"": True, **said}.items()}


def _day(
    maker: ListMaker,
    world: World,
    wanted: dict[str, str],
    new: Sequence[str],
    share: float,
    seed: int,
) -> dict[str, float]:
    explorer, rng, fresh = Explorer(share), np.random.default_rng(seed), set(new)
    shown, clicks, gains, explored = dict.fromkeys(new, 0), 0, [], 0
    asked = PLAIN if share == 0 else replace(PLAIN, explorer=explorer)
    for user in rng.permutation(list(wanted)).tolist():
        items = maker.recommend(user, K, False, asked).items
        ids = [one.item.item_id for one in items]
        explored += sum(one.explored is True for one in items)
        seen = fresh.intersection(ids)
        explorer.note_shown(seen)
        for one in seen:
            shown[one] += 1
        place = ids.index(wanted[user]) if wanted[user] in ids else -1
        gains.append(1 / np.log2(place + 2) if place >= 0 else 0.0)
        did = world.answer([user], [ids], rng).select(["user_id", "item_id", "event"]).to_pylist()
        clicked = [one for one in did if one["item_id"] in fresh and one["event"] == "click"]
        clicks += len(clicked)
        explorer.note_events(
            Event("e", user, one["item_id"], one["event"], 0, list_id="l") for one in clicked
        )
    return {
        "explored": explored,
        "impressions an item": sum(shown.values()) / len(new),
        "items never shown": sum(not times for times in shown.values()),
        "clicks": clicks,
        "ndcg@20": float(np.mean(gains)),
    }


def _mean(days: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([day[name] for day in days])), 5) for name in days[0]}


def main() -> int:
    """Measure, and write the results."""
    argparse.ArgumentParser(description=str(__doc__).partition("\n")[0]).parse_args()
    began = time.time()
    results = measure()
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1), round(time.time() - began), "s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
