"""Fake accounts in a shop: what they look like, what they reach, and that they are found."""

from dataclasses import replace

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from coterie.attacks.account_traits import TRAITS, account_traits
from coterie.attacks.detector import DetectorConfig, _odd_together, find_suspects
from coterie.attacks.fakes import FakeTies, FakeTimes, add_fakes, without_accounts
from coterie.attacks.profiles import FILLERS, Shop, make_profiles
from coterie.cli import main
from coterie.data.dataset import TrainingSet
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.polarity import liked
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.graph.interactions import interaction_matrix
from tests.tiny_shop import write_clean

FAKES = 16


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked")
    simulate(ShopConfig(num_users=400, num_items=200, num_events=16_000)).write(folder / "raw")
    ingest(str(folder / "raw"), str(folder / "clean"))
    shop = load_dataset(str(folder / "clean"))
    return TrainingSet(shop.events, shop.ties, len(shop.users), len(shop.items))


@pytest.fixture(scope="module")
def shop(data):
    return Shop.of(_had(data))


@pytest.fixture(scope="module")
def target(shop):
    return int(np.flatnonzero(shop.popularity == shop.popularity[shop.popularity > 0].min())[0])


@pytest.fixture(scope="module")
def attacked(data, shop, target):
    rng = np.random.default_rng(2)
    profiles = make_profiles(shop, target, FAKES, FILLERS["average"], rng)
    return add_fakes(data, profiles, FakeTies(5), FakeTimes(7.0), rng)


@pytest.fixture(scope="module")
def found(attacked):
    return find_suspects(attacked[0])


def _had(data):
    events = data.interactions.take(liked(data.interactions))
    return interaction_matrix(events, data.num_users, data.num_items, binary=True).tocsr()


@pytest.mark.parametrize("kind", FILLERS)
def test_a_profile_has_the_pushed_item_once_and_unequal_fillers(shop, target, kind):
    made = make_profiles(shop, target, 30, FILLERS[kind], np.random.default_rng(1))
    assert len(made) == 30
    for items in made:
        assert items[0] == target
        assert len(np.unique(items)) == len(items) > 1
    rows = np.concatenate([items[1:] for items in made])
    bestsellers = shop.popularity[rows].mean() / shop.popularity[shop.popularity > 0].mean()
    assert (bestsellers > 1.3) == (kind != "random")


def test_profiles_are_as_long_as_those_of_shoppers(shop, target):
    made = make_profiles(shop, target, 300, FILLERS["average"], np.random.default_rng(1))
    real = np.diff(shop.had.indptr)
    assert np.mean([len(items) for items in made]) == pytest.approx(real[real > 0].mean(), rel=0.2)


def test_a_shop_without_events_has_nothing_to_look_like(data):
    nobody = replace(data, interactions=data.interactions.take(np.zeros(0, np.int64)))
    with pytest.raises(BadInputError, match="nobody had anything"):
        make_profiles(Shop.of(_had(nobody)), 0, 1, FILLERS["random"], np.random.default_rng(0))
    with pytest.raises(BadInputError, match="nobody had anything"):
        find_suspects(nobody)


def test_fakes_stand_behind_all_others_and_change_nobody(data, attacked):
    changed, rows = attacked
    assert rows.tolist() == list(range(data.num_users, data.num_users + FAKES))
    old = changed.interactions.take(changed.interactions.user_idx < data.num_users)
    assert np.array_equal(old.ts_ms, data.interactions.ts_ms)
    assert np.array_equal(old.item_idx, data.interactions.item_idx)
    new = changed.interactions.take(changed.interactions.user_idx >= data.num_users)
    assert (np.diff(changed.interactions.ts_ms) >= 0).all()
    assert new.ts_ms.min() >= old.ts_ms.max() - 7 * 86_400_000


def test_no_shopper_follows_a_fake_that_nobody_accepted(data):
    changed, rows = add_fakes(data, [np.array([0])] * 4, FakeTies(5, accepted=0.0))
    assert len(changed.ties) == len(data.ties) + 20
    assert not np.isin(changed.ties.dst_idx, rows).any()
    accepted, _ = add_fakes(data, [np.array([0])] * 4, FakeTies(5))
    assert np.isin(accepted.ties.dst_idx, rows).sum() == 20


def test_who_is_withheld_counts_for_nobody_and_keeps_a_row(data, attacked):
    changed, rows = attacked
    left = without_accounts(changed, rows)
    assert left.num_users == changed.num_users
    assert not np.isin(left.interactions.user_idx, rows).any()
    assert not np.isin(left.ties.dst_idx, rows).any()
    assert np.isin(left.ties.src_idx, rows).any()
    assert len(left.interactions) == len(data.interactions)


