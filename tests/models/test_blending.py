"""What validation chooses beside the halves' shares: how much popularity counts for who is new."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.models.blending import (
    POPULARITY_WEIGHTS,
    Added,
    Blend,
    PopularityBlend,
    first_items,
    popularity,
)
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder
from coterie.recommend.recommender import Recommender
from coterie.recommend.terms import Query
from coterie.schema import EVENT_KINDS, EventKind
from coterie.training.loop import LoopConfig
from tests.synthetic import planted

NUM_USERS, NUM_ITEMS, DAY_MS = 120, 60, 86_400_000
BOUGHT = EVENT_KINDS.index(EventKind.PURCHASE)


def events(user, item, ts_ms=None):
    n = len(user)
    return Interactions(
        np.asarray(user),
        np.asarray(item),
        np.full(n, BOUGHT, np.int8),
        np.full(n, np.nan, np.float32),
        np.arange(n) * DAY_MS if ts_ms is None else np.asarray(ts_ms),
        np.full(n, -1),
    )


def shop(asked):
    """Everybody has four items of a skewed popularity and one friend.

    Args:
        asked: What validation asks for: "friend's" items or "popular" ones.
    """
    rng = np.random.default_rng(0)
    chance = 1.0 / np.arange(1, NUM_ITEMS + 1)
    user = np.repeat(np.arange(NUM_USERS), 4)
    item = rng.choice(NUM_ITEMS, len(user), p=chance / chance.sum())
    friend = (np.arange(NUM_USERS) + 1) % NUM_USERS
    wanted = item.reshape(-1, 4)[friend] if asked == "friend's" else np.tile(np.arange(4), (120, 1))
    m = NUM_USERS
    ties = Ties(
        np.arange(m), friend, np.zeros(m, np.int8), np.ones(m, np.float32), np.zeros(m, np.int64)
    )
    return TrainingSet(
        events(user, item), ties, NUM_USERS, NUM_ITEMS, validation=events(user, wanted.ravel())
    )


def says_what_was_had():
    """Items speak for themselves alone: a shopper's scores are what a friend had."""
    vectors = torch.eye(NUM_ITEMS)
    encoder = {f"encoder.{name}": p.detach() for name, p in Encoder().named_parameters()}
    return {
        "item_in": vectors,
        "item_out": vectors,
        "item_bias": torch.zeros(NUM_ITEMS),
        "inverse_temperature": torch.tensor(5.0),
        "popularity_weight": torch.tensor(0.0),
        **encoder,
    }


def test_popularity_counts_where_friends_foresee_nothing():
    data = shop("popular")
    assert PopularityBlend(says_what_was_had(), Community.of(data), data).best(data) >= 0.5


def test_popularity_is_left_out_where_friends_foresee_all():
    data = shop("friend's")
    assert PopularityBlend(says_what_was_had(), Community.of(data), data).best(data) == 0.0


def test_what_was_chosen_is_in_the_scores():
    data = shop("popular")
    community = Community.of(data)
    prior = PopularityBlend(says_what_was_had(), community, data)
    strangers = first_items(community.shoppers(np.arange(NUM_USERS)), 0)
    scores = [
        Recommender(prior.added(share), popularity(data)).scores(strangers) for share in (0.0, 0.5)
    ]
    added = (scores[1] - scores[0]).numpy()
    one_more = prior.added(1.0)["popularity_weight"].numpy() * np.log1p(popularity(data))
    share = 0.5 / (1 + 1)  # everybody has one friend
    np.testing.assert_allclose(
        added, np.tile(share * one_more, (NUM_USERS, 1)), rtol=1e-4, atol=1e-5
    )


class Says:
    """A term that has the same to say to everybody."""

    names = frozenset({"says"})

    def __init__(self, scores, size=1.0):
        self.scores, self.size = torch.as_tensor(scores, dtype=torch.float64), size
        self.vectors = (self.scores * size)[:, None]

    def query(self, asked):
        return Query(torch.ones(len(asked.shoppers), 1, dtype=torch.float64))

    def times(self, factor):
        return Says(self.scores, self.size * factor)

    def tensors(self):
        return {f"says.{len(self.scores)}.{float(self.scores[0]):g}": torch.tensor(self.size)}


