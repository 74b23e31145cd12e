"""An experiment: its arms, who takes part, by what it is judged, and what ends it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from coterie.errors import BadInputError
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import SIGNALS

HOLDOUT: Final = "holdout"
"""The layer that comes before all others: who is in it is in no other experiment."""
CONTROL: Final = "control"
"""What an arm shows that says nothing else: what shoppers get who are in no experiment."""
POPULAR: Final = "popular"
"""What an arm shows whose shoppers get popular items."""
MOST_ARMS: Final = 5
MOST_RELEASES: Final = 2
"""Releases of all running experiments together, beside what a rollout serves."""
JOINED: Final = "+"
"""Between names where a list is of several experiments, or of two releases."""
INTERLEAVED: Final = "interleaved"
"""Arm of a list that both arms of an experiment are in."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Unit(StrEnum):
    """What is drawn to an arm as a whole."""

    SHOPPER = "shopper"
    COMMUNITY = "community"
    """Of the network: friends who talk are then mostly on the same arm."""


class Metric(StrEnum):
    """What a shopper's outcome is, within the window that begins with their first list."""

    PURCHASE_RATE = "purchase_rate"
    """1 who bought anything."""
    PURCHASES = "purchases"
    REVENUE = "revenue"
    CLICK_RATE = "click_rate"
    """1 who clicked on anything that a list showed."""


class Guardrail(StrEnum):
    """What must not get worse."""

    LATENCY = "latency"
    """Share of lists slower than nearly all of the first arm's."""
    RETURNS = "returns"
    """Share of shoppers who bought that sent something back."""
    CLICKS = "clicks"
    """Share of lists that were followed by a click."""
    SHIELDED = "shielded"
    """Share of lists that the arm's release could not make."""


GUARDRAIL_LIMITS: Final[Mapping[Guardrail, float]] = {
    Guardrail.LATENCY: SIGNALS["slow"].limit,
    Guardrail.RETURNS: 1.25,
    Guardrail.CLICKS: SIGNALS["clicks"].limit,
    Guardrail.SHIELDED: SIGNALS["failures"].limit,
}
"""Ratio of an arm's rate to the first arm's that is still harmless: rollouts' own where they have
the signal."""


