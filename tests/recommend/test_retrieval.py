"""Candidates come from codes, and lists are still those of looking at every item exactly."""

import numpy as np
import pytest
import torch
from scipy import sparse

from coterie.recommend import codes, nearest, retrieval
from coterie.recommend.batches import Recent, shopper_from_features
from coterie.recommend.encoder import Encoder, ShopperTensors, unit
from coterie.recommend.nearest import NearScores
from coterie.recommend.recommender import Recommender
from coterie.recommend.retrieval import Recall
from coterie.recommend.stand_ins import extended
from coterie.recommend.weighing import EncoderWeights
from coterie.schema import EVENT_KINDS, STRENGTHS

NUM_ITEMS, DIM, RANK, NEAR, K = 9_000, 96, 49, 30, 20
PURCHASE = 6


@pytest.fixture(scope="module")
def parameters():
    """Items around some middles, as tastes have them, and nearest ones that count."""
    rng = np.random.default_rng(0)
    middle = rng.normal(size=(30, DIM + RANK))
    every = middle[rng.integers(30, size=NUM_ITEMS)] + rng.normal(size=(NUM_ITEMS, DIM + RANK))
    tastes, rest = (torch.from_numpy(np.float32(one)) for one in np.split(every, [DIM], axis=1))
    near = np.sort(rng.integers(NUM_ITEMS, size=(NUM_ITEMS, NEAR)), axis=1)
    near += np.arange(NEAR)  # each once
    return {
        "item_in": tastes,
        "item_out": unit(tastes, 2),
        "item_bias": torch.from_numpy(np.float32(rng.normal(size=NUM_ITEMS))) / 5,
        "inverse_temperature": torch.tensor(5.0),
        "heads": torch.tensor(2),
        "popularity_weight": torch.tensor(0.3),
        **{f"encoder.{n}": p.detach() for n, p in Encoder().named_parameters()},
        **{f"linear.{name}": rest / 20 for name in ("own", "friend", "out")},
        "linear.near": torch.from_numpy(np.float32(rng.exponential(0.2, NUM_ITEMS * NEAR))),
        "linear.near_item": torch.from_numpy(np.int32(near.ravel() % NUM_ITEMS)),
        "linear.near_offsets": torch.arange(0, NUM_ITEMS * NEAR + 1, NEAR),
        "linear.kind": torch.linspace(0.3, 1.0, len(EVENT_KINDS)).double(),
        "linear.rate": torch.tensor(0.3).double(),
        "linear.friend_power": torch.tensor(0.7).double(),
        "linear.history_power": torch.tensor(0.5).double(),
    }


POPULARITY = np.random.default_rng(1).integers(0, 50, NUM_ITEMS).astype(np.float32)


@pytest.fixture(scope="module")
def recommender(parameters):
    return Recommender(parameters, POPULARITY)


def somebody(seed, own=12, friends=3):
    rng = np.random.default_rng(seed)
    lists = [
        Recent(rng.choice(NUM_ITEMS, n, replace=False).tolist(), [PURCHASE] * n, range(n, 0, -1))
        for n in (own, *[8] * friends)
    ]
    return shopper_from_features(lists[0], lists[1:], rng.random(friends * len(STRENGTHS)))


def best_of_all(recommender, shopper, allowed, k=K):
    """Score every item exactly, and order them all."""
    score = recommender._score
    queries = score.queries(recommender.read(shopper))
    rounded = np.rint(score.exact(queries, np.arange(NUM_ITEMS))[0] / 1e-6)
    listable = allowed.copy()
    listable[shopper.seen] = False
    rows = np.flatnonzero(listable)
    return rows[np.lexsort((rows, -rounded[rows]))][:k]


def narrowed(share):
    return np.random.default_rng(2).random(NUM_ITEMS) < share


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.001])
def test_a_list_holds_the_best_of_all_items_that_may_be_listed(recommender, share):
    allowed = narrowed(share)
    for seed in range(8):
        shopper = somebody(seed, own=12 if seed % 2 else 0)
        found = recommender.recommend(shopper, K, allowed).item_idx[0]
        expected = best_of_all(recommender, shopper, allowed)
        assert found[found >= 0].tolist() == expected.tolist()


def test_codes_are_what_lists_come_from(recommender, monkeypatch):
    assert recommender._score._retriever.codes() is not None
    read = []
    monkeypatch.setattr(
        retrieval.Retriever, "_among_all", lambda *given: read.append(given) or pytest.fail("read")
    )
    for seed in range(8):
        recommender.recommend(somebody(seed), K)


def test_codes_bring_what_is_listed_for_being_popular(parameters, monkeypatch):
    """Were popularity not in them, items that gain by it would be most of a shop."""
    bias = torch.from_numpy(np.float32(np.random.default_rng(2).exponential(0.3, NUM_ITEMS)))
    popular = Recommender(parameters | {"item_bias": bias}, POPULARITY)
    every = np.ones(NUM_ITEMS, np.bool_)
    expected = [best_of_all(popular, somebody(seed), every).tolist() for seed in range(6)]
    monkeypatch.setattr(retrieval.Retriever, "_among_all", lambda *_: pytest.fail("all were read"))
    for seed, best in enumerate(expected):
        assert popular.recommend(somebody(seed), K).item_idx[0].tolist() == best


