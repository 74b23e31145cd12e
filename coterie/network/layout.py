"""Where people stand on a picture of the network."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.network.people import Doubles, Network

_ROUNDS = 120


@dataclass(frozen=True, slots=True)
class Picture:
    """Some people of a network, and where they are drawn."""

    people: Ints
    """Rows, shape (q,)."""
    place: Doubles
    """Shape (q, 2), from -1 to 1."""
    pairs: Ints
    """Positions in ``people`` of those who know each other, shape (l, 2)."""


def draw(
    network: Network, label: Ints, weight: Doubles, limit: int = 2_000, max_pairs: int = 8_000
) -> Picture:
    """Choose people for a picture and lay them out by springs.

    Args:
        network: Its undirected pairs.
        label: Community of each person: those of one are drawn near each other.
        weight: Who comes first: the largest.
        limit: People on the picture.
        max_pairs: Ties on the picture, the heaviest first.
    """
    degree = network.degree
    order = np.lexsort((np.arange(len(weight)), -degree, -weight))
    people = np.sort(order[degree[order] > 0][:limit])
    position = np.full(network.num_people, -1, np.int64)
    position[people] = np.arange(len(people))
    one, other = position[network.one], position[network.other]
    both = np.flatnonzero((one >= 0) & (other >= 0))
    pairs = np.stack([one[both], other[both]], axis=1)
    place = _springs(pairs, label[people])
    shown = np.argsort(-network.weight[both], kind="stable")[:max_pairs]
    return Picture(people, place, pairs[np.sort(shown)])


def _springs(pairs: Ints, label: Ints, seed: int = 0) -> Doubles:
    """Lay people out as Fruchterman and Reingold (1991) do, communities near each other."""
    n = len(label)
    rng = np.random.default_rng(seed)
    # Communities begin on a spiral, the largest in the middle.
    names, group = np.unique(label, return_inverse=True)
    turn = np.arange(len(names)) * 2.399963
    radius = np.sqrt((np.arange(len(names)) + 0.5) / max(len(names), 1))
    centre = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    place = centre[group] + 0.05 * rng.standard_normal((n, 2))
    ones = np.ones(2 * len(pairs))
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    ties = sparse.csr_matrix((ones, (rows, columns)), shape=(n, n))
    ideal = 0.9 * np.sqrt(1.0 / max(n, 1))
    for heat in np.linspace(0.08, 0.002, _ROUNDS):
        step = _repel(place, ideal) + _attract(place, ties, ideal) - 0.4 * place * ideal
        length = np.linalg.norm(step, axis=1, keepdims=True)
        place = place + step / np.maximum(length, 1e-9) * np.minimum(length, heat)
    place = place - np.median(place, axis=0)
    spread = np.quantile(np.abs(place), 0.995) if n else 1.0
    return np.clip(place / max(spread, 1e-9), -1.15, 1.15)


def _repel(place: Doubles, ideal: float) -> Doubles:
    """Push everybody away from everybody, a block at a time."""
    found = np.zeros_like(place)
    x, y = place[:, 0].astype(np.float32), place[:, 1].astype(np.float32)
    for at in range(0, len(place), 500):
        dx, dy = x[at : at + 500, None] - x, y[at : at + 500, None] - y
        force = ideal**2 / (dx * dx + dy * dy + 1e-6)
        found[at : at + 500, 0] = (dx * force).sum(axis=1)
        found[at : at + 500, 1] = (dy * force).sum(axis=1)
    return found


def _attract(place: Doubles, ties: "sparse.csr_matrix[np.float64]", ideal: float) -> Doubles:
    """Pull those who know each other together, the more the farther they are apart."""
    matrix = ties.tocoo()
    gap = place[matrix.col] - place[matrix.row]
    pull = gap * (np.linalg.norm(gap, axis=1, keepdims=True) / ideal)
    columns = [np.bincount(matrix.row, pull[:, axis], len(place)) for axis in (0, 1)]
    return np.stack(columns, axis=1)
