"""What a shopper had long ago, and what they turned down, through a real store and back."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureStore, FeatureView

import feature_repo
from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.load import load_dataset
from coterie.errors import BadInputError
from coterie.recommend.batches import Community
from coterie.recommend.point_in_time import TRAINING_FEATURES, check_training_features, community_of
from coterie.schema import (
    EVENT_KINDS,
    HAD_ITEMS,
    MAX_RECENT,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    EventKind,
)
from feature_repo.build import Snapshot, friend_rows, recent_rows
from feature_repo.entities import user
from feature_repo.views import shopper_recent, shopper_recent_push, shopper_ties
from serving.events.event import KIND_CODES, Event
from serving.features.online_store import FeastFeatures
from serving.features.recent import RecentList, merge

PURCHASE, VIEW = KIND_CODES[EventKind.PURCHASE], KIND_CODES[EventKind.VIEW]
LONG = RecentList(
    ("a", "b", "c"), (PURCHASE, VIEW, VIEW), (30, 20, 10), (-25, 0, 5), ("x", "y"), (8, 6), (-4, 3)
)
SHORT = RecentList(("a",), (VIEW,), (30,))


@pytest.fixture
def folder(tmp_path):
    """Settings of a store that nothing was put into."""
    shutil.copy(Path(feature_repo.__file__).parent / "feature_store.yaml", tmp_path)
    return tmp_path


def apply(folder, view=shopper_recent):
    FeatureStore(repo_path=str(folder)).apply([user, shopper_recent_push, view, shopper_ties])
    return FeastFeatures(str(folder))


def test_a_list_comes_out_of_the_store_as_it_went_in(folder):
    features = apply(folder)
    features.push_recent(["ana", "bea"], [LONG, SHORT], 1)
    assert features.shopper("ana").recent == LONG
    assert features.recent_lists(["bea", "ana", "nobody"]) == [SHORT, LONG, RecentList()]
    features.push_recent(["bea"], [SHORT], 2)  # nobody in the batch has anything to remember
    assert features.recent_lists(["bea"]) == [SHORT]


def test_of_friends_only_what_lists_draw_on_is_read(folder):
    features = apply(folder)
    features.push_recent(["ana"], [LONG], 1)
    [friend] = features.recent_lists(["ana"], had=False)
    assert friend == replace(LONG, had_ids=(), had_kinds=(), had_wanted_ms=())


def test_a_store_of_before_is_read_and_written_and_then_brought_up_to_date(folder):
    fields = [f for f in shopper_recent.schema if f.name in (RECENT_ITEMS, RECENT_KINDS, RECENT_TS)]
    before = FeatureView(
        name=shopper_recent.name, entities=[user], schema=fields, source=shopper_recent_push
    )
    old = apply(folder, before)
    old.push_recent(["ana"], [LONG], 1)
    told_by_kinds = RecentList(LONG.item_ids, LONG.kinds, LONG.ts_ms, (30, 0, 0))
    assert old.shopper("ana").recent == told_by_kinds
    new = apply(folder)
    assert new.shopper("ana").recent == told_by_kinds
    returned = Event("e", "ana", "a", EventKind.RETURN, 40)
    changed = merge(new.recent_lists(["ana"])[0], [returned])
    new.push_recent(["ana"], [changed], 2)
    assert new.shopper("ana").recent.wanted_ms == (-40, 0, 0)


@pytest.fixture(scope="module")
def long_ago(filled):
    """A shopper who bought one item and turned down another, then looked at very many."""
    dataset = load_dataset(str(filled.clean))
    kinds = [EventKind.PURCHASE, EventKind.DISLIKE, *[EventKind.VIEW] * (MAX_RECENT + 20)]
    n = len(kinds)
    many = [f"item-{place:05d}" for place in range(n)]
    items = type(dataset.items).of(many)
    events = Interactions(
        np.full(n, 3, np.int64),
        np.arange(n),
        np.array([EVENT_KINDS.index(kind) for kind in kinds], np.int8),
        np.full(n, np.nan, np.float32),
        1_700_000_000_000 + np.arange(n),
        np.full(n, -1, np.int64),
    )
    return replace(dataset, items=items, events=events, ties=Ties.none())


def known_of(dataset):
    moment = Snapshot(1_800_000_000_000, dataset.events, dataset.ties)
    rows = recent_rows(dataset, moment), friend_rows(dataset, moment)
    columns = {name: table[name] for table in rows for name in table.column_names}
    return pa.table(
        {name: columns[name] for name in TRAINING_FEATURES.names}, schema=TRAINING_FEATURES
    )


def test_what_was_had_before_a_long_history_is_still_known(long_ago):
    known = known_of(long_ago)
    assert known[HAD_ITEMS][3].as_py() == ["item-00001", "item-00000"]
    found = community_of(known, long_ago.users, long_ago.items)
    shopper = found.shoppers(np.array([3]))
    assert len(shopper.histories.item_idx) == MAX_RECENT
    assert shopper.seen.tolist() == [0, 1]
    data = TrainingSet(long_ago.events, long_ago.ties, len(long_ago.users), len(long_ago.items))
    assert Community.of(data).shoppers(np.array([3])).seen.tolist() == [0, 1]
    check_training_features(found, data, np.ones(len(long_ago.users), bool))


@pytest.mark.parametrize(("column", "what"), [(HAD_ITEMS, "items had"), (RECENT_WANTED, "down")])
def test_features_that_forgot_are_refused(long_ago, column, what):
    known = known_of(long_ago)
    place = known.column_names.index(column)
    changed = known[column].to_pylist()
    changed[3] = changed[3][:-1] if column == HAD_ITEMS else [-1] * len(changed[3])
    if column == HAD_ITEMS:
        for other in ("had_kinds", "had_wanted_ms"):
            lists = known[other].to_pylist()
            lists[3] = lists[3][:-1]
            at = known.column_names.index(other)
            known = known.set_column(at, known.schema.field(at), [lists])
    known = known.set_column(place, known.schema.field(place), [changed])
    data = TrainingSet(long_ago.events, long_ago.ties, len(long_ago.users), len(long_ago.items))
    found = community_of(known, long_ago.users, long_ago.items)
    with pytest.raises(BadInputError, match=what):
        check_training_features(found, data, np.ones(len(long_ago.users), bool))
