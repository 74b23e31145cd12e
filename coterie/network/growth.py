"""How a network grew, where ties tell since when."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.network.people import Network


@dataclass(frozen=True, slots=True)
class GrowthMoment:
    """The network as it stood at one moment."""

    ts_ms: int
    """Milliseconds since 1970, UTC."""
    ties: int
    people: int
    """With a tie."""
    mean_degree: float
    """Of them."""
    largest_part: float
    """Share of them who are connected with each other, as the largest such part."""


def growth(network: Network, moments: int = 12) -> list[GrowthMoment]:
    """Measure the network at moments that lie evenly between its first and last dated tie.

    Ties without a time count from the beginning. Nothing where no tie has a time.
    """
    since = network.ties.since_ms
    dated = since[since > 0]
    if not len(dated) or dated.min() == dated.max():
        return []
    times = np.linspace(dated.min(), dated.max(), moments).astype(np.int64)
    pair_since = _since(network)
    return [_at(network, pair_since, int(ts)) for ts in times]


def _at(network: Network, pair_since: Ints, ts_ms: int) -> GrowthMoment:
    there = network.ties.since_ms <= ts_ms
    src, dst = network.ties.src_idx[there], network.ties.dst_idx[there]
    n = network.num_people
    offsets = np.concatenate([[0], np.cumsum(np.bincount(src, minlength=n))])
    both = sparse.csr_matrix((np.ones(len(src), np.int8), dst, offsets), shape=(n, n))
    _, part = sparse.csgraph.connected_components(both, directed=False)
    tied = np.bincount(np.concatenate([src, dst]), minlength=n) > 0
    people = int(tied.sum())
    largest = int(np.bincount(part[tied]).max()) if people else 0
    # A friendship is two ties: the second one that came makes no further pair.
    pairs = int((pair_since <= ts_ms).sum())
    return GrowthMoment(
        ts_ms, len(src), people, 2 * pairs / max(people, 1), largest / max(people, 1)
    )


def _since(network: Network) -> Ints:
    """Find when the first tie of each pair was there, shape (p,) in no order."""
    ties, n = network.ties, network.num_people
    key, back = ties.src_idx * n + ties.dst_idx, ties.dst_idx * n + ties.src_idx
    place = np.minimum(np.searchsorted(key, back), len(key) - 1)
    other = np.where(network.mutual, ties.since_ms[place], ties.since_ms)
    kept = (ties.src_idx < ties.dst_idx) | ~network.mutual
    return np.minimum(ties.since_ms, other)[kept]
