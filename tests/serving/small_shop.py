"""A small shop with known tastes: a release, people and their friends, for the serving tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from coterie.recommend.encoder import Encoder
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.rollout.live import Live, ReleaseRef
from coterie.schema import ITEMS, STRENGTHS, EventKind
from serving.events.event import KIND_CODES
from serving.features.online_store import FakeFeatures, Friends
from serving.features.recent import RecentList
from serving.rollouts.router import ReleaseRouter
from serving.telemetry.metrics import ServingMetrics

CATEGORIES = ("Home/Kitchen", "Sports/Climbing", "Books/Science", "Garden/Tools")
NUM_ITEMS = 120
MINUTE_MS = 60_000
NOON_MS = 1_700_000_000_000
ENTERED = {row: datetime(2023, 11, day, tzinfo=UTC) for row, day in ((21, 1), (22, 2), (8, 3))}
"""When items entered the catalogue, as far as is known."""


FOLDERS: dict[str, str] = {}
"""Where each small release lies, by digest."""


def make_router(
    release: Release, features: FakeFeatures, metrics: ServingMetrics, **options
) -> ReleaseRouter:
    """A replica that serves one release."""
    router = ReleaseRouter(features, metrics, **options)
    router.adopt(Live(ref_of(release)))
    return router


def ref_of(release: Release) -> ReleaseRef:
    return ReleaseRef(release.digest, FOLDERS[release.digest])


def item(row: int) -> str:
    return f"item-{row:04d}"


def write_small_release(
    folder: Path,
    version: str = "v1",
    first_ids: Sequence[str] = (),
    repurchase: dict[str, float | None] | None = None,
    images: Mapping[int, str] = MappingProxyType({}),
    text_encoder: ReleasedEncoder | None = None,
    content: dict[str, tuple[np.ndarray, ReleasedEncoder]] | None = None,
    described: pa.Table | None = None,
) -> Release:
    """Items of a category point the same way, so that a taste shows."""
    ids = [*first_ids, *(item(row) for row in range(len(first_ids), NUM_ITEMS))]
    rng = np.random.default_rng(5)
    category = np.arange(NUM_ITEMS) % len(CATEGORIES)
    centres = np.linalg.qr(rng.normal(size=(16, 16)))[0][: len(CATEGORIES)]
    vectors = centres[category] + rng.normal(size=(NUM_ITEMS, 16)) * 0.15
    tensor = torch.from_numpy(vectors.astype(np.float32))
    encoder = {f"encoder.{name}": p.detach() for name, p in Encoder().named_parameters()}
    parameters = {
        "item_in": tensor,
        "item_out": tensor.clone(),
        "item_bias": torch.linspace(0.1, 0.0, NUM_ITEMS),
        "inverse_temperature": torch.tensor(4.0),
        "popularity_weight": torch.tensor(0.0),
        **encoder,
    }
    catalogue = pa.table(
        {
            "item_id": ids,
            "title": [
                f"{CATEGORIES[c].split('/')[1]} thing {row}" for row, c in enumerate(category)
            ],
            "description": [f"Number {row} of its kind" for row in range(NUM_ITEMS)],
            "price": [5.0 + row for row in range(NUM_ITEMS)],
            "category": [CATEGORIES[c] for c in category],
            "brand": ["Acme"] * NUM_ITEMS,
            "tags": pa.nulls(NUM_ITEMS, pa.string()),
            "image_uri": pa.array([images.get(row) for row in range(NUM_ITEMS)], pa.string()),
            "audio_uri": pa.nulls(NUM_ITEMS, pa.string()),
            "available": [row != 8 for row in range(NUM_ITEMS)],
            "created_at": [ENTERED.get(row) for row in range(NUM_ITEMS)],
        },
        schema=ITEMS.arrow,
    )
    said = content or ({"text": (vectors, text_encoder)} if text_encoder else {})
    whole = ReleaseContent(
        version=version,
        parameters=parameters,
        catalogue=catalogue,
        popularity=np.arange(NUM_ITEMS, 0, -1).astype(np.float32),
        metrics={"recall@20": 0.3},
        data_fingerprint="small",
        limits={},
        repurchase=repurchase or {},
        vectors={kind: one.astype(np.float16) for kind, (one, _) in said.items()},
        encoders={kind: encoder for kind, (_, encoder) in said.items()},
        described=described,
    )
    made = write_release(str(folder), whole)
    FOLDERS[made.digest] = str(folder)
    return made


def recent(*rows: int, kind: EventKind = EventKind.PURCHASE) -> RecentList:
    """A recent list of items, newest first, one a minute."""
    times = tuple(NOON_MS - place * MINUTE_MS for place in range(len(rows)))
    return RecentList(tuple(item(row) for row in rows), (KIND_CODES[kind],) * len(rows), times)


def friends_named(*friends: str, named: tuple[bool, ...] | None = None) -> Friends:
    strengths = (0.7,) * (len(STRENGTHS) * len(friends))
    return Friends(friends, strengths, named or (True,) * len(friends))


def people() -> FakeFeatures:
    """Ana cooks and knows climbers; Lou only has friends; Max has a history alone."""
    return FakeFeatures(
        recent={
            "ana": recent(0, 4, 12),
            "bea": recent(1, 5, 9),
            "cleo": recent(1, 13),
            "shy": recent(17, 1),
            "max": recent(2, 6),
        },
        friends={
            "ana": friends_named("bea", "cleo", "shy", named=(True, True, False)),
            "lou": friends_named("bea", "shy", named=(True, False)),
        },
    )


def write_clean_tables(folder: Path) -> None:
    """As much of a clean folder as the storefront reads."""
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"user_id": ["ana", "max", "bea", "zoe"]}), folder / "events.parquet")
    pq.write_table(pa.table({"src_user_id": ["ana", "bea", "zoe"]}), folder / "ties.parquet")
    users = pa.table({"user_id": ["ana", "zoe"], "may_be_used": [True, False]})
    pq.write_table(users, folder / "users.parquet")
