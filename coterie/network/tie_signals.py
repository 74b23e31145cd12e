"""How strong a tie is by what the network says: weights of ties that a model may read."""

from enum import StrEnum
from typing import Final

import numpy as np

from coterie.data.dataset import Ints, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.network.adoptions import Adoptions, arrivals, expose
from coterie.network.communities import find_communities
from coterie.network.influence import estimate
from coterie.network.node2vec import embed
from coterie.network.partitions import CommunityMethod
from coterie.network.people import Doubles, Network
from coterie.network.walks import steps_of, walk_scores

_BATCH: Final = 512
STRONGEST: Final = 2.0
"""log(1 + weight) of the strongest tie; the weakest has 0 and a little."""


class TieSignal(StrEnum):
    """What of the network says how strong a tie is."""

    INFLUENCE = "influence"
    """The chance that what the followee buys makes the follower buy it; needs dated purchases."""
    WALKS = "walks"
    """How often a walk with restart from the follower is found at the followee."""
    NODE2VEC = "node2vec"
    """Cosine of both people's vectors."""
    COMMUNITY = "community"
    """1 within a community, 0 between two."""


def weigh_ties(data: TrainingSet, by: TieSignal, category: Ints) -> Ties:
    """Weigh ties by what the network says, in place of what the shop's tables do.

    Every number that reads ``Ties.weight`` then reads this: whom a list draws on, and how much.

    Args:
        data: Ties and events of what was known.
        by: What says how strong a tie is.
        category: Of each item, shape (num_items,), for ``TieSignal.INFLUENCE``.

    Returns:
        Each (follower, followee) once, ordered so. log(1 + weight) goes by rank from a little over
        0 to ``STRONGEST``; equal values weigh the same.

    Raises:
        BadInputError: There are no ties, or influence is asked for where events have no times.
    """
    network = Network.of(data.ties, data.num_users)
    ties, value = network.ties, _values(data, network, by, category)
    _, place, counts = np.unique(value, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) / len(value))[place]
    weight = np.expm1(STRONGEST * rank).astype(np.float32)
    return Ties(ties.src_idx, ties.dst_idx, ties.kind, weight, ties.since_ms)


def _values(data: TrainingSet, network: Network, by: TieSignal, category: Ints) -> Doubles:
    src, dst = network.ties.src_idx, network.ties.dst_idx
    if by is TieSignal.WALKS:
        return _walked(network)
    if by is TieSignal.NODE2VEC:
        vector = embed(network).astype(np.float64)
        vector /= np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-12)
        cosine: Doubles = np.einsum("ij,ij->i", vector[src], vector[dst])
        return np.round(cosine, 6)
    if by is TieSignal.COMMUNITY:
        label = find_communities(network, 1.0, 1, method=CommunityMethod.LEIDEN).label
        return np.asarray(label[src] == label[dst], np.float64)
    if len(category) != data.num_items:
        raise BadInputError(f"{len(category)} categories of {data.num_items} items: one an item")
    adoptions = Adoptions.of(data.interactions)
    came = arrivals(data.interactions, data.num_users)
    found = estimate(network, adoptions, expose(network, adoptions), category, came)
    return np.asarray(found.probability, np.float64)


def _walked(network: Network) -> Doubles:
    """Tell how often a walk from each follower is at the followee, shape (ties,)."""
    walk = steps_of(network.ties, network.num_people)
    src, dst = network.ties.src_idx, network.ties.dst_idx
    value = np.zeros(len(src))
    for at in range(0, network.num_people, _BATCH):
        rows = np.flatnonzero((src >= at) & (src < at + _BATCH))
        users = np.arange(at, min(at + _BATCH, network.num_people))
        found = walk_scores(walk, users)
        value[rows] = np.asarray(found[src[rows] - at, dst[rows]]).ravel()
    return np.round(value, 9)
