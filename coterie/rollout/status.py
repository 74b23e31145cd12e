"""How a rollout stands, in plain values: the same for terminal, HTTP API and page."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from coterie.rollout.figures import JudgedFigure, judge_figures
from coterie.rollout.history import LAST, phase_under
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import HELD, Phase, State, Transition
from coterie.rollout.transitions import CANARY, STABLE, judgement
from coterie.rollout.words import in_percent, next_step, where

_CALLED_OFF: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class NamedRelease:
    """A release, with the version by which people know it."""

    digest: str
    version: str | None
    """None where the store does not know the digest."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the way from preflight to promoted."""

    name: str
    weight: float
    status: Literal["done", "present", "ahead", "stopped"]
    place: str = field(init=False)
    """The same as ``status``, for clients of the version before, which knew it by this name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", self.status)


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """What one signal says so far."""

    name: str
    about: str
    worse: Literal["more", "less"]
    canary: tuple[int, int]
    """Answers that were counted, and events among them."""
    stable: tuple[int, int]
    ratio: float | None
    interval: tuple[float, float]
    limit: float
    ceiling: float | None
    e_value: float
    rolls_back_at: float
    progress: float
    """How far the logarithm of the e-value has come towards a rollback, 0 to 1."""
    level: Literal["unknown", "open", "good", "bad"]
    verdict: str


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers since the step began."""

    needed: int
    canary: int
    stable: int


@dataclass(frozen=True, slots=True)
class ComparisonStatus:
    """How a canary differs from what was live when it was started."""

    live: NamedRelease
    canary: NamedRelease
    figures: tuple[JudgedFigure, ...]


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """How a rollout stands: all that terminal, HTTP API and page show."""

    at: float
    phase: Phase
    held: Phase | None
    """What goes on after a hold."""
    where: str
    next_step: str
    next_in_s: float | None
    """When something happens by itself at the earliest; None: not known, or never."""
    stable: NamedRelease | None
    canary: NamedRelease | None
    weight: float
    mirrored: bool
    step: int
    """From 1 on, 0 outside the steps."""
    num_steps: int
    track: tuple[Stage, ...]
    since: float
    lasted_s: float
    samples: Samples
    comparison: ComparisonStatus | None
    """Of the last rollout; None: its canary was compared with nothing."""
    signals: tuple[SignalStatus, ...]
    plan: Mapping[str, Any]
    frozen: str
    quarantine: Mapping[str, str]
    last: tuple[Transition, ...]
    """Newest first."""
    versions: Mapping[str, str]
    """Of the digests above, as far as they are known."""


def rollout_status(
    state: State,
    now: float,
    history: Sequence[Transition],
    versions: Mapping[str, str] | None = None,
) -> RolloutStatus:
    """Tell how a rollout stands.

    Args:
        state: As it was written last.
        now: In seconds.
        history: All transitions, oldest first.
        versions: Digest to version.
    """
    versions = versions or {}
    target, steps = state.target, len(state.plan.weights)
    lasted = state.lasted(now)
    words, next_in = next_step(state, now, history, versions)
    return RolloutStatus(
        at=now,
        phase=state.phase,
        held=state.held if state.phase in HELD else None,
        where=where(state),
        next_step=f"frozen ({state.frozen}): nothing moves by itself" if state.frozen else words,
        next_in_s=None if state.frozen else next_in,
        stable=_named(state.stable, versions),
        canary=_named(state.canary, versions),
        weight=target.weight,
        mirrored=target.mirrored,
        step=state.step + 1 if state.active is Phase.STEP else 0,
        num_steps=steps,
        track=_track(state, history),
        since=state.since,
        lasted_s=lasted,
        samples=Samples(
            state.plan.min_samples,
            state.step_samples.get(CANARY, 0),
            state.step_samples.get(STABLE, 0),
        ),
        comparison=_comparison(state, versions),
        signals=_signal_statuses(state),
        plan=_plan(state),
        frozen=state.frozen,
        quarantine=dict(state.quarantine),
        last=tuple(itertools.islice(reversed(history), LAST)),
        versions={d: versions[d] for d in _digests(state, history) if d in versions},
    )


