"""A made-up shop for measuring serving: a release, and features of everybody in Feast.

    python benchmarks/serving_shop.py FOLDER

It imports nothing of this folder and only what a shop has always been written with, so that it
can be run with an older checkout on ``PYTHONPATH`` and writes that one's form. What it draws
depends on the seed alone: a fifth of the people have 50 own entries, everyone else 20, and all have
30 friends of the latter, so that a list draws on 50 own entries and 600 of friends.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from feast import FeatureStore

from coterie.recommend.encoder import Encoder
from coterie.release.bundle import ReleaseContent, write_release
from coterie.schema import EVENT_KINDS, ITEMS, STRENGTHS, TIE_KINDS
from feature_repo.views import CREATED, TIMESTAMP, definitions

SEED: Final = 0
ITEMS_OF_SHOP: Final = 20_000
SHOPPERS: Final = 50_000
OWN: Final = 50
FRIENDS: Final = 30
OF_FRIENDS: Final = 20
NEAR: Final = 64
WIDTH, RANK = 128, 256
NOW_MS: Final = 1_790_000_000_000
_HOUR_MS: Final = 3_600_000
_AT_ONCE: Final = 2_500
_WORDS: Final = [
    "oak",
    "steel",
    "linen",
    "wide",
    "small",
    "garden",
    "night",
    "alpine",
    "coffee",
    "blue",
    "travel",
    "felt",
]
SETTINGS: Final = """project: coterie
provider: local
registry: {folder}/registry.db
offline_store: {{type: file}}
online_store: {online}
entity_key_serialization_version: 3
"""


def item(row: int) -> str:
    """Name an item."""
    return f"item-{row:06d}"


def shopper(row: int) -> str:
    """Name a shopper."""
    return f"shopper-{row:06d}"


def asked(shoppers: int = SHOPPERS) -> list[str]:
    """Name the shoppers whose lists are asked for: those with 50 own entries."""
    return [shopper(row) for row in range(shoppers // 5)]


def write_shop_release(folder: Path, items: int) -> None:
    """Write a release of the usual sizes, of random vectors that lie around 200 centres."""
    rng = np.random.default_rng(SEED)
    kinds = rng.integers(0, 200, items)

    def vectors(width: int) -> torch.Tensor:
        centres = rng.normal(size=(200, width))
        found = centres[kinds] + 0.7 * rng.normal(size=(items, width))
        return torch.from_numpy((found / np.sqrt(width)).astype(np.float32))

    weights = {f"encoder.{name}": p.detach() for name, p in Encoder().named_parameters()}
    near = np.sort(rng.integers(0, items, (items, NEAR)), axis=1)
    loud = rng.random((items, NEAR)).astype(np.float32) * 0.02
    powers = {"rate": 0.3, "friend_power": 0.75, "history_power": 0.5}
    linear = {name: vectors(RANK) * 0.3 for name in ("own", "friend", "out")} | {
        "near": torch.from_numpy(loud.ravel()),
        "near_item": torch.from_numpy(near.ravel().astype(np.int32)),
        "near_offsets": torch.arange(0, items * NEAR + 1, NEAR),
        "kind": torch.linspace(0.4, 1.0, len(EVENT_KINDS), dtype=torch.float64),
        **{name: torch.tensor(value, dtype=torch.float64) for name, value in powers.items()},
    }
    parameters = {
        "item_in": vectors(WIDTH),
        "item_out": vectors(WIDTH),
        "item_bias": torch.from_numpy(rng.normal(size=items).astype(np.float32) * 0.05),
        "inverse_temperature": torch.tensor(6.0),
        "popularity_weight": torch.tensor(0.5),
        **weights,
        **{f"linear.{name}": tensor for name, tensor in linear.items()},
    }
    write_release(
        str(folder),
        ReleaseContent(
            version="v1",
            parameters=parameters,
            catalogue=_catalogue(rng, kinds),
            popularity=np.ceil(2000 / np.arange(1, items + 1) ** 0.7).astype(np.float32),
            metrics={"recall@20": 0.3},
            data_fingerprint=f"made up, seed {SEED}",
            limits={},
        ),
    )


def _catalogue(rng: np.random.Generator, kinds: np.ndarray) -> pa.Table:
    items = len(kinds)
    words = rng.choice(_WORDS, (items, 12))
    return pa.table(
        {
            "item_id": [item(row) for row in range(items)],
            "title": [" ".join(some[:4]) for some in words],
            "description": [" ".join(some) for some in words],
            "price": np.round(rng.gamma(2.0, 20.0, items), 2),
            "category": [f"Home/Room {kind % 20}/Shelf {kind}" for kind in kinds],
            "brand": [f"Maker {n}" for n in rng.integers(0, 300, items)],
            "tags": pa.nulls(items, pa.string()),
            "image_uri": [f"https://cdn.example/pictures/{row}.jpg" for row in range(items)],
            "audio_uri": pa.nulls(items, pa.string()),
            "available": [True] * items,
            "created_at": pa.nulls(items, pa.timestamp("us", "UTC")),
        },
        schema=ITEMS.arrow,
    )


def fill(store: FeatureStore, shoppers: int, items: int, told: Callable[[str], Any]) -> None:
    """Write everybody's features, as pipelines do."""
    rng = np.random.default_rng(SEED + 1)
    for first in range(0, shoppers, _AT_ONCE):
        rows = range(first, min(first + _AT_ONCE, shoppers))
        for view, columns in _features(rng, rows, shoppers, items):
            store.write_to_online_store(view, _frame(rows, columns))
        told(f"{rows.stop} of {shoppers} shoppers")


