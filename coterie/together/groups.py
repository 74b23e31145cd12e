"""One list for several people: whose wishes count how much at which position."""

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.errors import BadInputError

Doubles = npt.NDArray[np.float64]

FEWEST: Final = 2
MOST: Final = 50
"""People of a group."""
_START: Final = 0.05
"""What everybody has before the first position: a logarithm needs something."""


class GroupRule(StrEnum):
    """Whose wishes count how much."""

    AVERAGE = "average"
    """Everybody's alike: what pleases most in sum."""
    LEAST_MISERY = "least_misery"
    """An item counts as much as it does to whom it pleases least."""
    FAIR = "fair"
    """Position by position what raises the product of everybody's satisfaction most (Nash): who
    got little so far has more to say."""


def wishes(scores: Floats) -> Doubles:
    """Bring scores of several people to one scale: by the rank in each one's own order.

    Args:
        scores: Of the same items, shape (members, items).

    Returns:
        1 / log2(1 + rank), shape (members, items): what NDCG gives for that position. Scores of two
        people cannot be compared, their orders can.
    """
    # Rounded, so that a batch and another agree on ties.
    order = np.argsort(-np.round(scores.astype(np.float64), 6), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(scores.shape[1])[None], axis=1)
    return np.asarray(1.0 / np.log2(rank + 2.0))


def choose_together(wish: Doubles, k: int, rule: GroupRule = GroupRule.FAIR) -> Ints:
    """Choose a list for a group, best first.

    Args:
        wish: As ``wishes`` gives it, shape (members, items).
        k: How many items, at most.
        rule: Whose wishes count how much.

    Returns:
        Columns of ``wish``, shape (min(k, items),).

    Raises:
        BadInputError: k is not over 0, or there is nobody.
    """
    if k < 1 or not len(wish):
        raise BadInputError(
            f"asked for {k} items for {len(wish)} people: expected both to be over 0"
        )
    average = wish.mean(axis=0)
    if rule is GroupRule.AVERAGE:
        return np.argsort(-average, kind="stable")[:k]
    if rule is GroupRule.LEAST_MISERY:
        return np.lexsort((-average, -wish.min(axis=0)))[:k]
    return _fairly(wish, min(k, wish.shape[1]))


def _fairly(wish: Doubles, k: int) -> Ints:
    """Choose position by position: each adds its discounted wish to what everybody has."""
    has = np.full(len(wish), _START)
    free = np.ones(wish.shape[1], np.bool_)
    chosen = np.empty(k, np.int64)
    for position in range(k):
        discount = 1.0 / np.log2(position + 2.0)
        gain = np.log(has[:, None] + discount * wish).sum(axis=0)
        place = int(np.where(free, gain, -np.inf).argmax())
        chosen[position], free[place] = place, False
        has += discount * wish[:, place]
    return chosen


def satisfaction(wish: Doubles, chosen: Ints) -> Doubles:
    """Tell how satisfied everybody is with a list: of the best that it could be for each alone.

    Args:
        wish: As ``wishes`` gives it, shape (members, items).
        chosen: Columns, best first, shape (k,).

    Returns:
        0 to 1, shape (members,).
    """
    discount = 1.0 / np.log2(np.arange(len(chosen)) + 2.0)
    best = -np.sort(-wish, axis=1)[:, : len(chosen)]
    return np.asarray((wish[:, chosen] @ discount) / (best @ discount))
