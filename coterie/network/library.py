"""NetworKit, where a compiled graph library is needed: imported when it is, and not before."""

from types import ModuleType
from typing import Any

import numpy as np

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


def as_graph(network: Network, weighted: bool = True) -> Any:
    """Make NetworKit's undirected graph of a network."""
    values = network.weight.astype(np.float64) if weighted else np.ones(len(network.one))
    pairs = (values, (network.one.astype(np.uint64), network.other.astype(np.uint64)))
    return kit().GraphFromCoo(pairs, n=network.num_people, weighted=weighted, directed=False)
