"""The same shop to serving and to evaluation: both draw lists on the same friends."""

from dataclasses import replace

import pytest

from coterie.data.circle import AS_SERVED, EVERYBODY, CircleRule
from coterie.data.ingest import ingest
from coterie.data.ragged import Ragged
from coterie.data.simulate import ShopConfig, simulate
from coterie.recommend.batches import Community
from coterie.workflow.shop import CleanShop, in_circle
from feature_repo.build import friend_rows, recent_rows, snapshots
from serving.features.online_store import _ALL, _TIES, ShopperRow, _friends
from serving.features.recent import RecentList
from serving.lists.shopper_features import ShopperFeatures


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Half of the people may not be named, and some follow others who do not follow back."""
    folder = tmp_path_factory.mktemp("shop")
    config = ShopConfig(num_users=200, num_items=80, num_events=3_000, unnamed=0.5, unused=0)
    simulate(config).write(str(folder / "raw"))
    ingest(str(folder / "raw"), str(folder / "clean"))
    return CleanShop.open(str(folder / "clean"))


@pytest.fixture(scope="module")
def served(shop):
    """What serving knows of everybody when the test begins, of what the features step writes."""
    moment = snapshots(shop.dataset, shop.split)[1]
    friends = friend_rows(shop.dataset, moment).to_pydict()
    recent = recent_rows(shop.dataset, moment).to_pydict()
    users = shop.dataset.users.ids.to_pylist()
    lists = {user: RecentList(*_row(recent, _ALL, place)) for place, user in enumerate(users)}
    rows = [
        ShopperRow(lists[user], _friends(_row(friends, _TIES, place)))
        for place, user in enumerate(users)
    ]
    return [
        ShopperFeatures(user, row, [lists[friend] for friend in row.friends.ids])
        for user, row in zip(users, rows, strict=True)
    ]


def _row(columns, names, place):
    return [tuple(columns[name][place]) for name in names]


@pytest.mark.parametrize(
    "rule", [EVERYBODY, AS_SERVED, CircleRule(2), CircleRule(one_sided=False), CircleRule(1, False)]
)
def test_evaluation_draws_on_whom_serving_draws_on(shop, served, rule):
    data = in_circle(shop.split, shop.dataset, rule).for_test()
    measured, everybody = Community.of(data), Community.of(data.with_all_friends())
    rows, ids = Ragged(measured.friends.offsets), shop.dataset.users.ids.to_pylist()
    people = [ids[person] for person in measured.friends.person]
    row_of = dict(zip(shop.dataset.items.ids.to_pylist(), range(10**6), strict=False))
    for user, known in enumerate(served):
        drawn = known.drawn_on(rule, lambda item: row_of.get(item, -1))
        start, stop = rows.offsets[user : user + 2]
        assert list(drawn.row.friends.ids) == people[start:stop], known.user_id
    left_out = len(everybody.friends.person) - len(people)
    assert bool(left_out) is (rule != EVERYBODY)
    assert len(people) > left_out


def test_friends_with_nothing_but_unknown_items_hide_nobody(served):
    """Of three whose items a release does not know but for one, a list would tell of that one."""
    known = next(features for features in served if len(features.friends) > 3)
    friends = replace(known.row.friends.take([0, 1, 2]), named=(False,) * 3, mutual=(True,) * 3)
    features = replace(known, row=replace(known.row, friends=friends), friends=known.friends[:3])
    first, *others = (set(recent.item_ids) for recent in features.friends)
    only = first.difference(*others)
    assert only
    assert len(features.drawn_on(AS_SERVED, lambda _: 0).friends) == 3
    assert not features.drawn_on(AS_SERVED, lambda item: 0 if item in only else -1).friends
