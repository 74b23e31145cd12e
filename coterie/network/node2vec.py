"""People as vectors: node2vec, near where random walks meet the same people.

Grover and Leskovec (2016). PyTorch Geometric's class draws walks with an extension of which there
are no wheels for every platform, so walks are drawn here, all at once; what they teach is learned
by the same loss (skip-grams with negative samples).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from coterie.data.dataset import Floats, Ints
from coterie.errors import BadInputError
from coterie.network.people import Bools, Network

_TRIES = 30
"""Proposals of a step; what is not accepted by then is taken as it is."""
_POWER = 0.75


@dataclass(frozen=True, slots=True)
class Node2VecConfig:
    """How people walk, and what is learned of it."""

    size: int = 64
    walks: int = 10
    """From each person."""
    length: int = 20
    window: int = 5
    """Steps from a person within which others count as near."""
    p: float = 1.0
    """More than 1: a walk seldom goes straight back."""
    q: float = 1.0
    """Less than 1: a walk goes far; more: it stays near."""
    negatives: int = 5
    epochs: int = 2
    batch: int = 16_384
    lr: float = 0.025
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A number is too small.
        """
        least = {"size": 1, "walks": 1, "length": 2, "window": 1, "negatives": 1, "epochs": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise BadInputError(f"{name} is {low} or more, got {getattr(self, name)}")
        if self.p <= 0 or self.q <= 0:
            raise BadInputError(f"p and q are numbers over 0, got {self.p} and {self.q}")


def draw_walks(network: Network, config: Node2VecConfig) -> Ints:
    """Draw walks along undirected ties, each alike, shape (walks, length); -1 after a dead end.

    A walk goes back with weight 1 / p, to whom the last person knows as well with 1, and farther
    with 1 / q, by rejection (Yang et al., 2019): nothing is made of pairs of ties.
    """
    rng = np.random.default_rng(config.seed)
    known = network.known(weighted=False)
    known.sort_indices()
    offsets, n = known.indptr.astype(np.int64), network.num_people
    neighbour = known.indices.astype(np.int64)
    keys = np.repeat(np.arange(n), np.diff(offsets)) * n + neighbour
    start = np.tile(rng.permutation(np.flatnonzero(np.diff(offsets) > 0)), config.walks)
    walks = np.full((len(start), config.length), -1, np.int64)
    walks[:, 0] = start
    most = max(1 / config.p, 1.0, 1 / config.q)
    for step in range(1, config.length):
        here = walks[:, step - 1]
        before = walks[:, step - 2] if step > 1 else None
        left = np.arange(len(here))
        for _ in range(_TRIES):
            size = offsets[here[left] + 1] - offsets[here[left]]
            found = neighbour[offsets[here[left]] + (rng.random(len(left)) * size).astype(np.int64)]
            walks[left, step] = found
            if before is None:
                break
            chance = _weights(found, before[left], keys, n, config) / most
            left = left[rng.random(len(left)) >= chance]
            if not len(left):
                break
    return walks


def _weights(
    found: Ints, before: Ints, keys: Ints, num_people: int, config: Node2VecConfig
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    wanted = before * num_people + found
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    near: Bools = keys[place] == wanted
    weight = np.where(near, 1.0, 1 / config.q)
    return np.where(found == before, 1 / config.p, weight)


def embed(network: Network, config: Node2VecConfig | None = None) -> Floats:
    """Learn a vector of each person, shape (num_people, size); 0 for who knows nobody.

    The same seed gives the same vectors on one thread.
    """
    config = config or Node2VecConfig()
    walks = draw_walks(network, config)
    generator = torch.Generator().manual_seed(config.seed)
    n = network.num_people
    inner = torch.nn.Embedding(n, config.size, sparse=True)
    outer = torch.nn.Embedding(n, config.size, sparse=True)
    with torch.no_grad():
        inner.weight.uniform_(-0.5 / config.size, 0.5 / config.size, generator=generator)
        outer.weight.zero_()
    optimiser = torch.optim.SparseAdam([inner.weight, outer.weight], lr=config.lr)
    frequency = torch.from_numpy(network.degree.astype(np.float32)) ** _POWER
    for _ in range(config.epochs):
        for one, other in _pairs(walks, config, generator):
            noise = torch.multinomial(
                frequency, config.negatives * len(one), replacement=True, generator=generator
            )
            vector = inner(one)
            near = (vector * outer(other)).sum(1)
            far = torch.einsum("bd,bkd->bk", vector, outer(noise.view(len(one), -1)))
            loss = -functional.logsigmoid(near).mean() - functional.logsigmoid(-far).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()  # type: ignore[no-untyped-call]
    vectors = inner.weight.detach().numpy().copy()
    vectors[network.degree == 0] = 0.0
    return np.asarray(vectors, np.float32)


def _pairs(
    walks: Ints, config: Node2VecConfig, generator: torch.Generator
) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Draw one distance within the window for each place of each walk, as word2vec does."""
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    place = np.broadcast_to(np.arange(config.length), walks.shape)
    gap = rng.integers(1, config.window + 1, walks.shape) * rng.choice([-1, 1], walks.shape)
    there = place + gap
    kept = (there >= 0) & (there < config.length)
    row = np.broadcast_to(np.arange(len(walks))[:, None], walks.shape)
    one, other = walks[kept], walks[row[kept], there[kept]]
    order = rng.permutation(len(one))
    pairs = torch.from_numpy(np.stack([one[order], other[order]]))
    return [
        (pairs[0, at : at + config.batch], pairs[1, at : at + config.batch])
        for at in range(0, pairs.shape[1], config.batch)
    ]
