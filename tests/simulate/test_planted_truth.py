from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from scipy import sparse

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.simulate import people, simulate
from coterie.graph.figures import graph_figures
from coterie.schema import EventKind

CAUSED = ["friend", "share"]
TARGETS = ["cart", "purchase", "rating", "review"]


@pytest.fixture(scope="module")
def ties(shop):
    frame = shop.ties.to_pandas()
    frame["src"] = frame.src_user_id.str.removeprefix("shopper-").astype(int)
    frame["dst"] = frame.dst_user_id.str.removeprefix("shopper-").astype(int)
    return frame


@pytest.fixture(scope="module")
def causes(shop, log):
    """Each purchase with its event, its cause and the event that caused it."""
    truth = shop.truth.to_pandas().merge(log, on="event_id", validate="one_to_one")
    source = log[["event_id", "user_id", "item_id", "event", "ms"]].add_prefix("source_")
    return truth.merge(source, on="source_event_id", how="left", validate="many_to_one")


def test_every_purchase_has_one_recorded_cause(shop, log):
    bought = log.event_id[log.event == EventKind.PURCHASE]
    assert shop.truth["event_id"].to_pylist() == bought.tolist()
    assert set(shop.truth["cause"].to_pylist()) == {"taste", "popularity", *CAUSED}


@pytest.mark.parametrize("planted", [0.1, 0.3, 0.5])
def test_the_recorded_influence_is_what_was_planted(planted, shop):
    if planted != shop.world.config.influence:
        shop = simulate(replace(shop.world.config, influence=planted))
    recorded = shop.truth["cause"].to_pandas().isin(CAUSED).mean()
    assert recorded == pytest.approx(planted, abs=0.03)


def test_influence_is_there_in_the_last_tenth_as_well(causes, log):
    cut = log.ms.iloc[int(0.9 * len(log))]
    late = causes[causes.ms >= cut]
    assert 0.25 < late.cause.isin(CAUSED).mean() < 0.35


def test_a_friend_did_it_before_and_the_tie_was_there(causes, ties):
    caused = causes[causes.cause.isin(CAUSED)]
    assert (caused.source_user_id == caused.friend_user_id).all()
    assert (caused.source_item_id == caused.item_id).all()
    assert (caused.source_ms < caused.ms).all()
    told = caused.cause == "share"
    assert (caused.source_event[told] == EventKind.SHARE).all()
    assert (caused.source_event[~told] == EventKind.PURCHASE).all()
    tied = caused.merge(
        ties,
        left_on=["user_id", "friend_user_id"],
        right_on=["src_user_id", "dst_user_id"],
        how="left",
    )
    assert len(tied) == len(caused)
    since = tied.since.astype("int64") // 1000
    assert (tied.since.notna() & (since < tied.source_ms)).all()


def test_own_purchases_name_no_friend(causes):
    own = causes[~causes.cause.isin(CAUSED)]
    assert own.friend_user_id.isna().all()
    assert own.source_event_id.isna().all()


def test_who_came_by_a_share_and_only_they_have_a_referrer(causes, log):
    told = causes[causes.cause == "share"]
    assert (told.referrer_user_id == told.friend_user_id).all()
    assert causes[causes.cause != "share"].referrer_user_id.isna().all()
    referred = log[log.referrer_user_id.notna()]
    shares = log[log.event == EventKind.SHARE].groupby(["user_id", "item_id"]).ms.min()
    shared = shares.loc[list(zip(referred.referrer_user_id, referred.item_id, strict=True))]
    assert (shared.to_numpy() < referred.ms.to_numpy()).all()


def test_without_influence_friends_still_agree_but_cause_nothing(shop):
    calm = simulate(replace(shop.world.config, influence=0.0))
    assert set(calm.truth["cause"].to_pylist()) == {"taste", "popularity"}
    assert calm.events["referrer_user_id"].null_count == calm.events.num_rows
    assert bought_after_a_friend(shop) > 1.5 * bought_after_a_friend(calm)


def bought_after_a_friend(shop):
    """Share of purchases of an item that a friend has bought before."""
    bought = shop.events.to_pandas().query("event == 'purchase'")
    pairs = shop.ties.to_pandas()[["src_user_id", "dst_user_id"]]
    seen = bought.merge(pairs, left_on="user_id", right_on="src_user_id").merge(
        bought, left_on=["dst_user_id", "item_id"], right_on=["user_id", "item_id"]
    )
    return seen[seen.ts_y < seen.ts_x].event_id_x.nunique() / len(bought)


def test_tied_people_have_like_tastes(shop, ties):
    taste = shop.world.taste
    tied = (taste[ties.src] * taste[ties.dst]).sum(axis=1).mean()
    shuffled = np.random.default_rng(0).permutation(ties.dst)
    chance = (taste[ties.src] * taste[shuffled]).sum(axis=1).mean()
    assert tied > chance + 0.25


