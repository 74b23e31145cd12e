"""What is read past Feast's client is what its client reads, row by row, from either store."""

import random
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import yaml
from feast import FeatureStore
from redis_server import PASSWORD, RedisServer

from benchmarks import serving_shop
from coterie import schema
from coterie.errors import UnavailableError
from feature_repo.views import CREATED, TIMESTAMP, definitions
from serving.features.online_store import _ALL, _TIES, FeastFeatures, Friends
from serving.features.recent import RecentList
from serving.features.row_memo import RowMemo
from serving.features.stored_rows import OtherFeatureRows, entity_key, key_maker

NOW = datetime(2026, 1, 31, tzinfo=UTC)
IDS = ["ana", "Zoë", "用户-7", "a b/c?", "x" * 200, "0"]
MISSING = ["nobody", "niemand-ß"]
RECENTS = (schema.SHOPPER_RECENT_VIEW, _ALL)
TIES = (schema.SHOPPER_TIES_VIEW, (*_TIES, schema.CONSENT))


@pytest.fixture(scope="module", params=["sqlite", "redis", "other"])
def features(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    online = {"type": "sqlite", "path": str(folder / "online.db")}
    server = None
    if request.param == "redis":
        server = RedisServer(folder / "redis")
        where = f"127.0.0.1:{server.port},socket_timeout=5,password={PASSWORD}"
        online = {"type": "redis", "connection_string": where}
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(folder / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": online,
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    FeatureStore(repo_path=str(folder)).apply(definitions(str(folder)))
    found = FeastFeatures(str(folder))
    if request.param == "other":
        provider = found._store._get_provider()
        found._rows = OtherFeatureRows(provider.online_store, found._store.config)
    found.server = server
    yield found
    if server:
        server.stop()


def write(features, seed, later=0):
    """Seeded rows of everybody: lists of any length, empty ones, and nulls."""
    rng = random.Random(seed)
    words = ["item-1", "書", "Ä ö", "i" * 100, ""]

    def values(make, size):
        return [make() for _ in range(size)]

    def recent():
        size, had = rng.randrange(60), rng.randrange(5)
        times = values(lambda: rng.randrange(-(2**62), 2**62), size)
        kinds = values(lambda: rng.randrange(9), size)
        told = (values(lambda: rng.choice(words), size), kinds, times, times[::-1])
        had_times = values(lambda: rng.randrange(-9, 9), had)
        asked = values(lambda: rng.randrange(2**40), rng.randrange(4))
        return *told, values(lambda: rng.choice(words), had), kinds[:had], had_times, asked

    def ties():
        size = rng.randrange(30)
        flags = [values(lambda: rng.randrange(2), size) for _ in range(2)]
        strengths = values(rng.random, size * len(schema.STRENGTHS))
        weights = values(rng.random, size * len(schema.TIE_KINDS))
        consent = values(lambda: rng.randrange(2), 2)
        return values(lambda: rng.choice(IDS), size), strengths, *flags, weights, consent

    for (view, names), make in ((RECENTS, recent), (TIES, ties)):
        # What belongs together is there together.
        parts = (
            ((0, 1, 2), (3,), (4, 5, 6), (7,)) if names is _ALL else tuple((n,) for n in range(6))
        )
        rows = []
        for _ in IDS:
            gone = {place for part in parts if rng.random() < 0.15 for place in part}
            rows.append([None if place in gone else one for place, one in enumerate(make())])
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        when = NOW + timedelta(seconds=later)
        frame = pd.DataFrame({"user_id": IDS, **columns, TIMESTAMP: when, CREATED: when})
        features._store.write_to_online_store(view, frame)


def told_by_feast(features, view, names, ids):
    rows = [{"user_id": user_id} for user_id in ids]
    refs = [f"{view}:{name}" for name in names]
    columns = features._store.get_online_features(features=refs, entity_rows=rows).to_dict()
    return [
        {name: columns[name][place] and tuple(columns[name][place]) for name in names}
        for place in range(len(ids))
    ]


def recent_of(told, names=_ALL):
    return RecentList(*(told[name] or () if name in names else () for name in _ALL))


def friends_of(told):
    ids, strengths, named, mutual, weights = (told[name] or () for name in _TIES)
    return Friends(ids, strengths, tuple(map(bool, named)), tuple(map(bool, mutual)), weights)


def test_rows_are_those_that_feast_reads(features):
    for seed in range(6):
        write(features, seed, later=seed)
        ids = random.Random(seed).sample([*IDS, *MISSING] * 2, 14)
        recent = told_by_feast(features, *RECENTS, ids)
        ties = told_by_feast(features, *TIES, ids)
        assert features.recent_lists(ids) == list(map(recent_of, recent))
        lists = features.recent_lists(ids, had=False)
        assert lists == [recent_of(one, _ALL[:4]) for one in recent]
        assert features.friends_of(ids) == list(map(friends_of, ties))
        rows = [features.shopper(user_id) for user_id in ids]
        assert [row.recent for row in rows] == list(map(recent_of, recent))
        assert [row.friends for row in rows] == list(map(friends_of, ties))
        for user_id, row in zip(ids, rows, strict=True):
            theirs = features.recent_lists(row.friends.ids, had=False)
            assert features.with_friends(user_id) == (row, theirs)
        consents = [
            tuple(map(bool, one[schema.CONSENT]))
            if one[schema.CONSENT]
            else (one[schema.FRIEND_IDS] is None,) * 2
            for one in ties
        ]
        assert features.consents(ids) == consents
        kinds = {type(value) for one in recent for values in one.values() for value in values or ()}
        assert kinds == {str, int}


def test_a_shopper_and_all_friends_are_one_round_trip_to_redis(features):
    if features.server is None:
        pytest.skip("no server is asked")
    write(features, 8, later=8)
    expected = {user_id: features.with_friends(user_id) for user_id in [*IDS, *MISSING]}
    assert sum(len(lists) > 1 for _, lists in expected.values()) > 2
    client = features.server.client()
    before = client.info("stats")["total_reads_processed"]
    for user_id in expected:
        features.with_friends(user_id)
    took = client.info("stats")["total_reads_processed"] - before
    assert took == len(expected) + 1  # and the question after it


def test_who_may_run_no_scripts_reads_in_two_round_trips(features):
    if features.server is None:
        pytest.skip("no server is asked")
    write(features, 9, later=9)
    expected = {user_id: features.with_friends(user_id) for user_id in [*IDS, *MISSING]}
    client = features.server.client()
    client.execute_command("ACL", "SETUSER", "default", "-@scripting")
    try:
        found = {user_id: features.with_friends(user_id) for user_id in expected}
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all")
        features._rows._scripted = True
    assert found == expected


def test_friends_in_another_form_are_read_all_the_same(features, monkeypatch):
    write(features, 10, later=10)
    monkeypatch.setattr("serving.features.stored_rows._texts_tag", lambda: 0)
    for user_id in IDS:
        row = features.shopper(user_id)
        lists = features.recent_lists(row.friends.ids, had=False)
        assert features.with_friends(user_id) == (row, lists)


def test_what_was_pushed_is_read_at_once(features):
    write(features, 11, later=11)
    features.shopper("ana"), features.recent_lists(["ana"], had=False)
    token = int((NOW + timedelta(days=1)).timestamp() * 1e6)
    pushed = RecentList(("a", "b"), (1, 2), (5, 4), (5, 0), ("c",), (3,), (-2,))
    features.push_recent(["ana"], [pushed], token)
    assert features.shopper("ana").recent == pushed
    assert features.recent_lists(["ana"]) == [pushed]
    assert features.recent_lists(["ana"], had=False)[0].item_ids == ("a", "b")


def test_keys_are_those_of_feast(features):
    from feast.infra.key_encoding_utils import serialize_entity_key

    key = key_maker(features._store.config)
    for user_id in [*IDS, *MISSING, ""]:
        assert key(user_id) == serialize_entity_key(entity_key(user_id), 3)


def test_nobody_is_asked_for_nobody(features):
    assert features.recent_lists([]) == features.friends_of([]) == features.consents([]) == []


def test_a_store_that_is_gone_is_told_as_such(tmp_path):
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(tmp_path / "registry.db"),
        "online_store": {"type": "sqlite", "path": str(tmp_path / "online.db")},
        "entity_key_serialization_version": 3,
    }
    (tmp_path / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    FeatureStore(repo_path=str(tmp_path)).apply(definitions(str(tmp_path)))
    features = FeastFeatures(str(tmp_path))
    (tmp_path / "online.db").unlink()
    with pytest.raises(UnavailableError, match="did not answer"):
        features.shopper("ana")
    assert not (tmp_path / "online.db").exists()


def test_rows_are_decoded_once_and_again_when_they_change():
    seen = []
    memo = RowMemo(lambda raw: seen.append(raw) or (raw,), most_bytes=8)
    first = memo.of("ana", (b"abc", None))
    assert memo.of("ana", (b"abc", None)) is first
    assert memo.of("ana", (b"abd", None)) == ((b"abd", None),)
    assert len(seen) == 2


def test_only_so_many_rows_are_kept():
    memo = RowMemo(len, most_bytes=100)
    for number in range(1000):
        memo.of(str(number), (b"0123456789",))
        memo.of("often", (b"0123456789",))
    assert len(memo._young) + len(memo._old) <= 20
    decoded = []
    memo._decode = decoded.append
    memo.of("often", (b"0123456789",))
    assert not decoded


def test_every_list_of_a_shopper_is_read():
    assert len(_ALL) == len(fields(RecentList))


def test_the_shop_of_benchmarks_has_every_feature_that_stores_have(tmp_path):
    views = {
        one.name: {feature.name for feature in one.features}
        for one in definitions(str(tmp_path))
        if hasattr(one, "features")
    }
    made = dict(serving_shop._features(np.random.default_rng(0), range(4), 500, 100))
    assert made
    for name, columns in made.items():
        assert columns.keys() == views[name]
