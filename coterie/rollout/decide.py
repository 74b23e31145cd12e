"""What to do next, as a pure function of what is known: no clock, no network, no storage.

The controller writes the new state, then brings what is live to ``State.target``. Both may be
repeated: the function looks at what really is live and asks for the same again until it is, so a
controller that died between any two writes goes on as if it had not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from coterie.errors import BadInputError
from coterie.rollout.evidence import Counts, Evidence, Worse
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import HELD, UNDER_WAY, WATCHED, Phase, State, Target, Totals, Transition

CANARY: Final = "canary"
STABLE: Final = "stable"
CONTROLLER: Final = "controller"
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


class Verb(StrEnum):
    """What a person may command."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    UNQUARANTINE = "unquarantine"


@dataclass(frozen=True, slots=True)
class Command:
    """What a person wants, and why."""

    id: str
    verb: Verb
    who: str
    reason: str
    digest: str = ""
    """Of the release to start or to take out of quarantine."""
    plan: Plan | None = None
    """Of the rollout to start."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the controller sees of the world at one look."""

    live: Target
    """What really is live."""
    source: MetricsStatus = MetricsStatus.OK
    totals: Mapping[str, Totals] = field(default_factory=dict)
    """By arm, or by ``arm@instance`` where several count; only where the source is OK."""
    preflight: str | None = None
    """Why the canary may not run at all; empty: it may; None: not known yet."""
    crashed: str = ""
    """What replicas say themselves: why the canary cannot run. Known without metrics."""
    commands: Sequence[Command] = ()


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
    """One look.

    Args:
        state: As it was written last.
        observation: The world at this moment.
        now: In seconds; never less than at the last look.
    """
    log, refused = _Log(now), {}
    for command in observation.commands:
        if command.id in state.done_commands:
            continue
        try:
            state = _obey(state, command, observation.source, log)
        except BadInputError as error:
            refused[command.id] = str(error)
        done = (*state.done_commands, command.id)[-KEPT_COMMANDS:]
        told = {**state.refused, **refused}
        state = replace(
            state, done_commands=done, refused={one: told[one] for one in done if one in told}
        )
    state = _arrive(_look(state, observation), observation, now)
    if not state.frozen:
        state = _judge(state, observation, now, log)
    state = _settle(state, observation, log)
    apply = None if observation.live == state.target else state.target
    return Decision(state, tuple(log.lines), apply, refused)


