import itertools
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie import schema
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.schema import EventKind

STEPS = (EventKind.VIEW, EventKind.CLICK, EventKind.CART, EventKind.PURCHASE)


@pytest.mark.parametrize("name", list(schema.TABLES))
def test_tables_have_the_contracts_types_and_what_it_requires(shop, name):
    table, contract = getattr(shop, name), schema.TABLES[name]
    assert table.schema.equals(contract.arrow)
    assert all(table[column].null_count == 0 for column in contract.required)
    keys = table.group_by(list(contract.key)).aggregate([])
    assert keys.num_rows == table.num_rows


def test_every_reference_leads_to_a_row(shop):
    users, items = shop.users["user_id"], shop.items["item_id"]
    assert pc.all(pc.is_in(shop.events["user_id"], users)).as_py()
    assert pc.all(pc.is_in(shop.events["item_id"], items)).as_py()
    assert pc.all(pc.is_in(shop.events["referrer_user_id"].drop_null(), users)).as_py()
    assert pc.all(pc.is_in(shop.ties["src_user_id"], users)).as_py()
    assert pc.all(pc.is_in(shop.ties["dst_user_id"], users)).as_py()


def test_the_shop_has_about_the_events_asked_for_and_all_kinds(shop):
    assert shop.events.num_rows == pytest.approx(120_000, rel=0.05)
    assert set(shop.events["event"].unique().to_pylist()) == set(EventKind)


def test_events_come_in_the_order_of_time_within_the_days(shop, log):
    assert log.ms.is_monotonic_increasing
    days = (log.ts.iloc[-1] - log.ts.iloc[0]).total_seconds() / 86_400
    assert 89 < days < 90


def test_the_last_week_is_about_as_busy_as_the_one_before(log, small):
    """What shoppers who were to come did not do is not owed to the last days."""
    start = log.ts.iloc[0].normalize()
    back = 89 - (log.ts - start).dt.days
    last, before = (back < 7).sum(), ((back >= 7) & (back < 14)).sum()
    assert last == pytest.approx(before, rel=0.06)
    assert simulate(small).events.num_rows == pytest.approx(small.num_events, rel=0.01)


def test_ids_read_as_promised(shop):
    assert shop.users["user_id"][42].as_py() == "shopper-0042"
    assert shop.items["item_id"][137].as_py() == "item-0137"


def test_items_are_told_apart_and_described(shop):
    titles = shop.items["title"].to_pylist()
    assert len(set(titles)) == len(titles)
    assert all(10 < len(title) < 80 for title in titles)
    assert min(len(text) for text in shop.items["description"].to_pylist()) > 30
    assert pc.min(shop.items["price"]).as_py() > 0
    assert all(path.count("/") == 2 for path in shop.items["category"].to_pylist())


def test_a_few_shoppers_may_not_be_named_and_fewer_not_used(shop):
    unnamed = pc.sum(pc.invert(shop.users["may_be_named"])).as_py()
    unused = pc.sum(pc.invert(shop.users["may_be_used"])).as_py()
    assert 0.06 < unnamed / 2000 < 0.14
    assert 0 < unused / 2000 < 0.05


def test_friendships_stand_both_ways_and_followings_need_not(shop):
    ties = shop.ties.to_pandas()
    pairs = set(zip(ties.src_user_id, ties.dst_user_id, ties.kind, strict=True))
    back = {(dst, src, kind) for src, dst, kind in pairs}
    friends = {pair for pair in pairs if pair[2] == "friend"}
    assert friends <= back
    follows = pairs - friends
    assert follows
    assert len(follows & back) == 0


def test_nobody_sees_less_than_they_buy(log):
    """Each step of the funnel comes after the one before it, within the same visit."""
    steps = log[log.event.isin(STEPS)].assign(day=log.ts.dt.floor("D"))
    wide = steps.pivot_table(index=["user", "item", "day"], columns="event", values="ms")
    assert len(wide) == (log.event == EventKind.VIEW).sum()
    for earlier, later in itertools.pairwise(STEPS):
        done = wide[wide[later].notna()]
        assert len(done) > 1000
        assert (done[later] > done[earlier]).all()
        assert (done[later] - done[earlier] < 300_000).all()


def test_nobody_buys_the_same_thing_twice(log):
    bought = log[log.event == EventKind.PURCHASE]
    assert not bought.duplicated(["user", "item"]).any()


def test_visits_come_in_sessions(log):
    views = log[log.event == EventKind.VIEW].sort_values(["user", "ms"])
    gap = views.groupby("user").ms.diff().dropna()
    assert (gap < 600_000).mean() > 0.4
    assert (gap > 3_600_000).mean() > 0.3


