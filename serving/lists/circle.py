"""A shopper's circle: the friends who may be named, and ties between those who agree to both."""

from itertools import compress

import numpy as np

from coterie.languages.texts import Texts
from coterie.schema import STRENGTHS
from coterie.together.circle import groups_of, ties_among
from coterie.together.words import reasons_of_tie
from serving.features.live import LiveState
from serving.features.online_store import Friends
from serving.lists.acquaintances import may_be_shown
from serving.lists.list_maker import ListMaker
from serving.lists.together_bodies import CircleFriend, CircleTie, FriendCircle, WhyTogether


def friend_circle(
    maker: ListMaker, live: LiveState | None, user_id: str, k: int, texts: Texts
) -> FriendCircle:
    """Draw a shopper's circle, closest friends first.

    Three reads of features, of 51 people at most: the shopper, what everybody agrees to, and whom
    friends know.

    Args:
        maker: Of the release that is asked.
        live: What changed since features were made.
        user_id: Whose circle.
        k: How many friends, at most.
        texts: Of the reader's language.

    Raises:
        UnavailableError: A store did not answer.
    """
    features = maker.features
    own = features.shopper(user_id).friends
    # Who does not follow back, or may not be named, is not named here either.
    named = own.take(np.flatnonzero(own.named).tolist())
    agrees, *agree = may_be_shown(features, live, (user_id, *named.ids))
    friends = named.take(np.flatnonzero(agree).tolist()[:k])
    # Who is not told of shows nobody's ties, as with people to know.
    known = features.friends_of(friends.ids) if agrees and len(friends.ids) > 1 else []
    ties = ties_among(friends.ids, [_told_of(of) for of in known])
    group = groups_of(len(friends.ids), ties)
    strengths = np.array(friends.strengths, np.float32).reshape(-1, len(STRENGTHS))
    return FriendCircle(
        user_id=user_id,
        friends=[
            CircleFriend(
                rank=place + 1,
                user_id=friend,
                group=group[place],
                reasons=[
                    WhyTogether(kind=kind, text=text)
                    for kind, text in reasons_of_tie(strengths[place], texts)
                ],
            )
            for place, friend in enumerate(friends.ids)
        ],
        ties=[CircleTie(one=friends.ids[one], other=friends.ids[two]) for one, two in ties],
    )


def _told_of(friends: Friends) -> frozenset[str]:
    """Name whom a friend knows and who may be named to them."""
    return frozenset(compress(friends.ids, friends.named))
