"""What is noticed of an arm's lists: flaws that stable answers for, and counted signals."""

import itertools
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from coterie.recommend.columns import Mask
from coterie.recommend.recommender import ListSource, ReasonKind
from coterie.release.bundle import Release
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import RecommendationList

REMEMBERED: Final = 256
"""Lists of an arm that a new one is compared with."""
SLOW_QUANTILE: Final = 0.9
"""An answer is slow if it took longer than this share of stable's."""
HARMLESS_S: Final = 0.02
"""No answer quicker than this is slow: nobody feels the difference."""
MEASURED: Final = 100
"""Of stable's answers, from the moment at which a canary is there: both work beside each other."""
TENTHS: Final = 11
"""Borders of the tenths of a release's best scores offline."""
TOO_SHORT: Final = "too short"
CLEARLY: Final = 0.5
"""A list is clearly short under this part of what the other release could list."""


def flaw(
    answer: RecommendationList,
    k: int,
    known: ShopperFeatures,
    num_available: int,
    num_beside: int = 0,
    explain: bool = False,
    wanted: Wanted = PLAIN,
) -> str:
    """Find what is wrong with a list, in a few words; empty: nothing.

    Args:
        answer: The list.
        k: Items that were asked for.
        known: Of its shopper.
        num_available: Items that its own release could list.
        num_beside: Items that the other release could: a catalogue that lost nearly everything
            makes short lists which are all that it has.
        explain: Whether reasons were asked for.
        wanted: What was asked for beside.
    """
    scores = [item.score for item in answer.items]
    ids = [item.item.item_id for item in answer.items]
    if not all(math.isfinite(score) for score in scores):
        return "scores are not finite"
    recent = known.row.recent
    had = len(recent) + len(recent.had_ids)
    if len(ids) < max(min(k, num_available - had), CLEARLY * min(k, num_beside - had)):
        return TOO_SHORT
    if len(set(ids)) < len(ids):
        return "an item twice"
    if any(a < b for a, b in itertools.pairwise(scores)):
        return "not in order"
    if explain and answer.items and not any(one.reasons for one in answer.items):
        return "no reasons"
    return _wrong_friend(answer, known) or _untrue(answer, known, wanted)


def out_of_place(
    maker: ListMaker,
    answer: RecommendationList,
    known: ShopperFeatures,
    wanted: Wanted,
    allowed: Mask | None = None,
) -> str:
    """Find what should not be in a list, in a few words; empty: nothing.

    Args:
        maker: What made it: its own release says what is there, in stock, and had.
        answer: The list.
        known: Of its shopper.
        wanted: What was asked for.
        allowed: ``Catalogue.allowed`` of that, where it is known already.
    """
    ids = [one.item.item_id for one in answer.items]
    rows = maker.catalogue.rows(ids)
    allowed = maker.catalogue.allowed(wanted) if allowed is None else allowed
    # What enters the shop meanwhile has a row before it has a place in the mask.
    if any(row < 0 or (row < len(allowed) and not allowed[row]) for row in rows):
        return "an item that is not there, or that was not asked for"
    if not wanted.shown.misses(ids).all():
        return "an item that an earlier page showed"
    # In a place of the shop what is in front of a shopper counts as had: there nothing is told.
    if wanted.plain and maker.items.hidden(known.row, ids):
        return "an item that the shopper had"
    return ""


def _untrue(answer: RecommendationList, known: ShopperFeatures, wanted: Wanted) -> str:
    """Find a reason that goes by an item that neither the shopper nor any friend had."""
    recent = known.row.recent
    had = {*recent.item_ids, *recent.had_ids, *wanted.context}
    theirs: set[str] | None = None
    for reason in itertools.chain.from_iterable(one.reasons or () for one in answer.items):
        if reason.item_id is None or reason.item_id in had:
            continue
        if theirs is None:
            theirs = {item_id for one in known.friends for item_id in one.item_ids}
        if reason.kind == ReasonKind.OWN or reason.item_id not in theirs:
            return "a reason goes by an item that nobody had"
    return ""


