"""Who finds ties that were held out: common friends, tastes, or both?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy import sparse

from benchmarks.together_world import Doubles, World, alone, compared
from coterie.data.dataset import Ints, Ties
from coterie.graph.ties import tie_matrix
from coterie.recommend.batches import Community
from coterie.together.people import PeopleWeights

HELD_OUT: Final = 0.1
"""Share of ties taken away for validation, and for test."""
K: Final = 20
MOST_ASKERS: Final = 1000
"""People who lost a tie, drawn by chance of those who did."""
WAYS: Final = (
    "popularity",
    "common_friends",
    "adamic_adar",
    "taste",
    "shipped",
    "both",
    "also_strangers",
)
GRID: Final = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_BLOCK: Final = 256
METRICS: Final = ("auc", "hits@20")


def measure_people(world: World) -> dict[str, Any]:
    """Choose the weight of taste on validation, look at the ties of test once."""
    data = world.after
    known, val, test = _held_out(data.ties, data.num_users)
    both_known = np.concatenate([known, val])
    taste = _tastes(world)
    validation = {
        weight: _found(data.num_users, known, val, taste, weight, ("both",))["both"].mean(axis=0)
        for weight in GRID
    }
    chosen = max(GRID, key=lambda weight: float(validation[weight][1]))
    found = _found(data.num_users, both_known, test, taste, chosen, WAYS)
    return {
        "people": data.num_users,
        "ties_of_test": len(test),
        "askers": len(found["both"]),
        "taste_weight": chosen,
        "validation_hits": {str(w): round(float(v[1]), 4) for w, v in validation.items()},
        "test": {
            metric: compared({way: found[way][:, place] for way in WAYS}, "both")
            for place, metric in enumerate(METRICS)
        },
    }


def _held_out(ties: Ties, num_users: int) -> tuple[Ints, Ints, Ints]:
    """Divide pairs of people who are tied, in whatever direction: known, validation, test."""
    low, high = np.minimum(ties.src_idx, ties.dst_idx), np.maximum(ties.src_idx, ties.dst_idx)
    pairs = np.unique((low * num_users + high)[low != high])
    drawn = np.random.default_rng(0).permutation(pairs)
    size = int(len(pairs) * HELD_OUT)
    return drawn[2 * size :], drawn[:size], drawn[size : 2 * size]


def _tastes(world: World) -> Doubles:
    """Read everybody's vector, of their own history alone, shape (users, rank)."""
    community = Community.of(replace(world.after, ties=Ties.none()))
    return world.model_after.tastes(alone(community, np.arange(world.after.num_users)))


def _found(
    num_users: int,
    known: Ints,
    held: Ints,
    taste: Doubles,
    weight: float,
    ways: Sequence[str],
) -> dict[str, Doubles]:
    """Rank everybody for those who lost a tie; AUC and hits of each, shape (askers, 2)."""
    graph = _graph(known, num_users)
    lost = _graph(held, num_users)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    rare = sparse.diags_array(1.0 / np.log(np.maximum(degree, 2.0)))
    askers = np.flatnonzero(np.asarray(lost.sum(axis=1)).ravel())
    if len(askers) > MOST_ASKERS:
        askers = np.sort(np.random.default_rng(3).choice(askers, MOST_ASKERS, replace=False))
    found: dict[str, list[list[float]]] = {way: [] for way in ways}
    for first in range(0, len(askers), _BLOCK):
        some = askers[first : first + _BLOCK]
        near = graph[some]
        common, adamic = (near @ graph).toarray(), (near @ rare @ graph).toarray()
        cosine = taste[some] @ taste.T
        scores = _ways(degree, common, adamic, cosine, weight)
        hidden = near.toarray() > 0
        hidden[np.arange(len(some)), some] = True
        wanted = lost[some].toarray() > 0
        for row in range(len(some)):
            for way in ways:
                score = scores[way] if scores[way].ndim == 1 else scores[way][row]
                found[way].append(_figures(score, wanted[row], hidden[row]))
    return {way: np.array(of) for way, of in found.items()}


def _ways(
    degree: Doubles, common: Doubles, adamic: Doubles, cosine: Doubles, weight: float
) -> dict[str, Doubles]:
    shipped = PeopleWeights()
    # As served: who has no friend in common is not suggested.
    two_steps = common > 0
    nobody = -np.inf
    return {
        "popularity": degree,
        "common_friends": common,
        "adamic_adar": adamic,
        "taste": cosine,
        "shipped": np.where(
            two_steps, shipped.rare_friends * np.log1p(adamic) + shipped.taste * cosine, nobody
        ),
        "both": np.where(two_steps, np.log1p(adamic) + weight * cosine, nobody),
        "also_strangers": np.log1p(adamic) + weight * cosine,
    }


def _graph(pairs: Ints, num_users: int) -> "sparse.csr_matrix[np.float32]":
    low, high = pairs // num_users, pairs % num_users
    zeros, ones = np.zeros(len(low), np.int64), np.ones(len(low), np.float32)
    ties = Ties(low, high, zeros.astype(np.int8), ones, zeros)
    return tie_matrix(ties, num_users, undirected=True, weighted=False).astype(np.float64)


def _figures(score: Doubles, wanted: Doubles, hidden: Doubles) -> list[float]:
    """Compute AUC over all who are not known already, and the share of ties among the first K."""
    there = np.flatnonzero(~hidden)
    jitter = np.random.default_rng(2).random(len(there))  # ties fall by chance
    order = there[np.lexsort((jitter, -score[there]))]
    hit = wanted[order]
    total = int(hit.sum())
    place = np.flatnonzero(hit)
    auc = 1.0 - (place - np.arange(total)).sum() / (total * (len(order) - total))
    return [float(auc), float((place < K).sum() / min(total, K))]
