from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.dataset import AskedTimes, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.polarity import speaks_against
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import events_of_lists
from coterie.errors import BadInputError
from coterie.graph.strength import tie_strengths
from coterie.recommend.batches import Community
from coterie.schema import (
    ASKED_TS,
    EVENT_KINDS,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIEND_WEIGHTS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    MAX_ASKED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    STRENGTHS,
    TIE_KINDS,
)
from coterie.workflow.features import FOR_VALIDATION, check_features
from coterie.workflow.shop import CleanShop
from feature_repo.build import FeatureSnapshot, recent_rows
from feature_repo.services import service_name
from feature_repo.store import open_store


@pytest.fixture(scope="module")
def dataset(filled):
    return load_dataset(str(filled.clean))


@pytest.fixture(scope="module")
def online(filled, dataset):
    """Everybody's online features, a list of rows by column."""
    store = open_store(str(filled.store))
    rows = [{"user_id": user_id} for user_id in dataset.users.ids.to_pylist()]
    service = store.get_feature_service(service_name("1"))
    return store.get_online_features(features=service, entity_rows=rows).to_dict()


def test_online_lists_are_the_histories_that_offline_lists_draw_on(dataset, online):
    events = events_of_lists(dataset)
    community = Community.of(
        TrainingSet(events, dataset.ties, len(dataset.users), len(dataset.items))
    )
    histories, friends = community.histories, community.friends
    for user in range(len(dataset.users)):
        part = slice(histories.offsets[user], histories.offsets[user + 1])
        assert online[RECENT_ITEMS][user] == dataset.items.to_ids(histories.item_idx[part])
        assert online[RECENT_KINDS][user] == histories.kind[part].tolist()
        ts_ms = np.array(online[RECENT_TS][user], dtype=np.int64)
        # What was turned down makes nothing older.
        against = speaks_against(histories.kind[part], np.array(online[RECENT_WANTED][user]))
        newest = ts_ms[~against].max(initial=0) or ts_ms.max(initial=0)
        age = (np.maximum(newest - ts_ms, 0) / 86_400_000).astype(np.float32)
        assert np.array_equal(age, histories.age_days[part])
        part = slice(friends.offsets[user], friends.offsets[user + 1])
        assert online[FRIEND_IDS][user] == dataset.users.to_ids(friends.person[part])
        strengths = np.array(online[FRIEND_STRENGTHS][user], np.float32)
        assert np.array_equal(strengths, friends.strengths[part].ravel())


def test_who_was_asked_when_is_known_to_the_tables_and_no_other_moment(dataset):
    asked = AskedTimes(np.array([3, 3, 3, 5, 3]), np.array([20, 30, 30, 25, 90]))
    moment = FeatureSnapshot(40, dataset.events.take(np.zeros(0, np.int64)), dataset.ties)
    rows = recent_rows(replace(dataset, asked=asked), moment)[ASKED_TS].to_pylist()
    assert (rows[3], rows[5]) == ([30, 20], [25])
    assert not any(of for place, of in enumerate(rows) if place not in (3, 5))
    many = AskedTimes(np.zeros(60, np.int64), np.arange(60))
    rows = recent_rows(replace(dataset, asked=many), replace(moment, cutoff_ms=100))
    assert rows[ASKED_TS].to_pylist()[0] == list(range(59, 59 - MAX_ASKED, -1))


def test_strengths_come_in_the_order_of_the_schema(dataset, online):
    everything = TrainingSet(dataset.events, dataset.ties, len(dataset.users), len(dataset.items))
    pairs, strengths = tie_strengths(everything)
    src, dst = (dataset.users.to_ids(rows[:1])[0] for rows in (pairs.src_idx, pairs.dst_idx))
    place = online[FRIEND_IDS][int(pairs.src_idx[0])].index(dst)
    row = online[FRIEND_STRENGTHS][dataset.users.row(src)]
    found = row[place * len(STRENGTHS) : (place + 1) * len(STRENGTHS)]
    assert np.allclose(found, strengths[0])


