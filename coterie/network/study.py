"""Structure of a network: all that is known of it without looking at events."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Dataset, Ints, TrainingSet
from coterie.network import assortativity
from coterie.network.bridges import bridges
from coterie.network.communities import Communities, find_communities
from coterie.network.partitions import CommunityMethod
from coterie.network.people import Bools, Doubles, Network
from coterie.network.settings import NetworkSettings
from coterie.network.structure import core_numbers, pagerank


@dataclass(frozen=True, slots=True)
class NetworkStructure:
    """What is known of people and ties without looking at events."""

    network: Network
    pagerank: Doubles
    core: Ints
    bridge: Bools
    """Of each undirected pair."""
    found: tuple[Communities, ...]
    """By resolution, the lowest first."""

    @property
    def chosen(self) -> Communities:
        """The communities of the resolution nearest to 1."""
        return min(self.found, key=lambda one: abs(np.log(one.resolution)))


def study(
    network: Network, settings: NetworkSettings, told: Callable[[str], None] = lambda _: None
) -> NetworkStructure:
    """Compute PageRank, cores, bridges and communities; ``told`` hears what is done next."""
    told("PageRank and cores")
    rank, core = pagerank(network, settings.weighted), core_numbers(network)
    told("bridges")
    bridge = bridges(network)
    found: list[Communities] = []
    method = CommunityMethod(settings.method)
    for resolution in sorted(settings.resolutions):
        told(f"communities at resolution {resolution:g}")
        near = found[-1].label if found else None
        found.append(
            find_communities(network, resolution, settings.seeds, settings.weighted, method, near)
        )
    return NetworkStructure(network, rank, core, bridge, tuple(found))


def likeness_of_ties(dataset: Dataset, built: NetworkStructure) -> dict[str, float]:
    """Measure by what tied people are alike: degree, items, categories, community; -1 to 1."""
    data = TrainingSet(dataset.events, dataset.ties, len(dataset.users), len(dataset.items))
    tastes = assortativity.item_tastes(data)
    categories = assortativity.category_tastes(tastes, top_categories(dataset))
    network = built.network
    return {
        "degree": assortativity.by_degree(network),
        "items": assortativity.by_taste(network, tastes),
        "categories": assortativity.by_taste(network, categories),
        "favourite_category": assortativity.by_group(network, assortativity.favourites(categories)),
        "community": assortativity.by_group(network, built.chosen.label),
    }


def top_categories(dataset: Dataset) -> Ints:
    """Give each item the number of its category's first part; -1: none. Shape (items,)."""
    names = dataset.catalogue["category"].to_pylist()
    tops = np.array([(name or "").split("/")[0].split(">")[0].strip() for name in names], np.str_)
    _, number = np.unique(tops, return_inverse=True)
    # The empty name sorts first, where there is one.
    shift = 1 if (tops == "").any() else 0
    return number.astype(np.int64) - shift
