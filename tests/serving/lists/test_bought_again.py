"""What was bought is listed again after its days, and not before: served and offline alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_shop import CATEGORIES, NOON_MS, NUM_ITEMS, friends_named, item, write_small_release

from coterie.data.dataset import Dataset, Interactions, Ties
from coterie.data.hidden import hidden_pairs
from coterie.data.repurchase import Again
from coterie.data.vocab import Vocab
from coterie.recommend.batches import Recent, shopper_from_features
from coterie.recommend.shoppers import memory_of
from coterie.release.offline import OfflineLists
from coterie.schema import USERS, EventKind
from serving.events.event import KIND_CODES, Event
from serving.features.online_store import FakeFeatures
from serving.features.recent import RecentList, merge
from serving.lists.list_maker import ListMaker
from serving.telemetry.metrics import ServingMetrics

DAY_MS = 86_400_000
KITCHEN, CLIMBING = 0, 1
RULE = {"Home": 30.0, "Sports/Climbing": None}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_small_release(tmp_path_factory.mktemp("rule") / "v1", repurchase=RULE)


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Nothing is listed again."""
    return write_small_release(tmp_path_factory.mktemp("none") / "v1")


class Asked:
    """One shopper's lists, by both ways, at a moment of our choice."""

    def __init__(self, release, monkeypatch, *events):
        self._release, self._monkeypatch = release, monkeypatch
        self._events = sorted(events, key=lambda event: event.ts_ms)
        self._features = FakeFeatures(recent={"ana": merge(RecentList(), self._events)})

    def lists(self, days, k=NUM_ITEMS):
        """Served and offline, days after noon."""
        now_ms = NOON_MS + int(days * DAY_MS)
        self._monkeypatch.setattr("serving.lists.list_maker.time.time", lambda: now_ms / 1000)
        served = ListMaker(self._release, self._features, ServingMetrics()).recommend(
            "ana", k, False
        )
        offline = OfflineLists(self._release, self._dataset(), now_ms).recommend("ana", k)
        return (
            [listed.item.item_id for listed in served.items],
            [listed.item_id for listed in offline.items],
        )

    def shows(self, row, days):
        served, offline = self.lists(days)
        assert served == offline
        return item(row) in served

    def _dataset(self):
        rows = as_interactions(self._events)
        return Dataset(
            users=Vocab.of(["ana"]),
            items=self._release.items,
            events=rows,
            part=np.full(len(rows), -1, np.int8),
            withheld=rows.take(np.zeros(0, np.int64)),
            ties=Ties.none(),
            catalogue=self._release.catalogue,
            people=USERS.arrow.empty_table(),
            fingerprint="",
        )


@pytest.fixture
def asked(release, monkeypatch):
    return lambda *events: Asked(release, monkeypatch, *events)


def did(row, days=0.0, kind=EventKind.PURCHASE):
    """Something done with an item, days after noon."""
    return Event(f"{kind}-{row}-{days}", "ana", item(row), kind, NOON_MS + int(days * DAY_MS))


def test_the_small_shop_has_the_categories_that_the_rule_names():
    assert CATEGORIES[KITCHEN].startswith("Home/")
    assert CATEGORIES[CLIMBING] == "Sports/Climbing"


def test_what_was_bought_comes_back_after_its_days_and_not_before(asked):
    ana = asked(did(KITCHEN))
    assert [ana.shows(KITCHEN, days) for days in (0, 29.99, 30, 500)] == [False, False, True, True]


def test_where_the_rule_says_never_and_where_there_is_none_nothing_comes_back(
    asked, strict, monkeypatch
):
    assert not asked(did(CLIMBING)).shows(CLIMBING, 3000)
    assert not asked(did(2)).shows(2, 3000), "the rule says nothing of books"
    assert not Asked(strict, monkeypatch, did(KITCHEN)).shows(KITCHEN, 3000)


def test_days_count_from_the_last_purchase(asked):
    ana = asked(did(KITCHEN), did(KITCHEN, 40))
    assert [ana.shows(KITCHEN, days) for days in (45, 69, 71)] == [False, False, True]


