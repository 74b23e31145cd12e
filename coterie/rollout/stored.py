"""Commands, transitions and snapshots as plain values: what rollout stores write and read."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from coterie.rollout.commands import Command, Verb
from coterie.rollout.history import Snapshot
from coterie.rollout.plan import EARLIER_NAMES, SIGNALS, Plan, current_names
from coterie.rollout.state import Phase, Transition, TransitionCause
from coterie.rollout.transitions import CONTROLLER


def command_json(command: Command) -> dict[str, Any]:
    """Make plain values of a command."""
    plan = command.plan.as_json() if command.plan else None
    return {**asdict(command), "plan": plan}


def read_transition(content: Mapping[str, Any]) -> Transition:
    """Read a line of the audit log, also one of the version before, which had no cause."""
    known = {one.name: content[one.name] for one in fields(Transition) if one.name in content}
    phases = {name: Phase(content[name]) for name in ("before", "after")}
    if "cause" not in content:
        cause, signal = _told_cause(content["why"], content["who"])
    else:
        # A later version may know more causes.
        cause = next((one for one in TransitionCause if one == content["cause"]), None)
        signal = content["signal"]
    read = {"evidence": current_names(content["evidence"]), "cause": cause, "signal": signal}
    return Transition(**{**known, **phases, **read})


_TOLD: Final = {
    "the canary cannot run": TransitionCause.CRASHED,
    "preflight": TransitionCause.PREFLIGHT,
    "metrics": TransitionCause.METRICS,
    "no harm": TransitionCause.PASSED,
    "baked": TransitionCause.PASSED,
    "stable alone is live": TransitionCause.LIVE,
    "the book is empty": TransitionCause.LIVE,
}
"""How the version before began to say why the controller did something."""


def _told_cause(why: str, who: str) -> tuple[TransitionCause | None, str]:
    """Tell the cause, and the signal if it is one, by the words of the version before."""
    if who != CONTROLLER:
        return TransitionCause.COMMAND, ""
    signal = why.partition(":")[0]
    signal = EARLIER_NAMES.get(signal, signal)
    if signal in SIGNALS:
        return TransitionCause.SIGNAL, signal
    if why.endswith("by the deadline"):
        return TransitionCause.DEADLINE, ""
    return next((cause for begins, cause in _TOLD.items() if why.startswith(begins)), None), ""


def read_snapshot(content: Mapping[str, Any]) -> Snapshot:
    """Read a snapshot back from ``asdict``."""
    return Snapshot(**{**content, "signals": current_names(content["signals"])})


def read_command(content: Mapping[str, Any]) -> Command:
    """Read a command back from ``command_json``."""
    plan = content["plan"]
    read = {"verb": Verb(content["verb"]), "plan": None if plan is None else Plan.stored(plan)}
    return Command(**{**content, **read})
