"""Influence on shops whose truth is known: the cause of each purchase was written down."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from coterie.data.dataset import Interactions
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.network.adoptions import DAY_MS, Adoptions, arrivals, expose
from coterie.network.background import Background
from coterie.network.homophily import match_pairs, shuffle_times
from coterie.network.influence import credit_distribution, estimate, naive_counts
from coterie.network.linear_threshold import fit_linear_threshold
from coterie.network.people import Network
from coterie.network.study import top_categories
from coterie.schema import EVENT_KINDS
from tests.network.test_network_structure import ties_of

SHOP = {"num_users": 500, "num_items": 300, "num_events": 30_000, "unused": 0.0, "dislikes": 0.0}


class Shop:
    def __init__(self, folder, influence):
        made = simulate(ShopConfig(influence=influence, **SHOP))
        made.write(str(folder / "raw"))
        ingest(str(folder / "raw"), str(folder / "clean"))
        dataset = load_dataset(str(folder / "clean"))
        self.network = Network.of(dataset.ties, len(dataset.users))
        self.adoptions = Adoptions.of(dataset.events)
        self.exposures = expose(self.network, self.adoptions)
        self.came = arrivals(dataset.events, len(dataset.users))
        parts = self.network, self.adoptions, self.exposures
        self.found = estimate(*parts, top_categories(dataset), self.came)
        friend = made.truth["friend_user_id"].drop_null()
        users: Vocab = dataset.users
        self.truth = np.bincount(users.rows(friend), minlength=len(users))
        self.share = len(friend) / len(self.adoptions)


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("moved"), 0.3)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Nobody moves anybody: friends are only alike."""
    return Shop(tmp_path_factory.mktemp("alike"), 0.0)


def test_the_share_is_nearer_to_the_truth_than_the_naive_count(moved, alike):
    for shop in (moved, alike):
        wrong = abs(shop.found.share_caused - shop.share)
        assert wrong < 0.06
        assert wrong < 0.75 * abs(shop.found.share_naive - shop.share)
    assert alike.share == 0
    assert alike.found.share_naive > 0.08, "homophily must be there to be left out"


def test_people_are_ranked_as_the_truth_ranks_them(moved):
    found = spearmanr(moved.found.given(moved.network), moved.truth).statistic
    naive = np.bincount(
        moved.network.ties.dst_idx,
        naive_counts(moved.network, moved.exposures),
        moved.network.num_people,
    )
    assert found > 0.6
    assert found > spearmanr(naive, moved.truth).statistic


def test_shuffled_times_and_matched_pairs_tell_influence_from_likeness(moved, alike):
    tests = {
        shop: shuffle_times(shop.network, shop.adoptions, shop.exposures, shop.came, 40)
        for shop in (moved, alike)
    }
    assert tests[moved].p_value == pytest.approx(1 / 41)
    assert tests[moved].observed > tests[moved].expected + 10 * tests[moved].deviation
    assert tests[alike].excess < 0.1 * tests[moved].excess
    pairs = [
        match_pairs(shop.network, shop.adoptions, shop.exposures, shop.found.background)
        for shop in (moved, alike)
    ]
    assert pairs[0].excess == pytest.approx(moved.share, abs=0.1)
    assert pairs[1].excess < 0.5 * pairs[0].excess


def test_credit_is_shared_out_whole(moved):
    total = credit_distribution(moved.network, moved.adoptions, moved.exposures).sum()
    assert total == pytest.approx(moved.found.share_naive * len(moved.adoptions))


def test_a_linear_threshold_tells_the_share_and_ranks_people_too(moved, alike):
    for shop in (moved, alike):
        parts = shop.network, shop.adoptions, shop.exposures, shop.found
        shop.threshold = fit_linear_threshold(*parts)
        assert abs(shop.threshold.share_caused - shop.share) < 0.06
        ties = shop.network.ties.src_idx
        assert np.bincount(ties, shop.threshold.weight).max() < 1
    n = moved.network.num_people
    given = np.bincount(moved.network.ties.dst_idx, moved.threshold.caused, n)
    assert spearmanr(given, moved.truth).statistic > 0.6


def log_of(*rows, kind="purchase"):
    user, item, day, referrer = np.array(rows, np.int64).reshape(-1, 4).T
    code = np.full(len(user), EVENT_KINDS.index(kind), np.int8)
    value = np.full(len(user), np.nan, np.float32)
    return Interactions(user, item, code, value, day * DAY_MS, referrer)


def test_only_the_first_purchase_of_each_counts_and_ties_must_be_there():
    events = log_of((0, 5, 1, -1), (1, 5, 2, -1), (0, 5, 3, -1), (2, 5, 9, -1))
    adoptions = Adoptions.of(events)
    assert adoptions.user.tolist() == [0, 1, 2]
    network = Network.of(ties_of([[1, 0], [2, 0]], since=[0, 4 * DAY_MS]), 3)
    seen = expose(network, adoptions)
    assert (seen.tie.tolist(), seen.answer.tolist(), seen.lag_days.tolist()) == ([0], [1], [1.0])


def test_whom_the_shop_knows_to_have_shared_has_all_the_credit():
    rows = [(0, 5, 1, -1), (1, 5, 2, -1), (2, 5, 3, 0), (3, 6, 40, -1)]
    adoptions = Adoptions.of(log_of(*rows))
    network = Network.of(ties_of([[2, 0], [2, 1]]), 4)
    seen = expose(network, adoptions)
    found = estimate(network, adoptions, seen, np.zeros(7, np.int64), np.zeros(4, np.int64))
    assert found.caused.tolist() == pytest.approx([1.0, 0.0])


def test_a_log_that_is_too_short_cannot_tell_how_alike_friends_are(moved):
    shop = moved
    early = shop.adoptions.ts_ms < shop.adoptions.ts_ms[0] + 20 * DAY_MS
    adoptions = shop.adoptions.take(early)
    seen = expose(shop.network, adoptions)
    category = shop.found.background.category
    found = estimate(shop.network, adoptions, seen, category, shop.came)
    assert np.isnan(found.alike)
    assert 0 < found.share_caused < found.share_naive
    assert shop.found.alike > 1


def test_popularity_of_years_is_counted_in_longer_steps():
    rows = [(user, 0, 10 * user, -1) for user in range(300)]
    adoptions = Adoptions.of(log_of(*rows))
    background = Background.of(adoptions, np.zeros(1, np.int64), np.zeros(300, np.int64))
    assert background.taken.shape[1] <= 402
    one = np.array([5])
    whole = background.expected(one, one * 0, one * 0, one * 0 + 3000 * DAY_MS)
    half = background.expected(one, one * 0, one * 0, one * 0 + 1500 * DAY_MS)
    assert whole[0] == pytest.approx(2 * half[0], rel=0.05)


@pytest.mark.parametrize("events", [log_of(), log_of((0, 1, 5, -1), (1, 1, 5, -1))])
def test_events_that_cannot_tell_who_was_first_are_refused(events):
    with pytest.raises(BadInputError, match="who came first"):
        Adoptions.of(events)
