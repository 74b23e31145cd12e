"""The friends that everybody's lists draw on, of all that they have."""

from dataclasses import dataclass, replace

import numpy as np

from coterie.data.circle import Bools, Circle
from coterie.data.dataset import Ints, Ties
from coterie.data.ragged import Ragged
from coterie.graph.friends import FriendLists
from coterie.graph.mutual import mutual_friends


@dataclass(frozen=True, slots=True)
class DrawnFriends:
    """Friends whom lists draw on."""

    friends: FriendLists
    named: Bools
    """Whether each may be named, in the order of ``friends``."""
    mutual: Bools
    """Whether each follows the shopper in turn, likewise."""


def friends_drawn_on(
    friends: FriendLists, ties: Ties, circle: Circle, has_history: Bools
) -> DrawnFriends:
    """Leave out friends whom lists may not draw on, as serving does.

    Args:
        friends: Of all users, by row of all users.
        ties: All of them: they tell who follows whom in turn.
        circle: Whom lists may draw on.
        has_history: Shape (users,).
    """
    rows = Ragged(friends.offsets)
    mutual = mutual_friends(friends, ties)
    named = mutual & circle.may_be_named[friends.person]
    kept = circle.rule.drawn_on(rows, named, mutual, has_history[friends.person])
    left = replace(
        friends,
        offsets=rows.where(kept).offsets,
        person=friends.person[kept],
        strengths=friends.strengths[kept],
    )
    return DrawnFriends(left, named[kept], mutual[kept])


def num_unnamed(friends: FriendLists, ties: Ties, circle: Circle, has_history: Bools) -> Ints:
    """Count the friends of each user who could be drawn on but not named, shape (users,)."""
    mutual = mutual_friends(friends, ties)
    named = mutual & circle.may_be_named[friends.person]
    asks = circle.rule.unnamed(named, mutual, has_history[friends.person])
    return np.bincount(Ragged(friends.offsets).row[asks], minlength=len(friends.offsets) - 1)
