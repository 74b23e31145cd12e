"""Sequential evidence: seldom wrong however often one looks, and quick where there is harm."""

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.rollout.evidence import ArmCounts, Evidence, Worse

ALPHA = 0.05


def looks(rng, canary_rate, stable_rate, windows, samples=(50, 450)):
    """e-values of one rollout, one after each window."""
    evidence, found = Evidence(), []
    for _ in range(windows):
        canary, stable = (
            ArmCounts(n, int(rng.binomial(n, p)))
            for n, p in zip(samples, (canary_rate, stable_rate), strict=True)
        )
        evidence = evidence.add(canary, stable)
        found.append(evidence)
    return found


@pytest.mark.parametrize(
    ("rate", "worse"), [(0.01, Worse.MORE), (0.05, Worse.LESS), (0.3, Worse.MORE)]
)
def test_without_harm_looking_often_seldom_alarms(rate, worse):
    rng = np.random.default_rng(1)
    alarms = sum(
        max(e.against(1.0, worse) for e in looks(rng, rate, rate, 60)) >= 1 / ALPHA
        for _ in range(300)
    )
    assert alarms <= 0.05 * 300 + 2 * np.sqrt(300 * 0.05 * 0.95)


def test_a_tripled_failure_rate_is_found_within_some_thousand_samples():
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(100):
        each = looks(rng, 0.015, 0.005, 80)
        found += max(e.against(1.0, Worse.MORE) for e in each) >= 1 / ALPHA
    assert found >= 85  # 4,000 samples of the canary


def test_less_is_not_more():
    rng = np.random.default_rng(3)
    last = looks(rng, 0.02, 0.05, 100)[-1]
    assert last.against(1.0, Worse.LESS) > 1 / ALPHA
    assert last.against(1.0, Worse.MORE) < 1.0


def test_what_is_within_the_limit_is_no_harm():
    rng = np.random.default_rng(4)
    last = looks(rng, 0.055, 0.05, 400)[-1]
    assert last.against(1.5, Worse.MORE) < 1.0


def test_the_interval_holds_the_true_ratio_at_every_look():
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        held = [e.interval(ALPHA) for e in looks(rng, 0.06, 0.04, 40)]
        missed += any(not one.low <= 1.5 <= one.high for one in held)
    assert missed <= 0.05 * 200 + 2 * np.sqrt(200 * 0.05 * 0.95)
    assert held[-1].high - held[-1].low < held[0].high - held[0].low
    assert held[-1].ratio == pytest.approx(1.5, rel=0.4)


def test_windows_count_by_their_own_shares_of_traffic():
    """Simpson's paradox: a bad hour for both arms, met with more canary traffic, is no harm."""
    calm, storm = (ArmCounts(100, 1), ArmCounts(900, 9)), (ArmCounts(500, 100), ArmCounts(500, 100))
    evidence = Evidence().add(*calm).add(*storm)
    assert evidence.against(1.0, Worse.MORE) < 1.0
    pooled = Evidence().add(calm[0] + storm[0], calm[1] + storm[1])
    assert pooled.against(1.0, Worse.MORE) > 1 / ALPHA


def test_an_arm_without_traffic_says_nothing():
    silent = (
        Evidence().add(ArmCounts(0, 0), ArmCounts(1000, 50)).add(ArmCounts(10, 10), ArmCounts(0, 0))
    )
    assert silent.against(1.0, Worse.MORE) == pytest.approx(1.0)
    assert silent.interval().ratio is not None


def test_it_comes_back_as_it_was_kept():
    evidence = Evidence().add(ArmCounts(10, 2), ArmCounts(90, 3))
    assert Evidence.from_json(evidence.as_json()) == evidence


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(BadInputError, match="5 events of 4"):
        ArmCounts(4, 5)
    with pytest.raises(BadInputError, match="ratio of 100"):
        Evidence().against(100.0, Worse.MORE)