def test_friends_of_friends_are_friends_more_often_than_by_chance(ties, log):
    real = clustering(ties.src.to_numpy(), ties.dst.to_numpy())
    rng = np.random.default_rng(0)
    shuffled = clustering(ties.src.to_numpy(), rng.permutation(ties.dst.to_numpy()))
    assert real > 5 * shuffled


def test_common_friends_close_triangles_that_likeness_alone_leaves_open(shop, monkeypatch):
    def meet_instead(wanted, pairs, shoppers, rng):
        return people._meet(wanted, shoppers, rng)

    monkeypatch.setattr(people, "_introduce", meet_instead)
    config = shop.world.config
    alike = simulate(replace(config, num_events=1)).world
    world = shop.world
    assert len(alike.tie_src) > 0.9 * len(world.tie_src)
    introduced = clustering(world.tie_src, world.tie_dst)
    assert introduced > 1.3 * clustering(alike.tie_src, alike.tie_dst)


def clustering(src, dst, num_users=2000):
    m = len(src)
    nothing = np.zeros(0, np.int64)
    log = Interactions(
        nothing, nothing, nothing.astype(np.int8), nothing.astype(np.float32), nothing, nothing
    )
    known = Ties(src, dst, np.zeros(m, np.int8), np.ones(m, np.float32), np.zeros(m, np.int64))
    return graph_figures(TrainingSet(log, known, num_users, 1))["clustering"]


def test_what_speaks_against_an_item_is_its_poor_fit(shop, log):
    """Among all purchases, and among all looks, those that fit worse are regretted more often."""
    taste, vector = shop.world.taste, shop.world.vector
    fit = (taste[log.user] * vector[log.item]).sum(axis=1)
    of = {kind: fit[(log.event == kind).to_numpy()] for kind in set(log.event)}
    for sign, among in (("return", "purchase"), ("dislike", "view")):
        assert of[sign].mean() < of[among].mean() - 0.03
        low, high = np.quantile(of[among], [0.25, 0.75])
        poor = (of[sign] < low).sum() / (of[among] < low).sum()
        good = (of[sign] > high).sum() / (of[among] > high).sum()
        assert poor > 1.5 * good


def test_what_runs_out_is_bought_again_after_the_planted_days(small):
    config = replace(small, days=150, num_events=30_000, restocked=("Food", "Beauty/Fragrance"))
    shop = simulate(config)
    frame = shop.events.to_pandas()
    bought = frame[frame.event == EventKind.PURCHASE].sort_values("ts", kind="stable")
    days = bought.groupby(["user_id", "item_id"]).ts.diff().dt.total_seconds() / 86_400
    again = bought[days.notna()]
    assert len(again) > 200
    path = shop.items.to_pandas().set_index("item_id").category
    assert path[again.item_id].str.match("Food/|Beauty/Fragrance/").all()
    assert days.median() == pytest.approx(30, abs=1.5)
    truth = shop.truth.to_pandas().set_index("event_id").cause
    assert set(truth[again.event_id]) == {"habit"}
    assert len(truth) == len(bought)


def test_what_runs_out_leaves_all_other_events_as_they_were(small):
    shop, restocked = simulate(small), simulate(replace(small, restocked=("Food",)))
    extra = pc.starts_with(restocked.events["event_id"], "again-")
    assert pc.any(extra).as_py()
    assert restocked.events.filter(pc.invert(extra)).equals(shop.events)


def test_popularity_is_skewed(log):
    fame = np.sort(np.bincount(log.item, minlength=1500))[::-1]
    assert fame[:150].sum() > 0.35 * fame.sum()
    assert fame[:15].sum() > 0.08 * fame.sum()


def test_tastes_drift_and_stand_still_when_told_to(shop):
    still = simulate(replace(shop.world.config, drift=0.0))
    moved = (still.world.taste * shop.world.taste).sum(axis=1)
    # A random walk on a sphere: exp(-step^2 * days / 2), less one dimension of 16.
    expected = np.exp(-(0.08**2) * 90 / 2 * 15 / 16)
    assert moved.mean() == pytest.approx(expected, abs=0.03)
    assert (moved > 0.999).mean() < 0.001


def test_what_shoppers_look_at_follows_their_drift(shop):
    still = simulate(replace(shop.world.config, drift=0.0))
    assert abs(growth_of_match(still)) < 0.02
    assert growth_of_match(shop) > growth_of_match(still) + 0.03


def growth_of_match(shop):
    """How much better the last week's views fit the tastes of the end than the first week's."""
    log = shop.events.to_pandas().query("event == 'view'")
    user = np.searchsorted(shop.world.user_ids, log.user_id.to_numpy(str))
    item = np.searchsorted(shop.world.item_ids, log.item_id.to_numpy(str))
    fit = (shop.world.taste[user] * shop.world.vector[item]).sum(axis=1)
    week = np.timedelta64(7, "D")
    first, last = log.ts < log.ts.iloc[0] + week, log.ts > log.ts.iloc[-1] - week
    return fit[last].mean() - fit[first].mean()


