"""What the graph of a shop is like, in numbers: for the report and for whoever asks why."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.polarity import turned_down
from coterie.graph.interactions import interaction_matrix
from coterie.graph.strength import count_common, merge_pairs
from coterie.graph.ties import tie_matrix

_WEDGES = 200_000
_PAIRS = 50_000
Draws = npt.NDArray[np.float64]


def graph_figures(data: TrainingSet, seed: int = 0) -> dict[str, float]:
    """Measure interactions and ties, by name; nan where the graph is too small for one.

    ``clustering`` is the share of paths of two ties (either direction) that a third tie closes;
    ``item_overlap_*`` the mean Jaccard overlap of two shoppers' items, both with at least one;
    ``homophily`` how many times larger it is for tied than for random pairs. Clustering and
    overlaps are estimated from at most 200,000 paths and 50,000 pairs drawn with ``seed``.
    All events count as such; what a shopper turned down is none of their items.
    """
    rng = np.random.default_rng(seed)
    items = _items(data)
    return {
        **_interaction_figures(items, len(data.interactions)),
        **_tie_figures(data, rng),
        **_homophily(items, data, rng),
    }


def degree_counts(data: TrainingSet) -> dict[str, Ints]:
    """Count how many have each degree, for plots: entry d is the number with degree d.

    Keys: ``items_a_shopper``, ``shoppers_an_item``, ``friends_a_shopper`` (whom they follow),
    ``followers_a_shopper``.
    """
    items = _items(data)
    ties = merge_pairs(data.ties, data.num_users)
    return {
        "items_a_shopper": np.bincount(np.diff(items.indptr)),
        "shoppers_an_item": np.bincount(np.bincount(items.indices, minlength=data.num_items)),
        "friends_a_shopper": np.bincount(np.bincount(ties.src_idx, minlength=data.num_users)),
        "followers_a_shopper": np.bincount(np.bincount(ties.dst_idx, minlength=data.num_users)),
    }


def _items(data: TrainingSet) -> "sparse.csr_matrix[np.float32]":
    """Lay out whatever shoppers did with items that they did not turn down."""
    events = data.interactions.take(~turned_down(data.interactions))
    return interaction_matrix(events, data.num_users, data.num_items)


def _interaction_figures(items: "sparse.csr_matrix[np.float32]", events: int) -> dict[str, float]:
    num_users, num_items = items.shape
    history = np.diff(items.indptr)
    fame = np.bincount(items.indices, minlength=num_items)
    return {
        "shoppers": float(num_users),
        "items": float(num_items),
        "events": float(events),
        "interactions": float(items.nnz),
        "density": items.nnz / max(num_users * num_items, 1),
        "shoppers_without_events": _mean(history == 0),
        "items_a_shopper_median": _quantile(history, 0.5),
        "items_a_shopper_p90": _quantile(history, 0.9),
        "shoppers_an_item_median": _quantile(fame, 0.5),
        "shoppers_an_item_p90": _quantile(fame, 0.9),
        "popularity_gini": _gini(fame),
    }


def _tie_figures(data: TrainingSet, rng: np.random.Generator) -> dict[str, float]:
    pairs = merge_pairs(data.ties, data.num_users)
    directed = tie_matrix(pairs, data.num_users, weighted=False)
    known = tie_matrix(pairs, data.num_users, undirected=True, weighted=False)
    friends = np.diff(known.indptr)
    followers = np.bincount(pairs.dst_idx, minlength=data.num_users)
    number, label = sparse.csgraph.connected_components(known, directed=False)
    back = directed.multiply(directed.T).nnz
    return {
        "ties": float(len(pairs)),
        "ties_a_shopper": len(pairs) / max(data.num_users, 1),
        "reciprocity": back / len(pairs) if len(pairs) else float("nan"),
        "clustering": _clustering(known, rng),
        "components": float(number),
        "largest_component": float(np.bincount(label).max() / data.num_users) if number else 0.0,
        "shoppers_without_ties": _mean(friends == 0),
        "friends_median": _quantile(friends, 0.5),
        "friends_p90": _quantile(friends, 0.9),
        "friends_max": _quantile(friends, 1.0),
        "followers_p90": _quantile(followers, 0.9),
        "followers_max": _quantile(followers, 1.0),
    }


def _clustering(known: "sparse.csr_matrix[np.float32]", rng: np.random.Generator) -> float:
    """Estimate the share of two-tie paths whose ends are tied; nan where there is no path."""
    degree = np.diff(known.indptr).astype(np.float64)
    paths = np.cumsum(degree * (degree - 1))
    if not len(paths) or paths[-1] == 0:
        return float("nan")
    centre = np.searchsorted(paths, rng.random(_WEDGES) * paths[-1], side="right")
    size = degree[centre].astype(np.int64)
    left = (rng.random(_WEDGES) * size).astype(np.int64)
    # Another one than the left, each equally likely.
    right = (left + 1 + (rng.random(_WEDGES) * (size - 1)).astype(np.int64)) % size
    start = known.indptr[centre]
    one, other = known.indices[start + left], known.indices[start + right]
    return _mean(_tied(known, one, other))


def _tied(known: "sparse.csr_matrix[np.float32]", one: Ints, other: Ints) -> npt.NDArray[np.bool_]:
    """Tell which pairs stand in a matrix with sorted indices, shape (len(one),)."""
    n = known.shape[0]
    row = np.repeat(np.arange(n, dtype=np.int64), np.diff(known.indptr))
    keys = row * n + known.indices
    wanted = one.astype(np.int64) * n + other
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: npt.NDArray[np.bool_] = keys[index] == wanted
    return found


def _homophily(
    items: "sparse.csr_matrix[np.float32]", data: TrainingSet, rng: np.random.Generator
) -> dict[str, float]:
    active = np.diff(items.indptr) > 0
    pairs = merge_pairs(data.ties, data.num_users)
    pairs = pairs.take(active[pairs.src_idx] & active[pairs.dst_idx])
    some = rng.permutation(len(pairs))[:_PAIRS]
    tied = _overlap(items, pairs.src_idx[some], pairs.dst_idx[some])
    people = np.flatnonzero(active)
    if len(people) < 2:
        return {"item_overlap_tied": tied, "item_overlap_random": np.nan, "homophily": np.nan}
    one = rng.integers(0, len(people), _PAIRS)
    other = (one + rng.integers(1, len(people), _PAIRS)) % len(people)
    chance = _overlap(items, people[one], people[other])
    return {
        "item_overlap_tied": tied,
        "item_overlap_random": chance,
        "homophily": tied / chance if chance > 0 else float("nan"),
    }


def _overlap(items: "sparse.csr_matrix[np.float32]", one: Ints, other: Ints) -> float:
    """Average the Jaccard overlap of pairs of rows, none of them empty."""
    common = count_common(items, one, other)
    sizes = np.diff(items.indptr)
    return _mean(common / (sizes[one] + sizes[other] - common))


def _gini(counts: Ints) -> float:
    """Compute the Gini index of counts: 0, all alike; towards 1, one has everything."""
    ordered = np.sort(counts).astype(np.float64)
    if ordered.sum() == 0:
        return float("nan")
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def _mean(values: "npt.NDArray[np.bool_] | Draws | Floats") -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _quantile(values: Ints, level: float) -> float:
    return float(np.quantile(values, level)) if len(values) else float("nan")
