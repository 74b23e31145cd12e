"""What to do next, as a pure function of what is known: no clock, no network, no storage.

The controller writes the new state, then brings what is live to ``State.target``. Both may be
repeated: the function looks at what really is live and asks for the same again until it is, so a
controller that died between any two writes goes on as if it had not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb, obey
from coterie.rollout.counting import take_in
from coterie.rollout.evidence import Evidence
from coterie.rollout.figures import ComparedFigure, PreflightComparison, judge_figures, refusal
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import (
    HELD,
    UNDER_WAY,
    WATCHED,
    Phase,
    State,
    Target,
    Totals,
    Transition,
    TransitionCause,
)
from coterie.rollout.strength import e_value, over
from coterie.rollout.transitions import (
    CANARY,
    CONTROLLER,
    REFUSED,
    STABLE,
    TransitionLog,
    Trigger,
    promote,
    roll_back,
)
from coterie.rollout.words import in_percent

KEPT_COMMANDS: Final = 50


class MetricsStatus(StrEnum):
    """What became of asking for metrics; all but OK mean that nothing is known."""

    OK = "ok"
    DOWN = "down"
    """It did not answer, or with an error."""
    EMPTY = "empty"
    """It answered that there is no such series."""
    STALE = "stale"
    """The newest sample is too old."""
    SPARSE = "sparse"
    """Samples are too far apart: Prometheus has to scrape more often."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the controller sees of the world at one look."""

    live: Target
    """What really is live."""
    metrics: MetricsStatus = MetricsStatus.OK
    totals: Mapping[str, Totals] = field(default_factory=dict)
    """By arm, or by ``arm@instance`` where several count; only where the metrics are OK."""
    preflight: str | None = None
    """Why the canary may not run at all; empty: it may; None: not known yet."""
    crashed: str = ""
    """What replicas say themselves: why the canary cannot run. Known without metrics."""
    commands: Sequence[Command] = ()
    compared: Sequence[ComparedFigure] | None = ()
    """How the canary differs from what is live, once ``preflight`` lets it; None: not known yet."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The new state, what happened on the way, and what to bring about."""

    state: State
    transitions: tuple[Transition, ...]
    apply: Target | None
    """What should be live and is not; None: it is."""
    refused: Mapping[str, str]
    """Command id to why it was not carried out."""


def decide(state: State, observation: Observation, now: float) -> Decision:
    """Decide what follows from one look.

    Args:
        state: As it was written last.
        observation: The world at this moment.
        now: In seconds; never less than at the last look.
    """
    log, refused = TransitionLog(now), {}
    for command in observation.commands:
        if command.id in state.done_commands:
            continue
        try:
            state = _obey(state, command, observation.metrics, log)
        except BadInputError as error:
            refused[command.id] = str(error)
        done = (*state.done_commands, command.id)[-KEPT_COMMANDS:]
        told = {**state.refused, **refused}
        state = replace(
            state, done_commands=done, refused={one: told[one] for one in done if one in told}
        )
    if observation.metrics is MetricsStatus.OK:
        state = take_in(state, observation.totals)
    state = _arrive(state, observation, now)
    if not state.frozen:
        state = _judge(state, observation, now, log)
    state = _settle(state, observation, log)
    apply = None if observation.live == state.target else state.target
    return Decision(state, tuple(log.lines), apply, refused)


def put_live(
    state: State, digest: str, why: str, who: str, now: float, anew: bool = False
) -> Decision:
    """Put live what a person wants past every check.

    A rollout that goes on ends with it: rolled back where the digest is its stable release,
    promoted where it is its canary; any other takes the place of both, and that canary may be
    started again. A digest in quarantine leaves it, and the reason says so.

    Args:
        state: As it was written last.
        digest: Of the release.
        why: For the audit log.
        who: For the audit log.
        now: In seconds.
        anew: Nothing serves yet, so nothing has to be taken back, and nothing is anybody's fault.
    """
    log = TransitionLog(now)
    if digest in state.quarantine:
        why = f"{why}; it was in quarantine ({state.quarantine[digest]})"
        left = {d: told for d, told in state.quarantine.items() if d != digest}
        state = replace(state, quarantine=left)
    cause = TransitionCause.LIVE if who == CONTROLLER else TransitionCause.COMMAND
    after = _put_live(state, digest, Trigger(why, cause, who), log, anew)
    return Decision(after, tuple(log.lines), after.target, {})