def test_no_item_is_seen_before_it_arrives_or_after_it_ends(shop, log):
    assert (log.ms.to_numpy() >= shop.world.arrives_ms[log.item]).all()
    assert (log.ms.to_numpy() < shop.world.ends_ms[log.item]).all()
    created = shop.items["created_at"].to_pandas().astype("int64").to_numpy()[log.item] // 1000
    assert (log.ms.to_numpy() >= created).all()


def test_late_items_and_ending_items_exist_and_are_marked(shop):
    start = shop.world.end_ms - 90 * 86_400_000
    late = (shop.world.arrives_ms > start).mean()
    ended = np.isfinite(shop.world.ends_ms)
    assert 0.2 < late < 0.4
    assert 0.1 < ended.mean() < 0.3
    assert shop.items["available"].to_pylist() == (~ended).tolist()


def test_items_rise_and_fall(shop, log):
    """Items that arrive in the shop's time are seen most near their peak, not at once or ever."""
    world, day = shop.world, 86_400_000
    start = world.end_ms - 90 * day
    young = (world.arrives_ms > start) & (world.arrives_ms < start + 30 * day)
    young &= ~np.isfinite(world.ends_ms)
    age = (log.ms - world.arrives_ms[log.item]) / day
    # The shop grows: an item's views count as a share of their day's.
    date = ((log.ms - start) // day).to_numpy()
    share = 1 / np.bincount(date)[date]
    first, peak, old = (
        share[young[log.item] & (age >= low) & (age < low + 4)].sum() for low in (0, 12, 55)
    )
    assert peak > 1.5 * first
    assert peak > 1.3 * old


def test_no_shopper_acts_before_arriving_and_some_arrive_late(shop, log):
    arrives = shop.world.user_arrives_ms
    assert (log.ms.to_numpy() >= arrives[log.user]).all()
    assert 0.25 < (arrives > shop.world.end_ms - 90 * 86_400_000).mean() < 0.35


def test_no_tie_forms_before_both_are_there(shop, ties):
    since = ties.since.astype("int64").to_numpy() // 1000
    both = np.maximum(shop.world.user_arrives_ms[ties.src], shop.world.user_arrives_ms[ties.dst])
    late = both > shop.world.end_ms - 90 * 86_400_000
    assert late.any()
    assert (since[late] >= both[late] - 1000).all()


@pytest.fixture(scope="module")
def by_time(log):
    """Interactions before the last tenth of events, and the new targets in it."""
    cut = int(0.9 * len(log))
    first = matrix(log.iloc[:cut])
    had = matrix(log.iloc[:cut][log.event.iloc[:cut].isin(TARGETS)])
    after = matrix(log.iloc[cut:][log.event.iloc[cut:].isin(TARGETS)])
    wanted = np.where((had > 0) | ~(first.sum(axis=0) > 0), 0, after)
    return first, had, wanted, log.ms.iloc[cut]


def matrix(frame):
    ones = np.ones(len(frame), np.float32)
    shape = (2000, 1500)
    return (sparse.csr_matrix((ones, (frame.user, frame.item)), shape).toarray() > 0) * 1.0


def recall(scores, first, had, wanted, k=20):
    users = np.flatnonzero((wanted.sum(axis=1) > 0) & (first.sum(axis=1) > 0))
    ranked = np.where(had > 0, -np.inf, scores)[users]
    top = np.argpartition(-ranked, k, axis=1)[:, :k]
    hits = np.take_along_axis(wanted[users], top, axis=1).sum(axis=1)
    return (hits / wanted[users].sum(axis=1)).mean()


def popular(first):
    return np.tile(first.sum(axis=0), (len(first), 1))


def test_taste_tells_more_than_popularity(by_time):
    first, had, wanted, _ = by_time
    common = first.T @ first
    size = np.sqrt(np.maximum(np.diag(common), 1))
    near = common / size / size[:, None]
    np.fill_diagonal(near, 0)
    knn = recall(first @ near, first, had, wanted)
    assert knn > 1.5 * recall(popular(first), first, had, wanted)


def test_what_friends_bought_lately_tells_more_than_popularity(by_time, log, ties):
    first, had, wanted, cut = by_time
    lately = (log.ms < cut) & (log.ms > cut - 21 * 86_400_000) & (log.event == "purchase")
    known = ties[ties.since.astype("int64") // 1000 < cut]
    friends = sparse.csr_matrix((known.weight, (known.src, known.dst)), (2000, 2000))
    heard = friends @ matrix(log[lately])
    assert recall(heard, first, had, wanted) > 1.5 * recall(popular(first), first, had, wanted)