def _wrong_friend(answer: RecommendationList, known: ShopperFeatures) -> str:
    """Find a reason that names somebody who is no friend, may not be named, or did not do what it
    says: to shoppers that is worse than a bad list."""
    friends = known.row.friends
    places = {friend: place for place, friend in enumerate(friends.ids)}
    for reason in itertools.chain.from_iterable(one.reasons or () for one in answer.items):
        if reason.friend is None:
            continue
        place = places.get(reason.friend, -1)
        if place < 0 or not friends.named[place]:
            return "a reason names who is no friend, or may not be named"
        if reason.item_id and reason.item_id not in known.friends[place].item_ids:
            return "a reason names a friend who did not have that item"
    return ""


class LatencyLimit:
    """Seconds that stable usually takes while a canary is there: both arms are held to it."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._limit = math.inf

    def note(self, seconds: float) -> None:
        """Take in how long one of stable's answers took."""
        if len(self._seconds) < MEASURED:
            self._seconds.append(seconds)
            if len(self._seconds) == MEASURED:
                self._limit = max(HARMLESS_S, float(np.quantile(self._seconds, SLOW_QUANTILE)))

    def slow(self, seconds: float) -> bool:
        """Tell whether an answer took longer than usual; none does before the limit is known."""
        return seconds > self._limit


class ListChecks:
    """Finds which signals of a rollout count a list; remembers the last lists of one arm."""

    def __init__(self, release: Release) -> None:
        self._lists: OrderedDict[int, str] = OrderedDict()
        self._tenths = _tenths(release)

    @property
    def knows_scores(self) -> bool:
        """Whether the release says what its scores were offline."""
        return self._tenths is not None

    def signals(self, answer: RecommendationList) -> list[str]:
        """Name the signals of a rollout that count a list, by its content alone."""
        found = []
        if answer.source is ListSource.POPULAR:
            found.append("fallbacks")
        if self._is_duplicate(answer):
            found.append("duplicate_lists")
        if self._out_of_range(answer):
            found.append("score_out_of_range")
        return found

    def tenth(self, answer: RecommendationList) -> int | None:
        """Find the tenth of the release's offline lists that a best score is in; None: unknown."""
        if self._tenths is None or answer.source is ListSource.POPULAR or not answer.items:
            return None
        tenth = int(np.searchsorted(self._tenths[1:-1], answer.best_score(), side="right"))
        return min(tenth, TENTHS - 2)

    def _is_duplicate(self, answer: RecommendationList) -> bool:
        """Tell whether somebody else had the same list lately."""
        key = hash(tuple(item.item.item_id for item in answer.items))
        before = self._lists.pop(key, answer.user_id)
        self._lists[key] = answer.user_id
        if len(self._lists) > REMEMBERED:
            self._lists.popitem(last=False)
        return before != answer.user_id

    def _out_of_range(self, answer: RecommendationList) -> bool:
        """Tell whether the best score is one that the release had (almost) never offline."""
        if self._tenths is None or answer.source is ListSource.POPULAR or not answer.items:
            return False
        return not self._tenths[0] <= answer.best_score() <= self._tenths[-1]


class CatalogueCoverage:
    """Share of the catalogue that lately shown lists cover."""

    def __init__(self, num_items: int, num_available: int, lists: int = 1000) -> None:
        self._times = np.zeros(num_items, np.int64)
        self._shown = 0
        self._available = max(num_available, 1)
        self._lists: deque[Sequence[int]] = deque()
        self._most = lists

    def note(self, rows: Sequence[int]) -> float:
        """Take in one list more; return the share of available items that the last ones show."""
        # Of these rows alone: where items are many, to count all takes longer than to make a list.
        rows = list(set(rows))
        self._lists.append(rows)
        self._shown += int(np.count_nonzero(self._times[rows] == 0))
        self._times[rows] += 1
        if len(self._lists) > self._most:
            gone = self._lists.popleft()
            self._times[gone] -= 1
            self._shown -= int(np.count_nonzero(self._times[gone] == 0))
        return self._shown / self._available


def _tenths(release: Release) -> np.ndarray | None:
    """Read the borders of tenths as the release's maker found them; None where it found none."""
    lists = release.manifest.metrics.get("lists")
    borders = lists.get("best_score") if isinstance(lists, dict) else None
    if not isinstance(borders, list) or len(borders) != TENTHS:
        return None
    found = np.array(borders, dtype=np.float64)
    return found if bool(np.all(np.diff(found) >= 0)) else None
