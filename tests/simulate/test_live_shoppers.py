from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from coterie import schema
from coterie.data.simulate import SimulatedShop, World, simulate
from coterie.errors import BadInputError

NOBODY = np.zeros(0, np.int64)
FUNNEL = "view", "click", "cart", "purchase"
AGAINST = "return", "dislike"


@pytest.fixture(scope="module")
def world(shop):
    return shop.world


def on_sale(world):
    return np.flatnonzero((world.arrives_ms <= world.end_ms) & (world.ends_ms > world.end_ms))


def ranked_lists(world, users, direction, k=10):
    """For each shopper the items that match best (1) or worst (-1), or k at random (0)."""
    items = on_sale(world)
    scores = direction * (world.taste[users] @ world.vector[items].T)
    if direction == 0:
        scores = np.random.default_rng(5).random(scores.shape)
    top = np.argsort(-scores, axis=1)[:, :k]
    return world.item_ids[items[top]].tolist()


def count(events, kind):
    return pc.sum(pc.equal(events["event"], kind)).as_py()


def test_answers_are_events_in_contract_form(world):
    now, rows = datetime.fromtimestamp(world.end_ms / 1000, UTC), np.arange(1000)
    lists = ranked_lists(world, rows, 1)[:500] + ranked_lists(world, rows, -1)[500:]
    events = world.answer(world.user_ids[rows], lists, 1, now)
    assert events.schema.equals(schema.EVENTS.arrow)
    assert {*FUNNEL, *AGAINST} == set(events["event"].unique().to_pylist())
    assert len(events["event_id"].unique()) == events.num_rows
    assert pc.min(events["ts"]).as_py() >= now
    assert (pc.max(events["ts"]).as_py() - now).total_seconds() < 600
    assert events["ts"].to_pylist() == sorted(events["ts"].to_pylist())


def test_a_better_list_is_clicked_and_bought_from_more(world):
    users = np.arange(1000)
    ids = world.user_ids[users]
    good, random, bad = (
        world.answer(ids, ranked_lists(world, users, direction), 3) for direction in (1, 0, -1)
    )
    assert count(good, "click") > 1.5 * count(random, "click") > 1.5 * count(bad, "click")
    assert count(good, "purchase") > 2 * count(random, "purchase")


def test_the_order_within_a_list_matters(world):
    """The same items, best first or worst first."""
    users = np.arange(1000)
    lists = [
        good[:10] + bad[:10]
        for good, bad in zip(
            ranked_lists(world, users, 1), ranked_lists(world, users, -1), strict=True
        )
    ]
    ids = world.user_ids[users]
    forward = world.answer(ids, lists, 3)
    backward = world.answer(ids, [one[::-1] for one in lists], 3)
    assert count(forward, "click") > 1.2 * count(backward, "click")


def test_first_places_are_looked_at_more(world):
    users = np.arange(1000)
    lists = ranked_lists(world, users, 0, k=20)
    events = world.answer(world.user_ids[users], lists, 2).to_pandas()
    views = events[events.event == "view"]
    place = {
        (user, item): place
        for user, one in zip(world.user_ids[users], lists, strict=True)
        for place, item in enumerate(one)
    }
    places = np.array([place[key] for key in zip(views.user_id, views.item_id, strict=True)])
    looked = np.bincount(places, minlength=20)
    assert looked[0] == 1000
    assert looked[1] > 1.3 * looked[10] > 1.3 * looked[19] * 0.9


def test_what_friends_bought_is_clicked_more(world):
    """The same lists in the same world, with and without ties."""
    new = world.bought_ms > world.end_ms - 7 * 86_400_000
    bought = dict(
        zip(world.bought_user[new].tolist(), world.bought_item[new].tolist(), strict=True)
    )
    pairs = zip(world.tie_src.tolist(), world.tie_dst.tolist(), strict=True)
    lists = {user: bought[friend] for user, friend in pairs if friend in bought}
    ids = world.user_ids[list(lists)]
    shown = [[world.item_ids[item]] for item in lists.values()]
    alone = replace(world, tie_src=NOBODY, tie_dst=NOBODY, tie_closeness=NOBODY.astype(np.float32))
    assert len(ids) > 500
    clicks = count(world.answer(ids, shown, 9), "click")
    assert clicks > 1.15 * count(alone.answer(ids, shown, 9), "click")


def test_what_one_has_or_cannot_have_is_not_clicked(world):
    had = world.bought_user[:200], world.bought_item[:200]
    shown = [[item] for item in world.item_ids[had[1]]]
    events = world.answer(world.user_ids[had[0]], shown, 1)
    assert set(events["event"].to_pylist()) <= {"view", "return"}
    gone = world.item_ids[world.ends_ms < world.end_ms]
    events = world.answer(world.user_ids[: len(gone)], [[item] for item in gone], 1)
    assert set(events["event"].to_pylist()) <= {"view", "return"}


