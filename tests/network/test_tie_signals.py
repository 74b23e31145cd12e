"""Weights of ties by what the network says of them."""

import numpy as np
import pytest

from coterie.data.dataset import Interactions, TrainingSet
from coterie.errors import BadInputError
from coterie.network.tie_signals import STRONGEST, TieSignal, weigh_ties
from coterie.schema import EVENT_KINDS, EventKind
from tests.network.test_network_structure import ties_of

BRIDGE = (4, 5)
"""Between two groups of five who all know each other."""
PAIRS = [(a, b) for group in (0, 5) for a in range(group, group + 5) for b in range(a)[group:]]


def shop(events=()):
    """Two groups of five and a bridge; events as (user, item, day)."""
    pairs = [*PAIRS, BRIDGE]
    rows = np.array(sorted(events, key=lambda row: row[2]), np.int64).reshape(-1, 3)
    kind = np.full(len(rows), EVENT_KINDS.index(EventKind.PURCHASE), np.int8)
    empty = np.full(len(rows), np.nan, np.float32)
    nobody = np.full(len(rows), -1, np.int64)
    did = Interactions(rows[:, 0], rows[:, 1], kind, empty, rows[:, 2] * 86_400_000, nobody)
    both = [*pairs, *((b, a) for a, b in pairs)]
    return TrainingSet(did, ties_of(both), 10, 3)


def weights(data, by):
    found = weigh_ties(data, by, np.zeros(data.num_items, np.int64))
    pairs = zip(found.src_idx.tolist(), found.dst_idx.tolist(), strict=True)
    return dict(zip(pairs, np.log1p(found.weight).tolist(), strict=True))


@pytest.mark.parametrize("by", [TieSignal.WALKS, TieSignal.NODE2VEC, TieSignal.COMMUNITY])
def test_a_bridge_is_weaker_than_ties_within_a_group(by):
    found = weights(shop(), by)
    assert len(found) == 2 * len(PAIRS) + 2
    assert all(0 < weight <= STRONGEST + 1e-6 for weight in found.values())
    assert max(found.values()) == pytest.approx(STRONGEST)
    within = np.mean([found[pair] for pair in PAIRS])
    assert max(found[BRIDGE], found[BRIDGE[::-1]]) < within - 0.2


def test_equal_ties_weigh_the_same_and_the_same_shop_gives_the_same_weights():
    found = weights(shop(), TieSignal.COMMUNITY)
    assert len({round(found[pair], 6) for pair in PAIRS}) == 1
    assert weights(shop(), TieSignal.NODE2VEC) == weights(shop(), TieSignal.NODE2VEC)


def test_influence_needs_times_and_a_category_of_each_item():
    with pytest.raises(BadInputError, match="who came first"):
        weights(shop([(user, 0, 0) for user in range(10)]), TieSignal.INFLUENCE)
    dated = shop([(user, item, 2 * user + item) for user in range(10) for item in range(3)])
    assert len(weights(dated, TieSignal.INFLUENCE)) == 2 * len(PAIRS) + 2
    with pytest.raises(BadInputError, match="2 categories of 3 items"):
        weigh_ties(dated, TieSignal.INFLUENCE, np.zeros(2, np.int64))
