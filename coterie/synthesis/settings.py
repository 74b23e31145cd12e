"""What is learned of a shop, and how much of it is made up."""

from dataclasses import dataclass
from typing import Final

from coterie.errors import BadInputError
from coterie.privacy.accounting import Budget

GENERATORS: Final = ("neighbours", "copula", "columns", "adversarial", "simulator")
"""Names of ``coterie.synthesis.shop.LEARNERS``, and the simulator: help need import little."""

DEFAULT: Final = "neighbours"
WITHIN_BOUND: Final = "copula"
"""The one that can be learned of sums with noise."""


@dataclass(frozen=True, slots=True)
class SynthesisSettings:
    """How a shop of made-up people is learned."""

    generator: str = ""
    """Which of ``GENERATORS`` draws people; empty: ``DEFAULT``, or ``WITHIN_BOUND`` where there is
    a bound."""
    people: int = 0
    """Made-up people; 0: about as many as there are real ones."""
    tastes: int = 8
    """Directions that people's tastes are told by, where there is no bound: more tell more, of
    single people too."""
    least_group: int = 20
    """People that a community has at least; smaller ones are taken together."""
    steps: int = 250
    """Of the adversarial generator's training."""
    epsilon: float | None = None
    """Bound on what is told of one person, kept by noise; None: there is none."""
    delta: float = 1e-6
    """Of that bound."""
    seed: int = 0
    """Of every draw but the bound's noise."""
    noise_seed: int | None = None
    """Of the bound's noise, for measurements alone; None: the operating system's randomness."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A number is out of range, or there is no such generator.
        """
        if not self.generator:
            best = DEFAULT if self.epsilon is None else WITHIN_BOUND
            object.__setattr__(self, "generator", best)
        if self.generator not in GENERATORS:
            raise BadInputError(
                f"no generator {self.generator!r}: there are {', '.join(GENERATORS)}"
            )
        for name, low in {"people": 0, "tastes": 1, "least_group": 2, "steps": 1}.items():
            if getattr(self, name) < low:
                raise BadInputError(f"{name} is {low} or more, got {getattr(self, name)}")
        if self.epsilon is not None:
            Budget(self.epsilon, self.delta)
            if self.generator != WITHIN_BOUND:
                raise BadInputError(
                    f"{self.generator} looks at people one by one and keeps no bound: with epsilon "
                    f"there is {WITHIN_BOUND} alone"
                )
