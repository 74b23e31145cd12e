"""Quality before exposure: what both arms would have listed, held against what is then bought.

While a canary is in shadow, shoppers see stable's lists: what they buy of these tells nothing of
the canary. So what stable showed is taken out of both arms' lists, and of what is left the next
``DEPTH`` items of each are kept, which nobody was shown. The first thing that a shopper then wants,
as the features of a later request tell, judges both. A pair speaks against the arm that alone has
missed it: where both are as good, that is the canary in one pair of two.

Other replicas show stable's lists as well, and do not say so. What shoppers did since their lists
were kept is in their features, with its times: so stable is asked what it would have shown at each
of these moments, and that judges nothing either, as if this replica had shown it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import Wanted

DEPTH: Final = 20
"""Items of each arm that are kept a shopper."""
SHOPPERS: Final = 20_000
"""Shoppers who are remembered: each judges once, or one who buys often would speak for many."""
MOST_SHOWN: Final = 500
"""Items shown to a shopper, after which they judge nothing any more."""
MOST_BETWEEN: Final = 8
"""Things that a shopper does in between; after more of them lists are kept anew."""


@dataclass(slots=True)
class KeptLists:
    """What both arms would have listed for one shopper, and what that one was shown."""

    made_ms: int
    """Milliseconds since 1970."""
    canary: frozenset[str]
    stable: frozenset[str]
    shown: set[str] = field(default_factory=set)
    latest: tuple[str, ...] = ()
    """What the list of the request at hand shows: it comes after what its features tell of."""


@dataclass(frozen=True, slots=True)
class FirstWanted:
    """What a shopper wanted first since their lists were kept, and was not shown here."""

    item_id: str
    before: tuple[ShopperFeatures, ...]
    """What was known of them at the moments in between at which they may have seen a list."""

    def shown_elsewhere(self, stable: ListMaker, k: int, wanted: Wanted) -> bool:
        """Tell whether stable would have shown it in between, whatever replica was asked."""
        return any(
            self.item_id == one.item.item_id
            for known in self.before
            for one in stable.make(known, k, False, wanted).items
        )


class JudgedByPurchases:
    """Lists of one replica that wait for what their shoppers buy; a canary's shadow long."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, KeptLists | None] = OrderedDict()

    def wants(self, user_id: str) -> bool:
        """Tell whether a shopper's lists are to be kept: none are, and none have been judged."""
        return user_id not in self._kept

    def keep(
        self,
        user_id: str,
        made_ms: int,
        shown: Sequence[str],
        canary: Sequence[str],
        stable: Sequence[str],
    ) -> None:
        """Keep what is left of both arms' lists, best first, without what is shown."""
        hidden = set(shown)
        left = [[one for one in ids if one not in hidden][:DEPTH] for ids in (canary, stable)]
        self._kept[user_id] = KeptLists(made_ms, frozenset(left[0]), frozenset(left[1]), hidden)
        if len(self._kept) > SHOPPERS:
            self._kept.popitem(last=False)

    def note_shown(self, user_id: str, shown: Sequence[str]) -> None:
        """Note what a shopper sees: once they were shown it, it judges nothing."""
        kept = self._kept.get(user_id)
        if kept is not None:
            kept.shown.update(kept.latest)
            kept.latest = tuple(shown)
            if len(kept.shown) + len(kept.latest) > MOST_SHOWN:
                self._kept[user_id] = None

    def first_wanted(self, known: ShopperFeatures) -> FirstWanted | None:
        """Find what a shopper wanted first since their lists were kept, and was not shown here."""
        kept = self._kept.get(known.user_id)
        if kept is None:
            return None
        recent = known.row.recent
        wanted = zip(recent.wanted_ms, recent.item_ids, strict=False)
        since = [(at, item) for at, item in wanted if at > kept.made_ms and item not in kept.shown]
        if not since:
            return None
        at, item_id = min(since)
        between = sorted(ms for ms in recent.ts_ms if kept.made_ms < ms < at)
        if len(between) > MOST_BETWEEN:
            del self._kept[known.user_id]
            return None
        # Until they did something they were shown what they are known to have been shown.
        return FirstWanted(item_id, tuple(_as_of(known, ms) for ms in (*between[1:], at)))

    def judge(self, user_id: str, first: FirstWanted, shown: bool) -> tuple[bool, bool] | None:
        """Hold kept lists against the first thing that their shopper wanted by themselves.

        Args:
            user_id: The shopper.
            first: What they wanted.
            shown: Whether they were shown it elsewhere: then the next thing will judge.

        Returns:
            Whether the canary alone has missed it, and whether stable alone has; None where it
            judges nothing.
        """
        kept = self._kept.get(user_id)
        if kept is None:
            return None
        if shown:
            kept.shown.add(first.item_id)
            return None
        self._kept[user_id] = None
        by_canary, by_stable = first.item_id in kept.canary, first.item_id in kept.stable
        return by_stable and not by_canary, by_canary and not by_stable


def longer_lists(
    makers: Sequence[ListMaker], known: ShopperFeatures, k: int, wanted: Wanted
) -> list[list[str]]:
    """List so many items of each arm that ``DEPTH`` are left beside the k that are shown."""
    made = [maker.make(known, k + DEPTH, False, wanted) for maker in makers]
    return [[one.item.item_id for one in answer.items] for answer in made]


def _as_of(known: ShopperFeatures, ms: int) -> ShopperFeatures:
    """Leave out what was done from a moment on, by the shopper and by friends."""
    own = replace(known.row, recent=_before(known.row.recent, ms))
    return replace(known, row=own, friends=[_before(one, ms) for one in known.friends])


def _before(recent: RecentList, ms: int) -> RecentList:
    if not recent.ts_ms or recent.ts_ms[0] < ms:  # the newest is first
        return recent
    rows = zip(recent.item_ids, recent.kinds, recent.ts_ms, recent.wanted_ms, strict=True)
    kept = [row for row in rows if row[2] < ms]
    ids, kinds, times, wanted = zip(*kept, strict=True) if kept else ((), (), (), ())
    return replace(recent, item_ids=ids, kinds=kinds, ts_ms=times, wanted_ms=wanted)
