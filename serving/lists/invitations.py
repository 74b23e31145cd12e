"""Whom of their friends a shopper may share an item with."""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.hidden import hides
from coterie.languages.texts import Texts
from coterie.schema import STRENGTHS
from coterie.together.invitees import (
    AskedFriends,
    AskingRule,
    as_shoppers,
    fits,
    rank_invitees,
    sample_of,
    wants,
)
from coterie.together.words import Kind, reasons_to_invite
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.together_bodies import Invitee, InviteeList, WhyTogether

_DAY_MS: Final = 86_400_000
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def invitees(
    maker: ListMaker, user_id: str, row: int, k: int, texts: Texts, rule: AskingRule
) -> InviteeList:
    """Rank the friends to share an item with, who may be named and want to be.

    Two reads of features, whatever the number of friends: who they are, then what they did.

    Args:
        maker: Of the release that is asked.
        user_id: Who shares.
        row: Of the item.
        k: How many, at most.
        texts: Of the reader's language.
        rule: Who is left out.

    Raises:
        UnavailableError: The feature store did not answer.
    """
    answer = InviteeList(
        user_id=user_id, item=maker.catalogue.item(row), release=maker.release.version, invitees=[]
    )
    known = maker.features.shopper(user_id)
    # Who does not follow back, or may not be named, is not named here either.
    friends = known.friends.take(np.flatnonzero(known.friends.named).tolist())
    if not friends.ids or not maker.catalogue.columns.available[row]:
        return answer
    recents = maker.features.recent_lists(friends.ids)
    strengths = np.array(friends.strengths, np.float32).reshape(-1, len(STRENGTHS))
    want, fit, has_it = _looked_at(maker, row, (known.recent, *recents), strengths)
    since = int(time.time() * 1000) - int(rule.days * _DAY_MS)
    asked = np.array([sum(ms >= since for ms in one.asked_ms) for one in recents], np.int64)
    history = np.array([len(one) for one in recents], np.int64)
    asked_friends = AskedFriends(want, history, strengths, asked)
    found = rank_invitees(asked_friends, fit, has_it, k, rule)
    answer.invitees = [
        Invitee(
            rank=rank,
            user_id=friends.ids[place],
            reasons=_bodies(
                reasons_to_invite(friends.ids[place], fit[place], strengths[place], texts)
            ),
        )
        for rank, place in enumerate(found.place.tolist(), 1)
    ]
    return answer


def _bodies(told: Sequence[tuple[Kind, str]]) -> list[WhyTogether]:
    return [WhyTogether(kind=kind, text=text) for kind, text in told]


def _looked_at(
    maker: ListMaker,
    row: int,
    people: Sequence[RecentList],
    strengths: npt.NDArray[np.float32],
) -> tuple[Doubles, Doubles, Bools]:
    """Tell of each friend how much they want an item, and whether they had it or turned it down.

    Args:
        maker: Of the release.
        row: Of the item.
        people: The one who shares, then the friends.
        strengths: Of the ties to them.
    """
    items = maker.items
    columns, again = items.columns(people)
    item = columns.item
    is_it = (item == row) & hides(columns.kind, columns.wanted_ms, item, again)
    has_it = np.bincount(columns.rows.row[is_it], minlength=len(people))[1:] > 0
    item_id = maker.catalogue.item_id(row)
    has_it |= np.array([item_id in one.had_ids for one in people[1:]], np.bool_)
    asked = items.recommender.read(as_shoppers(columns.histories, strengths))
    others = sample_of(maker.catalogue.columns.available)
    scores = items.recommender.score(asked, np.append(row, others)).score
    lost = asked.lost
    return wants(scores, lost), fits(scores, lost), has_it
