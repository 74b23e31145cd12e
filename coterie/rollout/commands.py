"""What a person may command, and what becomes of a state by it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from coterie.errors import BadInputError
from coterie.rollout.plan import Plan
from coterie.rollout.state import HELD, UNDER_WAY, Phase, State, TransitionCause
from coterie.rollout.transitions import REFUSED, TransitionLog, Trigger, promote, roll_back


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


def obey(state: State, command: Command, log: TransitionLog) -> State:
    """Carry a command out.

    Raises:
        BadInputError: It has no reason, or does not fit the state: why, for who commanded it.
    """
    if not command.reason.strip():
        raise BadInputError(f"{command.verb} needs a reason: say why")
    return _VERBS[command.verb](state, command, log)


def _trigger(command: Command, what: str = "") -> Trigger:
    why = f"{what}: {command.reason}" if what else command.reason
    return Trigger(why, TransitionCause.COMMAND, command.who)


def _start(state: State, command: Command, log: TransitionLog) -> State:
    digest = command.digest
    if state.frozen:
        raise BadInputError(f"frozen ({state.frozen}): unfreeze first")
    if state.active in UNDER_WAY or state.phase is Phase.ROLLING_BACK:
        raise BadInputError(f"{state.canary} is being rolled out: wait, or roll it back")
    if not digest or digest == state.stable:
        raise BadInputError(f"release {digest or 'without a digest'} is no other than what is live")
    plan, why = command.plan or Plan(), state.quarantine.get(digest, "")
    # It never ran, and whoever overrides has said why: nothing has to be waited for.
    overridden = bool(plan.override) and why.startswith(REFUSED)
    if why and not overridden:
        raise BadInputError(f"{digest} is in quarantine ({why}): unquarantine it with a reason")
    waited = log.now - state.since >= state.plan.cooldown_s
    if state.phase is Phase.ROLLED_BACK and not waited and not overridden:
        left = state.plan.cooldown_s - (log.now - state.since)
        raise BadInputError(f"a rollback was just made: wait {left:.0f} s more")
    what = f"start, overriding {', '.join(plan.override)}" if plan.override else "start"
    return log.go(
        state,
        Phase.PREFLIGHT,
        _trigger(command, what),
        canary=digest,
        comparison=None,
        quarantine={d: told for d, told in state.quarantine.items() if d != digest},
        plan=plan,
        step=0,
        held=None,
        approved=False,
        evidence={},
        totals={},
    )


def _pause(state: State, command: Command, log: TransitionLog) -> State:
    if state.active not in UNDER_WAY:
        raise BadInputError("nothing is being rolled out")
    return log.hold(state, Phase.PAUSED, _trigger(command))


def _resume(state: State, command: Command, log: TransitionLog) -> State:
    if state.phase in HELD:
        again = state.phase is Phase.INCONCLUSIVE
        state = log.release(state, _trigger(command), approved=True)
        if not again:
            return state
        return replace(state, since=log.now, live_since=state.live_since and log.now)
    if state.phase is Phase.BAKE and state.plan.approval and not state.approved:
        return log.note(state, replace(state, approved=True), _trigger(command))
    raise BadInputError("nothing is held")


def _promote(state: State, command: Command, log: TransitionLog) -> State:
    if state.active not in UNDER_WAY or state.active is Phase.PREFLIGHT:
        raise BadInputError("nothing is being rolled out")
    return promote(state, _trigger(command, "forced"), log)


def _rollback(state: State, command: Command, log: TransitionLog) -> State:
    if state.active not in UNDER_WAY:
        raise BadInputError("nothing is being rolled out")
    return roll_back(state, _trigger(command), log)


def _freeze(state: State, command: Command, log: TransitionLog) -> State:
    after = replace(state, frozen=command.reason)
    return log.note(state, after, _trigger(command, "freeze"))


def _unfreeze(state: State, command: Command, log: TransitionLog) -> State:
    if not state.frozen:
        raise BadInputError("nothing is frozen")
    after = replace(state, frozen="")
    return log.note(state, after, _trigger(command, "unfreeze"))


def _unquarantine(state: State, command: Command, log: TransitionLog) -> State:
    if command.digest not in state.quarantine:
        raise BadInputError(f"{command.digest or 'nothing'} is not in quarantine")
    left = {d: why for d, why in state.quarantine.items() if d != command.digest}
    after = replace(state, quarantine=left)
    return log.note(state, after, _trigger(command, "unquarantine"))


_VERBS: Final[dict[Verb, Callable[[State, Command, TransitionLog], State]]] = {
    Verb.START: _start,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.PROMOTE: _promote,
    Verb.ROLLBACK: _rollback,
    Verb.FREEZE: _freeze,
    Verb.UNFREEZE: _unfreeze,
    Verb.UNQUARANTINE: _unquarantine,
}
