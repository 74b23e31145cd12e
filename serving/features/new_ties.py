"""Ties that were made just now, with the strength features that lists need of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from coterie.data.changes import STRENGTHS_FIELD, Change
from coterie.data.polarity import speaks_against
from coterie.errors import UnavailableError
from coterie.schema import TIES
from serving.features.online_store import OnlineFeatures
from serving.features.recent import RecentList

_KINDS: Final = np.int8


def with_strengths(changes: Sequence[Change], features: OnlineFeatures) -> list[Change]:
    """Add strength features to ties that were made; where features do not answer, lists go by the
    weight alone."""
    from coterie.graph.live_strength import live_strengths

    made = [one for one in changes if one.table == TIES.name and one.exists]
    if not made:
        return list(changes)
    people = list(dict.fromkeys(name for one in made for name in one.key[:2]))
    try:
        friends = dict(zip(people, features.friends_of(people), strict=True))
        recent = dict(zip(people, features.recent_lists(people), strict=True))
    except UnavailableError:
        return list(changes)
    strengths = live_strengths(
        {(one.key[0], one.key[1]): float(one.values["weight"]) for one in made},
        {name: of.ids for name, of in friends.items()},
        {name: _wanted(of) for name, of in recent.items()},
    )
    return [
        replace(one, values={**one.values, STRENGTHS_FIELD: strengths[one.key[0], one.key[1]]})
        if one.table == TIES.name and one.exists
        else one
        for one in changes
    ]


def _wanted(recent: RecentList) -> set[str]:
    """Find the items that somebody had and did not turn down."""
    kinds = np.array([*recent.kinds, *recent.had_kinds], _KINDS)
    wanted_ms = np.array([*recent.wanted_ms, *recent.had_wanted_ms], np.int64)
    against = speaks_against(kinds, wanted_ms)
    ids = (*recent.item_ids, *recent.had_ids)
    return {item for item, no in zip(ids, against.tolist(), strict=True) if not no}
