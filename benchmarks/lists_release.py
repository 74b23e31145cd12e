"""Made-up releases of any size, and shoppers of theirs: what the benchmark of one list asks."""

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from coterie.data.dataset import Ints
from coterie.data.ragged import Ragged
from coterie.graph.friends import FriendLists
from coterie.models.social_linear import MAX_NUMBERS
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder
from coterie.recommend.shoppers import Histories
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.schema import EVENT_KINDS, RELEASED_ITEMS, STRENGTHS, EventKind
from serving.features.online_store import Friends, ShopperRow
from serving.features.recent import RecentList
from serving.lists.shopper_features import ShopperFeatures

DIM: Final = 128
RANK: Final = 256
NEAREST: Final = 500
"""Nearest items of an item, as of a shop of tens of events an item; fewer in a large catalogue."""
OWN: Final = 50
FRIENDS: Final = 30
THEIRS: Final = 20
CATEGORIES: Final = 60
BRANDS: Final = 200
SEED: Final = 0
_HOUR_MS: Final = 3_600_000
Vectors = npt.NDArray[np.float32]


def make_release(folder: str, num_items: int) -> Release:
    """Write a release of so many items into a new folder."""
    rng = np.random.default_rng(SEED)
    cluster = rng.integers(CATEGORIES, size=num_items)
    popularity = np.floor(5000.0 / (1 + rng.permutation(num_items)) ** 0.7).astype(np.float32)
    item_in, item_out = (_tastes(rng, cluster, DIM) for _ in range(2))
    item_out /= np.linalg.norm(item_out, axis=1, keepdims=True)
    tensors = {
        "item_in": item_in,
        "item_out": item_out,
        "item_bias": (0.1 * np.log1p(popularity)).astype(np.float32),
        "inverse_temperature": np.float32(6.0),
        "popularity_weight": np.float32(0.3),
        "friends_for": np.int64(2),
        **{f"encoder.{n}": p.detach().numpy() for n, p in Encoder().named_parameters()},
        **_closed_form(rng, cluster, popularity),
    }
    content = ReleaseContent(
        version=f"made-{num_items}",
        parameters={n: torch.from_numpy(np.asarray(one)) for n, one in tensors.items()},
        catalogue=_catalogue(cluster, rng),
        popularity=popularity,
        metrics={},
        data_fingerprint="made",
        limits={},
    )
    return write_release(folder, content)


def _tastes(rng: np.random.Generator, cluster: Ints, width: int) -> Vectors:
    """Draw vectors around their clusters', with more in the first directions than in the last."""
    spread = (1.0 + np.arange(width)) ** -0.35
    middle = rng.normal(size=(CATEGORIES, width))
    found = middle[cluster] + rng.normal(size=(len(cluster), width))
    return np.asarray(found * spread, np.float32)


