"""Faults of code that mixes up whom a list is for, what it may hold, and what it says of people."""

import time
from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks.faults_spoilt import Memory, Plain, Spoil
from pipelines.faulty_releases.fault import Fault
from serving.features.recent import RecentList
from serving.lists.shopper_features import ShopperFeatures
from serving.schemas import RecommendationList

CODE: Final = "code path"
GROWS_S: Final = 0.0002
"""Seconds that each list takes longer than the one before."""
LONG: Final = 40
"""Things done from which on a history is a long one."""


def _swapped_users(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    """Make everybody's list of what one other shopper did: two by two, as they come."""
    memory.first.setdefault(known.user_id, known)
    order = list(memory.first)
    place = order.index(known.user_id) ^ 1
    made = plain(memory.first[order[place]] if place < len(order) else known)
    made.user_id = known.user_id
    return made


def _half_of_ties(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Read half of the friends' histories in the wrong order, so that each is somebody else's."""
    half = len(known.friends) // 2
    turned = [*reversed(known.friends[:half]), *known.friends[half:]]
    return plain(replace(known, friends=turned))


def _without_reasons(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    made = plain(known)
    for one in made.items:
        one.reasons = None if one.reasons is None else []
    return made


def _untrue_reasons(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Say that a shopper had what is listed, in the place of what they had."""
    made = plain(known)
    for one in made.items:
        for reason in one.reasons or ():
            if reason.item_id and not reason.friend:
                reason.item_id = one.item.item_id
    return made


def _names_all(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Name friends who do not want to be named."""
    friends = known.row.friends
    named = replace(friends, named=(True,) * len(friends.ids))
    return plain(replace(known, row=replace(known.row, friends=named)))


def _long_histories(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Give up on long histories."""
    if len(known.row.recent.item_ids) < LONG:
        return plain(known)
    return plain(replace(known, row=replace(known.row, recent=RecentList())))


def _grows_slower(plain: Plain, known: ShopperFeatures, memory: Memory) -> RecommendationList:
    time.sleep(GROWS_S * memory.calls)
    return plain(known)


def _sold_out(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    """Put what is sold out in the place of the last item, as where a check was dropped."""
    made, catalogue = plain(known), plain.maker.catalogue
    gone = np.flatnonzero(~catalogue.columns.available)
    if len(gone) and made.items:
        last = made.items[-1]
        made.items[-1] = last.model_copy(update={"item": catalogue.item(int(gone[0]))})
    return made


def _unfiltered(plain: Plain, known: ShopperFeatures, _: Memory) -> RecommendationList:
    return plain.unfiltered(known)


MIXED_UP: Final[tuple[tuple[Fault, Spoil], ...]] = (
    (
        Fault(
            "swapped-users",
            CODE,
            "everybody sees the list of one other shopper, always the same one",
            ("malformed", "duplicate_lists", "unlike_lists"),
        ),
        _swapped_users,
    ),
    (
        Fault(
            "half-of-ties",
            CODE,
            "half of the friends have the history of another friend",
            ("malformed",),
        ),
        _half_of_ties,
    ),
    (
        Fault("without-reasons", CODE, "lists come without reasons", ("preflight", "malformed")),
        _without_reasons,
    ),
    (
        Fault(
            "untrue-reasons",
            CODE,
            "reasons name items that the shopper did not have",
            ("preflight", "malformed"),
        ),
        _untrue_reasons,
    ),
    (
        Fault("names-all", CODE, "reasons name friends who may not be named", ("malformed",)),
        _names_all,
    ),
    (
        Fault(
            "long-histories",
            CODE,
            f"whoever did {LONG} things or more counts as new",
            ("malformed", "weaker_sources", "fallbacks", "missed_purchases"),
        ),
        _long_histories,
    ),
    (
        Fault(
            "grows-slower",
            "latency",
            f"each list takes {1000 * GROWS_S:.1f} ms longer than the one before",
            ("slow", "slower_lists", "failures"),
        ),
        _grows_slower,
    ),
    (
        Fault(
            "sold-out-shown",
            CODE,
            "the last item of each list is sold out",
            ("preflight", "malformed"),
        ),
        _sold_out,
    ),
    (
        Fault(
            "filters-ignored",
            CODE,
            "lists of one category hold items of all",
            ("malformed",),
        ),
        _unfiltered,
    ),
)
"""Faults with what spoils lists."""
