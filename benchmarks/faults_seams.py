"""Faults that no data can make: what a bad version of the code would do with a good release.

A maker of lists stands in the place of the real one, from the preflight on, and for the versions
named here alone does something else with what the real one made.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchmarks.faults_mixed_up import MIXED_UP
from benchmarks.faults_spoilt import Memory, Plain, Spoil
from coterie.errors import BadInputError
from pipelines.faulty_releases.fault import Fault
from pipelines.faulty_releases.staleness import FAMILY as STALENESS
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import RecommendationList, SearchResults

SLOWER_S: Final = 0.04
TAIL_S: Final = 0.15
ONE_IN: Final = 8
"""One list in so many is slow in the tail."""
HUNG_S: Final = 1.3
COLD: Final = 100
"""Lists until a maker is warm."""
LEAK_BYTES: Final = 50_000
OLD_CATALOGUE: Final = "old-catalogue"
SOLD_OUT: Final = 0.6
"""Share of the items that sell out before the rollout begins, as stable is told live."""
SEARCH: Final = "search"


def _one_item(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    made = plain(known)
    made.items = made.items[:1]
    return made


def _out_of_order(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    made = plain(known)
    made.items = made.items[::-1]
    return made


def _item_twice(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    made = plain(known)
    made.items[1] = made.items[0]
    return made


def _raises_at_times(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    if memory.calls % 20 == 0:
        raise IndexError("index 600 is out of bounds")
    return plain(known)


def _hangs_at_times(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    if memory.calls % 25 == 0:
        time.sleep(HUNG_S)
    return plain(known)


def _anothers(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    before, memory.last = memory.last, known
    made = plain(before or known)
    made.user_id = known.user_id
    return made


def _had(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Put what the shopper wanted last in the place of the best item."""
    made, recent = plain(known), known.row.recent
    wanted = [i for i, ms in zip(recent.item_ids, recent.wanted_ms, strict=True) if ms > 0]
    if wanted and made.items:
        best = made.items[0]
        made.items[0] = best.model_copy(
            update={"item": best.item.model_copy(update={"item_id": wanted[0]})}
        )
    return made