def test_who_may_not_be_used_is_nobodys_friend_but_keeps_an_own_list(filled, dataset, online):
    withheld = dataset.people.filter(pa.compute.invert(dataset.people["may_be_used"]))
    ids = set(withheld["user_id"].to_pylist())
    events = pq.read_table(filled.clean / "events.parquet").to_pylist()
    with_events = ids & {event["user_id"] for event in events}
    assert with_events, "the tiny shop has nobody of this kind: the test would prove nothing"
    assert not ids & {friend for friends in online[FRIEND_IDS] for friend in friends or ()}
    for user_id in with_events:
        row = dataset.users.row(user_id)
        own = {e["item_id"]: e for e in events if e["user_id"] == user_id}
        assert set(online[RECENT_ITEMS][row]) == set(own)
        newest = max((e for e in own.values()), key=lambda e: e["ts"])
        assert online[RECENT_TS][row][0] == int(newest["ts"].timestamp() * 1000)
        kinds = [EVENT_KINDS[code] for code in online[RECENT_KINDS][row]]
        did = {e["event"] for e in events if e["user_id"] == user_id}
        assert set(kinds) <= did


def test_who_may_not_be_named_or_does_not_follow_back_is_a_friend_without_a_name(dataset, online):
    named = dict(
        zip(
            dataset.people["user_id"].to_pylist(),
            dataset.people["may_be_named"].to_pylist(),
            strict=True,
        )
    )
    ties = dataset.ties
    users = dataset.users.ids.to_pylist()
    tied = {(users[a], users[b]) for a, b in zip(ties.src_idx, ties.dst_idx, strict=True)}
    found = set()
    columns = (online[name] for name in (FRIEND_IDS, FRIENDS_NAMED, FRIENDS_MUTUAL))
    for user, *lists in zip(online["user_id"], *columns, strict=True):
        for friend, may, both in zip(*(one or () for one in lists), strict=True):
            assert bool(both) is ((friend, user) in tied)
            assert bool(may) is (named[friend] and bool(both))
            found.add((named[friend], bool(both)))
    assert len(found) == 4


def test_each_kind_of_tie_has_its_weight(dataset, online):
    users, ties = dataset.users.ids.to_pylist(), dataset.ties
    told = {}
    for src, dst, kind, weight in zip(
        ties.src_idx, ties.dst_idx, ties.kind, ties.weight, strict=True
    ):
        told.setdefault((users[src], users[dst]), [0.0] * len(TIE_KINDS))[kind] += float(weight)
    columns = (online[name] for name in ("user_id", FRIEND_IDS, FRIEND_WEIGHTS))
    found = {
        (user, friend): weights[place * len(TIE_KINDS) : (place + 1) * len(TIE_KINDS)]
        for user, friends, weights in zip(*columns, strict=True)
        for place, friend in enumerate(friends or ())
    }
    assert found
    assert found == {pair: pytest.approx(told[pair]) for pair in found}


def test_a_stranger_has_no_features(filled):
    store = open_store(str(filled.store))
    answer = store.get_online_features(
        features=store.get_feature_service(service_name("1")),
        entity_rows=[{"user_id": "nobody"}],
    ).to_dict()
    assert answer[RECENT_ITEMS] == [None]


def test_training_agrees_with_features_of_the_same_tables(filled):
    check_features(str(filled.known), CleanShop.open(str(filled.clean)))


def test_training_agrees_with_features_on_what_may_be_listed_again(filled):
    """So the store knows when everything was last wanted."""
    shop = CleanShop.open(str(filled.clean), RepurchaseSetting(False, {"*": 9.0}))
    without = CleanShop.open(str(filled.clean))
    some, none = (Community.of(s.split.for_test()) for s in (shop, without))
    assert 0 < len(some.seen) < len(none.seen)
    check_features(str(filled.known), shop)


def test_training_refuses_features_that_know_something_else(filled, tmp_path):
    for path in filled.known.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pq.read_table(tmp_path / FOR_VALIDATION)
    lists = table[RECENT_ITEMS].to_pylist()
    longest = max(range(len(lists)), key=lambda row: len(lists[row] or ()))
    lists[longest][0], lists[longest][1] = lists[longest][1], lists[longest][0]
    changed = table.set_column(1, table.schema.field(1), [lists])
    pq.write_table(changed, tmp_path / FOR_VALIDATION)
    with pytest.raises(BadInputError, match="differ in recent items"):
        check_features(str(tmp_path), CleanShop.open(str(filled.clean)))


def test_training_asks_for_features_that_are_missing(filled, tmp_path):
    with pytest.raises(BadInputError, match="run the features step"):
        check_features(str(tmp_path), CleanShop.open(str(filled.clean)))


def test_a_folder_without_a_store_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="run the features step"):
        open_store(str(tmp_path))
