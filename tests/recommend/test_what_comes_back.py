"""Whoever bought more than the recent list holds never sees the first of it again, unless a rule
says so: by training's tables and by serving's features alike."""

import numpy as np
import pytest

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.repurchase import Again
from coterie.recommend.batches import Community, Recent, shopper_from_features
from coterie.schema import EVENT_KINDS, MAX_RECENT, EventKind

DAY_MS = 86_400_000
BOUGHT = 250
ITEMS = 300
FIRST_MS = 1_700_000_000_000
PURCHASE = EVENT_KINDS.index(EventKind.PURCHASE)
NOW_MS = FIRST_MS + 400 * DAY_MS


def seen_by_tables(again):
    """Item i is bought on day i."""
    n = np.arange(BOUGHT)
    events = Interactions(
        np.zeros(BOUGHT, np.int64),
        n,
        np.full(BOUGHT, PURCHASE, np.int8),
        np.full(BOUGHT, 9.99, np.float32),
        FIRST_MS + n * DAY_MS,
        np.full(BOUGHT, -1),
    )
    data = TrainingSet(events, Ties.none(), 1, ITEMS, again=again)
    return Community.of(data).shoppers(np.array([0])).seen.tolist()


def seen_by_features(again):
    items = list(range(BOUGHT))[::-1]
    times = [FIRST_MS + item * DAY_MS for item in items]
    recent, before = slice(0, MAX_RECENT), slice(MAX_RECENT, None)
    own = Recent(
        items[recent],
        [PURCHASE] * MAX_RECENT,
        times[recent],
        times[recent],
        items[before],
        times[before],
    )
    return shopper_from_features(own, (), (), again).seen.tolist()


@pytest.mark.parametrize("seen", [seen_by_tables, seen_by_features])
def test_without_a_rule_nothing_that_was_bought_comes_back(seen):
    assert seen(None) == list(range(BOUGHT))
    never = Again(np.full(ITEMS, np.inf, np.float32), NOW_MS)
    assert seen(never) == list(range(BOUGHT))


@pytest.mark.parametrize("seen", [seen_by_tables, seen_by_features])
def test_a_rule_brings_back_what_its_days_are_over_of_wherever_it_is_remembered(seen):
    days = np.where(np.arange(ITEMS) % 2 == 0, 300.0, np.inf).astype(np.float32)
    left = seen(Again(days, NOW_MS))
    assert left == [item for item in range(BOUGHT) if item % 2 or item > 100]


def test_of_what_nobody_knows_when_it_was_bought_nothing_comes_back():
    own = Recent([], [], [], None, [3, 4], None)
    always = Again(np.zeros(ITEMS, np.float32), NOW_MS)
    assert shopper_from_features(own, (), (), always).seen.tolist() == [3, 4]
