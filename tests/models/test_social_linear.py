"""The closed form against the formula that it stands for, written out on dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from coterie.errors import BadInputError
from coterie.models import neighbours, social_linear
from coterie.models.content_rows import ContentRows
from coterie.models.engagement import engagement
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.recommend.batches import Community
from coterie.recommend.linear import LinearPart
from tests.synthetic import planted

WHOLE = SocialLinearConfig(rank=10_000, iterations=2, residual_weight=0.0)


@pytest.fixture(scope="module")
def data():
    return replace(planted().data, validation=None)


def problem(config, data, community):
    """Own and friends' inputs, answers, l2, and what vectors are scaled with, dense."""
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
    g = np.sqrt(config.friend_weight * (x**2).sum() / (f**2).sum())
    l2 = config.l2 * ((answers * scale) ** 2).sum() / len(learners)
    discount = popularity**-config.popularity_discount
    return x, g * f, row[:, None] * answers, l2, scale, g, discount


def written_out(config, data, community):
    """Own and friends' weights, items x items, by the module's formulas."""
    x, f, y, l2, scale, g, discount = problem(config, data, community)
    tau = config.tie_coupling
    kernel = x @ x.T + f @ f.T + tau * (x @ f.T + f @ x.T)
    a = np.linalg.solve(kernel + l2 * np.eye(len(x)), y) * discount
    return scale[:, None] * ((x + tau * f).T @ a), (g * scale)[:, None] * ((f + tau * x).T @ a)


@pytest.mark.parametrize(("tie_coupling", "off"), [(1.0, 1e-5), (0.3, 5e-4), (0.0, 5e-4)])
def test_at_full_rank_it_is_the_ridge_regression(data, tie_coupling, off):
    # Where own and friends' weights may differ the whole rank is up to twice the items: cut off.
    config, community = replace(WHOLE, tie_coupling=tie_coupling), Community.of(data)
    part = fit_linear(config, data, community)
    own, friend = written_out(config, data, community)
    np.testing.assert_allclose((part.own @ part.out.T).numpy(), own, rtol=0, atol=off)
    np.testing.assert_allclose((part.friend @ part.out.T).numpy(), friend, rtol=0, atol=off)
    assert np.abs(own).max() > 0.05
    assert np.abs(friend).max() > 0.01


@pytest.mark.parametrize("weight", [0.2, 1.0])
def test_rows_of_content_are_rebuilt_as_if_shoppers_had_had_their_items(data, weight):
    config, community = replace(WHOLE, tie_coupling=1.0), Community.of(data)
    words = np.random.default_rng(0).random((12, data.num_items)).astype(np.float32)
    words[words < 0.8] = 0.0
    part = fit_linear(
        config, data, community, content=ContentRows(sparse.csr_matrix(words), weight)
    )
    x, f, y, l2, scale, g, discount = problem(config, data, community)
    words *= np.sqrt(weight * (x**2).sum() / ((words * scale) ** 2).sum())
    x, y = np.vstack([x, words * scale]), np.vstack([y, words])
    f = np.vstack([f, np.zeros((12, f.shape[1]))])
    a = np.linalg.solve((x + f) @ (x + f).T + l2 * np.eye(len(x)), y) * discount
    own, friend = scale[:, None] * ((x + f).T @ a), (g * scale)[:, None] * ((f + x).T @ a)
    np.testing.assert_allclose((part.own @ part.out.T).numpy(), own, rtol=0, atol=1e-5)
    np.testing.assert_allclose((part.friend @ part.out.T).numpy(), friend, rtol=0, atol=1e-5)


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


@pytest.mark.parametrize("friends", [0.0, 0.1])
def test_beyond_the_rank_the_inverse_is_one_number_for_own_items(data, friends):
    config = SocialLinearConfig(rank=12, iterations=30, residual_weight=0.8, friend_weight=friends)
    community = Community.of(data)
    part = fit_linear(config, data, community)
    own, friend = cut_off(config, data, community)
    np.testing.assert_allclose((part.friend @ part.out.T).numpy(), friend, rtol=0, atol=1e-4)
    found = (part.own @ part.out.T).numpy() + part.near.toarray()
    off = ~np.eye(data.num_items, dtype=bool)  # no item speaks for itself
    np.testing.assert_allclose(found[off], own[off], rtol=0, atol=1e-4)
    cut = fit_linear(replace(config, residual_weight=0.0), data, community)
    assert np.abs((cut.own @ cut.out.T).numpy() - own)[off].max() > 0.01