def put_live(
    state: State, digest: str, why: str, who: str, now: float, anew: bool = False
) -> Decision:
    """What a person puts live past every check.

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
    log = _Log(now)
    if digest in state.quarantine:
        why = f"{why}; it was in quarantine ({state.quarantine[digest]})"
        left = {d: told for d, told in state.quarantine.items() if d != digest}
        state = replace(state, quarantine=left)
    after = _put_live(state, digest, why, who, log, anew)
    return Decision(after, tuple(log.lines), after.target, {})


def note(state: State, why: str, who: str, now: float) -> Decision:
    """A line of the audit log for what changes nothing."""
    log = _Log(now)
    log.note(state, state, why, who)
    return Decision(state, tuple(log.lines), None, {})


def judgement(state: State) -> dict[str, dict[str, Any]]:
    """Every signal as the next decision sees it: for a page, a table, the audit log."""
    told: dict[str, dict[str, Any]] = {}
    for name, limit in state.plan.signals:
        evidence = state.evidence.get(name, Evidence())
        held = evidence.interval(state.plan.alpha_each)
        told[name] = {
            "canary": [evidence.canary.samples, evidence.canary.events],
            "stable": [evidence.stable.samples, evidence.stable.events],
            "ratio": held.ratio,
            "interval": [held.low, held.high],
            "limit": limit,
            "e_value": evidence.against(limit, SIGNALS[name].worse),
            "rolls_back_at": 1 / state.plan.alpha_each,
        }
    return told


class _Log:
    """Transitions of one look."""

    def __init__(self, now: float):
        self.now = now
        self.lines: list[Transition] = []

    def go(
        self, state: State, after: Phase, why: str, who: str = CONTROLLER, **changes: Any
    ) -> State:
        """The state in another phase, that is, in the same one at another step."""
        moved = replace(state, phase=after, since=self.now, live_since=0.0, **changes)
        moved = replace(moved, step_samples={})
        self._write(state, moved, why, who)
        return moved

    def hold(self, state: State, after: Phase, why: str, who: str = CONTROLLER) -> State:
        """The state held where it is."""
        began = state.held_since if state.phase in HELD else self.now
        held = replace(state, phase=after, held=state.active, held_since=began)
        self._write(state, held, why, who)
        return held

    def release(self, state: State, why: str, who: str = CONTROLLER, **changes: Any) -> State:
        """The state as it was before it was held; the time of the hold does not count."""
        assert state.held is not None
        since = state.since + (self.now - state.held_since)
        # What it asks for may have become live meanwhile.
        live_since = state.live_since and (
            state.live_since + self.now - max(state.held_since, state.live_since)
        )
        free = replace(state, phase=state.held, held=None, since=since, **changes)
        free = replace(free, live_since=live_since)
        self._write(state, free, why, who)
        return free

    def note(self, before: State, after: State, why: str, who: str) -> State:
        """A change that is no transition."""
        self._write(before, after, why, who)
        return after

    def _write(self, before: State, after: State, why: str, who: str) -> None:
        evidence = judgement(before) if before.active in WATCHED else {}
        self.lines.append(
            Transition(
                self.now,
                before.phase,
                after.phase,
                why,
                who,
                after.stable,
                after.canary or before.canary,
                after.target.weight,
                after.step,
                evidence,
            )
        )


def _obey(state: State, command: Command, source: MetricsStatus, log: _Log) -> State:
    if not command.reason.strip():
        raise BadInputError(f"{command.verb} needs a reason: say why")
    if command.verb is Verb.START and source is MetricsStatus.SPARSE:
        raise BadInputError(f"no rollout could be decided: metrics are {source}{_ADVICE[source]}")
    return _VERBS[command.verb](state, command, log)


def _start(state: State, command: Command, log: _Log) -> State:
    digest = command.digest
    if state.frozen:
        raise BadInputError(f"frozen ({state.frozen}): unfreeze first")
    if state.active in UNDER_WAY or state.phase is Phase.ROLLING_BACK:
        raise BadInputError(f"{state.canary} is being rolled out: wait, or roll it back")
    if not digest or digest == state.stable:
        raise BadInputError(f"release {digest or 'without a digest'} is no other than what is live")
    if digest in state.quarantine:
        raise BadInputError(
            f"{digest} is in quarantine ({state.quarantine[digest]}): unquarantine it with a reason"
        )
    plan = command.plan or Plan()
    if state.phase is Phase.ROLLED_BACK and log.now - state.since < state.plan.cooldown_s:
        left = state.plan.cooldown_s - (log.now - state.since)
        raise BadInputError(f"a rollback was just made: wait {left:.0f} s more")
    return log.go(
        state,
        Phase.PREFLIGHT,
        f"start: {command.reason}",
        command.who,
        canary=digest,
        plan=plan,
        step=0,
        held=None,
        approved=False,
        evidence={},
        totals={},
    )


def _pause(state: State, command: Command, log: _Log) -> State:
    if state.active not in UNDER_WAY:
        raise BadInputError("nothing is being rolled out")
    return log.hold(state, Phase.PAUSED, command.reason, command.who)


def _resume(state: State, command: Command, log: _Log) -> State:
    if state.phase in HELD:
        again = state.phase is Phase.INCONCLUSIVE
        state = log.release(state, command.reason, command.who, approved=True)
        if not again:
            return state
        return replace(state, since=log.now, live_since=state.live_since and log.now)
    if state.phase is Phase.BAKE and state.plan.approval and not state.approved:
        return log.note(state, replace(state, approved=True), command.reason, command.who)
    raise BadInputError("nothing is held")


def _promote(state: State, command: Command, log: _Log) -> State:
    if state.active not in UNDER_WAY or state.active is Phase.PREFLIGHT:
        raise BadInputError("nothing is being rolled out")
    return _promoted(state, f"forced: {command.reason}", command.who, log)


def _rollback(state: State, command: Command, log: _Log) -> State:
    if state.active not in UNDER_WAY:
        raise BadInputError("nothing is being rolled out")
    return _rolling_back(state, command.reason, command.who, log)


def _freeze(state: State, command: Command, log: _Log) -> State:
    after = replace(state, frozen=command.reason)
    return log.note(state, after, f"freeze: {command.reason}", command.who)


def _unfreeze(state: State, command: Command, log: _Log) -> State:
    if not state.frozen:
        raise BadInputError("nothing is frozen")
    after = replace(state, frozen="")
    return log.note(state, after, f"unfreeze: {command.reason}", command.who)


def _unquarantine(state: State, command: Command, log: _Log) -> State:
    if command.digest not in state.quarantine:
        raise BadInputError(f"{command.digest or 'nothing'} is not in quarantine")
    left = {d: why for d, why in state.quarantine.items() if d != command.digest}
    after = replace(state, quarantine=left)
    return log.note(state, after, f"unquarantine: {command.reason}", command.who)


_VERBS: Final[dict[Verb, Callable[[State, Command, _Log], State]]] = {
    Verb.START: _start,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.PROMOTE: _promote,
    Verb.ROLLBACK: _rollback,
    Verb.FREEZE: _freeze,
    Verb.UNFREEZE: _unfreeze,
    Verb.UNQUARANTINE: _unquarantine,
}


def _look(state: State, observation: Observation) -> State:
    """Take in what was counted since the last look; it counts in a hold as well."""
    if observation.source is not MetricsStatus.OK or state.active not in WATCHED:
        return state
    # Marks of an instance that is not seen now stay: it may be back, and have counted on.
    if not all(_instances(state.totals, arm) for arm in (CANARY, STABLE)):
        # The first look only sets the marks.
        return replace(state, totals={**state.totals, **observation.totals})
    totals = {**state.totals, **_marks(state, observation)}
    evidence = dict(state.evidence)
    for name in _counted(state):
        arms = [_window(state, observation, arm, name) for arm in (CANARY, STABLE)]
        evidence[name] = evidence.get(name, Evidence()).add(*arms)
    if not state.live_since:
        return replace(state, evidence=evidence, totals=totals)
    grown = {
        arm: state.step_samples.get(arm, 0) + _window(state, observation, arm, "").samples
        for arm in (CANARY, STABLE)
    }
    return replace(state, evidence=evidence, totals=totals, step_samples=grown)


def _arrive(state: State, observation: Observation, now: float) -> State:
    """Note when all replicas have what the phase asks for: its time and samples count from then."""
    if state.live_since or state.active not in WATCHED or observation.live != state.target:
        return state
    return replace(state, live_since=now)


def _counted(state: State) -> list[str]:
    """The signals of the plan that count now: of lists that nobody is shown none follows."""
    shadow = state.active is Phase.SHADOW
    return [name for name, _ in state.plan.signals if not (shadow and SIGNALS[name].of_shown)]


def _marks(state: State, observation: Observation) -> dict[str, Totals]:
    """What each instance's next window begins from."""
    marks = {}
    for instance, totals in observation.totals.items():
        before = state.totals.get(instance, Totals())
        room = {s: totals.since(before, s, SIGNALS[s].of_shown).events for s in _counted(state)}
        marks[instance] = totals.mark(before, room)
    return marks


