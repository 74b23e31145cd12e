"""What the benchmark of sequences compares with: the same events, in any order."""

from collections import Counter

import numpy as np
from synthetic import planted

from benchmarks.sequences import in_random_order


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
