"""What is computed of a network."""

from dataclasses import dataclass
from typing import Final

from coterie.errors import BadInputError
from coterie.network.partitions import CommunityMethod

MOST_DAYS: Final = 365.0
"""After which nothing is of an invitation any more."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What is computed of a network, and how thoroughly."""

    resolutions: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Of communities; the column ``community`` is that of the resolution nearest to 1."""
    seeds: int = 3
    """Runs of each resolution: how far they agree is its stability."""
    method: str = CommunityMethod.LOUVAIN.value
    """How communities are found: ``louvain``, or ``leiden``, which takes longer."""
    weighted: bool = True
    """Whether weights of ties count for PageRank and communities."""
    influence: bool = True
    """Whether influence is estimated, where events have times."""
    coupons: int = 50
    """People from whom something is to spread furthest; 0: none are chosen."""
    eps: float = 0.3
    """What that choice may lack: see ``maximise.choose_seeds``."""
    shuffles: int = 50
    """Of the test whether followers only take the same, or take it after."""
    runs: int = 500
    """Simulated cascades of each way to choose people."""
    invitation_days: float = 14.0
    """For so long after an invitation what somebody does with the item is of it; 0: what became of
    invitations is not counted."""
    picture: int = 2_000
    """People on the picture; 0: no picture."""
    online: bool = False
    """Whether a pipeline that hands features over brings the columns of people online as well."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A number is out of range.
        """
        object.__setattr__(self, "resolutions", tuple(self.resolutions))
        numbers = all(isinstance(one, int | float) and one > 0 for one in self.resolutions)
        if not self.resolutions or not numbers:
            raise BadInputError(f"resolutions are numbers over 0, got {list(self.resolutions)}")
        if self.method not in list(CommunityMethod):
            raise BadInputError(
                f"method is one of {', '.join(CommunityMethod)}, got {self.method!r}"
            )
        least = {"seeds": 1, "coupons": 0, "shuffles": 1, "runs": 2, "picture": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise BadInputError(f"{name} is {low} or more, got {getattr(self, name)}")
        if not 0 <= self.invitation_days <= MOST_DAYS:
            raise BadInputError(
                f"invitation_days is 0 to {MOST_DAYS:g}, got {self.invitation_days}"
            )
        if not 0 < self.eps < 0.63:
            raise BadInputError(f"eps is over 0 and under 0.63, got {self.eps}")
