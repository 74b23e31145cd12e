"""Communities, and how far seeds agree on them."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.agreement import adjusted_mutual_information
from coterie.network.library import as_graph
from coterie.network.partitions import (
    CommunityMethod,
    part_by_leiden,
    part_by_louvain,
    sketch,
)
from coterie.network.people import Doubles, Network


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
    method: CommunityMethod

    @property
    def sizes(self) -> Ints:
        """People of each community, the largest first."""
        return np.bincount(self.label)


def find_communities(
    network: Network,
    resolution: float = 1.0,
    seeds: int = 3,
    weighted: bool = True,
    method: CommunityMethod = CommunityMethod.LOUVAIN,
    near: Ints | None = None,
) -> Communities:
    """Find communities that have more ties within than chance would give.

    Args:
        network: Its undirected pairs.
        resolution: More than 1: smaller communities, and more of them (Reichardt and Bornholdt).
        seeds: Runs, each from another seed.
        weighted: Whether weights count.
        method: How; by NetworKit on one thread.
        near: Communities that were found before, at another resolution: the Louvain method is
            quicker where people who know each other stand side by side. None: it looks for some.
    """
    found = _partitions(network, resolution, seeds, weighted, method, near)
    measured = [within_and_chance(network, label, weighted) for label in found]
    # Chosen by what was sought, told as everybody measures it.
    best = int(np.argmax([within - resolution * chance for within, chance in measured]))
    scores = [within - chance for within, chance in measured]
    tied = network.degree > 0
    pairs = [(a, b) for a in range(seeds) for b in range(a)]
    agreed = [adjusted_mutual_information(found[a][tied], found[b][tied]) for a, b in pairs]
    return Communities(
        resolution=resolution,
        label=found[best],
        modularity=scores[best],
        stability=float(np.mean(agreed)) if agreed else float("nan"),
        modularities=tuple(scores),
        method=method,
    )


def _partitions(
    network: Network,
    resolution: float,
    seeds: int,
    weighted: bool,
    method: CommunityMethod,
    near: Ints | None,
) -> list[Ints]:
    if method is CommunityMethod.LEIDEN:
        graph = as_graph(network, weighted)
        return [by_size(part_by_leiden(graph, resolution, seed)) for seed in range(seeds)]
    near = sketch(network, weighted) if near is None else near
    return [
        by_size(part_by_louvain(network, weighted, resolution, seed, near)) for seed in range(seeds)
    ]


def by_size(label: Ints) -> Ints:
    """Renumber communities, the largest first; of equal ones that of the lowest row first."""
    _, first, inverse, counts = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[inverse]


def within_and_chance(network: Network, label: Ints, weighted: bool) -> tuple[float, float]:
    """Compute the share of weight within communities, and what chance would give.

    Modularity is the first less the second.
    """
    weight = network.weight.astype(np.float64) if weighted else np.ones(len(network.one))
    one, other, num = label[network.one], label[network.other], int(label.max()) + 1
    total = weight.sum()
    held = (np.bincount(one, weight, num) + np.bincount(other, weight, num)) / (2 * total)
    return float(weight[one == other].sum() / total), float(held @ held)


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
