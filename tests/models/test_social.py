"""How the social model learns from time: what it leaves out, and what it may not know."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from coterie.errors import BadInputError
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_trainee import SocialTrainee
from coterie.recommend.shoppers import DAY_MS
from coterie.training.loop import LoopConfig
from tests.synthetic import planted

LOOP = LoopConfig(max_epochs=3, lr=5e-3)


@pytest.fixture(scope="module")
def data():
    return replace(planted().data, validation=None)


def batch_of(data, **config):
    trainee = SocialTrainee(SocialConfig(embedding_size=8, **config), data, torch.device("cpu"))
    batch = trainee.batch(0, 0, 0, 1)[0]
    people = batch.people
    own = int(people.offsets[people.num_shoppers])
    shopper = torch.repeat_interleave(people.offsets.diff()[: people.num_shoppers])
    return batch, shopper.numpy(), batch.keep[:own].numpy().astype(bool)


def test_looking_ahead_leaves_out_the_newest_and_no_other(data):
    batch, shopper, kept = batch_of(data, next_item_share=1.0)
    for one in range(batch.people.num_shoppers):
        mine = kept[shopper == one]
        assert np.array_equal(mine, np.sort(mine))  # newest first: left out, then kept
    assert 0.3 < kept.mean() < 0.7


def test_without_looking_ahead_any_entry_may_be_left_out(data):
    batch, shopper, kept = batch_of(data)
    in_order = [
        np.array_equal(kept[shopper == one], np.sort(kept[shopper == one]))
        for one in range(batch.people.num_shoppers)
    ]
    assert np.mean(in_order) < 0.5


@pytest.mark.parametrize("ahead", [0.0, 1.0])
def test_what_is_kept_is_as_old_as_it_was_when_its_newest_was_new(data, ahead):
    batch, shopper, kept = batch_of(data, next_item_share=ahead)
    log_age = batch.people.log_age[: len(kept)].numpy()
    for one in np.unique(shopper[kept]):
        assert log_age[(shopper == one) & kept].min() == 0.0
    assert log_age.min() >= 0.0
    assert log_age[kept].max() > 1.0


def test_friends_keep_all_entries(data):
    batch, _, kept = batch_of(data, next_item_share=0.5)
    assert batch.keep[len(kept) :].min() == 1.0


@pytest.mark.parametrize("alone", [0.0, 0.3, 1.0])
def test_friends_are_hidden_of_a_share_of_shoppers_whole(data, alone):
    batch, _, _ = batch_of(data, friend_dropout=alone)
    whole, _, _ = batch_of(data, friend_dropout=0.0)
    left, before = batch.people.friend_offsets.diff(), whole.people.friend_offsets.diff()
    assert torch.all((left == before) | (left == 0))
    hidden = (left[before > 0] == 0).float().mean()
    assert abs(float(hidden) - alone) < 0.15
    assert len(batch.people.person) == len(batch.people.strengths) == int(left.sum())


def with_gaps(data, factor):
    """The same events in the same order, further apart."""
    ts = data.interactions.ts_ms
    return replace(data, interactions=replace(data.interactions, ts_ms=ts * factor))


@pytest.mark.parametrize(("use_times", "same"), [(False, True), (True, False)])
def test_without_times_only_the_order_counts(data, use_times, same):
    assert np.diff(data.interactions.ts_ms).max() > DAY_MS / 1000
    scores = []
    for factor in (1, 50):
        model = SocialModel(
            SocialConfig(embedding_size=8, use_times=use_times, next_item_share=0.5, loop=LOOP)
        )
        model.fit(with_gaps(data, factor))
        scores.append(model.scores(np.arange(data.num_users)))
    assert np.allclose(*scores, atol=1e-5) == same


def test_a_share_that_is_none_is_refused():
    with pytest.raises(BadInputError, match="next_item_share"):
        SocialConfig(next_item_share=1.5)


def test_each_head_has_draws_and_a_start_of_its_own(data):
    trainee = SocialTrainee(SocialConfig(embedding_size=8, heads=2), data, torch.device("cpu"))
    one, other = trainee.batch(0, 0, 0, 1)
    assert not torch.equal(one.keep, other.keep)
    assert not torch.equal(*trainee.item_in)
    alone = SocialTrainee(SocialConfig(embedding_size=8), data, torch.device("cpu")).batch(
        0, 0, 0, 1
    )
    assert torch.equal(one.keep, alone[0].keep)


def test_heads_of_different_lengths_are_refused():
    with pytest.raises(BadInputError, match="multiple of heads"):
        SocialConfig(embedding_size=8, heads=3)


def test_with_friends_for_newcomers_alone_who_is_known_gets_the_list_of_a_model_without_ties():
    data = planted().data
    config = SocialConfig(embedding_size=16, loop=LoopConfig(max_epochs=10, lr=2e-2))
    newcomers, nobody = (
        SocialModel(replace(config, friends_for_cold_start_only=True)),
        SocialModel(replace(config, use_ties=False)),
    )
    for model in (newcomers, nobody):
        model.fit(data)
    assert (newcomers.linear_weight, newcomers.popularity_weight) == (
        nobody.linear_weight,
        nobody.popularity_weight,
    )
    known = np.bincount(data.interactions.user_idx, minlength=data.num_users) > 0
    users = np.arange(data.num_users)
    differ = (newcomers.scores(users) != nobody.scores(users)).any(axis=1)
    assert not differ[known].any()
    has_friends = np.bincount(data.ties.src_idx, minlength=data.num_users) > 0
    assert differ[~known & has_friends].all()
    assert (~known & has_friends).any()
