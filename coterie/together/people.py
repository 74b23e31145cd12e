"""People whom somebody may know, or who shop alike: friends of friends, by what is in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints

Doubles = npt.NDArray[np.float64]

LOOKED_AT = 100
"""People whose histories are read, of those who have most in common."""


@dataclass(frozen=True, slots=True)
class PeopleWeights:
    """How much counts what. Chosen on validation parts of public sets (docs/together.md)."""

    rare_friends: float = 1.0
    """Of Adamic-Adar: common friends, each the less the more friends they have."""
    taste: float = 0.5
    """Of the cosine of both people's vectors."""


@dataclass(frozen=True, slots=True)
class FriendsOfFriends:
    """Friends of friends, those with most in common first."""

    ids: tuple[str, ...]
    common: Ints
    """How many friends each has in common with who asks, shape (c,)."""
    adamic_adar: Doubles
    """Sum over them of 1 / log(their friends), shape (c,)."""


def friends_of_friends(
    friends: Sequence[Sequence[str]], left_out: Sequence[str], most: int = LOOKED_AT
) -> FriendsOfFriends:
    """Find who has friends in common with somebody.

    Args:
        friends: Of each friend, whom they know and who may be shown.
        left_out: Who is not to be found: the one who asks, and their friends.
        most: How many are found.
    """
    sizes = np.array([len(of) for of in friends], np.int64)
    listed = np.array([one for of in friends for one in of], np.object_)
    if not len(listed):
        return FriendsOfFriends((), np.zeros(0, np.int64), np.zeros(0))
    # One friend alone, whom a bridge knows beside the one who asks, is the least there can be.
    weight = np.repeat(1.0 / np.log(np.maximum(sizes, 2)), sizes)
    ids, index = np.unique(listed, return_inverse=True)
    common = np.bincount(index)
    rare = np.bincount(index, weights=weight).astype(np.float64)
    kept = np.flatnonzero(~np.isin(ids, np.array(list(left_out), np.object_)))
    order = kept[np.lexsort((ids[kept], -np.round(rare[kept], 9)))][:most]
    return FriendsOfFriends(tuple(ids[order].tolist()), common[order].astype(np.int64), rare[order])


def cosines(states: Doubles) -> Doubles:
    """Compare the vectors of people with that of the first one.

    Args:
        states: Shape (1 + c, d); a row of zeros is somebody of whom nothing is known.

    Returns:
        Shape (c,); 0 where nothing is known.
    """
    length = np.linalg.norm(states, axis=1)
    return np.asarray((states[1:] @ states[0]) / np.maximum(length[1:] * length[0], 1e-12))


def rank_people(
    adamic_adar: Doubles, taste: Doubles, k: int, weights: PeopleWeights = PeopleWeights()
) -> Ints:
    """Choose whom to suggest, best first: places among the candidates, shape (k,) or shorter."""
    score = weights.rare_friends * np.log1p(adamic_adar) + weights.taste * taste
    return np.lexsort((np.arange(len(score)), -np.round(score, 6)))[:k]