def _slower(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    time.sleep(SLOWER_S)
    return plain(known)


def _slow_tail(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    if memory.calls % ONE_IN == 0:
        time.sleep(TAIL_S)
    return plain(known)


def _slow_for_some(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Take long over each friend: who has many waits."""
    time.sleep(0.006 * len(known.friends))
    return plain(known)


def _cold(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    if memory.calls <= COLD:
        time.sleep(TAIL_S)
    return plain(known)


def _leaking(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    memory.kept.append(bytearray(LEAK_BYTES))
    return plain(known)


def _stale_features(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    """Go on from what was known of a shopper at their first visit."""
    return plain(memory.first.setdefault(known.user_id, known))


def _stale_lists(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    """Show the list of the first visit again, as from a cache that nothing empties."""
    if known.user_id not in memory.lists:
        memory.lists[known.user_id] = plain(known)
    return memory.lists[known.user_id].model_copy(deep=True)


def _wrong_friend(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Name another friend in the place of who is meant."""
    made, friends = plain(known), known.row.friends
    for reason in itertools.chain.from_iterable(one.reasons or () for one in made.items):
        if reason.friend in friends.ids:
            place = friends.ids.index(reason.friend) + 1
            reason.friend = friends.ids[place % len(friends.ids)]
    return made


def _plain(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    return plain(known)


def _finds_nothing(found: SearchResults, _: ListMaker) -> SearchResults:
    return found.model_copy(update={"items": [], "next": None})


def _finds_anything(found: SearchResults, maker: ListMaker) -> SearchResults:
    """Put items by chance in the place of what fits."""
    rng = np.random.default_rng(len(found.query))
    rows = rng.choice(len(maker.catalogue), len(found.items), replace=False)
    items = [
        one.model_copy(update={"item": maker.catalogue.item(int(row))})
        for one, row in zip(found.items, rows, strict=True)
    ]
    return found.model_copy(update={"items": items})


SPOILT_SEARCH: Final[dict[str, Callable[[SearchResults, ListMaker], SearchResults]]] = {
    "search-nothing": _finds_nothing,
    "search-anything": _finds_anything,
}
"""What becomes of searches, by the name of the fault in SEAMS."""
SEAMS: Final[dict[str, tuple[Fault, Spoil]]] = {
    fault.name: (fault, spoil)
    for fault, spoil in (
        (Fault("one-item", "code path", "lists have one item", ("preflight",)), _one_item),
        (
            Fault("out-of-order", "code path", "the best item is last", ("preflight",)),
            _out_of_order,
        ),
        (Fault("item-twice", "code path", "an item is there twice", ("preflight",)), _item_twice),
        (
            Fault("raises-at-times", "code path", "one list in 20 raises", ("failures",)),
            _raises_at_times,
        ),
        (
            Fault("hangs-at-times", "code path", "one list in 25 hangs", ("failures", "slow")),
            _hangs_at_times,
        ),
        (
            Fault(
                "anothers-list",
                "code path",
                "everybody sees the list of whoever asked before",
                ("malformed", "duplicate_lists"),
            ),
            _anothers,
        ),
        (
            Fault("had-again", "code path", "lists begin with what one just had", ("malformed",)),
            _had,
        ),
        (
            Fault(
                "slower", "latency", f"{SLOWER_S * 1000:.0f} ms slower", ("slow", "slower_lists")
            ),
            _slower,
        ),
        (
            Fault(
                "slow-tail",
                "latency",
                f"one list in {ONE_IN} takes {TAIL_S * 1000:.0f} ms more",
                ("slow", "slower_lists"),
            ),
            _slow_tail,
        ),
        (
            Fault(
                "slow-for-some",
                "latency",
                "6 ms slower for each friend",
                ("slow", "slower_lists"),
            ),
            _slow_for_some,
        ),
        (
            Fault(
                OLD_CATALOGUE,
                STALENESS,
                f"it serves the catalogue of before {SOLD_OUT:.0%} of the items sold out",
                ("gone_items",),
            ),
            _plain,
        ),
        (
            Fault("search-nothing", SEARCH, "searches find nothing", ("preflight",)),
            _plain,
        ),
        (
            Fault("search-anything", SEARCH, "searches find items by chance", ("preflight",)),
            _plain,
        ),
        (
            Fault(
                "cold",
                "latency",
                f"its first {COLD} lists take {TAIL_S * 1000:.0f} ms more",
                ("slower_lists", "slow"),
            ),
            _cold,
        ),
        (
            Fault(
                "leaking",
                "memory",
                f"every list leaves {LEAK_BYTES // 1000} KB of memory behind",
                ("preflight",),
            ),
            _leaking,
        ),
        (
            Fault(
                "stale-features",
                STALENESS,
                "it goes on from what was known of a shopper at their first visit",
                ("malformed", "preflight"),
            ),
            _stale_features,
        ),
        (
            Fault(
                "stale-lists",
                STALENESS,
                "everybody sees the list of their first visit again",
                ("malformed", "preflight"),
            ),
            _stale_lists,
        ),
        (
            Fault(
                "wrong-friend",
                "code path",
                "reasons name another friend than the one who had the item",
                ("malformed",),
            ),
            _wrong_friend,
        ),
        *MIXED_UP,
    )
}
"""Faults with what spoils lists, by name."""


class SpoiltMaker(ListMaker):
    """A maker of lists that does to a version of a release what its fault in SEAMS says."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = Memory()

    def make(
        self, known: ShopperFeatures, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> RecommendationList:
        """Make a list, and spoil it where the release's version names a fault of SEAMS."""
        plain = Plain(self, k, explain, wanted)
        _, spoil = SEAMS.get(self.release.version, (None, None))
        if spoil is None:
            return plain(known)
        self._memory.calls += 1
        return spoil(plain, known, self._memory)

    def search(self, *asked: Any, **options: Any) -> tuple[SearchResults, bool]:
        """Search, and spoil what is found where the release's version says so."""
        found, left_out = super().search(*asked, **options)
        spoil = SPOILT_SEARCH.get(self.release.version)
        return (found if spoil is None else spoil(found, self)), left_out


def seam(name: str) -> Fault:
    """Find a fault of SEAMS.

    Raises:
        BadInputError: There is none of that name.
    """
    if name not in SEAMS:
        raise BadInputError(f"no fault {name!r} of code: choose one of {', '.join(SEAMS)}")
    return SEAMS[name][0]
