"""A request for a list, as all releases that may answer it are given it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import Wanted
from serving.rollouts.pairs import TimedList


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A request, with what is known of its shopper: the same for both arms."""

    known: ShopperFeatures
    k: int
    explain: bool
    wanted: Wanted


def timed(maker: ListMaker, asked: ListRequest) -> Callable[[], TimedList]:
    """Give the work of making a list, and of timing that."""

    def make() -> TimedList:
        began = time.perf_counter()
        made = maker.make(asked.known, asked.k, asked.explain, asked.wanted)
        return made, time.perf_counter() - began

    return make
