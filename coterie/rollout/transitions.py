"""From one state to another: each way there is, and the line that it leaves in the audit log."""

from dataclasses import dataclass, replace
from typing import Any, Final

from coterie.rollout.evidence import Evidence
from coterie.rollout.state import HELD, WATCHED, Phase, State, Transition, TransitionCause
from coterie.rollout.strength import e_value

CANARY: Final = "canary"
STABLE: Final = "stable"
CONTROLLER: Final = "controller"
REFUSED: Final = "preflight: "
"""How it begins why a release is in quarantine that never ran."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a transition happens: for people, for programs, and who wants it."""

    why: str
    cause: TransitionCause
    who: str = CONTROLLER
    signal: str = ""
    """See ``Transition.signal``."""


class TransitionLog:
    """The transitions of one look, which lead from state to state."""

    def __init__(self, now: float):
        self.now = now
        self.lines: list[Transition] = []

    def go(self, state: State, after: Phase, trigger: Trigger, **changes: Any) -> State:
        """Move to another phase, or to another step of the same one."""
        moved = replace(state, phase=after, since=self.now, live_since=0.0, **changes)
        moved = replace(moved, step_samples={})
        self._write(state, moved, trigger)
        return moved

    def hold(self, state: State, after: Phase, trigger: Trigger) -> State:
        """Hold the rollout where it is."""
        began = state.held_since if state.phase in HELD else self.now
        held = replace(state, phase=after, held=state.active, held_since=began)
        self._write(state, held, trigger)
        return held

    def release(self, state: State, trigger: Trigger, **changes: Any) -> State:
        """Go on as before the hold, whose time does not count."""
        assert state.held is not None
        since = state.since + (self.now - state.held_since)
        # What it asks for may have become live meanwhile.
        live_since = state.live_since and (
            state.live_since + self.now - max(state.held_since, state.live_since)
        )
        free = replace(state, phase=state.held, held=None, since=since, **changes)
        free = replace(free, live_since=live_since)
        self._write(state, free, trigger)
        return free

    def note(self, before: State, after: State, trigger: Trigger) -> State:
        """Change what is no phase."""
        self._write(before, after, trigger)
        return after

    def _write(self, before: State, after: State, trigger: Trigger) -> None:
        evidence = judgement(before) if before.active in WATCHED else {}
        self.lines.append(
            Transition(
                self.now,
                before.phase,
                after.phase,
                trigger.why,
                trigger.who,
                after.stable,
                after.canary or before.canary,
                after.target.weight,
                after.step,
                evidence,
                trigger.cause,
                trigger.signal,
            )
        )


def judgement(state: State) -> dict[str, dict[str, Any]]:
    """Judge every signal as the next decision does: for a page, a table, the audit log."""
    judged: dict[str, dict[str, Any]] = {}
    for name, limit in state.plan.signals:
        evidence = state.evidence.get(name, Evidence())
        alpha = state.plan.alpha_of(name)
        held = evidence.interval(alpha)
        judged[name] = {
            "canary": [evidence.canary.samples, evidence.canary.events],
            "stable": [evidence.stable.samples, evidence.stable.events],
            "ratio": held.ratio,
            "interval": [held.low, held.high],
            "limit": limit,
            "e_value": e_value(name, evidence, limit),
            "rolls_back_at": 1 / alpha,
        }
    return judged


def promote(state: State, trigger: Trigger, log: TransitionLog) -> State:
    """Make the canary stable."""
    return log.go(
        state, Phase.PROMOTED, trigger, stable=state.canary, canary="", held=None, totals={}
    )


def roll_back(state: State, trigger: Trigger, log: TransitionLog) -> State:
    """Take the canary back, and put it into quarantine."""
    quarantine = {**state.quarantine, state.canary: trigger.why}
    return log.go(state, Phase.ROLLING_BACK, trigger, quarantine=quarantine, held=None, totals={})
