"""Estimates of why a graph network lists an item: they add up but for a gap that is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from synthetic import planted

from coterie.errors import BadInputError
from coterie.models.gatv2 import GATv2, GATv2Config
from coterie.models.graph_estimates import Explained, ReasonEstimate, estimate, left_out
from coterie.models.hgt import HGT, HGTConfig
from coterie.recommend.recommender import Contribution
from coterie.training.loop import LoopConfig

SMALL = {
    "embedding_size": 8,
    "attention_heads": 2,
    "own_items": 6,
    "friends": 2,
    "items": 4,
    "buyers": 2,
    "batch_size": 32,
    "loop": LoopConfig(max_epochs=6, lr=3e-2),
}
USER = 10


@pytest.fixture(scope="module", params=["gatv2", "hgt", "gatv2, 3 hops"])
def fitted(request):
    kind, config = (HGT, HGTConfig) if request.param == "hgt" else (GATv2, GATv2Config)
    hops = 3 if "3" in request.param else 2
    shop = planted()
    model = kind(config(**SMALL, hops=hops))
    model.fit(shop.data)
    return shop, model


def best_of(model):
    return int(model.scores(np.array([USER]))[0].argmax())


def test_contributions_add_up_to_the_score_but_for_a_gap_that_shrinks(fitted):
    _, model = fitted
    item = best_of(model)
    few, many = (estimate(*model.served(), USER, item, steps) for steps in (2, 64))
    assert many.score == pytest.approx(float(model.scores(np.array([USER]))[0, item]), abs=1e-5)
    assert many.relative_gap < 0.02
    assert many.relative_gap <= few.relative_gap + 1e-6
    assert many.gap == pytest.approx(many.score - many.nothing - many.contribution.sum())
    assert np.abs(many.contribution).max() > 0.01


def test_items_are_put_to_who_had_them(fitted):
    shop, model = fitted
    data = shop.data
    found = estimate(*model.served(), USER, 0, 1)
    had = {
        (u, i) for u, i in zip(data.interactions.user_idx, data.interactions.item_idx, strict=True)
    }
    friends = set(data.ties.dst_idx[data.ties.src_idx == USER])
    friends |= set(data.ties.src_idx[data.ties.dst_idx == USER])
    assert found.own.any()
    assert (found.person >= 0).any()
    assert all((USER, item) in had for item in found.item_idx[found.own])
    for person, item in zip(found.person, found.item_idx, strict=True):
        assert person == -1 or (person in friends and (person, item) in had)


def test_an_item_that_is_taken_out_changes_what_a_shop_without_it_would(fitted):
    """Held against a tree that never knew the item: the model is asked again."""
    _, model = fitted
    network, graph = model.served()
    item, falls = best_of(model), left_out(*model.served(), USER, best_of(model))
    shown = Explained(network, graph, USER, item)
    at = int(np.flatnonzero(shown.owners(shown.rows)[1])[0])
    gone = int(shown.trees.item[shown.rows[at]])
    users = torch.tensor([USER])
    own, there = graph.own_items(users, network.list_fan_out().own, None)
    trees = graph.trees(
        users, (own, there & (own != gone)), network.config.hops, network.list_fan_out(), None
    )
    if network.config.hops > 2:
        pytest.skip("who also had it are no neighbours then, either")
    with torch.no_grad():
        before, after = (float(shown.score(shown.told, t)) for t in (shown.trees, trees))
    assert falls[at] == pytest.approx(before - after, abs=1e-5)
    assert abs(falls).max() > 0.001


def test_estimates_order_items_about_as_leaving_them_out_does(fitted):
    _, model = fitted
    item = best_of(model)
    found = estimate(*model.served(), USER, item)
    falls = left_out(*model.served(), USER, item)
    assert spearmanr(found.contribution, falls).statistic > 0.4


def test_an_estimate_is_no_contribution_and_says_how_far_it_is_off(fitted):
    _, model = fitted
    found = estimate(*model.served(), USER, 0, 4)
    assert not isinstance(found, Contribution)
    off = replace(found, contribution=found.contribution * 0.5)
    assert off.relative_gap > found.relative_gap


def test_nothing_is_explained_that_was_not_fitted():
    with pytest.raises(BadInputError, match="fit"):
        GATv2().served()
    empty = np.zeros(0)
    assert ReasonEstimate(empty, empty, empty, empty, 1.0, 1.0).relative_gap == 0