def _instances(totals: Mapping[str, Totals], arm: str) -> list[str]:
    """Who counts for an arm."""
    return [name for name in totals if name.partition("@")[0] == arm]


def _window(state: State, observation: Observation, arm: str, signal: str) -> Counts:
    """What all instances counted since the last look: one that is new counted from nothing."""
    of_shown = signal in SIGNALS and SIGNALS[signal].of_shown
    windows = [
        observation.totals[name].since(state.totals.get(name, Totals()), signal, of_shown)
        for name in _instances(observation.totals, arm)
    ]
    return sum(windows, Counts(0, 0))


def _judge(state: State, observation: Observation, now: float, log: _Log) -> State:
    """What the controller does by itself."""
    if state.active is Phase.PREFLIGHT:
        return _preflight(state, observation, log)
    if state.active not in WATCHED:
        return state
    if observation.crashed:
        return _rolling_back(
            state, f"the canary cannot run: {observation.crashed}", CONTROLLER, log
        )
    if observation.source is not MetricsStatus.OK:
        return _without_data(state, observation.source, now, log)
    harm = _harm(state)
    if harm:
        return _rolling_back(state, harm, CONTROLLER, log)
    if state.phase is Phase.DATA_UNAVAILABLE:
        state = log.release(state, "metrics are back")
    return state if state.phase in HELD else _advance(state, now, log)


def _preflight(state: State, observation: Observation, log: _Log) -> State:
    if state.phase in HELD or observation.preflight is None:
        return state
    if observation.preflight:
        return _rolling_back(state, f"preflight: {observation.preflight}", CONTROLLER, log)
    return log.go(state, Phase.SHADOW, "preflight passed")


def _without_data(state: State, source: MetricsStatus, now: float, log: _Log) -> State:
    """Neither a pass nor a failure: the weight is held, then the plan's policy decides."""
    if state.phase is Phase.DATA_UNAVAILABLE:
        if now - state.held_since < state.plan.hold_s:
            return state
        why = f"metrics {source} for {now - state.held_since:.0f} s"
        if state.plan.on_hold == "rollback":
            return _rolling_back(state, why, CONTROLLER, log)
        return log.hold(state, Phase.PAUSED, why)
    if state.phase in HELD:
        return state
    return log.hold(state, Phase.DATA_UNAVAILABLE, f"metrics are {source}{_ADVICE.get(source, '')}")