@pytest.mark.parametrize("few", [0, 10**6], ids=["few entries", "many entries"])
def test_nearest_items_are_added_the_same_however_few_they_are(monkeypatch, few):
    monkeypatch.setattr(nearest, "_FEW", few)
    rng = np.random.default_rng(3)
    near = sparse.random_array((60, 60), density=0.2, rng=rng, format="csr")
    items, weights = rng.integers(60, size=9), rng.normal(size=9)
    itself = rng.normal(size=9)
    own = NearScores(near, np.array([0, 4, 9]), items, weights, itself)
    for row, some in enumerate((slice(0, 4), slice(4, 9))):
        scores = np.arange(60.0)
        own.add_to(scores, row)
        expected = np.arange(60.0) + weights[some] @ near.toarray()[items[some]]
        np.subtract.at(expected, items[some], itself[some])
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
    nobody = NearScores(near, np.array([0, 0]), items[:0], weights[:0])
    nobody.add_to(scores := np.arange(60.0), 0)
    assert scores.tolist() == list(range(60))


def test_codes_that_are_far_off_cost_time_and_change_no_list(recommender, monkeypatch):
    honest = retrieval.Codes.search

    def noisy(self, queries, width):
        products, items = honest(self, queries, width)
        noise = np.random.default_rng(0).normal(size=products.shape, scale=products.std())
        return np.float32(products + noise), items

    shoppers = [somebody(seed) for seed in range(6)]
    before = [recommender.recommend(one, K).item_idx.tolist() for one in shoppers]
    monkeypatch.setattr(retrieval.Codes, "search", noisy)
    assert [recommender.recommend(one, K).item_idx.tolist() for one in shoppers] == before


def test_without_faiss_lists_are_the_same(recommender, parameters, monkeypatch):
    monkeypatch.setattr(codes, "_faiss", lambda: None)
    without = Recommender(parameters, POPULARITY)
    for seed in range(4):
        shopper = somebody(seed)
        one, other = recommender.recommend(shopper, K), without.recommend(shopper, K)
        assert one.item_idx.tolist() == other.item_idx.tolist()
        assert one.score.tolist() == other.score.tolist()


def test_items_that_come_later_are_found_without_making_codes_anew(recommender, parameters):
    # Each of them as like a known item as can be: it is listed beside it.
    shopper = somebody(3)
    first = recommender.recommend(shopper, 5).item_idx[0]
    like = sparse.csr_matrix((np.ones(5), (np.arange(5), first)), (5, NUM_ITEMS))
    popularity = np.append(POPULARITY, np.zeros(5, np.float32))
    grown = Recommender(extended(parameters, like), popularity, before=recommender)
    assert grown._score._retriever.codes() is recommender._score._retriever.codes()
    found = grown.recommend(shopper, K).item_idx[0]
    assert set(range(NUM_ITEMS, NUM_ITEMS + 5)) & set(found.tolist())
    scored = grown.score(shopper, np.arange(NUM_ITEMS + 5)).score[0].astype(np.float64)
    scored[shopper.seen] = -np.inf
    assert set(found.tolist()) == set(np.argsort(-scored, kind="stable")[:K].tolist())


def test_weights_of_a_list_are_those_that_training_differentiates():
    torch.manual_seed(0)
    encoder = Encoder()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_()
    shopper = somebody(5)
    batch = ShopperTensors.of(shopper, torch.device("cpu"), torch.float64)
    table = torch.zeros(NUM_ITEMS, 2, dtype=torch.float64)
    with torch.no_grad():
        expected = encoder.double()(table, batch)
        gate = encoder.gates(expected.total[:1], expected.tie_total)
    found = EncoderWeights.of(encoder).weigh(shopper, 0.0)
    for name in ("entry_weight", "total", "tie_weight"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    np.testing.assert_allclose(found.gate, gate, rtol=1e-12)


def test_checked_lists_have_the_best_of_all_items(recommender):
    for seed in range(30):
        shopper = somebody(seed)
        found = recommender.check(shopper, recommender.recommend(shopper, K))
        assert found == Recall(best=K, found=K, ended=False)


def test_codes_that_miss_the_best_items_are_given_up(parameters, monkeypatch):
    recommender = Recommender(parameters, POPULARITY)
    honest = retrieval.Codes.search

    def forgetful(self, queries, width):
        products, items = honest(self, queries, width)
        return products[:, 100:], items[:, 100:]

    monkeypatch.setattr(retrieval.Codes, "search", forgetful)
    told, expected = [], narrowed(1.0)
    for seed in range(30):
        shopper = somebody(seed)
        lists = recommender.recommend(shopper, K)
        told.append(recommender.check(shopper, lists))
    # A few lists are no evidence yet; once there is enough, it is said once, and all are right.
    ends = [at for at, one in enumerate(told) if one is not None and one.ended]
    assert ends == [24]
    assert told[25:] == [None] * 5
    assert all(one.found < one.best == K for one in told[:25])
    assert lists.item_idx[0].tolist() == best_of_all(recommender, shopper, expected).tolist()
