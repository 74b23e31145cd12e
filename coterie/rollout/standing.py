"""How a rollout stands, in plain values and words: the same for terminal, HTTP API and page."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from coterie.rollout.decide import CANARY, STABLE, judgement
from coterie.rollout.plan import SIGNALS, current_names
from coterie.rollout.state import HELD, UNDER_WAY, Phase, State, Transition

SHORT: Final = 12
"""Digits of a digest that people read."""
LAST: Final = 10
POINTS: Final = 120
"""Of a chart."""
ENDED: Final = frozenset({Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK})
"""Phases in which nothing goes on."""
_CALLED_OFF: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class Named:
    """A release."""

    digest: str
    version: str | None
    """None where the store does not know the digest."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One part of the way from preflight to promoted."""

    name: str
    weight: float
    place: Literal["done", "present", "ahead", "stopped"]


@dataclass(frozen=True, slots=True)
class Sign:
    """What one signal says so far."""

    name: str
    about: str
    worse: Literal["more", "less"]
    canary: tuple[int, int]
    """Samples, and events among them."""
    stable: tuple[int, int]
    ratio: float | None
    interval: tuple[float, float]
    limit: float
    ceiling: float | None
    e_value: float
    rolls_back_at: float
    progress: float
    """Of the e-value's logarithm towards a rollback, 0 to 1."""
    level: Literal["unknown", "open", "good", "bad"]
    verdict: str


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers since the step began."""

    needed: int
    canary: int
    stable: int


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is shown."""

    at: float
    phase: Phase
    held: Phase | None
    """What goes on after a hold."""
    where: str
    next_step: str
    next_in_s: float | None
    """When something happens by itself at the earliest; None: not known, or never."""
    stable: Named | None
    canary: Named | None
    weight: float
    mirrored: bool
    step: int
    """From 1 on, 0 outside the steps."""
    num_steps: int
    track: tuple[Stop, ...]
    since: float
    lasted_s: float
    samples: Samples
    signals: tuple[Sign, ...]
    plan: Mapping[str, Any]
    frozen: str
    quarantine: Mapping[str, str]
    last: tuple[Transition, ...]
    """Newest first."""
    versions: Mapping[str, str]
    """Of the digests above, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Look:
    """What all signals said at a moment of a rollout: a point of the charts."""

    at: float
    canary: str
    weight: float
    signals: Mapping[str, Sequence[float]]
    """Samples and events of the canary, then of stable, then the e-value."""


@dataclass(frozen=True, slots=True)
class Line:
    """A signal over time; None where an arm has no samples yet."""

    canary: tuple[float | None, ...]
    stable: tuple[float | None, ...]
    e_value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Signals of the last rollout over time: rates since it began."""

    at: tuple[float, ...]
    weight: tuple[float, ...]
    lines: Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class Moment:
    """What was decided to be live at a time; replicas follow within seconds."""

    at: float
    phase: Phase
    stable: str
    canary: str
    """Empty where no shopper was on one, and none was mirrored to it."""
    weight: float
    mirrored: bool
    because: tuple[Transition, ...]
    """The transitions that led there, newest first; none: the log begins later."""


def standing(
    state: State,
    now: float,
    history: Sequence[Transition],
    versions: Mapping[str, str] | None = None,
) -> Standing:
    """How a rollout stands.

    Args:
        state: As it was written last.
        now: In seconds.
        history: All transitions, oldest first.
        versions: Digest to version.
    """
    versions = versions or {}
    target, steps = state.target, len(state.plan.weights)
    lasted = _lasted(state, now)
    words, next_in = _next(state, now, history, versions)
    return Standing(
        at=now,
        phase=state.phase,
        held=state.held if state.phase in HELD else None,
        where=_where(state),
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
        signals=_signs(state),
        plan={**asdict(state.plan), "signals": dict(state.plan.signals)},
        frozen=state.frozen,
        quarantine=dict(state.quarantine),
        last=tuple(itertools.islice(reversed(history), LAST)),
        versions={d: versions[d] for d in _digests(state, history) if d in versions},
    )


def look(state: State, now: float) -> Look:
    """A point of the charts."""
    told = judgement(state)
    signals = {
        name: [*one["canary"], *one["stable"], round(one["e_value"], 4)]
        for name, one in told.items()
    }
    return Look(round(now, 3), state.canary, state.target.weight, signals)


def looks_in(history: Sequence[Transition]) -> list[Look]:
    """The few looks that the audit log has kept."""
    return [
        Look(
            one.at,
            one.canary,
            one.weight,
            {
                name: [*told["canary"], *told["stable"], round(told["e_value"], 4)]
                for name, told in current_names(one.evidence).items()
            },
        )
        for one in history
        if one.evidence
    ]


