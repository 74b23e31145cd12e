"""What the benchmark of attacks measures, and what its defences leave out."""

import json

import numpy as np
import pytest
from synthetic import planted

from benchmarks import attacks, attacks_defences, attacks_table
from benchmarks.attacks import Attack, Bench
from benchmarks.attacks_defences import grounded, on_probation, without_rushes
from benchmarks.attacks_gan import ProfileGAN
from coterie.attacks.fakes import DAY_MS, FakeTies, FakeTimes, add_fakes
from coterie.attacks.profiles import Shop, make_profiles
from coterie.data.dataset import Split
from coterie.models.engagement import engagement

DAYS = 60


@pytest.fixture(scope="module")
def split():
    data = planted().data
    events = data.interactions
    # The planted events all fall into a few days: spread them over two months.
    rng = np.random.default_rng(0)
    ts = np.sort(rng.integers(0, DAYS * DAY_MS, len(events)))
    events = type(events)(
        events.user_idx, events.item_idx, events.kind, events.value, ts, events.referrer_idx
    )
    part = rng.random(len(events))
    train, val, test = (
        events.take((part >= low) & (part < high)) for low, high in ((0, 0.8), (0.8, 0.9), (0.9, 1))
    )
    return Split("planted", train, val, test, data.ties, data.num_users, data.num_items)


@pytest.fixture(scope="module")
def bench(split):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(attacks.ATTACKED, "planted", "social_linear")
        yield Bench("planted", split)


@pytest.fixture(scope="module")
def attacked(bench):
    profiles = [np.array([0, 1 + place % 5]) for place in range(12)]
    return add_fakes(bench.data, profiles, FakeTies(3), FakeTimes(5.0), np.random.default_rng(0))


def test_a_pushed_item_comes_into_lists_and_leaves_them_with_its_suspects(bench, monkeypatch):
    fakes = set(range(bench.data.num_users, 2 * bench.data.num_users))

    class Found:
        user_idx = np.array(sorted(fakes))[: round(0.2 * bench.data.num_users)]
        pushed = np.zeros(0, np.int64)

    def find(data):
        Found.score = np.isin(np.arange(data.num_users), Found.user_idx).astype(float)
        return Found

    monkeypatch.setattr(attacks, "find_suspects", find)
    monkeypatch.setattr(Bench, "_target", lambda *_: int(bench.shop.popularity.argmin()))
    told = bench.attack(Attack("average", 0.2, 10))(0)
    hits = told["hits"]
    assert hits["attacked"] > hits["before"] + 0.1
    assert hits["found"] < hits["attacked"] - 0.1
    assert (told["auc"], told["recall"], told["precision"], told["false_alarms"]) == (1, 1, 1, 0)


def test_ties_of_people_without_a_common_friend_are_left_out(attacked):
    data, fakes = attacked
    left = grounded(data)
    assert not np.isin(left.ties.src_idx, fakes).all()
    reached = np.isin(left.ties.dst_idx, fakes).sum()
    assert reached < 0.7 * np.isin(data.ties.dst_idx, fakes).sum()
    assert len(left.interactions) == len(data.interactions)


def test_young_accounts_count_for_nobody_and_old_ones_do(attacked):
    data, fakes = attacked
    left = on_probation(data)
    assert not np.isin(left.interactions.user_idx, fakes).any()
    assert not np.isin(left.ties.dst_idx, fakes).any()
    kept = np.isin(data.interactions.user_idx, fakes, invert=True).sum()
    assert len(left.interactions) > 0.95 * kept


def test_of_a_rush_no_more_counts_than_of_other_weeks_twice(attacked):
    data, fakes = attacked
    left = without_rushes(data).interactions
    rushed = left.take(left.item_idx == 0)
    theirs = np.isin(rushed.user_idx, fakes).sum()
    assert 0 < theirs <= max(attacks_defences.FEWEST, 0.5 * len(fakes))
    assert len(left) > 0.9 * (len(data.interactions) - 2 * len(fakes))


def test_a_generated_profile_has_what_shoppers_have_and_not_the_pushed_item(split):
    shop = Shop.of(engagement(split.for_test()))
    fill = ProfileGAN(shop, steps=6)
    made = make_profiles(shop, 0, 5, fill, np.random.default_rng(0))
    for items in made:
        assert (items == 0).sum() == 1
        assert len(np.unique(items)) == len(items)
        assert shop.popularity[items[1:]].min() >= 2


def test_cells_that_are_measured_are_not_measured_again_and_get_seeds_that_they_lack(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(attacks, "RESULTS", tmp_path / "attacks.json")
    seeds = []

    def measure(seed):
        seeds.append(seed)
        return {"hits": {"attacked": 0.123456789}}

    for _ in range(2):
        attacks._measure("shop", "attacks", "one", 2, measure)
    assert seeds == [0, 1]
    attacks._measure("shop", "attacks", "one", 3, measure)
    assert seeds == [0, 1, 2], "seeds that are lacking are measured, and no others"
    kept = json.loads((tmp_path / "attacks.json").read_text())
    assert kept["sets"]["shop"]["attacks"]["one"]["seeds"] == 3 * [{"hits": {"attacked": 0.12346}}]


def test_tables_say_what_attacks_reach_and_what_defences_cost():
    one = {
        "hits": {"before": 0.0, "live": 0.01, "attacked": 0.5, "found": 0.02},
        "fakes": 36,
        "recall": 1.0,
        "false_alarms": 0.001,
        "auc": 0.99,
    }
    two = one | {"hits": one["hits"] | {"attacked": 0.7}}
    clean = {
        "ndcg": {"plain": 0.2, "found": 0.2, "rush": 0.19},
        "events_left": {"rush": 0.9},
        "suspects": 0.0,
        "detect_s": 6.0,
    }
    results = {
        "sets": {
            "shop": {
                "clean": {"seeds": [clean], "cpu_s": 9.0},
                "attacks": {"average 0.03 x 5": {"seeds": [one, two], "cpu_s": 1.0}},
            }
        },
        "command": "python",
        "machine": "x",
        "versions": {"torch": "2"},
    }
    assert attacks_table.write_reach(results).splitlines()[2] == (
        "| simulated shop: average 0.03 x 5 | 36 | 0.0 ± 0.0 % | 1.0 ± 0.0 % | 60.0 ± 14.1 % | "
        "2.0 ± 0.0 % | 100 ± 0 % | 0.1 ± 0.0 % | 0.99 ± 0.00 |"
    )
    assert (
        attacks_table.write_price(results)
        .splitlines()[-1]
        .endswith("an item's week counts twice its pace at most | 0.1900 | -5.0% | 90.0% |  |")
    )
    assert len(attacks_table.write_defences(results).splitlines()) == 2
    # A set without times has no young accounts.
    undated = {"average 0.03 x 5": {"seeds": [{"hits": {"grounded": 0.1}}], "cpu_s": 0.0}}
    results["sets"]["shop"]["defences"] = undated
    assert attacks_table.write_defences(results).splitlines()[-1] == (
        "| simulated shop: average 0.03 x 5 | 60.0 ± 14.1 % | 2.0 ± 0.0 % | 10.0 % |  |"
    )
    assert "10 CPU seconds. The detector takes 6 s on simulated shop" in attacks_table.write_run(
        results
    )
