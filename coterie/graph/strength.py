"""How strong a tie is: what two people have in common and what they pass on to each other."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Floats, Interactions, Ints, Ties, TrainingSet
from coterie.data.polarity import turned_down
from coterie.graph.interactions import interaction_matrix
from coterie.graph.ties import tie_matrix

_CHUNK_ENTRIES = 4_000_000
"""Matrix entries looked at in one go: bounds memory at about 100 MB, however large the graph."""


def tie_strengths(data: TrainingSet) -> tuple[Ties, Floats]:
    """Measure each pair of tied people once, by the features of ``schema.STRENGTHS``.

    Returns:
        The pairs, ordered by follower, then followee, without self-ties (kind and time: those of
        the pair's first tie; weight: the sum), and log(1 + value) of weight, common neighbours
        (of either direction), common items and shares exchanged (events of one that the other
        referred, both ways), shape (pairs, 4). What a person turned down is none of their items.

    The cost is the sum over ties of both people's friends and items; no product of all users is
    ever built.
    """
    pairs = merge_pairs(data.ties, data.num_users)
    friends = tie_matrix(pairs, data.num_users, undirected=True, weighted=False)
    events = data.interactions.take(~turned_down(data.interactions))
    items = interaction_matrix(events, data.num_users, data.num_items)
    features = np.stack(
        [
            pairs.weight.astype(np.float64),
            count_common(friends, pairs.src_idx, pairs.dst_idx),
            count_common(items, pairs.src_idx, pairs.dst_idx),
            _count_shares(events, pairs, data.num_users),
        ],
        axis=1,
    )
    return pairs, np.log1p(np.maximum(features, 0.0)).astype(np.float32)


def merge_pairs(ties: Ties, num_users: int) -> Ties:
    """Merge ties to each (follower, followee) once, ordered so; weights are added."""
    ties = ties.take(ties.src_idx != ties.dst_idx)
    key = ties.src_idx * num_users + ties.dst_idx
    _, first, pair = np.unique(key, return_index=True, return_inverse=True)
    merged = ties.take(first)
    weight = np.bincount(pair, weights=ties.weight, minlength=len(first)).astype(np.float32)
    return Ties(merged.src_idx, merged.dst_idx, merged.kind, weight, merged.since_ms)


def count_common(
    sets: "sparse.csr_matrix[np.float32]", left: Ints, right: Ints
) -> npt.NDArray[np.float64]:
    """Count columns that rows ``left[i]`` and ``right[i]`` of a 0/1 matrix share, (len(left),)."""
    sizes = np.diff(sets.indptr)
    common = np.zeros(len(left))
    for rows in _chunks(sizes[left] + sizes[right]):
        both = sets[left[rows]].multiply(sets[right[rows]])
        common[rows] = np.asarray(both.sum(axis=1)).ravel()
    return common


def _chunks(costs: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Cut costs into consecutive slices of about ``_CHUNK_ENTRIES``."""
    part = np.cumsum(costs, dtype=np.int64) // _CHUNK_ENTRIES
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(part)) + 1, [len(costs)]])
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end > start:
            yield slice(start, end)


def _count_shares(events: Interactions, pairs: Ties, num_users: int) -> npt.NDArray[np.float64]:
    """Count events of either person that the other referred, shape (pairs,)."""
    told = events.take(events.referrer_idx >= 0)
    key, times = np.unique(told.user_idx * num_users + told.referrer_idx, return_counts=True)
    there = _look_up(key, times, pairs.src_idx * num_users + pairs.dst_idx)
    back = _look_up(key, times, pairs.dst_idx * num_users + pairs.src_idx)
    return there + back


def _look_up(key: Ints, value: Ints, wanted: Ints) -> npt.NDArray[np.float64]:
    """Look up the value of each wanted key among sorted keys; 0 where there is none."""
    if len(key) == 0:
        return np.zeros(len(wanted))
    index = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[index] == wanted, value[index], 0).astype(np.float64)