def cut_off(config, data, community):
    """Own and friends' weights of the largest eigenpairs, and a flat rest for own items."""
    x, f, y, l2, scale, g, discount = problem(config, data, community)
    tau = config.tie_coupling
    values, vectors = np.linalg.eigh(x @ x.T + f @ f.T + tau * (x @ f.T + f @ x.T))
    basis, values = vectors[:, -config.rank :], values[-config.rank :]
    top = basis / (values + l2) @ basis.T @ y
    flat = config.residual_weight / (values[0] + l2) * (y - basis @ (basis.T @ y))
    own = (x + tau * f).T @ top + x.T @ flat
    return scale[:, None] * own * discount, (g * scale)[:, None] * (
        (f + tau * x).T @ top
    ) * discount


def test_each_item_keeps_its_nearest_whatever_the_blocks(data, monkeypatch):
    rng = np.random.default_rng(0)
    inputs = sparse.random_array((40, 30), density=0.2, rng=rng, format="csr")
    columns = rng.uniform(0.5, 2.0, 30)
    whole = (inputs.T @ inputs).toarray() * columns
    np.fill_diagonal(whole, 0.0)
    for products in (10, 100, 10**6):
        monkeypatch.setattr(neighbours, "MAX_PRODUCTS", products)
        found = neighbours.nearest(inputs, inputs, columns, 5, 10**6)
        assert np.diff(found.indptr).max() == 5
        largest = np.sort(whole, axis=1)[:, -5:]
        np.testing.assert_allclose(np.sort(found.toarray(), axis=1)[:, -5:], largest, rtol=1e-5)
        row, column = found.nonzero()
        np.testing.assert_allclose(whole[row, column], found.data, rtol=1e-5)


def test_all_rows_together_are_bounded_by_what_the_longest_keep():
    rng = np.random.default_rng(0)
    density = np.linspace(0.02, 0.6, 30)
    inputs = sparse.csr_matrix((rng.random((40, 30)) < density).astype(float))
    whole = neighbours.nearest(inputs, inputs, np.ones(30), 30, 10**6)
    cut = neighbours.nearest(inputs, inputs, np.ones(30), 30, 400)
    was, now = np.diff(whole.indptr), np.diff(cut.indptr)
    assert cut.nnz <= 400 < whole.nnz
    np.testing.assert_array_equal(now, np.minimum(was, now.max()))
    assert neighbours.nearest(inputs, inputs, np.ones(30), 30, 0).nnz == 0


def test_a_closed_form_of_items_that_are_not_there_is_refused(data):
    tensors = fit_linear(SocialLinearConfig(rank=8), data, Community.of(data)).tensors()

    def changed(name, place, value):
        spoiled = tensors[f"linear.{name}"].clone()
        spoiled[place] = value
        return tensors | {f"linear.{name}": spoiled}

    for wrong in (data.num_items, -1):
        with pytest.raises(BadInputError, match="nearest items of a term are rows"):
            LinearPart.of_tensors(changed("near_item", 0, wrong), data.num_items)
    for place, wrong in ((0, 1), (1, 10**6), (-1, 0)):
        with pytest.raises(BadInputError, match="nearest items of a term have shapes"):
            LinearPart.of_tensors(changed("near_offsets", place, wrong), data.num_items)
    for name in ("near", "near_item", "near_offsets"):
        shorter = tensors | {f"linear.{name}": tensors[f"linear.{name}"][:-1]}
        with pytest.raises(BadInputError, match="nearest items of a term have shapes"):
            LinearPart.of_tensors(shorter, data.num_items)


def test_a_closed_form_of_before_dislikes_weighs_them_like_a_purchase(data):
    solved = fit_linear(SocialLinearConfig(rank=8), data, Community.of(data))
    tensors = solved.tensors()
    assert tensors["linear.kind"][-3:].tolist() == [1.0, 1.0, 1.0]
    old = tensors | {"linear.kind": tensors["linear.kind"][:7]}
    found = LinearPart.of_tensors(old, data.num_items)
    np.testing.assert_array_equal(found.weights.kind, solved.weights.kind)
    assert found.weights.dislike_weight == 0.0