@pytest.mark.parametrize("kind", [EventKind.RETURN, EventKind.DISLIKE])
def test_what_was_turned_down_does_not_come_back_unless_it_was_wanted_later(asked, kind):
    assert not asked(did(KITCHEN), did(KITCHEN, 5, kind)).shows(KITCHEN, 3000)
    assert not asked(did(KITCHEN, 0, kind)).shows(KITCHEN, 3000)
    assert asked(did(KITCHEN, 0, kind), did(KITCHEN, 5)).shows(KITCHEN, 36)


def test_the_next_day_does_not_bring_back_what_a_view_followed(asked):
    ana = asked(did(KITCHEN), did(KITCHEN, 29, EventKind.VIEW))
    assert [ana.shows(KITCHEN, days) for days in (29.5, 30.5)] == [False, True]


def a_long_history(monkeypatch, release):
    """More purchases than the recent list holds."""
    monkeypatch.setattr("coterie.recommend.shoppers.memory_of.__defaults__", (20, 5_000))
    monkeypatch.setattr("serving.features.recent.merge.__defaults__", (20, 5_000))
    return Asked(release, monkeypatch, *(did(row, row / 100) for row in range(90)))


def test_what_fell_out_of_the_recent_list_stays_hidden(monkeypatch, strict):
    served, offline = a_long_history(monkeypatch, strict).lists(3000)
    assert served == offline
    assert set(served) == {item(row) for row in range(90, NUM_ITEMS)}


def test_what_fell_out_of_the_recent_list_comes_back_by_the_same_rule(monkeypatch, release):
    ana = a_long_history(monkeypatch, release)
    served, offline = ana.lists(30.5)
    assert served == offline
    back = {item(row) for row in range(0, 51, 4)} - {item(8)}
    assert set(served) == back | {item(row) for row in range(90, NUM_ITEMS)}


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.sampled_from(list(EventKind)),
        st.integers(0, 60),
        st.sampled_from([None, 1.0, 3.0, 5.0]),
    ),
    max_size=40,
)


@given(EVENTS, st.lists(st.sampled_from([0.0, 10.0, 30.0, np.inf]), min_size=12, max_size=12))
def test_masks_tables_and_features_hide_the_same(rows, days):
    """What evaluation masks, what a list from tables hides, and what a list from features hides;
    also when a recent list has room for five items alone."""
    again = Again(np.array(days, np.float32), NOON_MS + 40 * DAY_MS)
    events = [
        Event(str(n), "ana", item(row), kind, NOON_MS + day * DAY_MS, value)
        for n, (row, kind, day, value) in enumerate(rows)
    ]
    table = as_interactions(sorted(events, key=lambda event: event.ts_ms))
    masked = hidden_pairs(table, 12, again).tolist()
    memory = memory_of(table, 1, most=5)
    assert memory.seen(12, again)[1].tolist() == masked
    recent = merge(RecentList(), events, most=5)
    own = Recent(
        *(rows_of(recent.item_ids), recent.kinds, recent.ts_ms, recent.wanted_ms),
        *(rows_of(recent.had_ids), recent.had_wanted_ms),
    )
    assert shopper_from_features(own, (), (), again).seen.tolist() == masked


def rows_of(item_ids):
    return [int(item_id.removeprefix("item-")) for item_id in item_ids]


def as_interactions(events):
    """One shopper's, of the first items of the small shop."""
    value = [np.nan if event.value is None else event.value for event in events]
    return Interactions(
        np.zeros(len(events), np.int64),
        np.array(rows_of(event.item_id for event in events), np.int64),
        np.array([KIND_CODES[event.event] for event in events], np.int8),
        np.array(value, np.float32),
        np.array([event.ts_ms for event in events], np.int64),
        np.full(len(events), -1),
    )


def test_what_a_friend_turned_down_is_shown_to_nobody_else(release):
    mine = merge(RecentList(), [did(KITCHEN), did(KITCHEN, 1, EventKind.RETURN), did(CLIMBING)])
    features = FakeFeatures(recent={"ana": mine}, friends={"bea": friends_named("ana")})
    maker = ListMaker(release, features, ServingMetrics())
    ana, bea = maker.shopper("ana", 10), maker.shopper("bea", 10)
    assert {entry.item.item_id: entry.turned_down for entry in ana.history} == {
        item(KITCHEN): True,
        item(CLIMBING): False,
    }
    assert [entry.item.item_id for entry in bea.friends[0].history] == [item(CLIMBING)]
