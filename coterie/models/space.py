"""What tuning may change of a model, and how far: one small space a model, for every shop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; of numbers, which stand in order, neighbours are taken to be alike."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise BadInputError(f"a choice needs two values or more, found {self.values}")

    @property
    def in_order(self) -> bool:
        """Whether the values are numbers, each larger than the one before."""
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)
        return numbers and list(self.values) == sorted(set(self.values))

    def __contains__(self, value: Any) -> bool:
        return value in self.values


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any number from ``low`` to ``high``, all as likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise BadInputError(f"a range runs from low to high, found {self}")

    def __contains__(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True, slots=True)
class LogUniform(Uniform):
    """Any number from ``low`` to ``high``, its order of magnitude as likely as another."""

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise BadInputError(f"a logarithmic range starts above 0, found {self}")


Field = Choice | Uniform | LogUniform
Space = Mapping[str, Field]
"""Fields of a model's config by dotted name, as ``coterie.workflow.settings.change`` takes them."""

DISLIKE_WEIGHTS: Final = Choice((0.0, 0.1, 0.25, 0.5, 1.0))


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a model's class says of how it is tuned."""

    space: Space = field(default_factory=dict)
    """Holds the model's defaults: they are tried first."""
    starts: tuple[Mapping[str, Any], ...] = ()
    """Tried right after the defaults: what a few trials would not find from there."""


def describe(space: Space) -> dict[str, list[Any]]:
    """Describe a space by plain values: the kind of each field, then what bounds it.

    >>> describe({"l2": LogUniform(10.0, 100.0)})
    {'l2': ['LogUniform', 10.0, 100.0]}
    """
    plain: dict[str, list[Any]] = {}
    for name, one in space.items():
        bounds = one.values if isinstance(one, Choice) else (one.low, one.high)
        plain[name] = [type(one).__name__, *bounds]
    return plain