def series(looks: Sequence[Look], most: int = POINTS) -> Series:
    """Looks of the last rollout, evenly over its time.

    Args:
        looks: Oldest first, also of earlier rollouts.
        most: Points at most.
    """
    mine = _thinned(_last_rollout(looks), most)
    names = list(mine[-1].signals) if mine else []
    lines = {}
    for name in names:
        points = [one.signals.get(name, (0, 0, 0, 0, 0)) for one in mine]
        lines[name] = Line(
            tuple(_rate(p[0], p[1]) for p in points),
            tuple(_rate(p[2], p[3]) for p in points),
            tuple(p[4] for p in points),
        )
    return Series(tuple(one.at for one in mine), tuple(one.weight for one in mine), lines)


def moment(state: State, history: Sequence[Transition], at: float) -> Moment:
    """What was live at a time.

    Args:
        state: The present one: it stands for times of which the log says nothing.
        history: All transitions, oldest first.
        at: In seconds.
    """
    before = [one for one in history if one.at <= at]
    if not before:
        stable = history[0].stable if history else state.stable
        return Moment(at, Phase.IDLE, stable, "", 0.0, False, ())
    last = before[-1]
    mirrored = _phase_under(before) is Phase.SHADOW
    canary = last.canary if last.weight > 0 or mirrored else ""
    begun = _begun(before)
    because = tuple(reversed(before[begun:]))[:LAST]
    return Moment(at, last.after, last.stable, canary, last.weight, mirrored, because)


def called(digest: str, versions: Mapping[str, str]) -> str:
    """A release, as people call it."""
    return versions.get(digest) or digest[:SHORT] or "none"


def in_percent(share: float) -> str:
    """``10 %``."""
    return f"{100 * share:.3g} %"


def in_time(seconds: float) -> str:
    """``40 s``, ``12 min``, ``1 h 20 min``."""
    whole = math.ceil(max(seconds, 0.0))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _named(digest: str, versions: Mapping[str, str]) -> Named | None:
    return Named(digest, versions.get(digest)) if digest else None


def _digests(state: State, history: Sequence[Transition]) -> set[str]:
    told = history[-LAST:]
    found = {state.stable, state.canary, *state.quarantine}
    return found | {one.stable for one in told} | {one.canary for one in told}


def _lasted(state: State, now: float) -> float:
    """How long the phase has lasted, without the time of a hold."""
    until = state.held_since if state.phase in HELD and state.held else now
    return max(until - state.since, 0.0) if state.since else 0.0


def _live_for(state: State, now: float) -> float:
    """How long what the phase asks for has been live, which is what its time counts."""
    return max(now - state.live_since, 0.0) if state.live_since else 0.0


def _where(state: State) -> str:
    if state.phase in HELD and state.held:
        return f"{_HELD_WORDS[state.phase]} in {_phase_words(state, state.held)}"
    return _phase_words(state, state.phase)


_HELD_WORDS: Final = {
    Phase.PAUSED: "paused",
    Phase.INCONCLUSIVE: "inconclusive",
    Phase.DATA_UNAVAILABLE: "without metrics",
}


def _phase_words(state: State, phase: Phase) -> str:
    if phase is Phase.STEP:
        weights = state.plan.weights
        share = in_percent(weights[state.step])
        return f"step {state.step + 1} of {len(weights)} at {share}"
    if phase is Phase.BAKE:
        return "bake at 100 %"
    return str(phase).replace("_", " ")


def _next(
    state: State, now: float, history: Sequence[Transition], versions: Mapping[str, str]
) -> tuple[str, float | None]:
    """What happens next, and in how many seconds at the earliest."""
    phase = state.phase
    if phase in HELD:
        return _next_held(state, now, history)
    if phase in (Phase.SHADOW, Phase.STEP, Phase.BAKE) and not state.live_since:
        late = max(state.plan.deadline_s - _lasted(state, now), 0.0)
        begin = f"{_where(state)}: replicas are taking it, its time counts from then"
        return f"{begin}; inconclusive in {in_time(late)}", None
    if phase in (Phase.SHADOW, Phase.STEP):
        return _next_step(state, now)
    if phase is Phase.BAKE:
        return _next_bake(state, now)
    if phase is Phase.PREFLIGHT:
        canary = called(state.canary, versions)
        return f"preflight: {canary} is checked and warmed up; shadow follows", None
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
    begin = f"{_where(state)}: {some if had < plan.min_samples else enough}"
    after = _after(state)
    left = max(plan.step_s - _live_for(state, now), 0.0)
    if left > 0:
        earliest = "" if had >= plan.min_samples else " at the earliest"
        return f"{begin}; {after} in {in_time(left)}{earliest}", left
    if had >= plan.min_samples:
        return f"{begin}; {after} now", 0.0
    late = max(plan.deadline_s - _lasted(state, now), 0.0)
    missing = plan.min_samples - had
    return f"{begin}; {after} after {missing:,} more, inconclusive in {in_time(late)}", None


def _had(state: State) -> int:
    return min(state.step_samples.get(arm, 0) for arm in (CANARY, STABLE))


def _after(state: State) -> str:
    """The next part of the way, in words."""
    weights = state.plan.weights
    step = 0 if state.phase is Phase.SHADOW else state.step + 1
    return f"next at {in_percent(weights[step])}" if step < len(weights) else "next bake at 100 %"


