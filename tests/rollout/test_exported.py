"""What is exported of a rollout: the names and reasons that dashboards and alerts go by."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from coterie.rollout.decide import CONTROLLER, Command, Seen, Source, Verb, decide
from coterie.rollout.exported import REASONS, RolloutMetrics, verdict
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase, State, Target, Totals, Transition

PLAN = Plan(hold_s=60, on_hold="rollback", min_samples=10, step_s=10, deadline_s=100)
STEP = State(Phase.STEP, "old", "new", PLAN, since=100.0)
LIVE = Target("old", "new", 0.01)


def counted(canary_events, signal="failures"):
    events = {signal: canary_events}
    return {"canary": Totals(1000, events, 1000), "stable": Totals(1000, {}, 1000)}


def marked(state):
    """Its first look at counters, which then only grow."""
    return replace(state, totals={"canary": Totals(), "stable": Totals()})


def rollback(state=STEP, **seen):
    state = decide(state, Seen(LIVE, **seen), 200.0)
    return [line for line in state.transitions if line.after is Phase.ROLLING_BACK]


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        ("failures", rollback(marked(STEP), totals=counted(500))),
        ("slow", rollback(marked(STEP), totals=counted(900, "slow"))),
        ("duplicate_lists", rollback(marked(STEP), totals=counted(900, "duplicate_lists"))),
        ("crashed", rollback(crashed="OOMKilled")),
        ("preflight", rollback(replace(STEP, phase=Phase.PREFLIGHT), preflight="damaged")),
        (
            "metrics",
            rollback(
                replace(STEP, phase=Phase.DATA_UNAVAILABLE, held=Phase.STEP, held_since=100.0),
                source=Source.DOWN,
            ),
        ),
        ("forced", rollback(commands=[Command("c", Verb.ROLLBACK, "ana", "failures: I feel it")])),
    ],
)
def test_each_rollback_counts_under_its_reason(reason, lines):
    assert [verdict(line) for line in lines] == [reason]


def line(after, who, why=""):
    return Transition(1.0, Phase.BAKE, after, why, who, "old", "new", 0.0, 0, {})


def test_a_promotion_is_a_verdict_only_if_it_is_forced():
    assert verdict(line(Phase.PROMOTED, "ana")) == "forced"
    assert verdict(line(Phase.PROMOTED, CONTROLLER)) == ""
    assert verdict(line(Phase.ROLLED_BACK, CONTROLLER)) == ""


def test_reasons_are_bounded_and_there_from_the_start():
    registry = CollectorRegistry()
    RolloutMetrics(registry)
    (family,) = [m for m in registry.collect() if m.name == "coterie_rollout_verdicts"]
    found = {s.labels["reason"] for s in family.samples if s.name.endswith("_total")}
    assert found == set(REASONS) == {*SIGNALS, "crashed", "preflight", "forced", "metrics"}


def test_the_state_is_shown_as_it_is():
    registry = CollectorRegistry()
    metrics = RolloutMetrics(registry)
    held = replace(STEP, phase=Phase.DATA_UNAVAILABLE, held=Phase.STEP, held_since=150.0)
    held = replace(held, quarantine={"bad": "slow", "worse": "crashed"})
    metrics.show(held, [line(Phase.ROLLING_BACK, CONTROLLER, "slow: 3 of 4")], 200.0)
    value = registry.get_sample_value
    phases = {p: value("coterie_rollout_state", {"phase": p.value}) for p in Phase}
    assert [phase for phase, shown in phases.items() if shown] == [Phase.DATA_UNAVAILABLE]
    assert value("coterie_rollout_weight") == 0.01
    assert value("coterie_rollout_data_unavailable_seconds") == 50.0
    assert value("coterie_rollout_quarantined") == 2
    assert value("coterie_rollout_verdicts_total", {"reason": "slow"}) == 1
    metrics.show(STEP, [], 300.0)
    assert value("coterie_rollout_data_unavailable_seconds") == 0.0
    metrics.hide()
    assert value("coterie_rollout_state", {"phase": "step"}) == 0
