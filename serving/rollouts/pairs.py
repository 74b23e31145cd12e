"""What is noticed of two lists that both arms made of one request, from the same features.

Each question is asked of a pair whole: which of both lists has what a signal counts. Where exactly
one has it, and both releases are as good, it is the canary's in one pair of two; so it takes few
pairs to tell. What is blamed on the canary alone, because it differs from stable, has a share of
pairs that is harmless instead (``plan.Signal.harmless``).
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.recommend.recommender import Lists, ListSource
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.rollouts.list_checks import HARMLESS_S
from serving.schemas import ListedItem, RecommendationList

COMPARED: Final = 20_000
"""Shoppers who are remembered: each is one pair, or one who asks often would speak for many."""
LATELY: Final = 100
"""Lists of an arm in which an item is one that was shown lately."""
PERSISTENCE: Final = 0.9
"""Of rank-biased overlap: how likely a reader goes on to the next place (Webber et al., 2010)."""
NEARLY_NOTHING: Final = 0.1
"""An overlap under this is far under what two healthy releases have."""
OTHER_CATEGORIES: Final = 0.25
"""So are places of a list that are of the same categories."""
DEARER: Final = 2.0
"""A median price is another from this ratio on, either way."""
SLOWER: Final = 2.0
"""A list takes clearly longer from this ratio on, and from ``HARMLESS_S`` more on."""
CLEARLY: Final = 0.5
"""A share is clearly lower under this part of the other's; over it, it is most of a list."""
SOME_FRIENDS: Final = 0.02
"""A share of friends under this is none to be missed."""
WEIGHT: Final = {ListSource.POPULAR: 0, ListSource.FRIENDS: 1, ListSource.OWN: 2}
"""How much a list could draw on."""

TimedList = tuple[RecommendationList, float]
"""A list, and the seconds that it took."""
Found = tuple[bool, bool] | None
"""Whether the canary's list has it, and whether stable's has; None: the pair cannot tell."""


@dataclass(frozen=True, slots=True)
class PairSide:
    """One arm's list of a pair."""

    maker: ListMaker
    answer: RecommendationList
    friends: float
    """Share of the list's scores that comes of friends."""
    seconds: float = 0.0
    """How long it took to be made."""

    @property
    def ids(self) -> list[str]:
        """Ids of the listed items, best first."""
        return [one.item.item_id for one in self.answer.items]


def pair_side(
    maker: ListMaker, answer: RecommendationList, known: ShopperFeatures, seconds: float = 0.0
) -> PairSide:
    """Put an arm's list into a pair; it takes about as long as reasons do.

    Args:
        maker: What made it.
        answer: The list.
        known: Of its shopper.
        seconds: How long it took to be made.
    """
    friends = _friends(maker, answer, known) if known.has_friends else 0.0
    return PairSide(maker, answer, friends, seconds)


class Pairs:
    """Compares the arms of one replica while a canary is in shadow; remembers what was shown."""

    def __init__(self) -> None:
        self._compared: OrderedDict[str, None] = OrderedDict()
        self._canary, self._stable = LatelyShown(), LatelyShown()

    def take(self, user_id: str) -> bool:
        """Tell whether a shopper is to be compared by, and remember them."""
        if user_id in self._compared:
            return False
        self._compared[user_id] = None
        if len(self._compared) > COMPARED:
            self._compared.popitem(last=False)
        return True

    def compare(self, canary: PairSide, stable: PairSide) -> dict[str, tuple[bool, bool]]:
        """Ask all questions; by signal, whether the canary's list has it and whether stable's has.

        A signal of which this pair cannot tell is left out.
        """
        found = {name: ask(canary, stable) for name, ask in _QUESTIONS.items()}
        found["narrower_lists"] = self._canary.had(canary.ids), self._stable.had(stable.ids)
        return {name: both for name, both in found.items() if both is not None}


class LatelyShown:
    """Items of an arm's last lists."""

    def __init__(self) -> None:
        self._lists: deque[Sequence[str]] = deque()
        self._times: Counter[str] = Counter()

    def had(self, ids: Sequence[str]) -> bool:
        """Tell whether other lists showed all of these items lately, and take them in."""
        had = all(self._times[one] for one in ids)
        self._lists.append(ids)
        self._times.update(ids)
        if len(self._lists) > LATELY:
            self._times.subtract(self._lists.popleft())
            self._times = +self._times
        return had


