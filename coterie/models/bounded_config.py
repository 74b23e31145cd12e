"""Settings of the bounded model: its promise, and what it makes of noisy sums."""

from dataclasses import dataclass
from typing import Final

from coterie.errors import BadInputError
from coterie.models.space import Choice, LogUniform, Tuning, Uniform
from coterie.privacy.accounting import Budget


@dataclass(frozen=True, slots=True)
class BoundedConfig:
    """What a person may change, how much noise hides it, and what is made of the rest."""

    epsilon: float | None = 3.0
    """Of the promise: 1 is strong, 10 is weak. None: people are clipped and nothing is hidden, to
    be measured against; no release is made of that."""
    delta: float = 1e-6
    """Of the promise: well below 1 / people."""
    max_entries: int = 10
    """Entries of one person that count whole in popularity; of more, each counts less."""
    row_length: float = 2.0
    """c: a person counts whole in what was had together up to c ** 2 entries; of more, each counts
    less. 1 weighs all people alike."""
    popularity_share: float = 0.2
    """Part of the budget that popularity takes; what was had together takes the rest."""
    max_items: int = 500
    """The most popular items, of which is learned what was had together; the noise grows with
    them. All others are listed by popularity alone."""
    rank: int = 128
    """Numbers of an item's vectors, at most: directions that stand out of the noise."""
    edge: float = 1.0
    """How far a direction has to stand out: 1 is the largest that noise alone would have."""
    l2: float = 1.0
    """Ridge regularisation, in units of an item's mean square."""
    item_power: float = 0.15
    """Power of popularity that an item is divided by; 0: popular ones say as much."""
    popular: float = 0.03
    """What the logarithm of popularity counts in each score, in units of its spread."""
    friend_weight: float = 0.1
    """What friends' entries count beside one's own; nothing is learned of ties, so they cost no
    budget. 0: nothing."""
    age_decay: float = 0.3
    """Power by which an entry loses weight, (1 + age in days) to minus this; 0: none."""
    noise_seed: int | None = None
    """None: noise of the operating system's randomness. A number draws the same noise each time,
    for measurements and tests; no release is made of that."""

    def __post_init__(self) -> None:
        if self.epsilon is not None:
            self.budget()
        if self.noise_seed is not None and type(self.noise_seed) is not int:
            raise BadInputError(f"noise_seed is {self.noise_seed!r}: expected a number, or null")
        if self.max_entries < 1 or not 1 <= self.row_length < 1000:
            raise BadInputError(
                "max_entries starts at 1, row_length at 1 (below 1000): "
                f"found {self.max_entries} and {self.row_length}"
            )
        if not 0 < self.popularity_share < 1 or min(self.max_items, self.rank) < 1:
            raise BadInputError(
                "popularity_share lies between 0 and 1, max_items and rank start at 1: "
                f"found {self.popularity_share}, {self.max_items} and {self.rank}"
            )
        if not self.l2 > 0 or min(self.edge, self.popular, self.friend_weight) < 0:
            raise BadInputError(
                f"l2 is over 0; edge, popular and friend_weight are not below 0: found {self}"
            )

    def budget(self) -> Budget:
        """Give the promise's numbers.

        Raises:
            BadInputError: They are no bound.
        """
        if self.epsilon is None:
            raise BadInputError(
                "epsilon is null: people are clipped, and nothing is hidden; give a number, such "
                "as 3, for a bound"
            )
        return Budget(self.epsilon, self.delta)


TUNING: Final = Tuning(
    {
        "max_entries": Choice((1, 3, 10, 30, 100)),
        "row_length": Choice((1.0, 2.0, 3.0, 5.0)),
        "popularity_share": Uniform(0.05, 0.95),
        "max_items": Choice((250, 500, 1000, 2000)),
        "l2": LogUniform(0.05, 20.0),
        "item_power": Uniform(0.0, 0.5),
        "popular": LogUniform(0.01, 3.0),
        "edge": Choice((0.5, 0.75, 1.0)),
        "friend_weight": LogUniform(0.005, 2.0),
    }
)
