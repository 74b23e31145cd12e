"""How a rollout stands, in words for people."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from coterie.rollout.state import HELD, Phase, State, Transition
from coterie.rollout.transitions import CANARY, STABLE

SHORT: Final = 12
"""Digits of a digest that people read."""


def called(digest: str, versions: Mapping[str, str]) -> str:
    """Name a release as people do: by its version where that is known."""
    return versions.get(digest) or digest[:SHORT] or "none"


def in_percent(share: float) -> str:
    """Write a share as ``10 %``."""
    return f"{100 * share:.3g} %"


def in_time(seconds: float) -> str:
    """Write a time as ``40 s``, ``12 min`` or ``1 h 20 min``."""
    whole = math.ceil(max(seconds, 0.0))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def where(state: State) -> str:
    """Say where a rollout is, and what holds it there if something does."""
    if state.phase in HELD and state.held:
        return f"{_HELD_WORDS[state.phase]} in {_phase_words(state, state.held)}"
    return _phase_words(state, state.phase)


_HELD_WORDS: Final = {
    Phase.PAUSED: "paused",
    Phase.INCONCLUSIVE: "inconclusive",
    Phase.DATA_UNAVAILABLE: "without data",
}


def _phase_words(state: State, phase: Phase) -> str:
    if phase is Phase.STEP:
        weights = state.plan.weights
        share = in_percent(weights[state.step])
        return f"step {state.step + 1} of {len(weights)} at {share}"
    if phase is Phase.BAKE:
        return "bake at 100 %"
    return str(phase).replace("_", " ")


def next_step(
    state: State, now: float, history: Sequence[Transition], versions: Mapping[str, str]
) -> tuple[str, float | None]:
    """Tell what happens next, and in how many seconds at the earliest."""
    phase = state.phase
    if phase in HELD:
        return _next_held(state, now, history)
    if phase in (Phase.SHADOW, Phase.STEP, Phase.BAKE) and not state.live_since:
        late = max(state.plan.deadline_s - state.lasted(now), 0.0)
        begin = f"{where(state)}: replicas are taking it, its time counts from then"
        return f"{begin}; inconclusive in {in_time(late)}", None
    if phase in (Phase.SHADOW, Phase.STEP):
        return _next_step(state, now)
    if phase is Phase.BAKE:
        return _next_bake(state, now)
    if phase is Phase.PREFLIGHT:
        canary = called(state.canary, versions)
        left = in_time(max(state.plan.deadline_s - state.lasted(now), 0.0))
        begin = f"preflight: {canary} is checked and warmed up"
        return f"{begin}; shadow follows, or inconclusive in {left}", None
    if phase is Phase.ROLLING_BACK:
        return "rolling back: over as soon as stable alone is live", None
    stable = called(state.stable, versions)
    if phase is Phase.PROMOTED:
        return f"promoted: {stable} answers everybody", None
    if phase is Phase.ROLLED_BACK:
        return _next_rolled_back(state, now, stable)
    return f"nothing is being rolled out: {stable} answers everybody", None


def _next_step(state: State, now: float) -> tuple[str, float | None]:
    plan = state.plan
    had = _had(state)
    of = "mirrored samples" if state.phase is Phase.SHADOW else "samples"
    some = f"{had:,} of {plan.min_samples:,} {of}"
    enough = f"{had:,} {of}, {plan.min_samples:,} needed"
    begin = f"{where(state)}: {some if had < plan.min_samples else enough}"
    after = _after(state)
    left = max(plan.step_s - state.live_for(now), 0.0)
    if left > 0:
        earliest = "" if had >= plan.min_samples else " at the earliest"
        return f"{begin}; {after} in {in_time(left)}{earliest}", left
    if had >= plan.min_samples:
        return f"{begin}; {after} now", 0.0
    late = max(plan.deadline_s - state.lasted(now), 0.0)
    missing = plan.min_samples - had
    return f"{begin}; {after} after {missing:,} more, inconclusive in {in_time(late)}", None


def _had(state: State) -> int:
    return min(state.step_samples.get(arm, 0) for arm in (CANARY, STABLE))


def _after(state: State) -> str:
    """Name the stage that comes next."""
    weights = state.plan.weights
    step = 0 if state.phase is Phase.SHADOW else state.step + 1
    return f"next at {in_percent(weights[step])}" if step < len(weights) else "next bake at 100 %"


def _next_bake(state: State, now: float) -> tuple[str, float | None]:
    left = max(state.plan.bake_s - state.live_for(now), 0.0)
    if state.plan.approval and not state.approved:
        when = f" in {in_time(left)}" if left else ""
        return f"bake at 100 %: promoted{when} once a person resumes it", None
    return f"bake at 100 %: promoted in {in_time(left)}, if nothing speaks against it", left


def _next_held(state: State, now: float, history: Sequence[Transition]) -> tuple[str, float | None]:
    held_for = max(now - state.held_since, 0.0)
    why = next((one.why for one in reversed(history) if one.after is state.phase), "")
    begin = f"{where(state)} for {in_time(held_for)}" + (f" ({why})" if why else "")
    if state.phase is Phase.DATA_UNAVAILABLE:
        left = max(state.plan.hold_s - held_for, 0.0)
        then = "rolled back" if state.plan.on_hold == "rollback" else "paused"
        weight = in_percent(state.target.weight)
        return f"{begin}: held at {weight}; {then} in {in_time(left)} unless they are back", left
    if state.phase is Phase.INCONCLUSIVE:
        again = in_time(state.plan.deadline_s)
        return f"{begin}: resume gives it {again} more; or roll back", None
    return f"{begin}: goes on when it is resumed; signals are judged meanwhile", None


def _next_rolled_back(state: State, now: float, stable: str) -> tuple[str, float | None]:
    left = max(state.plan.cooldown_s - (now - state.since), 0.0)
    begin = f"rolled back: {stable} answers everybody"
    if left == 0:
        return f"{begin}; another release may be started", None
    return f"{begin}; another release may be started in {in_time(left)}", left
