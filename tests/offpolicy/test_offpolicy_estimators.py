"""On all lists that a policy can show, so that means are exact and no luck is in them."""

from itertools import permutations

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.offpolicy.estimators import EstimateSettings, Estimator, estimate_value, ratios
from coterie.offpolicy.logged import LoggedLists
from coterie.offpolicy.slates import pseudo_inverse_weights
from coterie.offpolicy.targets import conditional_probability, expected_under
from coterie.offpolicy.weights import ListModel, weigh

ITEMS, PLACES = 5, 3
LISTS = np.array(list(permutations(range(ITEMS), PLACES)))
RANKED = np.tile(np.arange(ITEMS), (len(LISTS), 1))
LOGGING, OTHER = np.array([0.5, 0.1, 0.9, 0.0, 0.3]), np.array([0.0, 1.5, 0.2, 0.8, 0.1])
PLEASES = np.array([0.1, 0.5, 0.3, 0.2, 0.7])


def chances(score):
    order = np.argsort(-score, kind="stable")
    ranked = RANKED[:, order]
    return conditional_probability(ranked, score[ranked], LISTS, 1.0)


def by_place():
    """Each place earns by its item alone, the lower the less."""
    return PLEASES[LISTS] * np.array([1.0, 0.7, 0.5])


def by_cascade():
    """Who was pleased by what stands above looks less."""
    pleased = PLEASES[LISTS]
    left = np.cumprod(1 - pleased, axis=1)
    return pleased * np.concatenate([np.ones((len(LISTS), 1)), left[:, :-1]], axis=1)


def by_list():
    """What stands below moves what stands above."""
    return PLEASES[LISTS] * (1 + 9 * (LISTS[:, -1:] == 1))


def world(reward, target=None):
    model = np.linspace(0.1, 0.4, ITEMS)
    order = np.argsort(-OTHER, kind="stable")
    ranked = RANKED[:, order]
    return LoggedLists(
        np.ones(LISTS.shape, np.bool_),
        reward,
        chances(LOGGING),
        chances(OTHER) if target is None else target,
        np.arange(len(LISTS)),
        model[LISTS],
        expected_under(ranked, OTHER[ranked], model[ranked], LISTS, 1.0),
    )


def exactly(logged, model, estimator):
    """The estimate's mean over the logging policy."""
    odds = logged.propensity.prod(axis=1)
    made = ratios(logged, weigh(logged, model), estimator)
    return float(((odds @ made.above) / (odds @ made.below)) @ made.sign)


def truth(logged):
    return float((logged.target.prod(axis=1)[:, None] * logged.reward).sum())


def test_probabilities_of_all_lists_sum_to_one():
    for score in (LOGGING, OTHER):
        assert chances(score).prod(axis=1).sum() == pytest.approx(1)


@pytest.mark.parametrize("estimator", Estimator)
@pytest.mark.parametrize(
    ("model", "reward"),
    [
        (ListModel.LIST, by_list),
        (ListModel.LIST, by_cascade),
        (ListModel.CASCADE, by_cascade),
        (ListModel.CASCADE, by_place),
    ],
)
def test_an_estimate_is_right_where_its_model_of_lists_is(estimator, model, reward):
    logged = world(reward())
    assert exactly(logged, model, estimator) == pytest.approx(truth(logged))


@pytest.mark.parametrize(
    ("model", "reward"),
    [(ListModel.CASCADE, by_list), (ListModel.POSITION, by_cascade)],
)
def test_it_is_wrong_where_its_model_of_lists_is_wrong(model, reward):
    logged = world(reward())
    assert abs(exactly(logged, model, Estimator.IPS) / truth(logged) - 1) > 0.02


def test_by_position_is_right_with_chances_of_whole_places():
    def at_places(conditional):
        odds = conditional.prod(axis=1)
        found = np.zeros((PLACES, ITEMS))
        for place in range(PLACES):
            np.add.at(found[place], LISTS[:, place], odds)
        return found

    conditional = world(by_place())
    logging, other = at_places(chances(LOGGING)), at_places(chances(OTHER))
    where = np.arange(PLACES)
    odds = chances(LOGGING).prod(axis=1)
    weight = other[where, LISTS] / logging[where, LISTS]
    assert (odds @ (weight * conditional.reward)).sum() == pytest.approx(truth(conditional))
    whole = pseudo_inverse_weights(drawn(odds), other[None], LISTS[None])[0]
    assert odds @ whole == pytest.approx(1, abs=1e-3)
    found = odds @ (whole[:, None] * conditional.reward)
    assert found.sum() == pytest.approx(truth(conditional), rel=2e-3)


