"""What was counted of both arms since the last look, as evidence of the rollout."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import WATCHED, Phase, State, Totals
from coterie.rollout.transitions import CANARY, STABLE

FEWEST_ANSWERS: Final = 100
"""Before the share of strangers among them is judged."""


def take_in(state: State, counted: Mapping[str, Totals]) -> State:
    """Take in what was counted since the last look; it counts in a hold as well.

    Args:
        state: As the last look left it.
        counted: Counters by arm, or by ``arm@instance`` where several count.
    """
    if state.active not in WATCHED:
        return state
    # Marks of an instance that is not seen now stay: it may be back, and have counted on.
    if not all(_instances(state.totals, arm) for arm in (CANARY, STABLE)):
        # The first look only sets the marks.
        marks = {**state.totals, **counted}
        return replace(state, totals=marks, strangers=(0, 0), stranger_share=0.0)
    state = _count_strangers(state, counted)
    totals = {**state.totals, **_marks(state, counted)}
    evidence = dict(state.evidence)
    for name in _counted(state):
        arms = [_window(state, counted, arm, name) for arm in (CANARY, STABLE)]
        # Nothing new leaves what there is, also in what is written at each look.
        if any(arm.samples for arm in arms):
            evidence[name] = evidence.get(name, Evidence()).add(*arms)
    if not state.live_since:
        return replace(state, evidence=evidence, totals=totals)
    grown = {
        arm: state.step_samples.get(arm, 0) + _window(state, counted, arm, "").samples
        for arm in (CANARY, STABLE)
    }
    return replace(state, evidence=evidence, totals=totals, step_samples=grown)


def _count_strangers(state: State, counted: Mapping[str, Totals]) -> State:
    """Note the share of strangers, of so many answers each time that it says something."""
    answers, strangers = state.strangers
    answers += sum(_window(state, counted, arm, "").samples for arm in (CANARY, STABLE))
    strangers += sum(
        totals.strangers_since(state.totals.get(instance, Totals()))
        for instance, totals in counted.items()
    )
    if answers < FEWEST_ANSWERS:
        return replace(state, strangers=(answers, strangers))
    return replace(state, strangers=(0, 0), stranger_share=strangers / answers)


def _counted(state: State) -> list[str]:
    """Name the signals of the plan that count now: of lists that nobody is shown none follows."""
    shadow = state.active is Phase.SHADOW
    return [name for name, _ in state.plan.signals if not (shadow and SIGNALS[name].of_shown)]


def _marks(state: State, counted: Mapping[str, Totals]) -> dict[str, Totals]:
    """Mark from where the next window of each instance begins."""
    marks = {}
    for instance, totals in counted.items():
        before = state.totals.get(instance, Totals())
        room = {s: totals.since(before, s).events for s in _counted(state)}
        marks[instance] = totals.mark(before, room)
    return marks


def _instances(totals: Mapping[str, Totals], arm: str) -> list[str]:
    """Name those who count for an arm."""
    return [name for name in totals if name.partition("@")[0] == arm]


def _window(state: State, counted: Mapping[str, Totals], arm: str, signal: str) -> ArmCounts:
    """Add up what all instances counted since the last look; a new one counted from nothing."""
    windows = [
        counted[name].since(state.totals.get(name, Totals()), signal)
        for name in _instances(counted, arm)
    ]
    return sum(windows, ArmCounts(0, 0))
