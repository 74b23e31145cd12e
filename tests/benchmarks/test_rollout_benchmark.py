"""Rollouts decided many at once, against the function that decides a real one."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import rollout
from benchmarks.rollout import PLAN, PLANS, SCENARIOS, Rule
from benchmarks.rollout_runs import LOOK_S, Rates, decide_runs
from coterie.rollout.commands import Command, Verb
from coterie.rollout.decide import Observation, decide
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase, State, Target, Totals

SHORT = replace(PLAN, weights=(0.05, 0.5), step_s=45.0, bake_s=45.0, min_samples=400)
FEW = replace(SHORT, min_samples=4_000, deadline_s=120.0)
WORSE = {"malformed": 0.03, "purchases": 0.02, "fallbacks": 0.4}
ILL = {"slow": 0.32}
EVERYTHING = Rates(rollout.CANARY | WORSE, rollout.STABLE)


def replayed(plan, seen, run):
    """Decide one run by what was drawn of it: when it ended, how, and why."""
    state, live, totals = State(stable="old"), Target("old"), {}
    start = Command("start", Verb.START, "test", "to see", "new", plan)
    looks = [(rows.tolist().index(run), window) for rows, window in seen if run in rows]
    shown, now = 0, 0.0
    for place, window in [(None, None), *looks]:
        now += LOOK_S
        for n, arm in enumerate(("canary", "stable")):
            before = totals.get(arm, Totals())
            samples = before.samples
            events, pairs = dict(before.events), dict(before.pairs)
            if window is not None:
                samples += int(window.samples[n, place])
                for number, (name, _) in enumerate(plan.signals):
                    events[name] = events.get(name, 0) + int(window.events[number, n, place])
                    if SIGNALS[name].paired:
                        pairs[name] = pairs.get(name, 0) + int(window.pairs[place])
            totals[arm] = Totals(samples, events, samples, pairs)
        if window is not None and live.weight > 0:
            shown += int(window.samples[0, place])
        decision = decide(
            state, Observation(live, totals=totals, preflight="", commands=(start,)), now
        )
        state, live = decision.state, decision.apply or live
        spoke = [line.signal for line in decision.transitions if line.signal]
        if state.phase in (Phase.ROLLING_BACK, Phase.PROMOTED, Phase.INCONCLUSIVE):
            break
    return state.phase is Phase.ROLLING_BACK, now, shown, spoke


@pytest.mark.parametrize(
    ("rates", "plan"),
    [
        (SCENARIOS["A/A"], SHORT),
        (SCENARIOS["every ratio at its limit"], SHORT),
        (SCENARIOS["every harmless share at its limit"], SHORT),
        (SCENARIOS["failures .5 -> 1.5 %"], PLAN),
        (SCENARIOS["latency +30 %"], PLANS["coterie, without pairs"]),
        (SCENARIOS["a third of lists take twice as long"], PLAN),
        (Rates(rollout.CANARY | {"failures": 0.4}, rollout.STABLE), PLAN),
        (Rates(rollout.CANARY | {"clicks": 0.02}, rollout.STABLE), SHORT),
        (Rates(rollout.CANARY | ILL, rollout.STABLE | ILL), SHORT),
        (EVERYTHING, SHORT),
        (SCENARIOS["A/A"], FEW),
    ],
    ids=[
        "harmless",
        "ratios",
        "shares",
        "failures",
        "without pairs",
        "slower",
        "failing fast",
        "clicks",
        "both are ill",
        "several",
        "inconclusive",
    ],
)
def test_runs_that_are_decided_at_once_end_as_each_would_by_itself(rates, plan):
    rng = np.random.default_rng(3)
    made = decide_runs(rng, plan, rates, runs=3, requests_s=200.0, keep=2)
    for run in range(2):
        back, seconds, shown, spoke = replayed(plan, made.seen, run)
        assert (back, seconds, shown) == (
            made.rolled_back[run],
            made.seconds[run],
            made.shown[run],
        )
        names = [plan.signals[made.signal[run]][0]] if made.signal[run] >= 0 else []
        assert spoke == names


def test_a_rule_counts_failed_intervals_over_the_whole_rollout():
    samples = np.full((4, 2), 1_000)
    events = np.zeros((3, 4, 2), np.int64)
    events[2] = 60  # clicks are as they should be
    events[0, (0, 3), 1] = 20
    rule = Rule(limit=1, silence_fails=False, clicks=True)
    assert rule.fails(samples, events).sum(axis=0).tolist() == [0, 2]
    events[2] = 10
    assert rule.fails(samples, events).all()
    assert not replace(rule, clicks=False).fails(samples, events)[1].any()
    silent = np.zeros((4, 2), np.int64)
    assert replace(rule, silence_fails=True).fails(silent, events * 0).all()
    assert not rule.fails(silent, events * 0).any()


def test_all_signals_of_the_usual_plan_are_measured():
    assert {name for name, _ in PLAN.signals} == set(SIGNALS)
    assert set(rollout.USUAL) | set(rollout.PAIRS) == set(SIGNALS)
