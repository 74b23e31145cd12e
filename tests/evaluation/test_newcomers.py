"""People whom no model saw: nothing of theirs leaks, and ties are what helps them first."""

import numpy as np
import pytest

from coterie.data.dataset import TrainingSet
from coterie.evaluation.newcomers import REVEALED, Newcomers
from coterie.models import MODELS, Inductive
from coterie.models.social_config import SocialConfig
from coterie.training.loop import LoopConfig
from tests.synthetic import planted


@pytest.fixture(scope="module")
def shop():
    return planted(seed=3)


@pytest.fixture(scope="module")
def newcomers(shop):
    found = Newcomers.choose(shop.data, shop.held_out, share=0.2)
    assert found is not None
    return found


def of_newcomers(newcomers, events):
    return np.isin(events.user_idx, np.unique(newcomers.held_out.user_idx))


def test_nothing_of_theirs_is_learned_from_and_all_else_is(shop, newcomers):
    left = newcomers.without.interactions
    assert not of_newcomers(newcomers, left).any()
    others = ~of_newcomers(newcomers, shop.data.interactions)
    assert len(left) == others.sum()
    assert len(newcomers.without.ties) == len(shop.data.ties)


@pytest.mark.parametrize("num", REVEALED)
def test_a_list_knows_just_the_first_items(shop, newcomers, num):
    known = newcomers.knowing(num).interactions
    theirs = known.take(of_newcomers(newcomers, known))
    for user in np.unique(newcomers.held_out.user_idx):
        all_of_theirs = shop.data.interactions
        rows = all_of_theirs.user_idx == user
        items = list(dict.fromkeys(all_of_theirs.item_idx[rows].tolist()))
        assert sorted(set(theirs.item_idx[theirs.user_idx == user].tolist())) == sorted(items[:num])
        asked = newcomers.held_out.item_idx[newcomers.held_out.user_idx == user]
        assert set(items[max(REVEALED) :]) <= set(asked.tolist())
        assert not set(items[: max(REVEALED)]) & set(asked.tolist())


def test_the_same_people_are_judged_by_the_same_items_however_much_is_told(newcomers):
    model = MODELS["popularity"]()
    model.fit(newcomers.without)
    judged = []
    for num in REVEALED:
        model.serve(newcomers.knowing(num))
        judged.append(newcomers.evaluate(model, num, (10,)).user_idx)
    assert all(np.array_equal(judged[0], users) for users in judged)


def test_ties_alone_are_worth_more_than_what_is_popular(newcomers):
    loop = LoopConfig(max_epochs=25, lr=5e-3)
    social = MODELS["social"](SocialConfig(embedding_size=16, loop=loop))
    social.fit(newcomers.without)
    popular = MODELS["popularity"]()
    popular.fit(newcomers.without)
    for model in (social, popular):
        model.serve(newcomers.knowing(0))
    reached = [newcomers.evaluate(m, 0, (10,)).mean("ndcg@10") for m in (social, popular)]
    assert reached[0] > 1.3 * reached[1]


def test_what_is_told_is_heard(newcomers):
    model = MODELS["ease"]()
    model.fit(newcomers.without)
    reached = []
    for num in (0, 3):
        model.serve(newcomers.knowing(num))
        reached.append(newcomers.evaluate(model, num, (10,)).mean("ndcg@10"))
    assert reached[1] > 1.2 * reached[0]


def test_where_nobody_took_enough_there_are_none(shop):
    few = shop.data.interactions.take(np.zeros(0, np.int64))
    data = TrainingSet(few, shop.data.ties, shop.data.num_users, shop.data.num_items)
    assert Newcomers.choose(data, shop.held_out) is None


@pytest.mark.parametrize("name", [n for n in MODELS if n != "lightgcn"])
def test_a_model_that_serves_others_still_knows_what_it_learned(shop, name):
    model = MODELS[name](MODELS[name].config_class())
    assert isinstance(model, Inductive)