def _plan(state: State) -> dict[str, Any]:
    named = {name: dict(getattr(state.plan, name)) for name in ("signals", "preflight")}
    return {**asdict(state.plan), **named}


def _comparison(state: State, versions: Mapping[str, str]) -> ComparisonStatus | None:
    found, plan = state.comparison, state.plan
    if found is None:
        return None
    live, canary = (NamedRelease(d, versions.get(d)) for d in (found.live, found.canary))
    judged = judge_figures(found.figures, dict(plan.preflight), plan.override)
    return ComparisonStatus(live, canary, judged)


def _named(digest: str, versions: Mapping[str, str]) -> NamedRelease | None:
    return NamedRelease(digest, versions.get(digest)) if digest else None


def _digests(state: State, history: Sequence[Transition]) -> set[str]:
    last = history[-LAST:]
    found = {state.stable, state.canary, *state.quarantine}
    return found | {one.stable for one in last} | {one.canary for one in last}


def _track(state: State, history: Sequence[Transition]) -> tuple[Stage, ...]:
    """Mark the present stage of the way; of a rollout that was called off, where it ended."""
    weights = state.plan.weights
    way = [
        ("preflight", 0.0),
        ("shadow", 0.0),
        *((in_percent(weight), weight) for weight in weights),
        ("bake", 1.0),
        ("promoted", 0.0),
    ]
    here = _num_done(state, history)
    mark: Literal["present", "stopped"] = "stopped" if state.phase in _CALLED_OFF else "present"
    return tuple(
        Stage(name, weight, "done" if n < here else mark if n == here else "ahead")
        for n, (name, weight) in enumerate(way)
    )


def _num_done(state: State, history: Sequence[Transition]) -> int:
    """Count the stages that are done; -1: nothing was begun."""
    phase, step = state.active, state.step
    if phase in _CALLED_OFF:
        phase = phase_under(history, skip=_CALLED_OFF)
    num_steps = len(state.plan.weights)
    done = {
        Phase.PREFLIGHT: 0,
        Phase.SHADOW: 1,
        Phase.STEP: 2 + step,
        Phase.BAKE: 2 + num_steps,
        Phase.PROMOTED: 3 + num_steps,
    }
    return done.get(phase, -1)


def _signal_statuses(state: State) -> tuple[SignalStatus, ...]:
    if not state.canary and not state.evidence:
        return ()
    return tuple(_signal_status(state, name, judged) for name, judged in judgement(state).items())


def _signal_status(state: State, name: str, judged: Mapping[str, Any]) -> SignalStatus:
    signal = SIGNALS[name]
    e_value, enough = judged["e_value"], judged["rolls_back_at"]
    level, verdict = _verdict(state, name, judged)
    return SignalStatus(
        name=name,
        about=signal.about,
        worse=signal.worse.value,
        canary=tuple(judged["canary"]),
        stable=tuple(judged["stable"]),
        ratio=judged["ratio"],
        interval=tuple(judged["interval"]),
        limit=judged["limit"],
        ceiling=signal.ceiling,
        e_value=e_value,
        rolls_back_at=enough,
        progress=min(max(math.log(max(e_value, 1e-300)) / math.log(enough), 0.0), 1.0),
        level=level,
        verdict=verdict,
    )


def _verdict(
    state: State, name: str, judged: Mapping[str, Any]
) -> tuple[Literal["unknown", "open", "good", "bad"], str]:
    signal = SIGNALS[name]
    if judged["e_value"] >= judged["rolls_back_at"]:
        return "bad", "speaks against it"
    if signal.of_shown and state.active is Phase.SHADOW:
        return "unknown", "means nothing in shadow"
    if not (judged["canary"][0] and judged["stable"][0]):
        return "unknown", "is told in shadow" if signal.paired else "nothing counted yet"
    low, high = judged["interval"]
    if high <= judged["limit"] if signal.worse == "more" else low >= judged["limit"]:
        return "good", "within the limit"
    return "open", "no sign of harm"