def _next_bake(state: State, now: float) -> tuple[str, float | None]:
    left = max(state.plan.bake_s - _live_for(state, now), 0.0)
    if state.plan.approval and not state.approved:
        when = f" in {in_time(left)}" if left else ""
        return f"bake at 100 %: promoted{when} once a person resumes it", None
    return f"bake at 100 %: promoted in {in_time(left)}, if nothing speaks against it", left


def _next_held(state: State, now: float, history: Sequence[Transition]) -> tuple[str, float | None]:
    held_for = max(now - state.held_since, 0.0)
    why = next((one.why for one in reversed(history) if one.after is state.phase), "")
    begin = f"{_where(state)} for {in_time(held_for)}" + (f" ({why})" if why else "")
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


def _track(state: State, history: Sequence[Transition]) -> tuple[Stop, ...]:
    """The way, with the present part marked; of one that was called off, where it ended."""
    weights = state.plan.weights
    way = [
        ("preflight", 0.0),
        ("shadow", 0.0),
        *((in_percent(weight), weight) for weight in weights),
        ("bake", 1.0),
        ("promoted", 0.0),
    ]
    here = _here(state, history)
    mark: Literal["present", "stopped"] = "stopped" if state.phase in _CALLED_OFF else "present"
    return tuple(
        Stop(name, weight, "done" if n < here else mark if n == here else "ahead")
        for n, (name, weight) in enumerate(way)
    )


def _here(state: State, history: Sequence[Transition]) -> int:
    """Place on the way; -1: nothing was begun."""
    phase, step = state.active, state.step
    if phase in _CALLED_OFF:
        phase = _phase_under(history, skip=_CALLED_OFF)
    num_steps = len(state.plan.weights)
    places = {
        Phase.PREFLIGHT: 0,
        Phase.SHADOW: 1,
        Phase.STEP: 2 + step,
        Phase.BAKE: 2 + num_steps,
        Phase.PROMOTED: 3 + num_steps,
    }
    return places.get(phase, -1)


def _phase_under(history: Sequence[Transition], skip: frozenset[Phase] = frozenset()) -> Phase:
    """The phase that the last transition led to, looking through holds."""
    for one in reversed(history):
        if one.after not in HELD and one.after not in skip:
            return one.after
    return Phase.IDLE


def _begun(history: Sequence[Transition]) -> int:
    """Where the last rollout begins."""
    starts = [n for n, one in enumerate(history) if _starts(one)]
    return starts[-1] if starts else 0


def _starts(one: Transition) -> bool:
    return one.after is Phase.PREFLIGHT and one.before not in UNDER_WAY | HELD


def _signs(state: State) -> tuple[Sign, ...]:
    if not state.canary and not state.evidence:
        return ()
    return tuple(_sign(state, name, told) for name, told in judgement(state).items())


def _sign(state: State, name: str, told: Mapping[str, Any]) -> Sign:
    signal = SIGNALS[name]
    e_value, enough = told["e_value"], told["rolls_back_at"]
    level, verdict = _verdict(state, name, told)
    return Sign(
        name=name,
        about=signal.about,
        worse=signal.worse.value,
        canary=tuple(told["canary"]),
        stable=tuple(told["stable"]),
        ratio=told["ratio"],
        interval=tuple(told["interval"]),
        limit=told["limit"],
        ceiling=signal.ceiling,
        e_value=e_value,
        rolls_back_at=enough,
        progress=min(max(math.log(max(e_value, 1e-300)) / math.log(enough), 0.0), 1.0),
        level=level,
        verdict=verdict,
    )


def _verdict(
    state: State, name: str, told: Mapping[str, Any]
) -> tuple[Literal["unknown", "open", "good", "bad"], str]:
    signal = SIGNALS[name]
    if told["e_value"] >= told["rolls_back_at"]:
        return "bad", "speaks against it"
    if signal.of_shown and state.active is Phase.SHADOW:
        return "unknown", "means nothing in shadow"
    if not (told["canary"][0] and told["stable"][0]):
        return "unknown", "nothing counted yet"
    low, high = told["interval"]
    if high <= told["limit"] if signal.worse == "more" else low >= told["limit"]:
        return "good", "within the limit"
    return "open", "no sign of harm"


def _last_rollout(looks: Sequence[Look]) -> Sequence[Look]:
    """The looks after the last one at which another release was judged, or counts began anew."""
    begin = 0
    for n, (before, after) in enumerate(itertools.pairwise(looks), 1):
        if before.canary != after.canary or _counted(after) < _counted(before):
            begin = n
    return looks[begin:]


def _counted(one: Look) -> float:
    return sum(values[0] + values[2] for values in one.signals.values())


def _thinned(looks: Sequence[Look], most: int) -> list[Look]:
    if len(looks) <= most:
        return list(looks)
    begin, whole = looks[0].at, looks[-1].at - looks[0].at or 1.0
    last = {int((one.at - begin) / whole * (most - 1)): one for one in looks}
    return list(last.values())


def _rate(samples: float, events: float) -> float | None:
    return round(events / samples, 6) if samples else None