def test_what_fits_worse_is_more_often_not_for_them(world):
    users = np.arange(1000)
    ids = world.user_ids[users]
    good, random, bad = (
        world.answer(ids, ranked_lists(world, users, direction), 3) for direction in (1, 0, -1)
    )
    assert count(bad, "dislike") > 2 * count(random, "dislike") > 4 * count(good, "dislike") > 0


def test_what_is_not_for_them_was_looked_at_and_left(world):
    users = np.arange(1000)
    events = world.answer(world.user_ids[users], ranked_lists(world, users, 0), 3).to_pandas()
    by_kind = {kind: set(map(tuple, part)) for kind, part in pairs_by_kind(events)}
    assert by_kind["dislike"] <= by_kind["view"] - by_kind["click"]


def pairs_by_kind(events):
    return (
        (kind, part[["user_id", "item_id"]].to_numpy()) for kind, part in events.groupby("event")
    )


def test_only_what_was_bought_lately_and_kept_is_sent_back_and_poor_fits_more(world):
    lists = [[item] for item in np.resize(world.item_ids, 2000)]
    answers = [world.answer(world.user_ids, lists, seed).to_pandas() for seed in range(10)]
    sent = pd.concat([events[events.event == "return"] for events in answers])
    assert len(sent) > 50
    lately = world.bought_kept & (world.bought_ms > world.end_ms - 14 * 86_400_000)
    bought = np.stack([world.bought_user[lately], world.bought_item[lately]], axis=1)
    user = np.searchsorted(world.user_ids, sent.user_id.to_numpy(str))
    item = np.searchsorted(world.item_ids, sent.item_id.to_numpy(str))
    assert set(zip(user.tolist(), item.tolist(), strict=True)) <= set(map(tuple, bought.tolist()))
    fit = (world.taste[user] * world.vector[item]).sum(axis=1).mean()
    usual = (world.taste[bought[:, 0]] * world.vector[bought[:, 1]]).sum(axis=1).mean()
    assert fit < usual - 0.05


def test_what_is_regretted_changes_nothing_else_in_an_answer(world):
    calm = replace(world, config=replace(world.config, returns=0.0, dislikes=0.0))
    users, lists = world.user_ids[:500], ranked_lists(world, np.arange(500), 0)
    events = world.answer(users, lists, 4)
    against = pc.is_in(events["event"], pa.array(AGAINST))
    assert pc.any(against).as_py()
    assert events.filter(pc.invert(against)).equals(calm.answer(users, lists, 4))


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(world):
    users, lists = world.user_ids[:50], ranked_lists(world, np.arange(50), 1)
    first, same = world.answer(users, lists, 4), world.answer(users, lists, 4)
    other = world.answer(users, lists, 5)
    assert first.equals(same)
    assert world.answer(users, lists, np.random.default_rng(4)).equals(first)
    assert not set(first["event_id"].to_pylist()) & set(other["event_id"].to_pylist())
    assert first["item_id"].to_pylist() != other["item_id"].to_pylist()


def test_a_saved_world_answers_as_before(small, tmp_path):
    shop = simulate(small)
    shop.save_world(tmp_path / "world.npz")
    world = SimulatedShop.load_world(tmp_path / "world.npz")
    assert world.config == small
    users = shop.world.user_ids[:40].tolist()
    lists = ranked_lists(shop.world, np.arange(40), 1)
    assert world.answer(users, lists, 8).equals(shop.answer(users, lists, 8))


def test_nobody_and_empty_lists_give_no_events(world):
    assert world.answer([], [], 1).num_rows == 0
    assert world.answer(["shopper-0001"], [[]], 1).schema.equals(schema.EVENTS.arrow)


def test_ids_are_taken_in_any_form_that_ingest_takes(world):
    first = world.attraction(["shopper-0001"], ["item-0001"])
    assert world.attraction([" shopper-0001"], ["item-0001\n"]) == first


@pytest.mark.parametrize(
    ("users", "lists", "says"),
    [
        (["shopper-0001"], [], "1 shoppers but 0 lists"),
        (["somebody"], [["item-0001"]], "'somebody' is not of this simulated shop"),
        (["shopper-0001"], [["item-9999"]], "'item-9999' is not of this simulated shop"),
    ],
)
def test_strangers_are_refused_by_name(world, users, lists, says):
    with pytest.raises(BadInputError, match=says):
        world.answer(users, lists, 1)


def test_a_file_that_holds_no_world_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="holds no simulated world"):
        World.load(tmp_path / "nothing.npz")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(BadInputError, match="holds no simulated world"):
        World.load(tmp_path / "junk.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(BadInputError, match="holds no simulated world"):
        World.load(tmp_path / "other.npz")
