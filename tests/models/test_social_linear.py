"""The closed form against the formula that it stands for, written out on dense matrices."""

from dataclasses import replace

import numpy as np
import pytest

from coterie.models import social_linear
from coterie.models.engagement import engagement
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.recommend.batches import Community
from tests.synthetic import planted

WHOLE = SocialLinearConfig(rank=10_000, iterations=2)


@pytest.fixture(scope="module")
def data():
    return replace(planted().data, validation=None)


def written_out(config, data, community):
    """Own and friends' weights, items x items, by the module's formulas."""
    had = engagement(data)
    learners = np.flatnonzero(np.diff(had.indptr) > 0)
    shoppers = community.shoppers(learners)
    weights = social_linear._input_weights(config)
    answers = weights.own(shoppers, data.num_items).toarray()
    popularity = np.maximum(np.asarray(had.sum(axis=0)).ravel(), 1.0)
    scale = popularity**-config.item_power
    lengths = np.diff(had.indptr)[learners]
    row = (lengths / lengths.mean()) ** (-config.history_discount / 2)
    x = row[:, None] * answers * scale
    f = row[:, None] * weights.friends(shoppers, data.num_items).toarray() * scale
    g = np.sqrt(config.friends * (x**2).sum() / (f**2).sum())
    tau, f = config.alike, g * f
    l2 = config.l2 * ((answers * scale) ** 2).sum() / len(learners)
    kernel = x @ x.T + f @ f.T + tau * (x @ f.T + f @ x.T)
    a = np.linalg.solve(kernel + l2 * np.eye(len(x)), row[:, None] * answers)
    a /= popularity**config.popularity_discount
    return scale[:, None] * ((x + tau * f).T @ a), (g * scale)[:, None] * ((f + tau * x).T @ a)


@pytest.mark.parametrize(("alike", "off"), [(1.0, 1e-5), (0.3, 5e-4), (0.0, 5e-4)])
def test_at_full_rank_it_is_the_ridge_regression(data, alike, off):
    # Where own and friends' weights may differ the whole rank is up to twice the items: cut off.
    config, community = replace(WHOLE, alike=alike), Community.of(data)
    part = fit_linear(config, data, community)
    own, friend = written_out(config, data, community)
    np.testing.assert_allclose((part.own @ part.out.T).numpy(), own, rtol=0, atol=off)
    np.testing.assert_allclose((part.friend @ part.out.T).numpy(), friend, rtol=0, atol=off)
    assert np.abs(own).max() > 0.05
    assert np.abs(friend).max() > 0.01


def test_friends_inputs_are_told_by_a_sample_of_shoppers(data, monkeypatch):
    whole = fit_linear(WHOLE, data, Community.of(data))
    monkeypatch.setattr(social_linear, "MAX_LOOKED_AT", data.num_users // 3)
    sample = fit_linear(WHOLE, data, Community.of(data))
    ratio = float(sample.friend.norm() / whole.friend.norm())
    assert ratio != 1.0
    assert 0.8 < ratio < 1.25


def test_a_shop_of_many_items_gets_shorter_vectors(data, monkeypatch):
    monkeypatch.setattr(social_linear, "MAX_NUMBERS", 70 * data.num_items)
    part = fit_linear(replace(WHOLE, rank=90), data, Community.of(data))
    assert part.out.shape == (data.num_items, 70)
