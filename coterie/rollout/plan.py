"""How a release is rolled out: steps, signals and their limits, times. Read and checked whole."""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from coterie.errors import BadInputError
from coterie.rollout.evidence import WIDEST, Worse


@dataclass(frozen=True, slots=True)
class Signal:
    """Something counted on both arms."""

    about: str
    """In words, for the page and the audit log."""
    worse: Worse
    limit: float
    """The ratio of canary to stable that is still harmless."""
    ceiling: float | None = None
    """Share of answers that is never acceptable, whatever stable does; None: there is none."""
    of_shown: bool = False
    """What shoppers did with a list: it means nothing in shadow, where they see stable's."""


SIGNALS: Final[dict[str, Signal]] = {
    "failures": Signal("answers that raised or timed out", Worse.MORE, 1.0, 0.05),
    "slow": Signal("answers slower than the limit of latency", Worse.MORE, 1.1, 0.25),
    "fallbacks": Signal("lists that fell back to what is popular", Worse.MORE, 1.1),
    "malformed": Signal("empty, short or malformed lists", Worse.MORE, 1.0, 0.02),
    "duplicate_lists": Signal("lists equal to another shopper's", Worse.MORE, 1.2),
    "score_out_of_range": Signal(
        "lists with a best score as their release had none offline", Worse.MORE, 1.3
    ),
    "clicks": Signal("lists that were followed by a click", Worse.LESS, 1.0, of_shown=True),
    "purchases": Signal("lists that were followed by a purchase", Worse.LESS, 1.0, of_shown=True),
}
"""All that a plan may name, with the limits that hold unless it says otherwise."""
EARLIER_NAMES: Final = {"repeated": "duplicate_lists", "odd_scores": "score_out_of_range"}
"""Signals as the version before called them: still read, by this version alone."""

Value = TypeVar("Value")


def current_names(by_signal: Mapping[str, Value]) -> dict[str, Value]:
    """Put signals' names of now in the place of earlier ones, in what a program wrote."""
    return {EARLIER_NAMES.get(name, name): value for name, value in by_signal.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollout goes by; the same for its whole life."""

    weights: tuple[float, ...] = (0.01, 0.05, 0.10, 0.25, 0.50)
    """Shares of shoppers on the canary, step by step; shadow stands before them, bake after."""
    step_s: float = 300.0
    """Least time of shadow and of each step."""
    bake_s: float = 1800.0
    min_samples: int = 500
    """Answers of each arm that a step needs; shadow needs as many mirrored ones."""
    deadline_s: float = 3600.0
    """A step that has not had them by then is inconclusive."""
    alpha: float = 0.05
    """Chance that a harmless release is rolled back, over all signals and looks together."""
    signals: tuple[tuple[str, float], ...] = tuple((n, s.limit) for n, s in SIGNALS.items())
    """Names of SIGNALS with their limits."""
    fast_failures: int = 20
    """So many failures, at ``fast_ratio`` times stable's rate, roll back at once."""
    fast_ratio: float = 10.0
    hold_s: float = 900.0
    """How long unavailable data only hold the weight; then ``on_hold`` decides."""
    on_hold: str = "pause"
    """``pause`` or ``rollback``."""
    approval: bool = False
    """Whether a person has to resume before the release is promoted."""
    cooldown_s: float = 600.0
    """After a rollback nothing is started for so long."""

    def __post_init__(self) -> None:
        steps = (0.0, *self.weights, 1.0)
        if any(a >= b for a, b in itertools.pairwise(steps)):
            raise BadInputError(
                f"weights are {self.weights}, expected shares that rise, above 0 and below 1"
            )
        unknown = [name for name, _ in self.signals if name not in SIGNALS]
        if unknown or not self.signals:
            raise BadInputError(
                f"signals name {', '.join(unknown) or 'nothing'}: known are {', '.join(SIGNALS)}"
            )
        if len(dict(self.signals)) < len(self.signals):
            names = ", ".join(name for name, _ in self.signals)
            raise BadInputError(f"signals name one twice ({names}): leave one of both out")
        for name, limit in self.signals:
            harmful = limit >= 1.0 if SIGNALS[name].worse is Worse.MORE else limit <= 1.0
            if not harmful or not 2 / WIDEST < limit < WIDEST / 2:
                raise BadInputError(f"limit of {name} is {limit}: {_bounds(name)}")
        if not 0 < self.alpha < 0.5 or self.min_samples < 1 or self.deadline_s < self.step_s:
            raise BadInputError(
                f"alpha {self.alpha}, min_samples {self.min_samples}, "
                f"deadline_s {self.deadline_s}: expected alpha in (0, .5), samples from 1 on, "
                "a deadline not before step_s"
            )
        if self.on_hold not in ("pause", "rollback"):
            raise BadInputError(f"on_hold is {self.on_hold!r}: expected pause or rollback")

    @property
    def alpha_each(self) -> float:
        """Of one signal: they share (Bonferroni), as do a limit and a ceiling."""
        tests = len(self.signals) + sum(SIGNALS[n].ceiling is not None for n, _ in self.signals)
        return self.alpha / tests

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Plan":
        """From plain values; ``signals`` as name to limit.

        Raises:
            BadInputError: A field or a signal is unknown, or a value is refused.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(content) - known)
        if unknown:
            raise BadInputError(
                f"a plan has no {', '.join(unknown)}: known are {', '.join(sorted(known))}"
            )
        values = dict(content)
        if "weights" in values:
            values["weights"] = tuple(float(w) for w in values["weights"])
        if "signals" in values:
            found = values["signals"]
            pairs = found.items() if isinstance(found, Mapping) else found
            values["signals"] = tuple((_current(str(n)), float(x)) for n, x in pairs)
        return cls(**values)

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> "Plan":
        """Read a plan that a program wrote down; nobody is warned of names that it did not choose.

        Raises:
            BadInputError: It is not one.
        """
        if "signals" not in content:
            return cls.of(content)
        return cls.of({**content, "signals": current_names(dict(content["signals"]))})


def _current(name: str) -> str:
    """Return a signal's name of now, and warn whoever says an earlier one."""
    if name not in EARLIER_NAMES:
        return name
    warnings.warn(
        f"the signal {name} is called {EARLIER_NAMES[name]} now, and the next version knows that "
        "name alone: change the plan",
        FutureWarning,
        stacklevel=3,
    )
    return EARLIER_NAMES[name]


def _bounds(name: str) -> str:
    if SIGNALS[name].worse is Worse.MORE:
        return f"expected a ratio from 1 to {WIDEST / 2:g}"
    return f"expected a ratio from {2 / WIDEST:g} to 1"
