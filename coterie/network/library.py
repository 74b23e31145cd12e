"""NetworKit, where a compiled graph library is needed: imported when it is, and not before."""

from types import ModuleType
from typing import Any

import numpy as np

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.network.people import Network


def kit() -> ModuleType:
    """Import NetworKit, on one thread: with more, the same seed gives other communities.

    Raises:
        BadInputError: It is not installed.
    """
    try:
        import networkit
    except ImportError as error:
        raise BadInputError(
            f"the network needs NetworKit ({error}): install coterie with the extra train"
        ) from error
    networkit.setNumberOfThreads(1)
    found: ModuleType = networkit
    return found


def as_graph(network: Network, weighted: bool = True, place: Ints | None = None) -> Any:
    """Make NetworKit's undirected graph of a network.

    Args:
        network: Its pairs.
        weighted: Whether weights count.
        place: Node of each person, shape (num_people,); none: as the people stand.
    """
    values = network.weight.astype(np.float64) if weighted else np.ones(len(network.one))
    one, other, n = network.one, network.other, network.num_people
    if place is not None:
        one, other = place[one], place[other]
        order = np.argsort(np.minimum(one, other) * n + np.maximum(one, other))
        one, other, values = one[order], other[order], values[order]
    pairs = (values, (one.astype(np.uint64), other.astype(np.uint64)))
    graph = kit().GraphFromCoo(pairs, n=n, weighted=weighted, directed=False)
    # A copy has the neighbours of one node beside those of the next; edges that came in one by one
    # left them wherever there was room.
    return graph if place is None else kit().Graph(graph, weighted, False)