def _put_live(state: State, digest: str, trigger: Trigger, log: TransitionLog, anew: bool) -> State:
    ends = state.active in UNDER_WAY and not anew
    if ends and digest == state.canary:
        return promote(state, trigger, log)
    if ends and digest == state.stable:
        return roll_back(state, trigger, log)
    if digest == state.stable and not anew:
        return log.note(state, state, trigger)
    phase = Phase.IDLE if anew else Phase.PROMOTED
    return log.go(
        state, phase, trigger, stable=digest, canary="", held=None, evidence={}, totals={}
    )


def note(state: State, why: str, who: str, now: float) -> Decision:
    """Add a line to the audit log for what changes nothing."""
    log = TransitionLog(now)
    log.note(state, state, Trigger(why, TransitionCause.COMMAND, who))
    return Decision(state, tuple(log.lines), None, {})


def _obey(state: State, command: Command, metrics: MetricsStatus, log: TransitionLog) -> State:
    if command.verb is Verb.START and metrics is MetricsStatus.SPARSE:
        raise BadInputError(f"no rollout could be decided: metrics are {metrics}{_ADVICE[metrics]}")
    return obey(state, command, log)


def _arrive(state: State, observation: Observation, now: float) -> State:
    """Note when all replicas have what the phase asks for: its time and samples count from then."""
    if state.live_since or state.active not in WATCHED or observation.live != state.target:
        return state
    return replace(state, live_since=now)


def _judge(state: State, observation: Observation, now: float, log: TransitionLog) -> State:
    """Do what the controller does by itself."""
    if state.active is Phase.PREFLIGHT:
        return _preflight(state, observation, now, log)
    if state.active not in WATCHED:
        return state
    if observation.crashed:
        why = f"the canary cannot run: {observation.crashed}"
        return roll_back(state, Trigger(why, TransitionCause.CRASHED), log)
    if observation.metrics is not MetricsStatus.OK:
        status = observation.metrics
        why = f"metrics are {status}{_ADVICE.get(status, '')}"
        return _without_data(state, why, f"metrics {status}", now, log)
    harm = _harm(state)
    if harm:
        return roll_back(state, harm, log)
    if state.stranger_share > state.plan.max_strangers:
        share = in_percent(state.stranger_share)
        why = f"lists know nobody: of {share} of shoppers there is no history and no friend{_EMPTY}"
        return _without_data(state, why, f"{share} of shoppers strangers", now, log)
    if state.phase is Phase.DATA_UNAVAILABLE:
        state = log.release(
            state, Trigger("what there is to decide by is back", TransitionCause.METRICS)
        )
    return state if state.phase in HELD else _advance(state, now, log)


def _preflight(state: State, observation: Observation, now: float, log: TransitionLog) -> State:
    if state.phase in HELD:
        return state
    if observation.preflight:
        return _refuse(state, observation.preflight, log)
    if observation.preflight is None or observation.compared is None:
        if now - state.since < state.plan.deadline_s:
            return state
        why = "preflight gave no answer by the deadline"
        return log.hold(state, Phase.INCONCLUSIVE, Trigger(why, TransitionCause.DEADLINE))
    figures = tuple(observation.compared)
    if figures:
        compared = PreflightComparison(state.stable, state.canary, figures)
        state = replace(state, comparison=compared)
    judged = judge_figures(figures, dict(state.plan.preflight), state.plan.override)
    refused = refusal(judged)
    if refused:
        return _refuse(state, refused, log)
    let_pass = "; ".join(one.said for one in judged if one.verdict == "overridden")
    why = "preflight passed" + (f", though {let_pass}: overridden" if let_pass else "")
    # From here on counts are the canary's: what its first answers were like is not lost.
    marks = dict(observation.totals) if observation.metrics is MetricsStatus.OK else {}
    return log.go(state, Phase.SHADOW, Trigger(why, TransitionCause.PREFLIGHT), totals=marks)


def _refuse(state: State, why: str, log: TransitionLog) -> State:
    return roll_back(state, Trigger(f"{REFUSED}{why}", TransitionCause.PREFLIGHT), log)


