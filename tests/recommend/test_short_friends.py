"""Friends who had next to nothing: `least_friend_history` bounds how loudly they say it."""

import numpy as np
import pytest
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, unit
from coterie.recommend.learned import encoder_weights
from coterie.recommend.linear import LinearPart
from coterie.recommend.recommender import Recommender
from coterie.schema import EVENT_KINDS, EventKind

ITEMS, SIZES = 40, {1: 1, 2: 12}
"""Purchases of the two friends of shopper 0, who had nothing."""


@pytest.fixture(scope="module")
def data():
    user = np.repeat(list(SIZES), list(SIZES.values()))
    num = len(user)
    bought = EVENT_KINDS.index(EventKind.PURCHASE)
    events = Interactions(
        user,
        np.random.default_rng(0).permutation(ITEMS)[:num],
        np.full(num, bought, np.int8),
        np.full(num, np.nan, np.float32),
        np.zeros(num, np.int64),
        np.full(num, -1),
    )
    ones = np.ones(2, np.float32)
    ties = Ties(np.zeros(2, int), np.array([1, 2]), np.zeros(2, np.int8), ones, np.zeros(2, int))
    return TrainingSet(events, ties, 3, ITEMS)


@pytest.fixture(scope="module")
def parameters():
    torch.manual_seed(0)
    encoder = Encoder()
    made = {
        "item_in": torch.randn(ITEMS, 8),
        "item_out": unit(torch.randn(ITEMS, 8)),
        "item_bias": torch.zeros(ITEMS),
        "inverse_temperature": torch.tensor(6.0),
        "popularity_weight": torch.tensor(0.0),
        **{f"encoder.{name}": p.detach().clone() for name, p in encoder.named_parameters()},
        **{f"linear.{name}": torch.randn(ITEMS, 5) for name in ("own", "friend", "out")},
        "linear.near": torch.rand(ITEMS),
        "linear.near_item": torch.arange(ITEMS).int(),
        "linear.near_offsets": torch.arange(ITEMS + 1),
        "linear.kind": torch.ones(len(EVENT_KINDS), dtype=torch.float64),
    }
    powers = {"rate": 0.0, "friend_power": 0.7, "history_power": 0.5}
    return made | {f"linear.{n}": torch.tensor(p, dtype=torch.float64) for n, p in powers.items()}


def recommender(parameters, least):
    more = {"least_friend_history": torch.tensor(least)} if least else {}
    return Recommender(parameters | more, np.ones(ITEMS, np.float32))


@pytest.fixture(scope="module")
def shopper(data):
    return Community.of(data).shoppers(np.zeros(1, np.int64))


def weights_of_ties(parameters, shopper, least):
    """Of both halves, by size of the friend's history."""
    tensors = parameters | {"least_friend_history": torch.tensor(least)}
    weights = LinearPart.of_tensors(tensors, ITEMS).weights
    learned = encoder_weights(parameters).weigh(shopper, 0.0, least)
    person = shopper.friends.person
    sizes = np.diff(shopper.histories.offsets)[person].tolist()
    linear = weights.of_ties(shopper, weights.of_entries(shopper))
    return [dict(zip(sizes, ties, strict=True)) for ties in (learned.tie_weight, linear)]


def test_only_a_friend_who_had_less_counts_for_less_in_both_halves(parameters, shopper):
    before, after = (weights_of_ties(parameters, shopper, least) for least in (0.0, 4.0))
    for was, now in zip(before, after, strict=True):
        assert now[12] == was[12]
        # Both powers are .5: of the encoder before it has learned, and of the closed form.
        assert now[1] == pytest.approx(was[1] * (1 / 4) ** 0.5)


def test_what_friends_add_is_still_known_exactly(parameters, shopper):
    plain, told = recommender(parameters, 0.0), recommender(parameters, 4.0)
    same = recommender(parameters, 1.0)
    torch.testing.assert_close(same.scores(shopper), plain.scores(shopper))
    assert not torch.allclose(told.scores(shopper), plain.scores(shopper))
    lists = told.recommend(shopper, 5)
    parts = told.contributions(shopper, lists, 0)
    sums = parts.contribution.sum(axis=0) + parts.popular
    np.testing.assert_allclose(sums, lists.score[0], atol=1e-4)


def test_models_hand_it_to_their_releases_and_the_closed_form(data):
    config = SocialConfig(least_friend_history=4.0)
    assert config.closed_form().least_friend_history == 4.0
    assert SocialConfig().closed_form().least_friend_history == 0.0
    trainee = SocialModel(config).trainee(data, torch.device("cpu"))
    assert trainee.release_parameters()["least_friend_history"] == 4.0
    part = fit_linear(config.closed_form(), data, Community.of(data))
    assert part.weights.least_friend == 4.0


@pytest.mark.parametrize("wrong", [-1.0, float("inf"), float("nan")])
def test_less_than_nothing_is_refused(wrong):
    for config in (SocialConfig, SocialLinearConfig):
        with pytest.raises(BadInputError, match="least_friend_history must not be below 0"):
            config(least_friend_history=wrong)
