"""What a release promises everybody who was in its training data, as its manifest tells it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from coterie.errors import BadInputError
from coterie.privacy.accounting import Budget

UNIT: Final = "all events of one person"
COVERS: Final = ("parameters.safetensors", "popularity.safetensors")
LEAVES_OUT: Final = (
    "settings: chosen by who trains, perhaps on validation",
    "metrics of the manifest: means over people, borders of their lists' best scores",
    "repurchase: median days between purchases, where they are learned",
    "data_fingerprint: who has all the tables can tell that it was these",
    "items.parquet: which items the shop's tables name",
    "the day by which events are split, where they are dated",
    "what serving reads: histories, friends and consents of the shopper and their friends",
    "releases before and after: each spends its own epsilon, and they add up",
)
"""What a release says of people beside what is covered."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A bound on what can be told of one person: (epsilon, delta)-differential privacy.

    Whoever sees what it covers and knows all others learns next to nothing of whether one more
    person was there.
    """

    epsilon: float
    """As the accountant adds it up: at most what was asked for."""
    delta: float
    accountant: str
    max_entries: int
    """Events of one person that count whole in popularity."""
    row_length: float
    """c of ``coterie.privacy.sums``, of what was had together."""
    noise: Mapping[str, float]
    """Standard deviation of the noise over what one person can change, by name of the sum."""
    unit: str = UNIT
    covers: tuple[str, ...] = COVERS
    leaves_out: tuple[str, ...] = LEAVES_OUT

    def as_json(self) -> dict[str, Any]:
        """Write plain values."""
        return asdict(self) | {name: list(getattr(self, name)) for name in ("covers", "leaves_out")}

    def in_words(self) -> str:
        """Say it in one line."""
        return (
            f"Bounded: epsilon {self.epsilon:.3g}, delta {self.delta:.1g} for {self.unit} "
            f"({self.accountant}); covers {' and '.join(self.covers)}"
        )

    @classmethod
    def from_json(cls, told: object) -> "Promise":
        """Read a manifest's promise, without trusting it.

        Raises:
            BadInputError: It is none.
        """
        try:
            if not isinstance(told, Mapping):
                raise TypeError(f"{type(told).__name__} is no object")
            found = cls(
                epsilon=float(told["epsilon"]),
                delta=float(told["delta"]),
                accountant=_text(told["accountant"]),
                max_entries=int(told["max_entries"]),
                row_length=float(told["row_length"]),
                noise={_text(name): float(one) for name, one in told["noise"].items()},
                unit=_text(told["unit"]),
                covers=tuple(_text(one) for one in told["covers"]),
                leaves_out=tuple(_text(one) for one in told["leaves_out"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(
                f"the bound is {str(told)[:80]!r} ({type(error).__name__}: {error}): expected "
                "epsilon, delta, accountant, noise and what they cover"
            ) from error
        Budget(found.epsilon, found.delta)
        numbers = (*found.noise.values(), found.row_length, found.max_entries)
        if not all(math.isfinite(one) and one > 0 for one in numbers):
            raise BadInputError(f"the bound has noise and limits of {numbers}: expected over 0")
        return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be text")
    return value
