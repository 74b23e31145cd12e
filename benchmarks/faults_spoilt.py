"""What a fault of code is given: a call that makes the list as it should be, and a memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import ItemFilter, Wanted
from serving.schemas import RecommendationList


@dataclass(frozen=True, slots=True)
class Plain:
    """Makes the list that is asked for, of whoever."""

    maker: ListMaker
    k: int
    explain: bool
    wanted: Wanted

    def __call__(self, known: ShopperFeatures) -> RecommendationList:
        """Make it as the product does."""
        return ListMaker.make(self.maker, known, self.k, self.explain, self.wanted)

    def unfiltered(self, known: ShopperFeatures) -> RecommendationList:
        """Make it of all items, whichever are asked for."""
        wanted = replace(self.wanted, filter=ItemFilter())
        return ListMaker.make(self.maker, known, self.k, self.explain, wanted)


@dataclass(slots=True)
class Memory:
    """What a spoilt maker remembers."""

    calls: int = 0
    last: ShopperFeatures | None = None
    kept: list[bytearray] = field(default_factory=list)
    first: dict[str, ShopperFeatures] = field(default_factory=dict)
    """What was known of each shopper when they first came."""
    lists: dict[str, RecommendationList] = field(default_factory=dict)
    """What each was then shown."""


Spoil = Callable[[Plain, ShopperFeatures, Memory], RecommendationList]
