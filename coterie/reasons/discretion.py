"""What reasons may say of friends: who is named, who is counted, and what stays untold."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from coterie.data.circle import CircleRule
from coterie.errors import BadInputError

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Discretion:
    """How much is told; what an operator may set."""

    min_people: int = 3
    """From so many on are people counted who are not named. Below it they are not told apart, and
    where a list draws on fewer such friends altogether, nothing is said of any."""
    min_share: float = 0.03
    """Parts of a score below this share are added up as ``others``."""
    rare_below: int = 20
    """An item that fewer people had is not named as one that uncounted people had."""
    circle: CircleRule = field(default_factory=CircleRule)
    """Whom lists draw on. Of those who do not follow the shopper in turn reasons never tell."""

    def __post_init__(self) -> None:
        if not (self.min_people >= 1 and 0 <= self.min_share < 1 and self.rare_below >= 0):
            raise BadInputError(
                f"reasons count from {self.min_people} people, show shares from {self.min_share}, "
                f"and items are rare below {self.rare_below}: expected at least 1, from 0 to less "
                "than 1, and at least 0"
            )

    def may_count(self, num: npt.NDArray[np.int64], pool: int) -> Bools:
        """Tell of which groups it may be said how many people they hold.

        Where everybody is one of them, their number would say it of each.

        Args:
            num: People of each group, none of them named, shape (g,).
            pool: People who are not named altogether.
        """
        return np.asarray((num >= self.min_people) & (num < pool))

    def may_tell(self, pool: int) -> bool:
        """Tell whether anything may be said of friends who are not named, if there are so many."""
        return pool >= self.min_people
