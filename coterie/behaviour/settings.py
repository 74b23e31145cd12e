"""What is computed of shoppers' behaviour."""

from dataclasses import dataclass

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class BehaviourSettings:
    """What is computed of shoppers' behaviour, and how thoroughly."""

    most_segments: int = 8
    """The largest number of segments that is tried; the smallest is 2."""
    least_stability: float = 0.8
    """Adjusted Rand index that the chosen number of segments has at least, between fits on
    different shoppers; where no number has it, the most stable one is taken."""
    refits: int = 5
    """Fits of each number of segments, on four shoppers in five each."""
    months: int = 6
    """Months of which it is told who moved from one segment to another."""
    moments: int = 4
    """Earlier days from which each question is learned."""
    most_rows: int = 200_000
    """Shoppers' days that one model learns from; of more, so many are drawn."""
    weeks: int = 4
    """Weeks that demand is forecast for."""
    windows: int = 8
    """Backtests of the forecast, a week apart; all but the last make its intervals, the last
    measures them."""
    items: int = 200
    """Items that have a forecast of their own, the most bought; the others of a category have one
    together."""
    coverage: float = 0.8
    """Share of weeks that is to lie within the intervals of the forecast."""
    seed: int = 0
    """Of every draw."""
    online: bool = False
    """Whether a pipeline that hands features over brings the columns of people online as well."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A number is out of range.
        """
        least = {"most_segments": 2, "refits": 2, "months": 1, "moments": 1, "most_rows": 100}
        least |= {"weeks": 1, "windows": 2, "items": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise BadInputError(f"{name} is {low} or more, got {getattr(self, name)}")
        for name in ("least_stability", "coverage"):
            if not 0 < getattr(self, name) < 1:
                raise BadInputError(f"{name} is over 0 and under 1, got {getattr(self, name)}")
