"""What impressions cost: bytes on the disk, time of a request, and time to judge by them."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.experiments.analysis import result
from coterie.experiments.definition import HOLDOUT, Experiment, ExperimentArm
from coterie.experiments.earned import earned
from coterie.experiments.outcomes import experiment_data
from coterie.impressions.table import ShownList, read_impressions
from coterie.schema import EVENTS
from serving.events.sqlite_log import SqliteLog
from serving.features.online_store import FakeFeatures
from serving.ingestion.impression_writer import ImpressionWriter
from serving.telemetry.instruments import ImpressionMetrics

LISTS, SHOPPERS, ITEMS, K = 20_000, 6_000, 20_000, 20
NOW_MS: Final = 1_780_000_000_000


def cost(seed: int) -> dict[str, Any]:
    """Write lists of 20 items, a few of each shopper, and judge an experiment by them."""
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, ITEMS + 1) ** 0.8
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        registry = CollectorRegistry()
        writer = ImpressionWriter(
            folder,
            1.0,
            ImpressionMetrics(registry),
            lambda: (SqliteLog(Path(folder, "log.sqlite")), FakeFeatures()),
        )
        items = rng.choice(ITEMS, (LISTS, K), p=weights / weights.sum())
        people = rng.integers(0, SHOPPERS, LISTS)
        lists = [_list(rng, n, int(people[n]), items[n]) for n in range(LISTS)]
        began = time.process_time()
        for one in lists:
            writer.note(one)
        noted = time.process_time() - began
        began = time.process_time()
        rows = writer.flush()
        wrote = time.process_time() - began
        size = registry.get_sample_value(metric_names.IMPRESSION_BYTES) or 0.0
        began = time.process_time()
        impressions = read_impressions(folder)
        arms = ExperimentArm("a"), ExperimentArm("b", rules="x")
        tried = Experiment("x", arms, share=1.0, started_ms=0, window_s=86_400.0)
        events, later = _events(rng, lists), NOW_MS + 10 * 86_400_000
        result(tried, experiment_data(impressions, events, tried, later), NOW_MS)
        judged = time.process_time() - began
        began = time.process_time()
        earned(replace(tried, layer=HOLDOUT), impressions, events, later)
        earned_s = time.process_time() - began
    return {
        "lists": LISTS,
        "rows": rows,
        "bytes a row": size / rows,
        "bytes a list of 20": size / LISTS,
        "us of a request": 1e6 * noted / LISTS,
        "us a list to write": 1e6 * wrote / LISTS,
        "s to judge": judged,
        "s to say what was earned": earned_s,
        "GB a year of a million lists a day, all kept": size / LISTS * 365e6 / 1e9,
    }


def _list(rng: np.random.Generator, number: int, person: int, rows: np.ndarray) -> ShownList:
    ids = tuple(f"item-{row:06d}" for row in dict.fromkeys(rows.tolist()))
    at = NOW_MS + number * 50
    return ShownList(
        f"0123456789ab-{at:x}-{rng.integers(0, 1 << 48):012x}",
        f"shopper-{person:06d}",
        at,
        "home",
        "v20260501",
        "3f2a9b8c7d6e",
        "x",
        "ab"[person % 2],
        ids,
        (1.0,) * len(ids),
        0,
        round(float(rng.lognormal(1.0, 0.3)), 3),
        # Nearly nothing of most items, and of a few the most.
        by_friends=tuple(np.round(rng.beta(0.3, 1.0, len(ids)), 2).tolist()),
    )


def _events(rng: np.random.Generator, lists: list[ShownList]) -> pa.Table:
    some = rng.choice(len(lists), len(lists) // 10, replace=False).tolist()
    columns = {
        "event_id": [f"e{n}" for n in some],
        "user_id": [lists[n].user_id for n in some],
        "item_id": [lists[n].item_ids[0] for n in some],
        "event": ["purchase"] * len(some),
        "value": [10.0] * len(some),
        "ts": pa.array([lists[n].shown_ts_ms + 60_000 for n in some], pa.timestamp("ms", "UTC")),
        "list_id": [lists[n].list_id for n in some],
    }
    table = pa.table(columns)
    return table.set_column(5, "ts", table["ts"].cast(EVENTS.arrow.field("ts").type))