def test_traits_tell_a_rush_and_strangers_as_friends(attacked):
    changed, rows = attacked
    traits = account_traits(changed)
    assert traits.shape == (changed.num_users, len(TRAITS))
    real = np.arange(changed.num_users - FAKES)

    def median(name, who):
        return np.nanmedian(traits[who, TRAITS.index(name)])

    for name, more in (("busiest_week", 1), ("days_active", -1), ("common_friends", -1)):
        assert more * median(name, rows) > more * median(name, real), name
    silent = np.diff(_had(changed).indptr) == 0
    assert silent.any()
    assert np.isnan(traits[silent, TRAITS.index("mean_popularity")]).all()


def test_fakes_are_suspects_and_their_item_is_named_first(attacked, found, target):
    changed, rows = attacked
    assert found.pushed[:1].tolist() == [target]
    assert np.isin(rows, found.user_idx).mean() > 0.7
    others = found.user_idx[~np.isin(found.user_idx, rows)]
    assert len(others) <= 0.01 * changed.num_users
    assert np.array_equal(found.score[found.user_idx], np.sort(found.score[found.user_idx])[::-1])
    assert np.isin(found.item_idx, found.pushed).all()


def test_fakes_whom_nobody_follows_are_suspects_too(data, shop, target):
    """Training learns from them as well; practice on accepted ties alone finds none."""
    rng = np.random.default_rng(2)
    profiles = make_profiles(shop, target, FAKES, FILLERS["average"], rng)
    changed, rows = add_fakes(data, profiles, FakeTies(20, accepted=0.0), FakeTimes(7.0), rng)
    assert np.isin(rows, find_suspects(changed).user_idx).mean() > 0.7


def test_a_shop_without_fakes_has_next_to_no_suspects(data):
    assert len(find_suspects(data, DetectorConfig(rounds=1)).user_idx) <= 0.01 * data.num_users


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"odd_share": 1.0}, {"alarms": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInputError):
        DetectorConfig(**wrong)


def test_suspects_are_withheld_once_their_file_is_handed_in(tmp_path, found, monkeypatch, capsys):
    """The command writes what the next ingest reads; the clean folder stays as it is."""
    clean = write_clean(tmp_path)
    shop = load_dataset(str(clean))
    # Of another, smaller shop: whom the detector finds does not matter here.
    few = replace(found, user_idx=np.arange(3), item_idx=np.full(3, found.pushed[0]))
    monkeypatch.setattr("coterie.workflow.suspects.find_suspects", lambda *_: few)
    before = {file.name: file.read_bytes() for file in clean.iterdir()}
    out = tmp_path / "suspects"
    assert main(["suspects", str(clean), "--out", str(out)]) == 0
    assert "3 suspects of 150 accounts" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in clean.iterdir()} == before
    names = shop.users.to_ids(few.user_idx)
    assert pq.read_table(out / "suspects.parquet")["user_id"].to_pylist() == names
    assert pa_csv.read_csv(out / "withheld.csv")["may_be_used"].to_pylist() == [False] * 3
    users = tmp_path / "raw" / "users"
    users.mkdir()
    (out / "withheld.csv").rename(users / "withheld.csv")
    ingest(str(tmp_path / "raw"), str(tmp_path / "again"))
    again = load_dataset(str(tmp_path / "again"))
    who = again.users.rows(shop.users.ids.take(few.user_idx))
    assert not np.isin(again.events.user_idx, who).any()
    assert not np.isin(again.ties.dst_idx, who).any()
    assert np.isin(shop.events.user_idx, few.user_idx).any()


def test_owners_who_are_all_a_little_odd_teach_nothing(attacked):
    """Few of them stand out alone; as owners of one item they do, and items of most stay."""
    data, fakes = attacked
    shop, num = Shop.of(_had(data)), data.num_users
    rng = np.random.default_rng(3)
    score = rng.random(num)
    score[fakes] = rng.uniform(0.75, 0.95, len(fakes))
    everyone = np.ones(num, np.bool_)
    owners = np.flatnonzero(shop.had[:, [int(shop.had[fakes].sum(axis=0).argmax())]].toarray())
    found = _odd_together(shop, score, everyone, fewest=4, most=40)
    np.testing.assert_array_equal(found, owners)
    assert set(fakes.tolist()) <= set(found.tolist())
    assert not len(_odd_together(shop, score, everyone, fewest=4, most=len(owners) - 1))
    assert not len(_odd_together(shop, rng.random(num), everyone, fewest=4, most=40))