_ADVICE: Final = {
    MetricsStatus.SPARSE: ": let Prometheus scrape each 30 s or sooner (monitoring.interval)"
}


def _harm(state: State) -> str:
    """Why the canary has to go; empty: no signal says so."""
    failures = state.evidence.get("failures", Evidence())
    canary, stable = failures.canary, failures.stable
    rate = canary.events / max(canary.samples, 1)
    # One more: an arm that has not failed yet is not one that never does.
    usual = (stable.events + 1) / (stable.samples + 1)
    plan = state.plan
    if canary.events >= plan.fast_failures and rate >= plan.fast_ratio * usual:
        return f"failures: {canary.events} of {canary.samples} answers, stable {usual:.2%}"
    enough = 1 / plan.alpha_each
    for name, limit in plan.signals:
        evidence, signal = state.evidence.get(name, Evidence()), SIGNALS[name]
        e_value = evidence.against(limit, signal.worse)
        if e_value >= enough:
            return f"{name}: {_told(evidence)}, e-value {e_value:.3g} over {enough:.3g}"
        if signal.ceiling is not None and _over(evidence.canary, signal.ceiling) >= enough:
            return f"{name}: {_told(evidence)}, over {signal.ceiling:.0%} of answers"
    return ""


def _over(arm: Counts, ceiling: float) -> float:
    """e-value of a share above the ceiling: the mixture test, stable being a coin of that share.

    A fair comparison with a known rate is one with an arm so large that it has no noise.
    """
    if arm.samples == 0:
        return 0.0
    large = 1_000_000
    known = Evidence().add(arm, Counts(large, round(ceiling * large)))
    return known.against(1.0, Worse.MORE)


def _told(evidence: Evidence) -> str:
    parts = [
        f"{name} {arm.events} of {arm.samples}"
        for name, arm in ((CANARY, evidence.canary), (STABLE, evidence.stable))
    ]
    return ", ".join(parts)


def _advance(state: State, now: float, log: _Log) -> State:
    """The next step, if this one was live for its time and had its samples."""
    plan, late = state.plan, now - state.since >= state.plan.deadline_s
    if not state.live_since:
        if not late:
            return state
        return log.hold(state, Phase.INCONCLUSIVE, "not live on all replicas by the deadline")
    lasted = now - state.live_since
    if state.phase is Phase.BAKE:
        if lasted < plan.bake_s or (plan.approval and not state.approved):
            return state
        return _promoted(state, f"baked for {lasted:.0f} s", CONTROLLER, log)
    needed = {arm: state.step_samples.get(arm, 0) for arm in (CANARY, STABLE)}
    if min(needed.values()) < plan.min_samples:
        if not late:
            return state
        why = f"{needed[CANARY]} and {needed[STABLE]} samples of {plan.min_samples} by the deadline"
        return log.hold(state, Phase.INCONCLUSIVE, why)
    if lasted < plan.step_s:
        return state
    why = f"no harm in {needed[CANARY]} samples"
    if state.phase is Phase.SHADOW:
        return log.go(state, Phase.STEP, why, step=0)
    if state.step + 1 < len(plan.weights):
        return log.go(state, Phase.STEP, why, step=state.step + 1)
    return log.go(state, Phase.BAKE, why)


def _promoted(state: State, why: str, who: str, log: _Log) -> State:
    return log.go(
        state, Phase.PROMOTED, why, who, stable=state.canary, canary="", held=None, totals={}
    )


def _rolling_back(state: State, why: str, who: str, log: _Log) -> State:
    quarantine = {**state.quarantine, state.canary: why}
    return log.go(state, Phase.ROLLING_BACK, why, who, quarantine=quarantine, held=None, totals={})


def _put_live(state: State, digest: str, why: str, who: str, log: _Log, anew: bool) -> State:
    ends = state.active in UNDER_WAY and not anew
    if ends and digest == state.canary:
        return _promoted(state, why, who, log)
    if ends and digest == state.stable:
        return _rolling_back(state, why, who, log)
    if digest == state.stable and not anew:
        return log.note(state, state, why, who)
    phase = Phase.IDLE if anew else Phase.PROMOTED
    return log.go(
        state, phase, why, who, stable=digest, canary="", held=None, evidence={}, totals={}
    )


def _settle(state: State, observation: Observation, log: _Log) -> State:
    """A rollback is over when stable alone is really live."""
    if state.phase is Phase.ROLLING_BACK and observation.live == state.target:
        return log.go(state, Phase.ROLLED_BACK, "stable alone is live", canary="")
    return state
