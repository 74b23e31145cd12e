"""What a controller knows: written before it acts, and all that it needs after a restart."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.figures import PreflightComparison
from coterie.rollout.plan import PAIRED, SIGNALS, Plan, current_names, stored_names, told_before


class Phase(StrEnum):
    """Where a rollout stands; weights are ``State.target``'s."""

    IDLE = "idle"
    PREFLIGHT = "preflight"
    SHADOW = "shadow"
    STEP = "step"
    BAKE = "bake"
    PROMOTED = "promoted"
    PAUSED = "paused"
    INCONCLUSIVE = "inconclusive"
    DATA_UNAVAILABLE = "data_unavailable"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


class TransitionCause(StrEnum):
    """What led to a transition, for programs; ``Transition.why`` says it to people."""

    COMMAND = "command"
    """A person asked for it, or the values of a chart."""
    PREFLIGHT = "preflight"
    """The checks of the release let it pass, or refused it."""
    PASSED = "passed"
    """The stage had its time and its samples, and nothing spoke against the canary."""
    SIGNAL = "signal"
    """A signal speaks against the canary: ``Transition.signal`` names it."""
    CRASHED = "crashed"
    """Replicas cannot run the canary."""
    METRICS = "metrics"
    """There are no metrics to decide by, or they are back."""
    DEADLINE = "deadline"
    """The stage was not live, or had not its samples, by its deadline."""
    LIVE = "live"
    """What replicas serve: a rollback is through, or a lost store begins with it."""


UNDER_WAY = frozenset({Phase.PREFLIGHT, Phase.SHADOW, Phase.STEP, Phase.BAKE})
LATER: Final = "later"
"""Where a stored state has what the version before does not know, and overlooks."""
HELD = frozenset({Phase.PAUSED, Phase.INCONCLUSIVE, Phase.DATA_UNAVAILABLE})
WATCHED = frozenset({Phase.SHADOW, Phase.STEP, Phase.BAKE}) | HELD
"""Phases in which a canary runs, so that signals are judged."""