@dataclass(frozen=True, slots=True)
class ExperimentArm:
    """What the shoppers of one arm are shown."""

    name: str
    release: str = ""
    """Version; empty: what is live."""
    ref: ReleaseRef | None = None
    """Where that release lies; found when the experiment starts."""
    rules: str = ""
    """Name of rules; empty: the shop's."""
    rules_text: str = field(default="", repr=False)
    """The file of these rules as it was when the experiment started."""
    popular: bool = False
    weight: float = 1.0
    """Against those of the other arms."""
    stopped: str = ""
    """Why its shoppers get what is live; empty: they do not."""

    @classmethod
    def parse(cls, text: str) -> "ExperimentArm":
        """Read ``a=release:v7,rules:diverse``; raises BadInputError for anything else.

        >>> ExperimentArm.parse("b=release:v8,rules:diverse").rules
        'diverse'
        """
        name, equals, said = text.partition("=")
        arm = cls(name)
        if not equals or not said:
            raise BadInputError(
                f"arm {text!r} says not what it shows: expected a=release:v7, b=rules:new, both "
                f"divided by a comma, c={CONTROL} or d={POPULAR}"
            )
        for part in said.split(","):
            kind, _, value = part.partition(":")
            if part in (CONTROL, POPULAR):
                arm = replace(arm, popular=part == POPULAR)
            elif kind == "release" and value and not arm.release:
                arm = replace(arm, release=value)
            elif kind == "rules" and value and not arm.rules:
                arm = replace(arm, rules=value)
            elif kind == "weight" and _positive(value):
                arm = replace(arm, weight=float(value))
            else:
                raise BadInputError(
                    f"arm {name} shows {part!r}: expected release:VERSION, rules:NAME, {CONTROL}, "
                    f"{POPULAR} or weight:NUMBER, each once"
                )
        return arm

    @property
    def shows(self) -> str:
        """Say what it shows, as ``parse`` reads it."""
        parts = [f"release:{self.release}"] * bool(self.release)
        parts += [f"rules:{self.rules}"] * bool(self.rules) + [POPULAR] * self.popular
        return ",".join(parts) or CONTROL


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is tried, on whom, and by what it is judged."""

    name: str
    arms: tuple[ExperimentArm, ...]
    """The first is what the others are held against."""
    metric: Metric = Metric.PURCHASE_RATE
    guardrails: tuple[Guardrail, ...] = ()
    share: float = 0.2
    """Of shoppers, or of communities, in its layer."""
    layer: str = "main"
    """Experiments of a layer share its shoppers out; layers know nothing of each other."""
    start: float = 0.0
    """Where its shoppers begin among those of its layer, from 0 to 1."""
    unit: Unit = Unit.SHOPPER
    window_s: float = 7 * 86_400.0
    """From a shopper's first list to when their outcome is counted."""
    alpha: float = 0.05
    """Chance of a false alarm, over all looks."""
    interleave: bool = False
    """Whether each list is made of both arms, in the place of each shopper's being of one."""
    communities: str = ""
    """File of the communities as they were when it began, where these are drawn; empty: of now."""
    started_ms: int = 0
    stopped_ms: int = 0
    """0: it runs."""
    who: str = ""
    reason: str = ""
    stopped_why: str = ""

    def __post_init__(self) -> None:
        for what, name in (("experiment", self.name), ("layer", self.layer)):
            _check_name(what, name)
        for arm in self.arms:
            _check_name("arm", arm.name)
            if arm.popular and (arm.release or arm.rules):
                raise BadInputError(f"arm {arm.name} shows popular items and more: expected one")
        names = [arm.name for arm in self.arms]
        if not 2 <= len(names) <= MOST_ARMS or len(set(names)) < len(names):
            raise BadInputError(
                f"{self.name} has the arms {', '.join(names) or 'of nobody'}: expected 2 to "
                f"{MOST_ARMS} of different names"
            )
        self._check_interleaved()
        bounds = (
            ("share", self.share, 0.0, 1.0),
            ("alpha", self.alpha, 0.0, 0.5),
            ("window_s", self.window_s, 0.0, 366 * 86_400.0),
        )
        for name, value, least, most in bounds:
            if not least < value <= most:
                raise BadInputError(f"{name} is {value}: expected over {least:g} up to {most:g}")
        if not 0.0 <= self.start <= 1.0 - self.share + 1e-9:
            raise BadInputError(f"start is {self.start} and share {self.share}: over 1 together")

    def _check_interleaved(self) -> None:
        if not self.interleave:
            return
        names = [arm.name for arm in self.arms]
        if len(names) != 2 or INTERLEAVED in names or len(set(self.chances)) > 1:
            raise BadInputError(
                f"{self.name} interleaves {', '.join(names)}: expected two arms of the same "
                f"weight, and none with the name {INTERLEAVED}"
            )
        if self.guardrails or self.unit is not Unit.SHOPPER or self.layer == HOLDOUT:
            raise BadInputError(
                f"{self.name} interleaves its arms, so each shopper sees both: expected no "
                "guardrails, no communities and no holdout, which hold shoppers of arms against "
                "each other"
            )

    @property
    def runs(self) -> bool:
        """Whether shoppers are on its arms."""
        return self.stopped_ms == 0

    @property
    def chances(self) -> tuple[float, ...]:
        """The chance of each arm, given that a shopper takes part."""
        whole = sum(arm.weight for arm in self.arms)
        return tuple(arm.weight / whole for arm in self.arms)

    def arm(self, name: str) -> ExperimentArm:
        """Find an arm; raises BadInputError where there is none of that name."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise BadInputError(f"{self.name} has no arm {name}")

    def with_arm_stopped(self, name: str, why: str) -> "Experiment":
        """Put the shoppers of an arm back on what is live; they stay counted as its own."""
        self.arm(name)
        arms = tuple(replace(a, stopped=why) if a.name == name else a for a in self.arms)
        return replace(self, arms=arms)

    def as_json(self) -> dict[str, Any]:
        """Make plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Experiment":
        """Read back what :meth:`as_json` made.

        Raises:
            BadInputError: It is anything else.
        """
        try:
            arms = tuple(
                ExperimentArm(**{**arm, "ref": arm["ref"] and ReleaseRef(**arm["ref"])})
                for arm in content["arms"]
            )
            read = {
                "arms": arms,
                "metric": Metric(content["metric"]),
                "guardrails": tuple(map(Guardrail, content["guardrails"])),
                "unit": Unit(content["unit"]),
            }
            return cls(**{**content, **read})
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"this is no experiment ({error})") from error


def placed(new: Experiment, others: Sequence[Experiment]) -> Experiment:
    """Give an experiment its shoppers: the first free part of its layer that is wide enough.

    Raises:
        BadInputError: Its name was used before, its layer has not so much left, or there would be
            too many releases.
    """
    if any(one.name == new.name for one in others):
        raise BadInputError(f"there was an experiment {new.name} before: choose another name")
    running = [one for one in others if one.runs]
    taken = sorted((o.start, o.start + o.share) for o in running if o.layer == new.layer)
    start = 0.0
    for begins, ends in taken:
        if begins - start >= new.share - 1e-9:
            break
        start = max(start, ends)
    if start + new.share > 1.0 + 1e-9:
        free = 1.0 - sum(ends - begins for begins, ends in taken)
        raise BadInputError(
            f"{new.share:g} of layer {new.layer} is not free in one piece ({free:g} is in all): "
            "stop one, take a smaller share, or another layer"
        )
    refs = {arm.ref for one in (*running, new) for arm in one.arms if arm.ref is not None}
    if len(refs) > MOST_RELEASES:
        raise BadInputError(
            f"experiments would need {len(refs)} releases at a time: at most {MOST_RELEASES} are "
            "loaded beside what is rolled out; stop an experiment first"
        )
    return replace(new, start=min(start, 1.0 - new.share))


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInputError(f"{what} {name!r}: expected up to 40 small letters, digits, - and _")


def _positive(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0.0