def test_only_buyers_rate_and_their_words_fit_their_stars(log):
    rated = log[log.event.isin([EventKind.RATING, EventKind.REVIEW])]
    bought = log[log.event == EventKind.PURCHASE][["user", "item", "ms"]]
    both = rated.merge(bought, on=["user", "item"], how="left", suffixes=("", "_bought"))
    assert (both.ms > both.ms_bought).all()
    assert rated.value.between(1, 5).all()
    written = rated[rated.event == EventKind.REVIEW]
    assert written.text.str.len().min() > 5
    assert log[log.event != EventKind.REVIEW].text.isna().all()
    unhappy = written[written.text.str.startswith("Sent it back")]
    assert len(unhappy)
    assert (unhappy.value <= 2).all()


def test_purchases_cost_the_items_price(shop, log):
    bought = log[log.event == EventKind.PURCHASE]
    prices = shop.items["price"].to_pandas().to_numpy()
    assert (bought.value == prices[bought.item]).all()


def test_returns_and_dislikes_leave_all_other_events_as_they_were(small):
    shop = simulate(small)
    calm = simulate(replace(small, returns=0.0, dislikes=0.0))
    against = pc.is_in(shop.events["event"], pa.array(sorted(schema.AGAINST_KINDS)))
    assert pc.any(against).as_py()
    assert shop.events.filter(pc.invert(against)).equals(calm.events)
    for name in ("ties", "items", "users", "truth"):
        assert getattr(shop, name).equals(getattr(calm, name))


def test_what_is_sent_back_was_bought_before_and_not_rated_well(log):
    sent = log[log.event == EventKind.RETURN]
    assert len(sent) > 300
    bought = log[log.event == EventKind.PURCHASE]
    both = sent.merge(bought, on=["user", "item"], validate="one_to_one", suffixes=("", "_bought"))
    assert len(both) == len(sent)
    assert (both.ms - both.ms_bought).between(86_400_000, 14 * 86_400_000).all()
    rated = log[log.event.isin([EventKind.RATING, EventKind.REVIEW])]
    assert sent.merge(rated, on=["user", "item"]).value_y.max() <= 3


def test_what_is_not_for_them_was_seen_and_never_wanted_from_then_on(log):
    disliked = log[log.event == EventKind.DISLIKE]
    assert len(disliked) > 200
    others = log[log.event != EventKind.DISLIKE].groupby(["user", "item"])
    last = others.last().reindex(list(zip(disliked.user, disliked.item, strict=True)))
    assert (last.event == EventKind.VIEW).all()
    assert (disliked.ms.to_numpy() > last.ms.to_numpy()).all()


def test_the_same_seed_gives_the_same_shop(small):
    first, second = simulate(small), simulate(small)
    for name in ("events", "ties", "items", "users", "truth"):
        assert getattr(first, name).equals(getattr(second, name))


def test_another_seed_gives_another_shop(small):
    other = ShopConfig(num_users=300, num_items=200, num_events=12_000, days=40, seed=12)
    first, second = simulate(small), simulate(other)
    for name in ("events", "ties", "items"):
        assert not getattr(first, name).equals(getattr(second, name))


def test_a_shop_is_written_as_parquet_in_contract_form(small, tmp_path):
    shop = simulate(small)
    shop.write(tmp_path / "raw")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [
        "events.parquet",
        "items.parquet",
        "ties.parquet",
        "truth.parquet",
        "users.parquet",
        "world.npz",
    ]
    for name in schema.TABLES:
        back = pq.read_table(tmp_path / "raw" / f"{name}.parquet")
        assert back.equals(getattr(shop, name))
        assert back.schema.equals(schema.TABLES[name].arrow)


@pytest.mark.parametrize(
    "config",
    [
        ShopConfig(num_users=1, num_items=1, num_events=5, days=1),
        ShopConfig(num_users=3, num_items=2, num_events=50, days=3),
        ShopConfig(num_users=30, num_items=20, num_events=500, days=5, num_friends=0),
        ShopConfig(num_users=40, num_items=2_000, num_events=300, days=10, influence=0),
    ],
)
def test_tiny_and_odd_shops_are_shops_too(config):
    shop = simulate(config)
    assert isinstance(shop.events, pa.Table)
    assert shop.items.num_rows == config.num_items


@pytest.mark.parametrize(
    "wrong",
    [{"num_users": 0}, {"days": 0}, {"influence": 1.5}, {"returns": -0.1}, {"restock_days": 0.5}],
)
def test_a_shop_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadInputError):
        ShopConfig(**wrong)


def test_progress_tells_each_day(small):
    told = []
    simulate(small, lambda what, done, total: told.append((done, total)))
    assert told == [(day, 40) for day in range(1, 41)]


@pytest.mark.slow
def test_a_million_events_take_less_than_thirty_seconds_of_one_core():
    import time

    before = time.process_time()
    shop = simulate(ShopConfig(num_users=20_000, num_items=5_000, num_events=1_000_000))
    assert shop.events.num_rows == pytest.approx(1_000_000, rel=0.05)
    assert time.process_time() - before < 30