def _without_data(state: State, why: str, short: str, now: float, log: TransitionLog) -> State:
    """Hold the weight, as it is neither a pass nor a failure; then the plan's policy decides."""
    if state.phase is Phase.DATA_UNAVAILABLE:
        if now - state.held_since < state.plan.hold_s:
            return state
        trigger = Trigger(f"{short} for {now - state.held_since:.0f} s", TransitionCause.METRICS)
        if state.plan.on_hold == "rollback":
            return roll_back(state, trigger, log)
        return log.hold(state, Phase.PAUSED, trigger)
    if state.phase in HELD:
        return state
    return log.hold(state, Phase.DATA_UNAVAILABLE, Trigger(why, TransitionCause.METRICS))


_EMPTY: Final = (
    ". Is the online store filled? Where all shoppers are new, start with max_strangers=1"
)
_ADVICE: Final = {
    MetricsStatus.SPARSE: ": let Prometheus scrape each 30 s or sooner (monitoring.interval)"
}


def _harm(state: State) -> Trigger | None:
    """Find the signal by which the canary has to go."""
    failures = state.evidence.get("failures", Evidence())
    canary, stable = failures.canary, failures.stable
    rate = canary.events / max(canary.samples, 1)
    # One more: an arm that has not failed yet is not one that never does.
    usual = (stable.events + 1) / (stable.samples + 1)
    plan = state.plan
    if canary.events >= plan.fast_failures and rate >= plan.fast_ratio * usual:
        said = f"{canary.events} of {canary.samples} answers, stable {usual:.2%}"
        return _against("failures", said)
    for name, limit in plan.signals:
        evidence, signal = state.evidence.get(name, Evidence()), SIGNALS[name]
        enough, found = 1 / plan.alpha_of(name), e_value(name, evidence, limit)
        if found >= enough:
            return _against(name, f"{_told(evidence)}, e-value {found:.3g} over {enough:.3g}")
        if signal.ceiling is not None and over(evidence.canary, signal.ceiling) >= enough:
            return _against(name, f"{_told(evidence)}, over {signal.ceiling:.0%} of answers")
    return None


def _against(signal: str, said: str) -> Trigger:
    return Trigger(f"{signal}: {said}", TransitionCause.SIGNAL, signal=signal)


def _told(evidence: Evidence) -> str:
    parts = [
        f"{name} {arm.events} of {arm.samples}"
        for name, arm in ((CANARY, evidence.canary), (STABLE, evidence.stable))
    ]
    return ", ".join(parts)


def _advance(state: State, now: float, log: TransitionLog) -> State:
    """Go to the next step, if this one was live for its time and had its samples."""
    plan, late = state.plan, now - state.since >= state.plan.deadline_s
    if not state.live_since:
        if not late:
            return state
        why = "not live on all replicas by the deadline"
        return log.hold(state, Phase.INCONCLUSIVE, Trigger(why, TransitionCause.DEADLINE))
    lasted = now - state.live_since
    if state.phase is Phase.BAKE:
        if lasted < plan.bake_s or (plan.approval and not state.approved):
            return state
        return promote(state, Trigger(f"baked for {lasted:.0f} s", TransitionCause.PASSED), log)
    needed = {arm: state.step_samples.get(arm, 0) for arm in (CANARY, STABLE)}
    if min(needed.values()) < plan.min_samples:
        if not late:
            return state
        why = f"{needed[CANARY]} and {needed[STABLE]} samples of {plan.min_samples} by the deadline"
        return log.hold(state, Phase.INCONCLUSIVE, Trigger(why, TransitionCause.DEADLINE))
    if lasted < plan.step_s:
        return state
    passed = Trigger(f"no harm in {needed[CANARY]} samples", TransitionCause.PASSED)
    if state.phase is Phase.SHADOW:
        return log.go(state, Phase.STEP, passed, step=0)
    if state.step + 1 < len(plan.weights):
        return log.go(state, Phase.STEP, passed, step=state.step + 1)
    return log.go(state, Phase.BAKE, passed)


def _settle(state: State, observation: Observation, log: TransitionLog) -> State:
    """End a rollback once stable alone is really live."""
    if state.phase is Phase.ROLLING_BACK and observation.live == state.target:
        return log.go(
            state,
            Phase.ROLLED_BACK,
            Trigger("stable alone is live", TransitionCause.LIVE),
            canary="",
        )
    return state
