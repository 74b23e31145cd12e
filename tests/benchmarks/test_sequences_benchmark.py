"""What the benchmark of sequences compares with: the same events, in any order."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from synthetic import planted

from benchmarks.sequences import FREQUENT, in_random_order, keep_frequent
from benchmarks.sequences_table import write_beside


def test_each_shopper_keeps_items_and_times_and_loses_their_order():
    data = planted().data
    before, after = data.interactions, in_random_order(data).interactions
    for name in ("item_idx", "ts_ms", "kind"):
        pairs = [
            Counter(zip(e.user_idx.tolist(), getattr(e, name).tolist(), strict=True))
            for e in (before, after)
        ]
        assert pairs[0] == pairs[1]
    assert (np.diff(after.ts_ms) >= 0).all()
    assert (before.item_idx != after.item_idx).mean() > 0.5


def test_a_share_of_a_model_of_sequence_has_a_figure_by_weight():
    told = {"0.0": 0.2, "0.1": 0.25}
    results = {"tiny": {"sasrec": {"beside_social": told}, "ease": {}}, "other": {"ease": {}}}
    assert write_beside(results).splitlines() == [
        "| set | beside `social` | 0.0 | 0.1 |",
        "|---|---|---|---|",
        "| tiny | `sasrec` | 0.2000 | 0.2500 |",
    ]


def test_items_stay_that_were_frequent_before_validation_began(tmp_path):
    # Of 7 x FREQUENT events the first four fifths end before "late" has begun.
    item = ["often"] * 6 * FREQUENT + ["late"] * FREQUENT
    ts = range(len(item))
    events = pa.table({"item_id": item, "ts": pa.array(ts, pa.timestamp("us", "UTC"))})
    pq.write_table(events, tmp_path / "events.parquet")
    pq.write_table(pa.table({"item_id": ["late", "often", "never"]}), tmp_path / "items.parquet")
    keep_frequent(tmp_path)
    assert set(pq.read_table(tmp_path / "items.parquet")["item_id"].to_pylist()) == {"often"}
    assert (
        pq.read_table(tmp_path / "events.parquet")["item_id"].to_pylist()
        == ["often"] * 6 * FREQUENT
    )
