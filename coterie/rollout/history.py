"""What a rollout did: its signals over time, and what was live when."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.rollout.state import HELD, UNDER_WAY, Phase, State, Transition
from coterie.rollout.transitions import judgement

LAST: Final = 10
POINTS: Final = 120
"""Of a chart, at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What all signals said at a moment of a rollout: a point of the charts."""

    at: float
    canary: str
    weight: float
    signals: Mapping[str, Sequence[float]]
    """Samples and events of the canary, then of stable, then the e-value."""


@dataclass(frozen=True, slots=True)
class SignalSeries:
    """A signal over time; None where an arm has no samples yet."""

    canary: tuple[float | None, ...]
    stable: tuple[float | None, ...]
    e_value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Signals of the last rollout over time: rates since it began."""

    at: tuple[float, ...]
    weight: tuple[float, ...]
    lines: Mapping[str, SignalSeries]


@dataclass(frozen=True, slots=True)
class PastState:
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


def snapshot(state: State, now: float) -> Snapshot:
    """Keep what all signals say now, as a point of the charts."""
    judged = judgement(state)
    signals = {
        name: [*one["canary"], *one["stable"], round(one["e_value"], 4)]
        for name, one in judged.items()
    }
    return Snapshot(round(now, 3), state.canary, state.target.weight, signals)


def snapshots_in(history: Sequence[Transition]) -> list[Snapshot]:
    """Make the few snapshots out of what the audit log has kept."""
    return [
        Snapshot(
            one.at,
            one.canary,
            one.weight,
            {
                name: [*told["canary"], *told["stable"], round(told["e_value"], 4)]
                for name, told in one.evidence.items()
            },
        )
        for one in history
        if one.evidence
    ]


def series(snapshots: Sequence[Snapshot], most: int = POINTS) -> Series:
    """Draw the last rollout out of snapshots, evenly over its time.

    Args:
        snapshots: Oldest first, also of earlier rollouts.
        most: Points at most.
    """
    mine = _thinned(_last_rollout(snapshots), most)
    names = list(mine[-1].signals) if mine else []
    lines = {}
    for name in names:
        points = [one.signals.get(name, (0, 0, 0, 0, 0)) for one in mine]
        lines[name] = SignalSeries(
            tuple(_rate(p[0], p[1]) for p in points),
            tuple(_rate(p[2], p[3]) for p in points),
            tuple(p[4] for p in points),
        )
    return Series(tuple(one.at for one in mine), tuple(one.weight for one in mine), lines)


def past_state(state: State, history: Sequence[Transition], at: float) -> PastState:
    """Find what was live at a time.

    Args:
        state: The present one: it stands for times of which the log says nothing.
        history: All transitions, oldest first.
        at: In seconds.
    """
    before = [one for one in history if one.at <= at]
    if not before:
        stable = history[0].stable if history else state.stable
        return PastState(at, Phase.IDLE, stable, "", 0.0, False, ())
    last = before[-1]
    mirrored = phase_under(before) is Phase.SHADOW
    canary = last.canary if last.weight > 0 or mirrored else ""
    begun = _begun(before)
    because = tuple(reversed(before[begun:]))[:LAST]
    return PastState(at, last.after, last.stable, canary, last.weight, mirrored, because)


def phase_under(history: Sequence[Transition], skip: frozenset[Phase] = frozenset()) -> Phase:
    """Find the phase that the last transition led to, looking through holds."""
    for one in reversed(history):
        if one.after not in HELD and one.after not in skip:
            return one.after
    return Phase.IDLE


def _begun(history: Sequence[Transition]) -> int:
    """Find the index at which the last rollout begins."""
    starts = [n for n, one in enumerate(history) if _starts(one)]
    return starts[-1] if starts else 0


def _starts(one: Transition) -> bool:
    return one.after is Phase.PREFLIGHT and one.before not in UNDER_WAY | HELD


def _last_rollout(snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """Drop what came before another release was judged, or before counts began anew."""
    begin = 0
    for n, (before, after) in enumerate(itertools.pairwise(snapshots), 1):
        if before.canary != after.canary or _counted(after) < _counted(before):
            begin = n
    return snapshots[begin:]


def _counted(one: Snapshot) -> float:
    return sum(values[0] + values[2] for values in one.signals.values())


def _thinned(snapshots: Sequence[Snapshot], most: int) -> list[Snapshot]:
    if len(snapshots) <= most:
        return list(snapshots)
    begin, whole = snapshots[0].at, snapshots[-1].at - snapshots[0].at or 1.0
    last = {int((one.at - begin) / whole * (most - 1)): one for one in snapshots}
    return list(last.values())


def _rate(samples: float, events: float) -> float | None:
    return round(events / samples, 6) if samples else None
