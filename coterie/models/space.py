"""What tuning may change of each model, and how far: one small space a model, for every shop."""

from collections.abc import Mapping
from dataclasses import dataclass
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

SPACES: Final[dict[str, dict[str, Field]]] = {
    "popularity": {},
    "item_knn": {
        "neighbours": Choice((20, 50, 100, 200, 500, 1000)),
        "shrinkage": Uniform(0.0, 60.0),
    },
    "ease": {"l2": LogUniform(10.0, 3000.0)},
    "lightgcn": {
        "temperature": LogUniform(0.05, 0.5),
        "layers": Choice((1, 2, 3, 4)),
        "loop.lr": LogUniform(1e-3, 2e-2),
    },
    "social_linear": {
        "l2": LogUniform(2.0, 100.0),
        "friends": LogUniform(0.005, 2.0),
        "alike": Uniform(0.0, 1.0),
        "history_discount": Uniform(0.0, 1.0),
        "item_power": Uniform(0.0, 0.5),
        "popularity_discount": Uniform(-0.1, 0.4),
        "rate": Uniform(0.0, 0.6),
        "rank": Choice((64, 128, 256, 512)),
        "tail": Uniform(0.0, 1.25),
        "dislike_weight": DISLIKE_WEIGHTS,
    },
    "social": {
        "newcomers_only": Choice((False, True)),
        "dim": Choice((128, 256, 512)),
        "heads": Choice((1, 2, 4)),
        "scale": LogUniform(3.0, 14.0),
        "entry_dropout": Uniform(0.4, 0.8),
        "ahead": Choice((0.0, 0.5)),
        "recency": Uniform(0.0, 1.0),
        "dislike_weight": DISLIKE_WEIGHTS,
    },
}
"""By name of ``coterie.models.MODELS``. Each holds its model's defaults: they are tried first."""

LONG_LISTS: Final[dict[str, Any]] = {
    "dim": 512,
    "heads": 4,
    "scale": 9.0,
    "entry_dropout": 0.65,
    "recency": 0.0,
}
"""A shop of long lists: more numbers an item, more left out, old tastes like new ones."""

STARTS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "social_linear": (
        {
            "l2": 4.2,
            "friends": 0.01,
            "alike": 0.5,
            "history_discount": 0.3,
            "item_power": 0.3,
            "popularity_discount": 0.17,
            "rank": 128,
            "tail": 1.1,
        },
        {
            "l2": 8.0,
            "friends": 0.024,
            "alike": 0.3,
            "history_discount": 0.5,
            "item_power": 0.2,
            "popularity_discount": 0.28,
            "rank": 128,
            "tail": 0.2,
        },
        {
            "l2": 5.0,
            "friends": 0.03,
            "alike": 0.25,
            "history_discount": 0.2,
            "item_power": 0.1,
            "popularity_discount": 0.0,
            "rank": 64,
            "tail": 0.65,
        },
    ),
    "social": (
        {"dim": 512, "heads": 4},
        LONG_LISTS,
        LONG_LISTS | {"newcomers_only": True},
        {"entry_dropout": 0.75, "recency": 0.0},
    ),
}
"""Tried right after the defaults, which are for shops where little is known of each shopper: these
are for long histories, of many shoppers with broad tastes or of few, for few shoppers of whom
little is known, and with more numbers an item, which a few trials do not find from there. One
leaves ties to newcomers: where they say nothing of who is known, the search is to know. Three
weigh old targets as new ones, which was better by 2 to 6 % where times say little (LastFM by
time), and is the same where there are none."""


def describe(space: Space) -> dict[str, list[Any]]:
    """A space as plain values: the kind of each field, then what bounds it.

    >>> describe({"l2": LogUniform(10.0, 100.0)})
    {'l2': ['LogUniform', 10.0, 100.0]}
    """
    plain: dict[str, list[Any]] = {}
    for name, field in space.items():
        bounds = field.values if isinstance(field, Choice) else (field.low, field.high)
        plain[name] = [type(field).__name__, *bounds]
    return plain