def rank_biased_overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Give how much two lists agree, 0 to 1, the first places most; to the depth of the longer."""
    depth = max(len(one), len(other))
    if depth == 0:
        return 1.0
    both: set[str] = set()
    seen: set[str] = set()
    shared = []
    for place in range(depth):
        for ids in (one, other):
            if place < len(ids):
                (both if ids[place] in seen else seen).add(ids[place])
        shared.append(len(both))
    weights = [PERSISTENCE**place for place in range(depth)]
    agreed = sum(
        weight * count / (place + 1)
        for place, (weight, count) in enumerate(zip(weights, shared, strict=True))
    )
    return agreed / sum(weights)


def _shorter(canary: PairSide, stable: PairSide) -> Found:
    lengths = len(canary.answer.items), len(stable.answer.items)
    return lengths[0] < lengths[1], lengths[1] < lengths[0]


def _unavailable(canary: PairSide, stable: PairSide) -> Found:
    return _shows_gone(canary, stable), _shows_gone(stable, canary)


def _shows_gone(side: PairSide, other: PairSide) -> bool:
    """Tell whether most of a list is gone by what the other arm knows: some came back."""
    rows = [row for row in other.maker.catalogue.rows(side.ids) if row >= 0]
    gone = np.count_nonzero(~other.maker.catalogue.columns.available[rows])
    return bool(gone > CLEARLY * len(side.ids))


def _weaker(canary: PairSide, stable: PairSide) -> Found:
    drawn = WEIGHT[canary.answer.source], WEIGHT[stable.answer.source]
    return drawn[0] < drawn[1], drawn[1] < drawn[0]


def _fewer_friends(canary: PairSide, stable: PairSide) -> Found:
    if max(canary.friends, stable.friends) < SOME_FRIENDS:
        return None
    return canary.friends < CLEARLY * stable.friends, stable.friends < CLEARLY * canary.friends


def _slower(canary: PairSide, stable: PairSide) -> Found:
    """Tell whether one took clearly longer for the same list: from the first one on, before it is
    known how long stable usually takes."""
    return _took_longer(canary, stable), _took_longer(stable, canary)


def _took_longer(side: PairSide, other: PairSide) -> bool:
    return side.seconds > max(SLOWER * other.seconds, other.seconds + HARMLESS_S)


def _unlike(canary: PairSide, stable: PairSide) -> Found:
    return rank_biased_overlap(canary.ids, stable.ids) < NEARLY_NOTHING, False


def _other_categories(canary: PairSide, stable: PairSide) -> Found:
    counts = [Counter(one.item.category for one in side.answer.items) for side in (canary, stable)]
    places = min(counts[0].total(), counts[1].total())
    if set(counts[1]) <= {None} or not places:
        return None
    return (counts[0] & counts[1]).total() < OTHER_CATEGORIES * places, False


def _other_prices(canary: PairSide, stable: PairSide) -> Found:
    prices = [_median_price(side.answer.items) for side in (canary, stable)]
    if prices[1] <= 0:
        return None
    return not 1 / DEARER < prices[0] / prices[1] < DEARER, False


_QUESTIONS: Final[dict[str, Callable[[PairSide, PairSide], Found]]] = {
    "shorter_lists": _shorter,
    "gone_items": _unavailable,
    "weaker_sources": _weaker,
    "fewer_friends": _fewer_friends,
    "slower_lists": _slower,
    "unlike_lists": _unlike,
    "unlike_categories": _other_categories,
    "unlike_prices": _other_prices,
}


def _median_price(items: Sequence[ListedItem]) -> float:
    """Give the median price, 0 where none has one."""
    return float(np.median([one.item.price or 0.0 for one in items])) if items else 0.0


def _friends(maker: ListMaker, answer: RecommendationList, known: ShopperFeatures) -> float:
    """Measure which share of a list's scores comes of friends, signs left out."""
    rows = np.array(maker.catalogue.rows([one.item.item_id for one in answer.items]), np.int64)
    lists = Lists(rows[None], np.zeros((1, len(rows)), np.float32), (answer.source,))
    asked = maker.items.read(known.row, known.friends)
    parts = maker.items.recommender.contributions(asked, lists)
    each = np.abs(parts.contribution)
    whole = float(each.sum() + np.abs(parts.popular).sum())
    return float(each[parts.person >= 0].sum()) / whole if whole > 0 else 0.0
