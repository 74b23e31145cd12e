from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import planted

from coterie.data.dataset import Interactions
from coterie.errors import BadInputError
from coterie.models import Bounded, Learned, Releasable
from coterie.models.bounded import BoundedModel, noisy_sums
from coterie.models.bounded_config import BoundedConfig
from coterie.models.engagement import engagement
from coterie.privacy.accounting import Budget
from coterie.privacy.promise import Promise


def fitted(data, **settings):
    model = BoundedModel(BoundedConfig(**settings))
    model.fit(data)
    return model


@pytest.fixture(scope="module")
def data():
    return planted().data


def test_it_can_be_released_with_a_bound_and_learns_no_epochs():
    model = BoundedModel()
    assert isinstance(model, Releasable)
    assert isinstance(model, Bounded)
    assert not isinstance(model, Learned)


def test_noise_is_calibrated_to_what_one_person_can_change(data):
    config = BoundedConfig(epsilon=2.0, max_entries=9, row_length=3.0, noise_seed=4)
    had = engagement(data)
    multipliers = Budget(2.0, config.delta).multipliers((0.2, 0.8))
    noisy, plain = (noisy_sums(config, had, m) for m in (multipliers, (0.0, 0.0)))
    assert noisy.deviation == pytest.approx(multipliers[1] * 9)
    assert (noisy.popularity >= 0).all()
    shown = noisy.popularity > 0  # what would be below is cut off there
    more = (noisy.popularity - plain.popularity)[shown]
    assert more.std() == pytest.approx(multipliers[0] * 3, rel=0.35)
    # Of all items each, so in the same order.
    assert len(noisy.some) == len(plain.some) == data.num_items
    difference = noisy.together - plain.together
    above = difference[np.triu_indices(len(difference), 1)]
    assert above.std() == pytest.approx(multipliers[1] * 9 / np.sqrt(2), rel=0.05)


def test_of_people_it_reads_the_noisy_sums_alone(data, monkeypatch):
    """Given the same sums, whoever they were of, it is the same to the bit."""
    sums = noisy_sums(BoundedConfig(), engagement(data), (0.0, 0.0))
    monkeypatch.setattr("coterie.models.bounded.noisy_sums", lambda *_: sums)
    rng = np.random.default_rng(0)
    some = data.interactions.take(np.sort(rng.permutation(len(data.interactions))[:100]))
    others = replace(data.without_ties(), interactions=some, validation=None)
    one, other = (fitted(d, epsilon=2.0, noise_seed=0).parameters for d in (data, others))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_two_fits_draw_other_noise_unless_a_seed_is_given(data):
    first, second = (fitted(data, epsilon=5.0) for _ in range(2))
    assert not np.array_equal(first.popularity, second.popularity)
    first, second = (fitted(data, epsilon=5.0, noise_seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.popularity, second.popularity)


def test_it_promises_what_the_accountant_adds_up(data):
    promise = fitted(data, epsilon=2.0, delta=1e-7, max_entries=4, row_length=2.0).promise
    assert 1.9 < promise.epsilon <= 2.0
    assert (promise.delta, promise.max_entries, promise.row_length) == (1e-7, 4, 2.0)
    assert Promise.from_json(promise.as_json()) == promise
    assert promise.covers == ("parameters.safetensors", "popularity.safetensors")


@pytest.mark.parametrize("settings", [{"epsilon": None}, {"epsilon": 1.0, "noise_seed": 3}])
def test_without_noise_or_with_noise_that_can_be_drawn_again_it_promises_nothing(data, settings):
    assert fitted(data, **settings).promise is None


def test_more_noise_costs_accuracy_and_less_leaves_the_lists_of_none(data):
    planted_shop = planted()
    users = planted_shop.experienced

    def share(**settings):
        model = fitted(data, noise_seed=2, row_length=1.0, popular=0.0, **settings)
        return planted_shop.share_in_block(model.lists(users, 10), users)

    assert share(epsilon=None) > 0.75
    assert share(epsilon=50.0) > share(epsilon=0.1) + 0.3


@pytest.mark.parametrize(
    "settings",
    [
        {"epsilon": 0.0},
        {"epsilon": float("nan")},
        {"delta": 0.0},
        {"row_length": 0.5},
        {"max_entries": 0},
        {"popularity_share": 1.0},
        {"noise_seed": "7"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(BadInputError, match=next(iter(settings))):
        BoundedConfig(**settings)


def test_a_delta_too_large_for_the_people_is_refused(data):
    with pytest.raises(BadInputError, match="below 1 / people"):
        fitted(data, delta=1e-3 if data.num_users >= 1000 else 1 / data.num_users)


def test_nothing_to_learn_from_is_refused(data):
    nothing = replace(data, interactions=data.interactions.take(np.zeros(0, np.int64)))
    assert isinstance(nothing.interactions, Interactions)
    with pytest.raises(BadInputError, match="to learn from"):
        fitted(nothing)
