"""One partition of a network into communities, by a method and from a seed."""

from enum import StrEnum
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from coterie.data.dataset import Ints
from coterie.network.library import as_graph, kit
from coterie.network.people import Network

_ROUNDS = 5
_FIRST_ROUNDS = 4


class CommunityMethod(StrEnum):
    """How communities are found."""

    LOUVAIN = "louvain"
    """Louvain with refinement at each level (Rotta and Noack, 2011); what does not hang together
    is parted."""
    LEIDEN = "leiden"
    """Traag et al., 2019."""


def sketch(network: Network, weighted: bool = True) -> Ints:
    """Find small groups of people who know each other, quickly: a partition to lay people out by.

    Four rounds of moving people, without levels above them.
    """
    graph = as_graph(network, weighted)
    return _labels(kit().community.PLM(graph, maxIter=_FIRST_ROUNDS, recurse=False, par="none"))


def part_by_louvain(
    network: Network, weighted: bool, resolution: float, seed: int, near: Ints
) -> Ints:
    """Part people by the Louvain method with refinement.

    Args:
        network: Its undirected pairs.
        weighted: Whether weights count.
        resolution: More than 1: smaller communities.
        seed: Of the order that people come in: groups of ``near`` in any order, and people of each
            in any.
        near: A partition. People of a group stand side by side in memory, so that who looks at a
            person's friends finds them in the processor's cache.
    """
    place = _places(near, seed)
    graph = as_graph(network, weighted, place)
    method = kit().community.PLM(graph, refine=True, gamma=resolution, par="none")
    return part_what_is_apart(network, _labels(method)[place])


def part_by_leiden(graph: Any, resolution: float, seed: int) -> Ints:
    """Part a graph by the Leiden method, in five rounds at most."""
    kit().setSeed(seed + 1, False)
    return _labels(kit().community.ParallelLeiden(graph, iterations=_ROUNDS, gamma=resolution))


def _labels(method: Any) -> Ints:
    return np.asarray(method.run().getPartition().getVector(), dtype=np.int64)


def _places(near: Ints, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    group = rng.permutation(int(near.max()) + 1)[near]
    order = np.lexsort((rng.random(len(near)), group))
    place = np.empty(len(near), np.int64)
    place[order] = np.arange(len(near))
    return place


def part_what_is_apart(network: Network, label: Ints) -> Ints:
    """Make a community of each part of one that hangs together by ties within it."""
    within = label[network.one] == label[network.other]
    one, other = network.one[within], network.other[within]
    n = network.num_people
    graph = sparse.csr_matrix((np.ones(len(one), np.int8), (one, other)), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    return np.asarray(part, dtype=np.int64)