def blend_of(data, *added):
    return Blend(says_what_was_had(), added, Community.of(data), data)


def test_shares_are_of_terms_brought_to_one_spread():
    data = shop("popular")
    few, many = (Says(np.linspace(low, 9.0, NUM_ITEMS)) for low in (1.0, -500.0))
    found = blend_of(data, Added(few), Added(many)).mixed((0.4, 0.25))
    spreads = [float(term.vectors.std(correction=0)) for term in (few, many)]
    told = [float(found[f"says.{NUM_ITEMS}.{low:g}"]) for low in (1.0, -500.0)]
    assert told == pytest.approx([0.4 * 0.75 / spreads[0], 0.25 / spreads[1]], rel=1e-3)
    alone = Recommender(says_what_was_had(), popularity(data))
    learned = float(alone.scores(Community.of(data).shoppers(np.arange(NUM_USERS))).std())
    assert float(found["inverse_temperature"]) == pytest.approx(
        5.0 * 0.6 * 0.75 / learned, rel=1e-4
    )


def test_each_term_gets_the_share_that_validation_likes_best():
    data = shop("popular")
    asked = np.where(np.arange(NUM_ITEMS) < 4, 1.0, 0.0)
    knows, misleads = Added(Says(asked)), Added(Says(-3.0 * asked))
    first, second = blend_of(data, misleads, knows).shares(data)
    assert first == 0.0
    assert second > 0.0
    assert blend_of(data, knows, misleads).shares(data)[1] == 0.0


def test_shares_that_are_given_are_kept_and_none_leaves_no_tensor():
    data = shop("popular")
    terms = [Added(Says(np.arange(NUM_ITEMS)), 0.2), Added(Says(np.ones(NUM_ITEMS)), 0.0)]
    blend = blend_of(data, *terms)
    assert blend.shares(data) == (0.2, 0.0)
    found = blend.mixed((0.2, 0.0))
    assert {name for name in found if name.startswith("says")} == {f"says.{NUM_ITEMS}.0"}
    nobody = replace(data, validation=None)
    new = [Added(Says(np.arange(NUM_ITEMS))), Added(Says(np.arange(NUM_ITEMS)))]
    assert blend_of(nobody, *new).shares(nobody) == (1 / 2, 1 / 3)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_newcomers_are_known_by_their_oldest_entries(n):
    data = planted().data
    community = Community.of(data)
    users = np.arange(data.num_users)
    whole, known = community.shoppers(users), first_items(community.shoppers(users), n)
    before, after = whole.histories, known.histories
    for person in range(before.num_people):
        b, a = slice(*before.offsets[person : person + 2]), slice(*after.offsets[person:][:2])
        items, ages = before.item_idx[b], before.age_days[b]
        if person < len(users):
            items, ages = items[max(0, len(items) - n) :], ages[max(0, len(ages) - n) :]
            ages = ages - ages[:1] if len(ages) else ages
        assert after.item_idx[a].tolist() == items.tolist()
        np.testing.assert_allclose(after.age_days[a], ages)
    assert len(after.kind) == len(after.item_idx) == after.offsets[-1]
    assert np.array_equal(known.seen, whole.seen)


def test_a_model_keeps_the_prior_it_chose_for_its_refit():
    config = SocialConfig(
        embedding_size=8, linear_weight=0.0, loop=LoopConfig(max_epochs=2, lr=5e-3)
    )
    model = SocialModel(config)
    model.fit(planted().data)
    assert model.popularity_weight in POPULARITY_WEIGHTS
    refit = model.refit_config()
    assert refit.popularity_weight == model.popularity_weight
    again = SocialModel(refit)
    again.fit(replace(planted().data, validation=None))
    assert again.popularity_weight == model.popularity_weight
    assert (float(again.parameters["popularity_weight"]) > 0) == (model.popularity_weight > 0)


def test_a_prior_below_zero_is_refused():
    with pytest.raises(BadInputError, match="popularity_weight"):
        SocialConfig(popularity_weight=-0.1)
