"""Signals of answers with a harmless share: what is rare on the canary speaks against nothing."""

import numpy as np
import pytest
from scipy.stats import binom

from coterie.rollout.counting import take_in
from coterie.rollout.decide import Observation, decide
from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase, State, Target, Totals
from coterie.rollout.strength import e_value, over, over_each

WITH = [name for name, meant in SIGNALS.items() if meant.harmless and not meant.paired]
WHOLE = Plan()


def after(name, canary, stable):
    evidence = Evidence().add(ArmCounts(*canary), ArmCounts(*stable))
    return e_value(name, evidence, SIGNALS[name].limit)


def test_signals_that_training_moves_have_a_share_and_those_of_faults_alone_have_none():
    assert set(WITH) == {"fallbacks", "duplicate_lists", "score_out_of_range"}


def test_a_release_of_another_seed_that_was_rolled_back_once_no_longer_is():
    found = after("score_out_of_range", (13_988, 149), (14_194, 65))
    assert found < 1.0
    by_ratio = Evidence().add(ArmCounts(13_988, 149), ArmCounts(14_194, 65))
    limit = SIGNALS["score_out_of_range"].limit
    assert by_ratio.against(limit, SIGNALS["score_out_of_range"].worse) > 275


@pytest.mark.parametrize("name", WITH)
def test_under_its_share_a_canary_is_never_judged_and_over_it_by_the_ratio(name):
    harmless, num = SIGNALS[name].harmless, 20_000
    enough = 1 / WHOLE.alpha_of(name)
    rare, frequent = round(0.9 * harmless * num), round(2.5 * harmless * num)
    assert after(name, (num, rare), (num, rare // 20)) < 1.0
    assert after(name, (num, frequent), (num, rare)) > enough
    assert after(name, (num, frequent), (num, frequent)) < 1.0


@pytest.mark.parametrize(("share", "num"), [(0.02, 40), (0.25, 12), (0.33, 30)])
def test_the_mean_of_evidence_is_one_at_the_known_share_and_less_under_it(share, num):
    """Exactly, over all that may be counted: so Ville's inequality holds."""
    events = np.arange(num + 1)
    found = over_each(np.full(num + 1, num), events, share)
    assert float(found @ binom.pmf(events, num, share)) == pytest.approx(1.0, rel=1e-9)
    assert float(found @ binom.pmf(events, num, 0.7 * share)) < 0.9
    assert float(found @ binom.pmf(events, num, 1.5 * share)) > 1.1


def test_one_arm_is_judged_as_many_are():
    each = over_each(np.array([100, 400]), np.array([9, 20]), 0.03)
    assert over(ArmCounts(400, 20), 0.03) == pytest.approx(each[1])
    assert over(ArmCounts(0, 0), 0.03) == 0.0


@pytest.mark.parametrize("border", ["ratio", "share"])
def test_at_either_border_of_what_is_harmless_looking_often_seldom_alarms(border):
    rng, alarms, runs = np.random.default_rng(3), 0, 200
    name = "score_out_of_range"
    meant = SIGNALS[name]
    canary = 4 * meant.harmless if border == "ratio" else meant.harmless
    stable = canary / meant.limit if border == "ratio" else meant.harmless / 20
    for _ in range(runs):
        evidence, highest = Evidence(), 0.0
        for _ in range(20):
            ours, theirs = (int(rng.binomial(200, rate)) for rate in (canary, stable))
            evidence = evidence.add(ArmCounts(200, ours), ArmCounts(200, theirs))
            highest = max(highest, e_value(name, evidence, meant.limit))
        alarms += highest >= 20
    assert alarms <= 0.05 * runs + 2 * np.sqrt(runs * 0.05 * 0.95)


def shadow(canary, stable):
    """What is decided of a rollout in shadow whose arms were out of range so often."""
    state = State(
        Phase.SHADOW,
        "old",
        "new",
        WHOLE,
        since=1.0,
        live_since=1.0,
        totals={"canary": Totals(), "stable": Totals()},
    )
    totals = {
        arm: Totals(answers, {"score_out_of_range": events}, answers if arm == "stable" else 0)
        for arm, (answers, events) in (("canary", canary), ("stable", stable))
    }
    live = Target("old", "new", 0.0, True)
    assert take_in(state, totals).evidence["score_out_of_range"].canary == ArmCounts(*canary)
    return decide(state, Observation(live, totals=totals), 100.0)


def test_a_rollout_is_rolled_back_by_what_is_frequent_alone():
    assert shadow((14_000, 149), (14_000, 65)).state.phase is not Phase.ROLLING_BACK
    decision = shadow((1_000, 90), (1_000, 9))
    assert decision.state.phase is Phase.ROLLING_BACK
    assert decision.transitions[0].signal == "score_out_of_range"