def _features(
    rng: np.random.Generator, rows: Sequence[int], shoppers: int, items: int
) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    yield "shopper_recent", _recent(rng, rows, shoppers, items)
    yield "shopper_ties", _ties(rng, rows, shoppers)


def _recent(
    rng: np.random.Generator, rows: Sequence[int], shoppers: int, items: int
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        name: []
        for name in (
            *("recent_item_ids", "recent_kinds", "recent_ts_ms", "recent_wanted_ms"),
            *("had_item_ids", "had_kinds", "had_wanted_ms", "asked_ts_ms"),
        )
    }
    for row in rows:
        size = OWN if row < shoppers // 5 else OF_FRIENDS
        # Squared: what is popular stands first in the catalogue.
        had = np.unique((rng.random(size * 2) ** 2 * items).astype(int))
        chosen = rng.permutation(had)[:size]
        times = NOW_MS - np.cumsum(rng.integers(1, 24, len(chosen))) * _HOUR_MS
        found["recent_item_ids"].append([item(one) for one in chosen])
        found["recent_kinds"].append(rng.integers(0, 4, len(chosen)).tolist())
        found["recent_ts_ms"].append(times.tolist())
        found["recent_wanted_ms"].append(times.tolist())
        for name in ("had_item_ids", "had_kinds", "had_wanted_ms", "asked_ts_ms"):
            found[name].append([])
    return found


def _ties(rng: np.random.Generator, rows: Sequence[int], shoppers: int) -> dict[str, list[Any]]:
    first = shoppers // 5
    friends = [rng.choice(shoppers - first, FRIENDS, replace=False) + first for _ in rows]
    strengths = np.sort(rng.random((len(rows), FRIENDS * len(STRENGTHS))) * 2, axis=1)[:, ::-1]
    weights = np.zeros((FRIENDS, len(TIE_KINDS)), np.float32)
    weights[:, 0] = 1.0
    return {
        "friend_ids": [[shopper(one) for one in some] for some in friends],
        "friend_strengths": strengths.astype(np.float32).tolist(),
        "friends_named": (rng.random((len(rows), FRIENDS)) < 0.9).astype(int).tolist(),
        "friends_mutual": [[1] * FRIENDS for _ in rows],
        "friend_weights": [weights.ravel().tolist() for _ in rows],
        "consent": [[1, 1] for _ in rows],
    }


def _frame(rows: Sequence[int], columns: dict[str, list[Any]]) -> pd.DataFrame:
    when = pd.Timestamp(NOW_MS, unit="ms", tz="UTC")
    people = {"user_id": [shopper(row) for row in rows]}
    return pd.DataFrame({**people, **columns, TIMESTAMP: when, CREATED: when})


def main() -> None:
    """Write a shop into a folder; what is there already is left alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--redis", help="host:port of a Redis for features; SQLite without it")
    parser.add_argument("--items", type=int, default=ITEMS_OF_SHOP)
    parser.add_argument("--shoppers", type=int, default=SHOPPERS)
    given = parser.parse_args()
    folder = given.folder.absolute()
    store = folder / ("redis" if given.redis else "sqlite")
    store.mkdir(parents=True, exist_ok=True)
    if not (folder / "release").exists():
        write_shop_release(folder / "release", given.items)
    online = f"{{type: sqlite, path: {store}/online.db}}"
    if given.redis:
        online = f'{{type: redis, connection_string: "{given.redis},socket_timeout=5"}}'
    (store / "feature_store.yaml").write_text(SETTINGS.format(folder=store, online=online))
    opened = FeatureStore(repo_path=str(store))
    opened.apply(definitions(str(folder)))
    fill(opened, given.shoppers, given.items, lambda text: print(text, file=sys.stderr))


if __name__ == "__main__":
    main()
