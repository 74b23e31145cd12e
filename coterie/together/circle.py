"""A shopper's circle: their friends, and who of these know each other."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

ALONE: Final = 0
"""The group of who knows none of the others."""


def ties_among(
    friends: Sequence[str], known: Sequence[Collection[str]]
) -> tuple[tuple[int, int], ...]:
    """Find pairs of friends who know each other, told of by both.

    Args:
        friends: Who stands in the circle, each once.
        known: Whom each of them knows and may be told of, in the same order.

    Returns:
        Places in ``friends``, the smaller one first, in their order.
    """
    place = {friend: at for at, friend in enumerate(friends)}
    said = {(at, place[other]) for at, of in enumerate(known) for other in of if other in place} - {
        (at, at) for at in range(len(friends))
    }
    return tuple(sorted(pair for pair in said if pair[0] < pair[1] and pair[::-1] in said))


def groups_of(num_people: int, ties: Sequence[tuple[int, int]]) -> list[int]:
    """Find the groups of people who know each other, be it through others.

    Args:
        num_people: How many there are.
        ties: Places of pairs, as ``ties_among`` gives them.

    Returns:
        For each person 1 for the largest group, 2 for the next (of equal ones, whose first person
        comes first); ``ALONE`` for who knows nobody.
    """
    if not ties:
        return [ALONE] * num_people
    one, other = np.array(ties, np.int64).T
    graph = coo_matrix((np.ones(len(ties)), (one, other)), (num_people, num_people))
    _, label = connected_components(graph, directed=False)
    _, first, inverse, size = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(size), np.int64)
    rank[np.lexsort((first, -size))] = np.arange(1, len(size) + 1)
    return [int(group) for group in np.where(size > 1, rank, ALONE)[inverse]]