def drawn(odds):
    """Lists in the numbers that their odds ask for."""
    return np.repeat(LISTS, np.round(odds * 400_000).astype(int), axis=0)[None]


def test_pseudo_inverse_of_independent_places_needs_no_matrix():
    # Places are filled independently, from items of their own.
    lists = np.array([(a, b) for a in range(2) for b in range(2)])
    logging, other = np.array([[0.7, 0.3], [0.5, 0.5]]), np.array([[0.2, 0.8], [0.9, 0.1]])
    where = np.arange(2)
    parts = np.array([[0.3, 0.9], [0.4, 0.1]])[where, lists]
    logged = LoggedLists(
        np.ones((4, 2), np.bool_), parts, logging[where, lists], other[where, lists], np.arange(4)
    )
    weights = weigh(logged, ListModel.PSEUDO_INVERSE)
    odds = logged.propensity.prod(axis=1)
    assert (odds @ (weights.here * parts)).sum() == pytest.approx(truth(logged))
    full = pseudo_inverse_weights(
        np.repeat(lists, np.round(odds * 1000).astype(int), axis=0)[None], other[None], lists[None]
    )
    np.testing.assert_allclose(full[0], weights.here[:, 0], atol=1e-6)


def test_clipping_bounds_weights_and_says_how_many():
    logged = world(by_place())
    weights = weigh(logged, ListModel.CASCADE)
    assert weights.clipped(2.0).here.max() == 2.0
    assert weights.share_over(2.0) == pytest.approx((weights.here > 2).mean())


def test_the_policy_that_was_logged_gets_what_was_earned_and_no_gain():
    logged = world(by_place(), chances(LOGGING))
    for model in ListModel:
        found = estimate_value(logged, EstimateSettings(model, Estimator.IPS, limits=None))
        assert found.value == pytest.approx(logged.reward.sum(axis=1).mean())
        assert (found.gain, found.gain_low, found.gain_high) == pytest.approx((0, 0, 0))
        assert found.effective == pytest.approx(len(LISTS))


def test_short_lists_count_for_the_places_that_they_have():
    shown = np.array([[True, True], [True, False]] * 10)
    reward = np.where(shown, 1.0, 99.0)
    one = np.ones(shown.shape)
    logged = LoggedLists(shown, reward, one, one, np.arange(20), one, one)
    for estimator in Estimator:
        found = estimate_value(logged, EstimateSettings(estimator=estimator, limits=None))
        assert found.value == pytest.approx(1.5)


def test_a_ranking_shows_the_best_that_does_not_stand_above():
    ranked = np.array([[3, 1, 2, -1]])
    score = np.array([[3.0, 2.0, 1.0, -np.inf]])
    assert conditional_probability(ranked, score, np.array([[3, 1, 2]])).tolist() == [[1, 1, 1]]
    assert conditional_probability(ranked, score, np.array([[1, 3, 9]])).tolist() == [[0, 1, 0]]
    drawn = conditional_probability(ranked, score, np.array([[1, 3, -1]]), 1.0)
    odds = np.exp([3.0, 2.0, 1.0])
    np.testing.assert_allclose(drawn[0], [odds[1] / odds.sum(), odds[0] / (odds[0] + odds[2]), 0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propensity": np.zeros((2, 1))}, "propensity is 0, which is not in"),
        ({"propensity": np.full((2, 1), np.nan)}, "2 of 2 places are so"),
        ({"target": np.full((2, 1), 1.5)}, "target probability is 1.5"),
        ({"reward": np.full((2, 1), np.nan)}, "a reward is not a number"),
        ({"shopper": np.arange(3)}, "give each list one"),
        ({"reward": np.zeros((2, 2))}, "differ in shape"),
        ({"shown": np.zeros((2, 1), np.bool_)}, "no shown item"),
    ],
)
def test_what_no_estimate_can_be_made_of_is_refused(change, words):
    one = np.ones((2, 1))
    columns = {"shown": one > 0, "reward": one, "propensity": one, "target": one}
    with pytest.raises(BadInputError, match=words):
        LoggedLists(**{**columns, "shopper": np.arange(2), **change})


def test_doubly_robust_without_a_model_is_refused():
    one = np.ones((20, 1))
    logged = LoggedLists(one > 0, one, one, one, np.arange(20))
    with pytest.raises(BadInputError, match="fit a reward model"):
        estimate_value(logged, EstimateSettings(estimator=Estimator.DR, limits=None))
    with pytest.raises(BadInputError, match="clip at 1 or more"):
        EstimateSettings(clip=0.5)
