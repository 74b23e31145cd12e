"""Signals of pairs: how few pairs tell, what stays harmless, who shares alpha, what is stored."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.rollout.counting import take_in
from coterie.rollout.decide import MetricsStatus, Observation, decide
from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.metrics import MetricSample, read
from coterie.rollout.plan import PAIRED_ALPHA, SIGNALS, Plan
from coterie.rollout.state import LATER, Phase, State, Target, Totals
from coterie.rollout.strength import e_value
from coterie.rollout.transitions import judgement

PAIRED = [name for name, signal in SIGNALS.items() if signal.paired]
OTHERS = [name for name, signal in SIGNALS.items() if not signal.paired]
WHOLE = Plan()


def after(name, pairs, canary, stable=0):
    evidence = Evidence().add(ArmCounts(pairs, canary), ArmCounts(pairs, stable))
    return e_value(name, evidence, SIGNALS[name].limit)


@pytest.mark.parametrize("name", PAIRED)
def test_forty_pairs_tell_of_a_canary_that_nearly_always_has_it(name):
    assert after(name, 40, 38) >= 1 / WHOLE.alpha_of(name)
    assert after(name, 6, 6) < 1 / WHOLE.alpha_of(name)


@pytest.mark.parametrize("name", PAIRED)
def test_what_is_rare_is_harmless_however_long_it_goes_on(name):
    """All of it on the canary: the sign test alone would find it in some ten pairs."""
    rate = 0.9 * SIGNALS[name].harmless
    assert after(name, 10_000, round(10_000 * rate)) < 1.0
    assert after(name, 10_000, round(10_000 * 2.5 * rate)) > 1 / WHOLE.alpha_of(name)


@pytest.mark.parametrize("name", [name for name in PAIRED if SIGNALS[name].limit > 1.0])
def test_what_both_arms_have_in_turn_is_harmless_however_frequent(name):
    assert after(name, 10_000, 4_500, 4_000) < 1.0


@pytest.mark.parametrize("rates", ["odds", "share"])
def test_without_harm_looking_often_seldom_alarms(rates):
    """At the border of what is harmless, by either of both measures."""
    rng, alarms, runs = np.random.default_rng(1), 0, 400
    name = "fewer_friends"
    signal, enough = SIGNALS[name], 1 / 0.05
    canary = 0.6 if rates == "odds" else signal.harmless
    stable = canary / signal.limit if rates == "odds" else 0.0
    for _ in range(runs):
        evidence, highest = Evidence(), 0.0
        for _ in range(40):
            ours, theirs, _ = rng.multinomial(10, [canary, stable, 1 - canary - stable])
            evidence = evidence.add(ArmCounts(10, int(ours)), ArmCounts(10, int(theirs)))
            highest = max(highest, e_value(name, evidence, signal.limit))
        alarms += highest >= enough
    assert alarms <= 0.05 * runs + 2 * np.sqrt(runs * 0.05 * 0.95)


def test_alpha_is_shared_out_whole_and_pairs_cost_the_others_a_fifth_at_most():
    tests = {name: 1 + (SIGNALS[name].ceiling is not None) for name in SIGNALS}
    whole = sum(WHOLE.alpha_of(name) * tests[name] for name in SIGNALS)
    assert whole == pytest.approx(WHOLE.alpha)
    before = Plan(signals=tuple((name, SIGNALS[name].limit) for name in OTHERS))
    for name in OTHERS:
        assert WHOLE.alpha_of(name) == pytest.approx((1 - PAIRED_ALPHA) * before.alpha_of(name))
    alone = Plan(signals=tuple((name, SIGNALS[name].limit) for name in PAIRED))
    assert sum(alone.alpha_of(name) for name in PAIRED) == pytest.approx(alone.alpha)


def test_a_signal_that_nobody_counts_is_refused_when_the_plan_is_read():
    with pytest.raises(BadInputError, match=r"fewer_freinds: known are .*fewer_friends"):
        Plan.of({"signals": {"fewer_freinds": 2.0}})


def shadow(totals=None, plan=WHOLE):
    marks = {"canary": Totals(), "stable": Totals()} if totals is None else totals
    return State(Phase.SHADOW, "old", "new", plan, since=1.0, live_since=1.0, totals=marks)


def counted(name, pairs, canary, stable=0):
    return {
        "canary": Totals(900, {name: canary}, 0, {name: pairs}),
        "stable": Totals(900, {name: stable}, 900, {name: pairs}),
    }


def test_a_pair_is_a_sample_of_both_arms_and_the_next_window_begins_there():
    name = "fewer_friends"
    state = take_in(shadow(), counted(name, 30, 28, 1))
    evidence = state.evidence[name]
    assert (evidence.canary, evidence.stable) == (ArmCounts(30, 28), ArmCounts(30, 1))
    again = take_in(state, counted(name, 30, 28, 1))
    assert again.evidence[name] == evidence


def test_the_audit_log_names_the_signal_its_pairs_and_what_was_enough():
    seen = Observation(Target("old", "new", 0.0, True), totals=counted("fewer_friends", 60, 57))
    decision = decide(shadow(), seen, 100.0)
    [line] = decision.transitions
    assert (line.after, line.signal) == (Phase.ROLLING_BACK, "fewer_friends")
    assert line.why.startswith("fewer_friends: canary 57 of 60, stable 0 of 60, e-value ")
    judged = judgement(take_in(shadow(), seen.totals))["fewer_friends"]
    assert judged["e_value"] >= judged["rolls_back_at"] == 1 / WHOLE.alpha_of("fewer_friends")


@pytest.mark.parametrize("by_instance", [False, True])
def test_pairs_are_read_from_either_source(by_instance):
    label = {"instance": "a"} if by_instance else {}
    signal = {"arm": "canary", "signal": "unlike_lists", **label}
    samples = [
        MetricSample("coterie_heartbeat_timestamp_seconds", label, 100.0),
        MetricSample("coterie_arm_answers_total", {"arm": "canary", **label}, 50.0),
        MetricSample("coterie_arm_pairs_total", signal, 40.0),
        MetricSample("coterie_arm_signals_total", signal, 7.0),
    ]
    source, totals = read(samples, 100.0, by_instance)
    assert source is MetricsStatus.OK
    [one] = totals.values()
    assert one == Totals(50, {"unlike_lists": 7}, 0, {"unlike_lists": 40})


def test_a_state_is_read_back_and_the_version_before_overlooks_what_it_does_not_know():
    state = take_in(shadow(), counted("unlike_lists", 30, 9, 0))
    stored = json.loads(json.dumps(state.as_json()))
    back = State.from_json(stored)
    assert (back.plan, back.evidence) == (state.plan, state.evidence)
    for arm in ("canary", "stable"):
        assert back.totals[arm].since(state.totals[arm], "unlike_lists") == ArmCounts(0, 0)
        assert back.totals[arm].pairs["unlike_lists"] == 30
    later, plan = stored.pop(LATER), stored.pop("plan_later")
    assert not any(name in json.dumps(stored) for name in (*PAIRED, "pairs"))
    assert "unlike_lists" in later["names"]
    assert "unlike_lists" in dict(plan["signals"])
    overlooked = State.from_json(stored)
    assert [name for name, _ in overlooked.plan.signals] == OTHERS
    assert overlooked.totals["canary"].pairs == {}
    assert overlooked.totals["canary"].samples == 900


def test_a_plan_of_pairs_alone_leaves_the_version_before_something_to_go_by():
    plan = Plan(signals=(("unlike_lists", 1.0),))
    state = shadow(plan=plan)
    assert State.from_json(state.as_json()).plan == plan
    assert [name for name, _ in plan.told_before().signals] == ["failures"]


EARLIER = "c52ff24"
"""The commit of 0.1.0: see ``tests/previous/make.py``."""


def test_the_code_of_the_version_before_reads_it(tmp_path):
    root = Path(__file__).parents[2]
    made = subprocess.run(
        ["git", "archive", EARLIER, "coterie/rollout", "coterie/errors.py", "coterie/__init__.py"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("this is no checkout with the commit of the version before")
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=made.stdout, check=True)
    state = take_in(shadow(), counted("unlike_lists", 30, 9, 0))
    (tmp_path / "state.json").write_text(json.dumps(state.as_json()))
    read_by = (
        "import json; from coterie.rollout.state import State;"
        "print(State.from_json(json.load(open('state.json'))).phase)"
    )
    told = subprocess.run(
        [sys.executable, "-c", read_by],
        cwd=tmp_path,
        env={"PATH": "/usr/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "shadow"
