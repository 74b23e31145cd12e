"""The one path: what it lists, why, and that a batch and a single request agree."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.recommend.batches import Community, Recent, shopper_from_features
from coterie.recommend.encoder import Encoder, ShopperTensors, unit
from coterie.recommend.learned import FriendsFor
from coterie.recommend.recommender import ListSource, ReasonKind, Recommender
from coterie.recommend.shoppers import histories_of
from coterie.recommend.terms import Parameters
from coterie.schema import AGAINST_KINDS, EVENT_KINDS, STRENGTHS, TARGET_KINDS, EventKind

NUM_USERS, NUM_ITEMS, DIM = 30, 80, 8
AGAINST = {EVENT_KINDS.index(kind) for kind in AGAINST_KINDS}
HAS_NOBODY, HAS_FRIENDS_ONLY = 28, 29


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    rng = np.random.default_rng(3)
    n = 300
    events = Interactions(
        rng.integers(0, 28, n),
        rng.integers(0, NUM_ITEMS, n),
        rng.integers(0, len(EVENT_KINDS), n).astype(np.int8),
        np.full(n, np.nan, np.float32),
        np.sort(rng.integers(0, 90 * 86_400_000, n)),
        np.full(n, -1),
    )
    src = np.concatenate([rng.integers(0, 28, 60), [HAS_FRIENDS_ONLY] * 2])
    dst = np.concatenate([rng.integers(0, 28, 60), [1, 2]])
    m = len(src)
    ties = Ties(src, dst, np.zeros(m, np.int8), np.ones(m, np.float32), np.zeros(m, np.int64))
    return TrainingSet(events, ties, NUM_USERS, NUM_ITEMS)


@pytest.fixture(
    scope="module",
    params=[(1, 0.0), (2, 0.0), (1, 0.5)],
    ids=["one head", "two heads", "dislikes take away"],
)
def parameters(request: pytest.FixtureRequest) -> Parameters:
    num_heads, dislike_weight = request.param
    torch.manual_seed(0)
    encoder = Encoder()
    with torch.no_grad():
        encoder.strength.normal_()
    settings = {} if num_heads == 1 else {"heads": torch.tensor(num_heads)}
    if dislike_weight:
        settings["dislike_weight"] = torch.tensor(dislike_weight)
    out = unit(torch.randn(NUM_ITEMS, DIM), num_heads)
    return settings | {
        "item_in": torch.randn(NUM_ITEMS, DIM),
        "item_out": out,
        "item_bias": torch.randn(NUM_ITEMS) * 0.3,
        "inverse_temperature": torch.tensor(10.0),
        "popularity_weight": torch.tensor(0.2),
        **{f"encoder.{name}": p.detach().clone() for name, p in encoder.named_parameters()},
    }


@pytest.fixture(scope="module")
def popularity(data: TrainingSet) -> np.ndarray:
    return np.bincount(data.interactions.item_idx, minlength=NUM_ITEMS).astype(np.float32)


@pytest.fixture(scope="module")
def recommender(parameters: Parameters, popularity: np.ndarray) -> Recommender:
    return Recommender(parameters, popularity)


@pytest.fixture(scope="module")
def community(data: TrainingSet) -> Community:
    return Community.of(data)


EVERYBODY = np.arange(NUM_USERS)


def test_every_item_of_a_list_is_unseen_and_listed_once(recommender, community):
    shoppers = community.shoppers(EVERYBODY)
    lists = recommender.recommend(shoppers, 20)
    for row in range(NUM_USERS):
        seen = shoppers.seen[shoppers.seen_offsets[row] : shoppers.seen_offsets[row + 1]]
        shown = lists.item_idx[row]
        assert len(set(shown.tolist())) == 20
        assert not set(shown.tolist()) & set(seen.tolist())
        assert (np.diff(lists.score[row]) <= 1e-5).all()


def test_the_list_holds_the_highest_scores_of_all(recommender, community):
    shoppers = community.shoppers(np.arange(28))
    lists = recommender.recommend(shoppers, 10)
    scores = recommender.scores(shoppers).numpy().copy()
    counts = np.diff(shoppers.seen_offsets)
    scores[np.repeat(np.arange(28), counts), shoppers.seen] = -np.inf
    best = -np.sort(-scores, axis=1)[:, :10]
    np.testing.assert_allclose(lists.score, best, atol=1e-4)


def test_contributions_add_up_to_the_score_and_shares_to_one(recommender, community):
    shoppers = community.shoppers(EVERYBODY)
    lists = recommender.recommend(shoppers, 7)
    for row, reasons_of_items in enumerate(recommender.explain(shoppers, lists)):
        for place, reasons in enumerate(reasons_of_items):
            total = sum(reason.contribution for reason in reasons)
            assert total == pytest.approx(lists.score[row, place], abs=1e-5)
            assert sum(reason.share for reason in reasons) == pytest.approx(1.0)


def test_reasons_name_only_what_is_in_the_histories(recommender, community):
    shoppers = community.shoppers(np.array([HAS_FRIENDS_ONLY, 4]))
    lists = recommender.recommend(shoppers, 5)
    histories = shoppers.histories
    for row, items in enumerate(recommender.explain(shoppers, lists)):
        for reason in (reason for reasons in items for reason in reasons):
            person = {ReasonKind.OWN: row, ReasonKind.FRIEND: reason.person}.get(reason.kind)
            if person is not None:
                bounds = slice(*histories.offsets[person : person + 2])
                assert reason.item_idx in histories.item_idx[bounds]


def test_sources_tell_history_friends_and_popularity_apart(recommender, community, popularity):
    users = np.array([4, HAS_FRIENDS_ONLY, HAS_NOBODY])
    shoppers = community.shoppers(users)
    lists = recommender.recommend(shoppers, 5)
    assert lists.source == (ListSource.OWN, ListSource.FRIENDS, ListSource.POPULAR)
    assert popularity[lists.item_idx[2]].tolist() == sorted(popularity, reverse=True)[:5]
    kinds = [{r.kind for rs in one for r in rs} for one in recommender.explain(shoppers, lists)]
    assert ReasonKind.OWN in kinds[0]
    assert ReasonKind.OWN not in kinds[1]
    assert ReasonKind.FRIEND in kinds[1]
    assert kinds[2] == {ReasonKind.POPULAR}


def test_popularity_counts_for_newcomers_and_soon_no_more(parameters, popularity, community):
    users = np.array([HAS_FRIENDS_ONLY, 4])
    shoppers = community.shoppers(users)
    with_it = Recommender(parameters, popularity)
    without = Recommender(parameters | {"popularity_weight": torch.tensor(0.0)}, popularity)
    added = (with_it.scores(shoppers) - without.scores(shoppers)).numpy()
    newness = with_it.newness(shoppers).numpy()
    assert newness[0] == 1.0 / 3.0  # two friends
    assert 0.0 < newness[1] < 0.05
    expected = 0.2 * newness[:, None] * np.log1p(popularity)
    np.testing.assert_allclose(added, expected, atol=1e-5)


def test_friends_of_whom_nothing_is_known_make_nobody_less_of_a_newcomer(parameters, popularity):
    recommender = Recommender(parameters, popularity)
    known, unknown = Recent([3], [6], [0]), Recent([], [], [])
    nobody = Recent([], [], [])
    strengths = np.ones((2, len(STRENGTHS)), np.float32)
    for friends, newness in ((0, 1.0), (1, 1.0 / 2.0), (2, 1.0 / 3.0)):
        listed = [known] * friends + [unknown] * (2 - friends)
        shopper = shopper_from_features(nobody, listed, strengths.ravel())
        assert recommender.newness(shopper).tolist() == [newness]


def test_one_shopper_alone_gets_the_list_of_the_batch(recommender, community):
    together = recommender.recommend(community.shoppers(EVERYBODY), 20)
    for user in EVERYBODY:
        alone = recommender.recommend(community.shoppers(np.array([user])), 20)
        assert alone.item_idx[0].tolist() == together.item_idx[user].tolist()


def test_a_shopper_from_features_gets_the_list_of_the_batch(recommender, community, data):
    together = recommender.recommend(community.shoppers(EVERYBODY), 20)
    for user in EVERYBODY:
        friends = community.friends.take(np.array([user]))
        served = shopper_from_features(
            _recent(data, user),
            [_recent(data, friend) for friend in friends.person],
            friends.strengths.ravel(),
        )
        lists = recommender.recommend(served, 20)
        assert lists.item_idx[0].tolist() == together.item_idx[user].tolist()


def _recent(data: TrainingSet, user: int) -> Recent:
    events = data.interactions.take(data.interactions.user_idx == user)
    done: dict[int, list[tuple[int, int]]] = {}
    for item, kind, ts in zip(
        events.item_idx.tolist(), events.kind.tolist(), events.ts_ms.tolist(), strict=True
    ):
        done[item] = [*done.get(item, []), (ts, kind)]
    newest = sorted(done, key=lambda item: -done[item][-1][0])
    return Recent(
        newest,
        [max((k not in AGAINST, k) for _, k in done[item])[1] for item in newest],
        [done[item][-1][0] for item in newest],
        [last_word(done[item]) for item in newest],
    )


def last_word(done: list[tuple[int, int]]) -> int:
    """As it is told in words: the later of wanting and turning down holds."""
    wanted = max((ts for ts, kind in done if EVENT_KINDS[kind] in TARGET_KINDS), default=0)
    turned_down = max((ts for ts, kind in done if kind in AGAINST), default=0)
    return -turned_down if turned_down >= wanted else wanted


def test_a_release_of_when_all_kinds_spoke_for_their_items_is_served(
    parameters, popularity, recommender, community
):
    old = parameters | {"encoder.kind": parameters["encoder.kind"][:7]}
    shoppers = community.shoppers(EVERYBODY)
    found = Recommender(old, popularity).recommend(shoppers, 20)
    expected = recommender.recommend(shoppers, 20)
    np.testing.assert_array_equal(found.item_idx, expected.item_idx)
    np.testing.assert_array_equal(found.score, expected.score)


def test_hidden_items_are_never_shown(parameters, popularity, community):
    available = np.arange(NUM_ITEMS) % 2 == 0
    recommender = Recommender(parameters, popularity, available)
    lists = recommender.recommend(community.shoppers(EVERYBODY), 50)
    shown = lists.item_idx[lists.item_idx >= 0]
    assert available[shown].all()
    assert (lists.item_idx == -1).any()
    assert available[recommender.similar(3, 50)[0]].all()


def test_similar_items_leave_out_the_item_itself(recommender, parameters):
    items, cosines = recommender.similar(3, 5)
    out = parameters["item_out"].numpy()
    expected = np.argsort(-(out @ out[3]))[1:6]
    assert items.tolist() == expected.tolist()
    assert (np.diff(cosines) <= 0).all()


def test_bad_requests_say_what_was_expected(recommender, community, parameters, popularity):
    with pytest.raises(BadInputError, match="k over 0"):
        recommender.recommend(community.shoppers(EVERYBODY), 0)
    unknown = shopper_from_features(Recent([NUM_ITEMS], [6], [0]), [], [])
    with pytest.raises(BadInputError, match="rows below 80"):
        recommender.recommend(unknown, 3)
    with pytest.raises(BadInputError, match="expected k over 0"):
        recommender.similar(NUM_ITEMS, 3)
    with pytest.raises(BadInputError, match="another version"):
        Recommender({"item_in": parameters["item_in"]}, popularity)
    with pytest.raises(BadInputError, match="one for each of 79 items"):
        Recommender(parameters, popularity[:-1])
    with pytest.raises(BadInputError, match="numbers a friend"):
        shopper_from_features(Recent([], [], []), [Recent([], [], [])], [])


def test_items_unknown_to_the_release_are_left_out_of_a_history(recommender):
    with_unknown = shopper_from_features(Recent([-1, 5, 6], [6, 6, 6], [30, 20, 10]), [], [])
    assert with_unknown.histories.item_idx.tolist() == [5, 6]
    assert recommender.recommend(with_unknown, 3).source == (ListSource.OWN,)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 6), st.integers(0, 50)),
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_histories_hold_each_item_once_with_its_strongest_kind_and_newest_time(rows, most):
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
    user, item, kind, day = columns.T
    events = Interactions(
        user,
        item,
        kind.astype(np.int8),
        np.full(len(user), np.nan, np.float32),
        day * 86_400_000,
        np.full(len(user), -1),
    )
    histories = histories_of(events, 5, most)
    for person in range(5):
        bounds = slice(*histories.offsets[person : person + 2])
        mine = [row for row in rows if row[0] == person]
        newest = {i: max(d for _, it, _, d in mine if it == i) for i in {r[1] for r in mine}}
        expected = min(most, len(newest))
        items = histories.item_idx[bounds].tolist()
        assert len(items) == len(set(items)) == expected
        kept_days = [newest[i] for i in items]
        assert kept_days == sorted(newest.values(), reverse=True)[:expected]
        for i, k, age in zip(
            items, histories.kind[bounds], histories.age_days[bounds], strict=True
        ):
            assert k == max(kd for _, it, kd, _ in mine if it == i)
            assert age == max(newest.values()) - newest[i]


def test_what_was_wanted_or_turned_down_is_not_shown_again():
    kinds = list(range(len(EVENT_KINDS)))
    shopper = shopper_from_features(Recent(kinds, kinds, [9] * len(kinds)), [], [])
    assert {EVENT_KINDS[item] for item in shopper.seen} == TARGET_KINDS | AGAINST_KINDS
    assert EventKind.VIEW not in TARGET_KINDS


def test_a_score_is_the_mean_of_the_heads(parameters, popularity, community):
    heads = int(parameters.get("heads", 1))
    shoppers = community.shoppers(np.arange(10))
    expected = torch.zeros(10, NUM_ITEMS)
    for head in range(heads):
        numbers = slice(head * DIM // heads, (head + 1) * DIM // heads)
        one = {name: p for name, p in parameters.items() if name != "heads"}
        one |= {name: parameters[name][:, numbers] for name in ("item_in", "item_out")}
        expected += Recommender(one, popularity).scores(shoppers) / heads
    scores = Recommender(parameters, popularity).scores(shoppers)
    torch.testing.assert_close(scores, expected)


def test_heads_that_do_not_fit_are_refused(parameters, popularity):
    with pytest.raises(BadInputError, match="8 numbers cannot have 3 heads"):
        Recommender(parameters | {"heads": torch.tensor(3)}, popularity)


@pytest.mark.parametrize(
    ("friends_for", "counting"),
    [
        (FriendsFor.NOBODY, []),
        (FriendsFor.NEWCOMERS, [HAS_FRIENDS_ONLY]),
        (FriendsFor.EVERYONE, EVERYBODY),
    ],
)
def test_friends_who_do_not_count_are_as_if_they_were_not_there(
    parameters, popularity, community, data, friends_for, counting
):
    told = Recommender(parameters | {"friends_for": torch.tensor(friends_for)}, popularity)
    plain = Recommender(parameters, popularity)
    with_friends, alone = (
        c.shoppers(EVERYBODY) for c in (community, Community.of(data.without_ties()))
    )
    count = np.isin(EVERYBODY, counting)[:, None]
    has_friends = np.diff(with_friends.friends.offsets) > 0
    scores = [r.scores(s).numpy() for r, s in ((plain, with_friends), (plain, alone))]
    assert not np.isclose(*scores).all(axis=1)[has_friends].any()
    expected = np.where(count, *scores)
    np.testing.assert_allclose(told.scores(with_friends).numpy(), expected, atol=1e-5)
    lists = told.recommend(with_friends, 5)
    others = [r.recommend(s, 5).item_idx for r, s in ((plain, with_friends), (plain, alone))]
    np.testing.assert_array_equal(lists.item_idx, np.where(count, *others))
    newness = [r.newness(s).numpy() for r, s in ((plain, with_friends), (plain, alone))]
    np.testing.assert_allclose(told.newness(with_friends).numpy(), np.where(count[:, 0], *newness))
    for user, items in zip(EVERYBODY, told.explain(with_friends, lists), strict=True):
        by_friends = any(r.kind is ReasonKind.FRIEND for rs in items for r in rs)
        assert by_friends == bool(count[user] and has_friends[user])
        parts = told.contributions(with_friends, lists, user)
        assert (parts.person >= 0).any() == by_friends
        sums = parts.contribution.sum(axis=0) + parts.popular
        np.testing.assert_allclose(sums, lists.score[user], atol=1e-4)


def test_unknown_rules_on_whose_friends_count_are_refused(parameters, popularity):
    with pytest.raises(BadInputError, match=r"friends_for is 3, expected one of \[0, 1, 2\]"):
        Recommender(parameters | {"friends_for": torch.tensor(3)}, popularity)


def test_a_dislike_takes_away_and_makes_a_history_no_shorter(parameters):
    bought, dislike = (EVENT_KINDS.index(k) for k in (EventKind.PURCHASE, EventKind.DISLIKE))
    own = Recent([3, 4, 5], [bought, dislike, dislike], [9, 9, 9])
    shopper = shopper_from_features(own, [], [])
    batch = ShopperTensors.of(shopper, torch.device("cpu"), torch.float64, dislike_weight=0.5)
    encoder = Encoder().double()
    item_in = parameters["item_in"].double()
    encoded = encoder(item_in, batch)
    torch.testing.assert_close(encoded.total, torch.tensor([2.0]).double())
    torch.testing.assert_close(
        encoded.sums[0], item_in[3] - 0.5 * item_in[4] - 0.5 * item_in[5], rtol=1e-6, atol=1e-6
    )


def test_a_dislike_makes_what_one_likes_no_older():
    """Neither served nor offline: it is no sign that tastes have moved on."""
    day, (bought, dislike) = (
        86_400_000,
        (EVENT_KINDS.index(kind) for kind in (EventKind.PURCHASE, EventKind.DISLIKE)),
    )
    before = Recent([3, 4], [bought, bought], [30 * day, 10 * day])
    after = Recent([5, 3, 4], [dislike, bought, bought], [90 * day, 30 * day, 10 * day])
    served = [shopper_from_features(own, [], []).histories.age_days for own in (before, after)]
    assert served[0].tolist() == [0.0, 20.0]
    assert served[1].tolist() == [0.0, 0.0, 20.0]
    only = shopper_from_features(Recent([5, 6], [dislike] * 2, [9 * day, 4 * day]), [], [])
    assert only.histories.age_days.tolist() == [0.0, 5.0]
    events = Interactions(
        user_idx=np.zeros(3, np.int64),
        item_idx=np.array([4, 3, 5]),
        kind=np.array([bought, bought, dislike], np.int8),
        value=np.full(3, np.nan, np.float32),
        ts_ms=np.array([10, 30, 90]) * day,
        referrer_idx=np.full(3, -1),
    )
    assert histories_of(events, 1).age_days.tolist() == [0.0, 0.0, 20.0]