@dataclass(frozen=True, slots=True)
class Target:
    """What should be live."""

    stable: str
    """Digest of the release that shoppers are on."""
    canary: str = ""
    """Digest of the other; empty: none is loaded."""
    weight: float = 0.0
    """Share of shoppers on the canary."""
    mirrored: bool = False
    """Whether stable's requests are also put to the canary, its answers thrown away."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters of one arm in one process, since that began to count."""

    samples: int = 0
    """Answers."""
    events: Mapping[str, int] = field(default_factory=dict)
    shown: int = 0
    """Lists whose time to be followed by a click is over: what ``of_shown`` signals are of."""
    pairs: Mapping[str, int] = field(default_factory=dict)
    """Of each ``paired`` signal, the pairs of lists in which it could show."""
    strangers: int = 0
    """Answers to shoppers of whom nothing is known."""

    def as_json(self) -> dict[str, Any]:
        """Make plain values for a file, which the version before can read as well."""
        events = stored_names(told_before(self.events))
        return {"samples": self.samples, "events": events, "shown": self.shown}

    def later_row(self, names: Sequence[str]) -> list[int]:
        """Make a short row of what the version before does not know: there may be many replicas."""
        counts = [*(self.events.get(n, 0) for n in names), *(self.pairs.get(n, 0) for n in names)]
        counts.append(self.strangers)
        return counts if any(counts) else []

    @classmethod
    def from_json(
        cls, content: Mapping[str, Any], names: Sequence[str] = (), later: Sequence[int] = ()
    ) -> "Totals":
        """Read back what :meth:`as_json` and :meth:`later_row` made."""
        rows = zip(names, later, strict=False), zip(names, later[len(names) :], strict=False)
        events, pairs = ({name: count for name, count in row if count} for row in rows)
        return cls(
            content["samples"],
            {**current_names(content["events"]), **events},
            content["shown"],
            pairs,
            later[-1] if len(later) > 2 * len(names) else 0,
        )

    def since(self, before: "Totals", signal: str) -> ArmCounts:
        """Give one signal's window; counters that fell began anew, so all of theirs is new.

        Of no signal (an empty name) it is the answers alone.

        What is of a list may be counted before the list is: by another process, on a beat of its
        own. More events than samples wait for the next window (``mark``).
        """
        earlier = 0 if self._anew(before) else before.events.get(signal, 0)
        ours, theirs = self._asked(signal), before._asked(signal)
        samples = ours if self._anew(before) else max(ours - theirs, 0)
        return ArmCounts(samples, min(max(self.events.get(signal, 0) - earlier, 0), samples))

    def strangers_since(self, before: "Totals") -> int:
        """Count the answers of a window whose shoppers were strangers."""
        return self.strangers if self._anew(before) else max(self.strangers - before.strangers, 0)

    def mark(self, before: "Totals", counted: Mapping[str, int]) -> "Totals":
        """Give what the next window begins from.

        Args:
            before: What this one began from.
            counted: Events of some signals that it had room for; of the others all are done with.
        """
        earlier = {} if self._anew(before) else before.events
        done = {name: earlier.get(name, 0) + count for name, count in counted.items()}
        return replace(self, events={**self.events, **done})

    def _asked(self, signal: str) -> int:
        """Count what a signal's events are of."""
        meant = SIGNALS.get(signal)
        if meant is not None and meant.paired:
            return self.pairs.get(signal, 0)
        return self.shown if meant is not None and meant.of_shown else self.samples

    def _anew(self, before: "Totals") -> bool:
        return self.samples < before.samples or self.shown < before.shown


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the audit log."""

    at: float
    before: Phase
    after: Phase
    why: str
    who: str
    """``controller``, or the person who commanded it."""
    stable: str
    canary: str
    weight: float
    """After it."""
    step: int
    evidence: Mapping[str, Any]
    """Signal to samples, events, ratio, interval and e-value, as the decision saw them."""
    cause: TransitionCause | None = None
    """None: a line of the version before, whose words do not tell."""
    signal: str = ""
    """The signal that speaks against the canary; empty where the cause is another."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything; a value."""

    phase: Phase = Phase.IDLE
    stable: str = ""
    canary: str = ""
    plan: Plan = field(default_factory=Plan)
    step: int = 0
    """Index into the plan's weights."""
    since: float = 0.0
    """When the phase began, in seconds; moved on by as long as it was held."""
    live_since: float = 0.0
    """When what the phase asks for was first seen to be live; 0: not yet, so nothing counts."""
    held: Phase | None = None
    """The phase that goes on after a pause or when data are back."""
    held_since: float = 0.0
    approved: bool = False
    frozen: str = ""
    """Why nothing moves by itself; empty: it does."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    totals: Mapping[str, Totals] = field(default_factory=dict)
    """Counters at the last look, by arm, that is, by ``arm@instance`` where several count."""
    step_samples: Mapping[str, int] = field(default_factory=dict)
    """Answers since the step began, by arm."""
    strangers: tuple[int, int] = (0, 0)
    """Answers of late, and how many of them were to shoppers of whom nothing is known."""
    stranger_share: float = 0.0
    """Of the last ``FEWEST_ANSWERS`` or more before these."""
    quarantine: Mapping[str, str] = field(default_factory=dict)
    """Digest to why it may not be rolled out again."""
    done_commands: tuple[str, ...] = ()
    """Ids of the last commands dealt with: each is, once."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Of these, id to why it was not carried out."""
    comparison: PreflightComparison | None = None
    """How the last canary that was compared differs from what was live; None: none was."""

    def lasted(self, now: float) -> float:
        """Give the seconds that the phase has lasted, without the time of a hold."""
        until = self.held_since if self.phase in HELD and self.held else now
        return max(until - self.since, 0.0) if self.since else 0.0

    def live_for(self, now: float) -> float:
        """Give the seconds for which what the phase asks for has been live: all that it counts."""
        return max(now - self.live_since, 0.0) if self.live_since else 0.0

    @property
    def active(self) -> Phase:
        """The phase, looking through a hold."""
        return self.held if self.phase in HELD and self.held else self.phase

    @property
    def target(self) -> Target:
        """What should be live: all that an action is derived from."""
        phase = self.active
        if phase is Phase.SHADOW:
            return Target(self.stable, self.canary, 0.0, mirrored=True)
        if phase is Phase.STEP:
            return Target(self.stable, self.canary, self.plan.weights[self.step])
        if phase is Phase.BAKE:
            return Target(self.stable, self.canary, 1.0)
        return Target(self.stable)

    def as_json(self) -> dict[str, Any]:
        """Make plain values for a file, which the version before can read as well.

        What that one does not know stands apart, where it overlooks it.
        """
        plan, whole = self.plan.told_before().as_json(), self.plan.as_json()
        later = {
            name: plan.pop(name)
            for name in ("preflight", "override", "max_strangers")
            if name in plan
        }
        known = told_before(self.evidence)
        new = {name: one.as_json() for name, one in self.evidence.items() if name not in known}
        return {
            **asdict(replace(self, evidence={}, totals={})),
            "plan": plan,
            "plan_later": {**later, "signals": whole["signals"]},
            "evidence": {n: one.as_json() for n, one in stored_names(known).items()},
            "totals": {arm: one.as_json() for arm, one in self.totals.items()},
            LATER: {
                "evidence": new,
                "names": list(PAIRED),
                "totals": [one.later_row(PAIRED) for one in self.totals.values()],
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "State":
        """Read back what :meth:`as_json` made, also of a later version: images are rolled back."""
        names = {one.name for one in fields(cls)}
        known = {name: value for name, value in content.items() if name in names}
        later = content.get(LATER, {"evidence": {}, "names": [], "totals": []})
        evidence = {**current_names(content["evidence"]), **later["evidence"]}
        rows = later["totals"] or [[]] * len(content["totals"])
        totals = {
            arm: Totals.from_json(one, later["names"], row)
            for (arm, one), row in zip(content["totals"].items(), rows, strict=True)
        }
        compared = content.get("comparison")
        read = {
            "phase": Phase(content["phase"]),
            "held": Phase(content["held"]) if content["held"] else None,
            "plan": Plan.stored({**content["plan"], **content.get("plan_later", {})}),
            "comparison": PreflightComparison.from_json(compared) if compared else None,
            "evidence": {name: Evidence.from_json(one) for name, one in evidence.items()},
            "totals": totals,
            "strangers": tuple(content.get("strangers", (0, 0))),
            "done_commands": tuple(content["done_commands"]),
        }
        return cls(**{**known, **read})
