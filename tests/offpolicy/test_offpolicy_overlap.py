import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.offpolicy.estimators import EstimateSettings, Estimator, estimate_value
from coterie.offpolicy.intervals import IntervalKind, IntervalSettings, Ratios, interval
from coterie.offpolicy.logged import LoggedLists
from coterie.offpolicy.overlap import OverlapLimits
from coterie.offpolicy.weights import ListModel

ARMS = 4


def log(num=2000, seed=0, logging=None, target=None, logged_as=None):
    """One place, four items, of which the last pleases most."""
    rng = np.random.default_rng(seed)
    logging = np.full(ARMS, 0.25) if logging is None else np.array(logging)
    target = np.array([0.1, 0.1, 0.1, 0.7]) if target is None else np.array(target)
    item = rng.choice(ARMS, num, p=logging)
    reward = (rng.random(num) < np.array([0.1, 0.2, 0.3, 0.6])[item]).astype(float)
    said = logging if logged_as is None else np.array(logged_as)
    column = np.newaxis
    return LoggedLists(
        np.ones((num, 1), np.bool_),
        reward[:, column],
        said[item][:, column],
        target[item][:, column],
        np.arange(num),
    )


def test_a_log_that_varies_enough_is_used():
    found = estimate_value(log())
    assert found.low < 0.48 < found.high
    assert found.covered == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        (log(logging=[1, 0, 0, 0], target=[0, 0, 0, 1]), "the log never varied: all 2,000 places"),
        (log(logging=[0.4, 0.3, 0.3, 0]), r"could have shown 3\d% of what the candidate shows"),
        (log(logged_as=[0.1] * 4), "the logged propensities are too small"),
        (log(num=120), "of 120 lists the candidate weighs as much as"),
    ],
)
def test_a_log_that_lacks_what_the_candidate_shows_is_refused(logged, words):
    with pytest.raises(BadInputError, match=words):
        estimate_value(logged, EstimateSettings(estimator=Estimator.IPS))


def test_arms_that_begin_alike_are_refused_at_the_first_place_and_no_further():
    """Each of two arms is logged with a half there, though either shows it where they are alike:
    what stands there surely. Where they part further down, the product of both places is right."""
    rng, num = np.random.default_rng(4), 2000
    of_b, alike = rng.random(num) < 0.5, rng.random(num) < 0.5
    same = np.column_stack([of_b | alike, of_b])
    reward = (rng.random((num, 2)) < 0.2).astype(float)
    said = np.broadcast_to([0.5, 1.0], (num, 2))
    logged = LoggedLists(np.ones((num, 2), np.bool_), reward, said, 1.0 * same, np.arange(num))
    with pytest.raises(BadInputError, match=r"weights average 1\.[34]\d or more where 1 was"):
        estimate_value(logged, EstimateSettings(ListModel.CASCADE))
    exact = np.column_stack([np.where(alike, 1.0, 0.5), np.where(alike, 0.5, 1.0)])
    right = LoggedLists(np.ones((num, 2), np.bool_), reward, exact, 1.0 * same, np.arange(num))
    found = estimate_value(right, EstimateSettings(ListModel.CASCADE))
    assert found.low < 0.4 < found.high
    whole = [
        estimate_value(one, EstimateSettings(ListModel.LIST, limits=None))
        for one in (logged, right)
    ]
    assert whole[0].value == pytest.approx(whole[1].value)


def test_the_refusal_says_what_to_do_and_can_be_turned_off():
    logged = log(logging=[0.4, 0.3, 0.3, 0])
    with pytest.raises(BadInputError, match="log lists that vary more"):
        estimate_value(logged)
    assert estimate_value(logged, EstimateSettings(limits=None)).covered < 0.5
    with pytest.raises(BadInputError, match="at least one list"):
        OverlapLimits(min_covered=0)


def test_lower_places_are_looked_at_too():
    one = log()
    two = LoggedLists(
        *(
            np.repeat(getattr(one, name), 2, axis=1)
            for name in ("shown", "reward", "propensity", "target")
        ),
        one.shopper,
    )
    two.target[:, 0] = two.propensity[:, 0]
    two.target[two.propensity[:, 1] > 0, 1] = 0.001
    with pytest.raises(BadInputError, match="could have shown 0%"):
        estimate_value(two, EstimateSettings(ListModel.POSITION))


@pytest.mark.parametrize("kind", IntervalKind)
def test_intervals_hold_the_truth_as_often_as_they_say(kind):
    settings = EstimateSettings(interval=IntervalSettings(kind, resamples=100))
    found = [estimate_value(log(300, seed), settings) for seed in range(80)]
    held = np.mean([one.low <= 0.48 <= one.high for one in found])
    assert 0.88 <= held <= 0.99


def test_lists_of_one_shopper_are_not_taken_for_independent():
    rng = np.random.default_rng(0)
    of_whom = rng.normal(size=100)
    alone = Ratios(of_whom[:, None], np.ones((100, 1)), np.ones(1))
    often = Ratios(np.repeat(of_whom, 50)[:, None], np.ones((5000, 1)), np.ones(1))
    for kind in IntervalKind:
        settings = IntervalSettings(kind)
        once = interval(alone, np.arange(100), settings)
        assert interval(often, np.repeat(np.arange(100), 50), settings) == pytest.approx(once)


def test_a_few_shoppers_give_no_interval():
    few = Ratios(np.ones((9, 1)), np.ones((9, 1)), np.ones(1))
    with pytest.raises(BadInputError, match="holds 9 shoppers, an interval needs 10"):
        interval(few, np.arange(9))
