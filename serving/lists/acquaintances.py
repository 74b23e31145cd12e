"""People whom a shopper may know: friends of their friends, where both sides agree to be shown."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.languages.texts import Texts
from coterie.together.people import cosines, friends_of_friends, rank_people
from coterie.together.words import reasons_to_meet
from serving.features.live import LiveState
from serving.features.online_store import Friends, OnlineFeatures
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.together_bodies import PeopleList, SuggestedPerson, WhyTogether

ALIKE: Final = 0.5
"""Cosine of two people's vectors from which on they like the same kinds of things."""


def people_to_know(
    maker: ListMaker, live: LiveState | None, user_id: str, k: int, texts: Texts
) -> PeopleList:
    """Suggest people, best first.

    Six reads of features, of 150 people at most: the shopper, what they agree to, whom friends
    know, and of those with most in common whom they know, what they agree to and what they did.

    Args:
        maker: Of the release that is asked.
        live: What changed since features were made.
        user_id: Who asks.
        k: How many, at most.
        texts: Of the reader's language.

    Raises:
        UnavailableError: A store did not answer.
    """
    answer = PeopleList(user_id=user_id, people=[])
    features = maker.features
    [agrees] = may_be_shown(features, live, [user_id])
    own = features.shopper(user_id)
    bridges = tuple(
        one for one, named in zip(own.friends.ids, own.friends.named, strict=True) if named
    )
    if not agrees or not bridges:
        return answer
    known = [_shown(user_id, of) for of in features.friends_of(bridges)]
    found = friends_of_friends(known, (user_id, *own.friends.ids))
    theirs = features.friends_of(found.ids)
    agree = may_be_shown(features, live, found.ids)
    kept = [
        place
        for place, (of, yes) in enumerate(zip(theirs, agree, strict=True))
        # Whoever knows the shopper already needs no suggestion; a bridge has to be one from both
        # sides, whatever a store of before says of that.
        if yes and user_id not in of.ids and set(of.ids).intersection(bridges)
    ]
    if not kept:
        return answer
    recents = features.recent_lists([found.ids[place] for place in kept], had=False)
    taste = cosines(_states(maker, (own.recent, *recents)))
    common = found.common[kept]
    for rank, place in enumerate(rank_people(found.adamic_adar[kept], taste, k).tolist(), 1):
        told = reasons_to_meet(int(common[place]), float(taste[place]), ALIKE, texts)
        reasons = [WhyTogether(kind=kind, text=text) for kind, text in told]
        person = SuggestedPerson(rank=rank, user_id=found.ids[kept[place]], reasons=reasons)
        answer.people.append(person)
    return answer


def may_be_shown(
    features: OnlineFeatures, live: LiveState | None, user_ids: Sequence[str]
) -> list[bool]:
    """Tell who agrees to be used and named, and was not erased, by what was said last."""
    said = features.consents(user_ids)
    if live is None:
        return [named and used for named, used in said]
    return [
        live.consent(one).get("may_be_named", named)
        and live.consent(one).get("may_be_used", used)
        and one not in live.erased
        for one, (named, used) in zip(user_ids, said, strict=True)
    ]


def may_be_used(
    features: OnlineFeatures, live: LiveState | None, user_ids: Sequence[str]
) -> list[bool]:
    """Tell whose events may serve others, by what was said last; nobody's who was erased."""
    said = [used for _, used in features.consents(user_ids)]
    if live is None:
        return said
    return [
        bool(live.consent(one).get("may_be_used", used)) and one not in live.erased
        for one, used in zip(user_ids, said, strict=True)
    ]


def _shown(user_id: str, friends: Friends) -> list[str]:
    """Name whom a bridge knows and may be named; nobody where it does not know the shopper."""
    if user_id not in friends.ids:
        return []
    return [one for one, named in zip(friends.ids, friends.named, strict=True) if named]


def _states(maker: ListMaker, people: Sequence[RecentList]) -> npt.NDArray[np.float64]:
    """Read the vectors of people, each of their own history alone, shape (people, d)."""
    columns, _ = maker.items.columns(people)
    return maker.items.alone(columns).state.numpy().astype(np.float64)
