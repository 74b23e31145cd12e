"""How a release is rolled out: steps, signals and their limits, times. Read and checked whole."""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, TypeVar

from coterie.errors import BadInputError
from coterie.rollout.evidence import WIDEST, Worse
from coterie.rollout.figures import ALL, FIGURES, check_limits, usual_limits


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
    paired: bool = False
    """Counted of pairs: two lists that both arms made of one request, in shadow. A pair counts for
    the arm that alone has what is counted: without harm the canary in one pair of two."""
    harmless: float = 0.0
    """Share of the canary's answers, or pairs, that speaks against nothing, whatever stable's is:
    without it the rarest difference would be found in the end."""


def _pairs(about: str, limit: float, harmless: float) -> Signal:
    return Signal(about, Worse.MORE, limit, paired=True, harmless=harmless)


SIGNALS: Final[dict[str, Signal]] = {
    "failures": Signal("answers that raised or timed out", Worse.MORE, 1.0, 0.05),
    "slow": Signal("answers slower than the limit of latency", Worse.MORE, 1.1, 0.25),
    "fallbacks": Signal("lists that fell back to what is popular", Worse.MORE, 1.1, harmless=0.02),
    "malformed": Signal("empty, short or malformed lists", Worse.MORE, 1.0, 0.02),
    "duplicate_lists": Signal("lists equal to another shopper's", Worse.MORE, 1.2, harmless=0.02),
    "score_out_of_range": Signal(
        "lists with a best score as their release had none offline", Worse.MORE, 1.3, harmless=0.02
    ),
    "clicks": Signal("lists that were followed by a click", Worse.LESS, 1.0, of_shown=True),
    "purchases": Signal("lists that were followed by a purchase", Worse.LESS, 1.0, of_shown=True),
    "shorter_lists": _pairs("lists shorter than the other arm's", 1.5, 0.05),
    "weaker_sources": _pairs("lists that draw on less than the other arm's", 1.5, 0.05),
    "gone_items": _pairs("lists most of which the other arm knows is gone", 2.0, 0.25),
    "fewer_friends": _pairs("lists with under half of the other arm's share of friends", 2.0, 0.33),
    "narrower_lists": _pairs("lists of nothing but what others had lately", 2.0, 0.33),
    "unlike_lists": _pairs("lists that have nearly nothing of stable's", 1.0, 0.12),
    "unlike_categories": _pairs("lists of other categories than stable's", 1.0, 0.12),
    "missed_purchases": _pairs("lists without what the other's had and was bought", 1.1, 0.01),
    "slower_lists": _pairs("lists that took twice as long as the other arm's", 1.2, 0.2),
    "unlike_prices": _pairs("lists of twice or half of stable's price, or of none", 1.0, 0.25),
}
"""All that a plan may name, with the limits that hold unless it says otherwise. The shares that are
harmless were measured on releases that were trained anew (``docs/rollout.md``)."""
PAIRED: Final = tuple(name for name, meant in SIGNALS.items() if meant.paired)
"""Signals of pairs. The version before knows none of them."""
PAIRED_ALPHA: Final = 0.2
"""Share of alpha that signals of pairs have together: a fifth makes the others hardly later, and
thirty pairs are enough for what is left (ADR 50)."""
EARLIER_NAMES: Final = {"repeated": "duplicate_lists", "odd_scores": "score_out_of_range"}
"""Signals as the version before called them: still read, by this version alone."""

Value = TypeVar("Value")


def current_names(by_signal: Mapping[str, Value]) -> dict[str, Value]:
    """Put signals' names of now in the place of earlier ones, in what a program wrote."""
    return {EARLIER_NAMES.get(name, name): value for name, value in by_signal.items()}


def stored_names(by_signal: Mapping[str, Value]) -> dict[str, Value]:
    """Put signals' earlier names in the place of those of now, in what a state is written with.

    An image that is rolled back has to read the state: the next version may write names of now.
    """
    earlier = {name: old for old, name in EARLIER_NAMES.items()}
    return {earlier.get(name, name): value for name, value in by_signal.items()}


