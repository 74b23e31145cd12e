import math

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from coterie.errors import BadInputError
from coterie.privacy.accounting import Budget, accountant_name, spent


def exact_epsilon(multiplier, delta):
    """Of the Gaussian mechanism (Balle and Wang, 2018, arXiv:1805.06530, theorem 8)."""

    def over(epsilon):
        first = norm.cdf(1 / (2 * multiplier) - epsilon * multiplier)
        return first - math.exp(epsilon + norm.logcdf(-1 / (2 * multiplier) - epsilon * multiplier))

    return brentq(lambda epsilon: over(epsilon) - delta, 0, 200)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 10.0, 50.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-7])
def test_what_is_spent_is_within_the_budget_and_no_less_than_it_really_is(epsilon, delta):
    multipliers = Budget(epsilon, delta).multipliers((0.2, 0.8))
    told = spent(multipliers, delta)
    # Two Gaussian sums of the same people are one of this multiplier.
    as_one = 1 / math.sqrt(sum(one**-2 for one in multipliers))
    assert exact_epsilon(as_one, delta) <= told <= epsilon
    assert told > 0.98 * epsilon


def test_the_accountant_is_the_librarys():
    from opacus.accountants import RDPAccountant

    theirs = RDPAccountant()
    for one in (2.0, 3.0):
        theirs.step(noise_multiplier=one, sample_rate=1.0)
    assert spent((2.0, 3.0), 1e-6) == pytest.approx(theirs.get_epsilon(1e-6), rel=1e-3)
    assert accountant_name().startswith("opacus 1.")


def test_a_sum_with_a_larger_share_has_less_noise():
    few, much = Budget(2.0, 1e-6).multipliers((0.2, 0.8))
    assert few / much == pytest.approx(2.0)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf, 51.0])
def test_an_epsilon_that_bounds_nothing_is_refused(epsilon):
    with pytest.raises(BadInputError, match=r"epsilon is .*expected a number over 0"):
        Budget(epsilon, 1e-6)


@pytest.mark.parametrize("delta", [0.0, -1e-6, math.nan, 0.5])
def test_a_delta_that_bounds_nothing_is_refused(delta):
    with pytest.raises(BadInputError, match=r"delta is .*well below 1 / people"):
        Budget(1.0, delta)


def test_a_delta_by_which_somebody_might_be_published_whole_is_refused():
    Budget(1.0, 1e-6).check_people(999_999)
    with pytest.raises(BadInputError, match="for 1,000,000 people"):
        Budget(1.0, 1e-6).check_people(1_000_000)


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.0, 0.0)])
def test_shares_are_of_one_budget(shares):
    with pytest.raises(BadInputError, match="add up to 1"):
        Budget(1.0, 1e-6).multipliers(shares)
