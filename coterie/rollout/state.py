"""What a controller knows: written before it acts, and all that it needs after a restart."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from coterie.rollout.evidence import Arm, Evidence
from coterie.rollout.plan import Plan, current_names


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


UNDER_WAY = frozenset({Phase.PREFLIGHT, Phase.SHADOW, Phase.STEP, Phase.BAKE})
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
    """Counters of one arm in one place, since that began to count."""

    samples: int = 0
    """Answers."""
    events: Mapping[str, int] = field(default_factory=dict)
    shown: int = 0
    """Lists whose time to be followed by a click is over: what ``of_shown`` signals are of."""

    def since(self, before: "Totals", signal: str, of_shown: bool = False) -> Arm:
        """Give one signal's window; counters that fell began anew, so all of theirs is new.

        What is of a list may be counted before the list is: by another process, on a beat of its
        own. More events than samples wait for the next window (``mark``).
        """
        earlier = 0 if self._anew(before) else before.events.get(signal, 0)
        ours, theirs = (t.shown if of_shown else t.samples for t in (self, before))
        samples = ours if self._anew(before) else ours - theirs
        return Arm(samples, min(max(self.events.get(signal, 0) - earlier, 0), samples))

    def mark(self, before: "Totals", counted: Mapping[str, int]) -> "Totals":
        """Give what the next window begins from.

        Args:
            before: What this one began from.
            counted: Events of some signals that it had room for; of the others all are done with.
        """
        earlier = {} if self._anew(before) else before.events
        done = {name: earlier.get(name, 0) + count for name, count in counted.items()}
        return replace(self, events={**self.events, **done})

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


@dataclass(frozen=True, slots=True)
class State:
    """Everything; a value."""

    phase: Phase = Phase.IDLE
    stable: str = ""
    canary: str = ""
    plan: Plan = field(default_factory=Plan)
    step: int = 0
    """Place in the plan's weights."""
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
    quarantine: Mapping[str, str] = field(default_factory=dict)
    """Digest to why it may not be rolled out again."""
    done_commands: tuple[str, ...] = ()
    """Ids of the last commands dealt with: each is, once."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Of these, id to why it was not carried out."""

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
        """Plain values for a file."""
        content = asdict(replace(self, evidence={}))
        content["evidence"] = {name: one.as_json() for name, one in self.evidence.items()}
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "State":
        """Back from :meth:`as_json`, also a later version's: an image may be rolled back, too."""
        names = {one.name for one in fields(cls)}
        known = {name: value for name, value in content.items() if name in names}
        read = {
            "phase": Phase(content["phase"]),
            "held": Phase(content["held"]) if content["held"] else None,
            "plan": Plan.stored(content["plan"]),
            "evidence": {
                name: Evidence.from_json(one)
                for name, one in current_names(content["evidence"]).items()
            },
            "totals": {
                arm: Totals(**{**totals, "events": current_names(totals["events"])})
                for arm, totals in content["totals"].items()
            },
            "done_commands": tuple(content["done_commands"]),
        }
        return cls(**{**known, **read})