def told_before(by_signal: Mapping[str, Value]) -> dict[str, Value]:
    """Leave out signals that the version before does not know."""
    return {name: value for name, value in by_signal.items() if name not in PAIRED}


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
    max_strangers: float = 0.95
    """Share of answers to shoppers of whom nothing is known, above which nothing is decided; 1: it
    always is. Where the online store is empty, both arms do equally well."""
    on_hold: str = "pause"
    """``pause`` or ``rollback``."""
    approval: bool = False
    """Whether a person has to resume before the release is promoted."""
    cooldown_s: float = 600.0
    """After a rollback nothing is started for so long."""
    preflight: tuple[tuple[str, float], ...] = usual_limits()
    """Names of FIGURES with their limits: how far a canary may differ from what is live."""
    override: tuple[str, ...] = ()
    """Figures that a person lets pass whatever their limit says; ``all``: every one."""

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
        check_limits(dict(self.preflight), self.override)
        if not 0 < self.max_strangers <= 1:
            raise BadInputError(
                f"max_strangers is {self.max_strangers}: expected a share, over 0 and up to 1"
            )
        if self.on_hold not in ("pause", "rollback"):
            raise BadInputError(f"on_hold is {self.on_hold!r}: expected pause or rollback")

    def alpha_of(self, signal: str) -> float:
        """Share of ``alpha`` that one test of a signal has: a ceiling is a test beside a limit.

        Bonferroni within two groups, each of which has its part whatever is in the other (ADR 50);
        a plan that names signals of one group alone gives that all.
        """
        paired = SIGNALS[signal].paired
        tests = {False: 0, True: 0}
        for name, _ in self.signals:
            tests[SIGNALS[name].paired] += 1 + (SIGNALS[name].ceiling is not None)
        part = PAIRED_ALPHA if paired else 1.0 - PAIRED_ALPHA
        return self.alpha * (part if all(tests.values()) else 1.0) / tests[paired]

    def told_before(self) -> "Plan":
        """Give as much of it as the version before can read."""
        known = tuple(told_before(dict(self.signals)).items())
        # A plan has to name a signal; failures are in all of that version's.
        return replace(self, signals=known or (("failures", SIGNALS["failures"].limit),))

    def as_json(self) -> dict[str, Any]:
        """Make plain values for a file; what the version before lacks is left out where it says
        nothing, since that version could not read it."""
        told = {**asdict(self), "signals": list(stored_names(dict(self.signals)).items())}
        usual = {"preflight": usual_limits(), "override": ()}
        return {name: told[name] for name in told if told[name] != usual.get(name)}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Plan":
        """Read plain values; ``signals`` and ``preflight`` as name to limit, or as pairs.

        Signals that are not named are not judged; figures that are not named keep their limits.

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
        if "preflight" in values:
            given = {str(name): float(x) for name, x in dict(values["preflight"]).items()}
            values["preflight"] = tuple({**dict(usual_limits()), **given}.items())
        if "override" in values:
            values["override"] = tuple(str(name) for name in values["override"])
        return cls(**values)

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> "Plan":
        """Read a plan that a program wrote down; nobody is warned of names that it did not choose.

        Raises:
            BadInputError: It is not one.
        """
        known = {field.name for field in fields(cls)}
        # A later version may know more: an image that is rolled back reads what it left.
        read = {name: value for name, value in content.items() if name in known}
        if "signals" in read:
            read["signals"] = current_names(dict(read["signals"]))
        if "preflight" in read:
            limits = dict(read["preflight"])
            read["preflight"] = {name: limits[name] for name in limits if name in FIGURES}
        if "override" in read:
            read["override"] = [n for n in read["override"] if n in FIGURES or n == ALL]
        return cls.of(read)


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
