"""Communities by the Leiden method, and how far seeds agree on them."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.agreement import adjusted_mutual_information
from coterie.network.library import as_graph, kit
from coterie.network.people import Doubles, Network

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Communities:
    """Who belongs together at one resolution: of all seeds, the partition of most modularity."""

    resolution: float
    label: Ints
    """Shape (num_people,): 0 is the largest community; people without ties are alone in theirs."""
    modularity: float
    stability: float
    """Mean adjusted mutual information of pairs of seeds; nan of one seed."""
    modularities: tuple[float, ...]
    """Of all seeds."""

    @property
    def sizes(self) -> Ints:
        """People of each community, the largest first."""
        return np.bincount(self.label)


def find_communities(
    network: Network, resolution: float = 1.0, seeds: int = 3, weighted: bool = True
) -> Communities:
    """Find communities that have more ties within than chance would give.

    Args:
        network: Its undirected pairs.
        resolution: More than 1: smaller communities, and more of them (Reichardt and Bornholdt).
        seeds: Runs, each from another seed.
        weighted: Whether weights count.

    By the parallel Leiden method of NetworKit on one thread (Traag et al., 2019).
    """
    graph = as_graph(network, weighted)
    found = [_leiden(graph, resolution, seed) for seed in range(seeds)]
    scores = [_modularity(network, label, weighted, 1.0) for label in found]
    # Chosen by what was sought, told as everybody measures it.
    best = int(np.argmax([_modularity(network, one, weighted, resolution) for one in found]))
    tied = network.degree > 0
    pairs = [(a, b) for a in range(seeds) for b in range(a)]
    agreed = [adjusted_mutual_information(found[a][tied], found[b][tied]) for a, b in pairs]
    return Communities(
        resolution=resolution,
        label=found[best],
        modularity=scores[best],
        stability=float(np.mean(agreed)) if agreed else float("nan"),
        modularities=tuple(scores),
    )


def _leiden(graph: "object", resolution: float, seed: int) -> Ints:
    networkit = kit()
    networkit.setSeed(seed + 1, False)
    method = networkit.community.ParallelLeiden(graph, iterations=_ROUNDS, gamma=resolution)
    label = np.asarray(method.run().getPartition().getVector(), dtype=np.int64)
    return by_size(label)


def by_size(label: Ints) -> Ints:
    """Renumber communities, the largest first; of equal ones that of the lowest row first."""
    _, first, inverse, counts = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[inverse]


def _modularity(network: Network, label: Ints, weighted: bool, resolution: float) -> float:
    """Compute modularity: share of weight within communities, less what chance would give."""
    weight = network.weight.astype(np.float64) if weighted else np.ones(len(network.one))
    total = weight.sum()
    n = network.num_people
    strength = np.bincount(network.one, weight, n) + np.bincount(network.other, weight, n)
    held = np.bincount(label, strength) / (2 * total)
    within = weight[label[network.one] == label[network.other]].sum() / total
    return float(within - resolution * (held @ held))


def participation(network: Network, label: Ints) -> Doubles:
    """Measure how evenly each one's ties spread over communities, shape (num_people,).

    0: all within one; towards 1: over many alike (Guimera and Amaral, 2005). nan without ties.
    """
    n = network.num_people
    person = np.concatenate([network.one, network.other])
    theirs = label[np.concatenate([network.other, network.one])]
    num = int(label.max()) + 1
    key, counts = np.unique(person * num + theirs, return_counts=True)
    squares = np.bincount(key // num, counts.astype(np.float64) ** 2, n)
    degree = network.degree.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(degree > 0, 1 - squares / degree**2, np.nan)