def _closed_form(
    rng: np.random.Generator, cluster: Ints, popularity: Vectors
) -> dict[str, npt.NDArray[Any]]:
    num = len(cluster)
    rank, most = min(RANK, MAX_NUMBERS // num), min(NEAREST, MAX_NUMBERS // num, num // 4)
    own = _tastes(rng, cluster, rank) / rank
    out = own * (np.log1p(popularity) / 3)[:, None].astype(np.float32)
    by_cluster = np.argsort(cluster, kind="stable")
    place = np.argsort(by_cluster)
    # Nearest are mostly of one's own kind: those that stand beside, and some from anywhere.
    steps = np.arange(1, most + 1)
    item = by_cluster[(place[:, None] + steps * 3) % num].astype(np.int32)
    other = rng.random((num, most), np.float32) < 0.3
    item[other] = rng.integers(num, size=int(other.sum()), dtype=np.int32)
    weight = rng.exponential(0.02, (num, most)).astype(np.float32) ** 1.5
    return {
        "linear.own": own,
        "linear.friend": (own * 0.3).astype(np.float32),
        "linear.out": out.astype(np.float32),
        "linear.near": weight.ravel(),
        "linear.near_item": item.ravel(),
        "linear.near_offsets": np.arange(0, num * most + 1, most, dtype=np.int64),
        "linear.kind": np.linspace(0.3, 1.0, len(EVENT_KINDS)),
        "linear.rate": np.float64(0.3),
        "linear.friend_power": np.float64(0.75),
        "linear.history_power": np.float64(0.5),
    }


def _catalogue(cluster: Ints, rng: np.random.Generator) -> pa.Table:
    num = len(cluster)
    brand = rng.integers(BRANDS, size=num).tolist()
    texts = [f"Thing {n} of brand {b}, well made" for n, b in enumerate(brand)]
    columns = {
        "item_id": [f"item-{n:07d}" for n in range(num)],
        "title": texts,
        "description": [f"{text}: {text.lower()} and kept in a box" for text in texts],
        "price": np.round(rng.gamma(2.0, 20.0, num), 2),
        "category": [f"Shop/Kind {one}" for one in cluster.tolist()],
        "brand": [f"Brand {one}" for one in brand],
        "available": np.ones(num, np.bool_),
    }
    nothing = {one.name: pa.nulls(num, one.type) for one in RELEASED_ITEMS}
    return pa.table(nothing | columns, schema=RELEASED_ITEMS)


def shoppers_of(release: Release, num: int) -> list[ShopperFeatures]:
    """Make up shoppers with friends, who like some clusters and what is popular."""
    rng = np.random.default_rng(SEED + 1)
    ids = np.array(release.catalogue.column("item_id").to_pylist(), object)
    category = release.catalogue.column("category").combine_chunks().dictionary_encode()
    cluster = category.indices.to_numpy()
    weight = np.cumsum(release.popularity.astype(np.float64) ** 0.7)

    def recent(liked: Sequence[int], count: int) -> RecentList:
        drawn = np.searchsorted(weight, rng.random(40 * count) * weight[-1])
        some = np.unique(np.concatenate([drawn[np.isin(cluster[drawn], liked)], drawn[:5]]))
        rows = rng.permutation(some)[:count]
        newest = int(time.time() * 1000) - _HOUR_MS
        times = tuple(newest - 7 * _HOUR_MS * place for place in range(len(rows)))
        kinds = rng.choice([0, 1, EVENT_KINDS.index(EventKind.PURCHASE)], len(rows))
        return RecentList(tuple(ids[rows].tolist()), tuple(kinds.tolist()), times)

    found = []
    for number in range(num):
        liked = rng.choice(CATEGORIES, 4, replace=False).tolist()
        names = tuple(f"shopper-{number:04d}-{one:02d}" for one in range(FRIENDS))
        strengths = tuple(rng.random(FRIENDS * len(STRENGTHS)).tolist())
        friends = Friends(names, strengths, (True,) * FRIENDS, (True,) * FRIENDS)
        row = ShopperRow(recent(liked, OWN), friends)
        theirs = [recent(rng.choice(liked, 2).tolist(), THEIRS) for _ in range(FRIENDS)]
        found.append(ShopperFeatures(f"shopper-{number:04d}", row, theirs))
    return found


def community_of(release: Release, people: Sequence[ShopperFeatures]) -> Community:
    """Put shoppers, and behind each his friends, into one community."""
    lists = [one for known in people for one in (known.row.recent, *known.friends)]
    rows = Ragged.of(np.array([len(one) for one in lists]))
    item = release.items.rows([i for one in lists for i in one.item_ids])
    histories = Histories.of(
        rows.offsets,
        item,
        np.array([k for one in lists for k in one.kinds], np.int8),
        np.array([t for one in lists for t in one.ts_ms]),
        np.array([w for one in lists for w in one.wanted_ms]),
    )
    size = FRIENDS + 1
    counts = np.zeros(len(lists), np.int64)
    counts[::size] = FRIENDS
    person = np.concatenate([np.arange(n + 1, n + size) for n in range(0, len(lists), size)])
    strengths = np.concatenate([np.array(known.row.friends.strengths) for known in people])
    friends = FriendLists(
        Ragged.of(counts).offsets, person, strengths.reshape(-1, len(STRENGTHS)).astype(np.float32)
    )
    hides = histories.wanted_ms != 0
    return Community(histories, friends, rows.where(hides).offsets, item[hides])
