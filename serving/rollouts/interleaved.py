"""Two arms of an experiment in one list: each makes its own, and a draft puts them together."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coterie.experiments.definition import JOINED
from coterie.experiments.interleaving import team_draft
from serving.lists.served_items import next_page
from serving.rollouts.experiment_arms import Assigned
from serving.rollouts.list_request import ListRequest, timed
from serving.rollouts.loaded_release import LoadedRelease
from serving.rollouts.pairs import TimedList
from serving.rollouts.showing import ServedList
from serving.schemas import RecommendationList


@dataclass(frozen=True, slots=True)
class Side:
    """What makes an arm's list, and what it is asked."""

    by: LoadedRelease
    asked: ListRequest


def all_timed(sides: Sequence[Side]) -> Callable[[], list[TimedList]]:
    """Give the work of making the lists of some arms, one after the other."""
    each = [timed(side.by.maker, side.asked) for side in sides]
    return lambda: [make() for make in each]


def interleaved(made: Sequence[TimedList], assigned: Assigned, asked: ListRequest) -> ServedList:
    """Put the lists of two arms into one, as long as what was asked for.

    The coins are a shopper's own in each experiment, so their list stays the same from one request
    to the next, and its pages fit together.

    Args:
        made: What each arm made, as ``assigned.sides`` are.
        assigned: Of the shopper.
        asked: What both were asked.
    """
    (first, first_s), (second, second_s) = made
    pair = first, second
    ids = [[one.item.item_id for one in answer.items] for answer in pair]
    draft = team_draft(ids[0], ids[1], asked.k, _coins(assigned.experiments, first.user_id))
    listed = [{one.item.item_id: one for one in answer.items} for answer in pair]
    chances = [dict(zip(listed[n], pair[n].propensities(), strict=True)) for n in range(2)]
    teams = [0 if is_first else 1 for is_first in draft.first]
    items = [listed[team][item_id] for team, item_id in zip(teams, draft.item_ids, strict=True)]
    for rank, one in enumerate(items, 1 + len(asked.wanted.shown)):
        one.rank = rank
    more = any(one.next for one in pair) or len(items) < len(set(ids[0]) | set(ids[1]))
    whole = RecommendationList(
        user_id=first.user_id,
        source=first.source,
        release=JOINED.join(dict.fromkeys(one.release for one in pair)),
        items=items,
        next=next_page((one.item for one in items), asked.wanted) if more else None,
    )
    whole.note_best_score(first.best_score())
    for place, (team, item_id) in enumerate(zip(teams, draft.item_ids, strict=True)):
        whole.note_chance(place, draft.chance[place] * chances[team][item_id])
    return ServedList(
        whole,
        first_s + second_s,
        None,
        assigned,
        teams=tuple(assigned.sides[team].arms for team in teams),
        credits=draft.credit,
    )


def _coins(experiments: str, user_id: str) -> np.random.Generator:
    text = f"interleave/{experiments}/{user_id}".encode("utf-8", "replace")
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()))
