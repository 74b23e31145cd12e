"""Nothing that came, or was written, after a moment is known at it."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from coterie.data.dataset import Interactions
from coterie.data.splits import bundled
from coterie.schema import RECENT_ITEMS, SHOPPER_RECENT_VIEW
from coterie.workflow.features import FOR_VALIDATION
from coterie.workflow.shop import CleanShop
from feature_repo import store as store_module
from feature_repo.build import snapshots
from feature_repo.store import fill_store, known_at, open_store
from feature_repo.views import CREATED, TIMESTAMP


@pytest.fixture(scope="module")
def shop(filled):
    return CleanShop.open(str(filled.clean))


@pytest.fixture(scope="module")
def cutoff_ms(shop):
    return int(shop.split.train.ts_ms.max())


@pytest.fixture
def planted(filled, tmp_path):
    """A copy of the store, to plant rows in."""
    shutil.copytree(filled.store, tmp_path / "store")
    return tmp_path / "store"


def plant(folder, user_id, when_ms, written_ms):
    """A row that says: this shopper had the planted item, as of ``when_ms``."""
    path = folder / f"{SHOPPER_RECENT_VIEW}.parquet"
    rows = pq.read_table(path)
    row = rows.filter(pa.compute.equal(rows["user_id"], user_id)).slice(0, 1).to_pylist()[0]
    times = [
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        for ms in (when_ms, written_ms)
    ]
    row |= {RECENT_ITEMS: ["planted"], TIMESTAMP: times[0], CREATED: times[1]}
    row["recent_kinds"], row["recent_ts_ms"] = [0], [when_ms]
    pq.write_table(pa.concat_tables([rows, pa.Table.from_pylist([row], rows.schema)]), path)


def lists_at(folder, shop, moment_ms):
    table = known_at(open_store(str(folder)), "1", shop.dataset.users.ids, moment_ms)
    return dict(zip(table["user_id"].to_pylist(), table[RECENT_ITEMS].to_pylist(), strict=True))


def test_a_row_of_the_future_is_unknown_until_then(planted, shop, cutoff_ms):
    user_id = shop.dataset.users.ids[0].as_py()
    plant(planted, user_id, cutoff_ms + 1, cutoff_ms + 1)
    assert lists_at(planted, shop, cutoff_ms)[user_id] != ["planted"]
    assert lists_at(planted, shop, cutoff_ms + 1)[user_id] == ["planted"]


def test_a_row_that_was_written_too_late_is_unknown_until_it_was_written(planted, shop, cutoff_ms):
    # Dated before the moment, so only the time of writing gives it away.
    user_id = shop.dataset.users.ids[0].as_py()
    before = lists_at(planted, shop, cutoff_ms)[user_id]
    plant(planted, user_id, cutoff_ms, cutoff_ms + 60_000)
    assert lists_at(planted, shop, cutoff_ms)[user_id] == before
    assert lists_at(planted, shop, cutoff_ms + 60_000)[user_id] == ["planted"]


def test_an_event_of_the_future_changes_nothing_that_was_known(filled, shop, cutoff_ms, tmp_path):
    dataset, split = shop.dataset, shop.split
    item = int(split.train.item_idx[0])
    none = dataset.events.take(np.zeros(0, np.int64))
    after = Interactions(
        *(np.array([value]) for value in (0, item)),
        np.array([6], np.int8),
        np.array([np.nan], np.float32),
        np.array([cutoff_ms + 1]),
        np.array([-1]),
    )
    before, moments = (snapshots(replace(dataset, withheld=own), split) for own in (none, after))
    assert len(moments[0].events) == len(before[0].events)
    assert len(moments[-1].events) == len(before[-1].events) + 1


def test_training_is_handed_what_was_known_and_no_more(filled, shop, cutoff_ms):
    table = pq.read_table(filled.known / FOR_VALIDATION)
    times = [ts for row in table["recent_ts_ms"].to_pylist() for ts in row or ()]
    assert max(times) <= cutoff_ms
    assert len(times) > 0


def test_cheap_names_for_frames_change_no_answer(filled, shop, cutoff_ms, monkeypatch):
    import contextlib

    ids = shop.dataset.users.ids.slice(0, 40)
    quick = known_at(open_store(str(filled.store)), "1", ids, cutoff_ms)
    monkeypatch.setattr(store_module, "named_by_identity", contextlib.nullcontext)
    slow = known_at(open_store(str(filled.store)), "1", ids, cutoff_ms)
    assert quick.equals(slow)
    assert_frame_equal(quick.to_pandas(), slow.to_pandas())


def test_moments_of_a_bundle_without_times_stay_apart(filled, shop, tmp_path):
    frozen = replace(shop.dataset.events, ts_ms=np.zeros_like(shop.dataset.events.ts_ms))
    none = frozen.take(np.zeros(0, np.int64))
    dataset = replace(shop.dataset, events=frozen, withheld=none)
    third = len(frozen) // 3
    split = replace(
        shop.split,
        train=frozen.take(np.arange(third)),
        val=frozen.take(np.arange(third, 2 * third)),
        between=None,
    )
    moments = snapshots(dataset, split)
    assert [moment.cutoff_ms for moment in moments] == [0, 1, 2]
    store = fill_store(str(tmp_path / "store"), dataset, moments, "1")
    known = known_at(store, "1", dataset.users.ids, 0)
    items = {i for row in known[RECENT_ITEMS].to_pylist() for i in row or ()}
    assert items == set(dataset.items.to_ids(np.unique(split.train.item_idx)))


def test_events_beside_a_bundled_split_enter_no_list(shop):
    part = np.arange(len(shop.dataset.events)) % 4 - 1
    none = shop.dataset.events.take(np.zeros(0, np.int64))
    dataset = replace(shop.dataset, part=part.astype(np.int8), withheld=none)
    now = snapshots(dataset, bundled(dataset))[-1]
    assert len(now.events) == int((part >= 0).sum()) < len(dataset.events)
