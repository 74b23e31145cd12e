"""Entries that shoppers with thin histories might have had, as ``thin_histories`` adds them.

Each generator scores all items for the people with few entries; the best that they did not have
become entries. The GAN makes tastes, vectors in the space of a truncated SVD of who had what: its
generator reads the few entries, the mean taste of friends and noise; its discriminator, Wasserstein
with a gradient penalty (Gulrajani et al., 2017), also sees what was read. Real ones are the whole
tastes of people with long histories, beside what 1 to 3 of their entries, drawn anew each step,
say. ``regression`` is the same generator learned by squared distance alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import nn

from coterie.data.dataset import Interactions, Ints, Ties, TrainingSet
from coterie.models.ease import EASE, EASEConfig
from coterie.models.engagement import engagement, liked_events

FEW: Final = 3
"""Entries of a thin history, at most."""
LONG: Final = 8
"""Entries of a real history that the GAN learns from, at least."""
SIZE, NOISE, WIDTH, STEPS, BATCH, CRITICS, PENALTY = 32, 16, 64, 400, 64, 2, 10.0

Scores = npt.NDArray[np.float32]
Generator = Callable[["Known", int], Scores]
"""Scores of all items for the thin, shape (len(known.thin), num_items), by a seed."""


@dataclass(frozen=True)
class Known:
    """What generators may see: one training set."""

    data: TrainingSet
    had: sp.csr_matrix
    friends: sp.csr_matrix
    """Who follows whom, rows add up to 1 or 0, (num_users, num_users)."""
    thin: Ints
    """Users with under 4 entries, who have an entry or a friend."""
    ease_l2: float

    @classmethod
    def of(cls, data: TrainingSet, ease_l2: float) -> "Known":
        """Find who is thin."""
        had = sp.csr_matrix(engagement(data))
        shape = (data.num_users, data.num_users)
        ones = np.ones(len(data.ties), np.float32)
        ties = sp.csr_matrix((ones, (data.ties.src_idx, data.ties.dst_idx)), shape)
        degree = np.asarray(ties.sum(axis=1)).ravel()
        friends = (sp.diags_array(1 / np.maximum(degree, 1)) @ ties).tocsr()
        count = np.diff(had.indptr)
        thin = np.flatnonzero((count <= FEW) & ((count > 0) | (degree > 0)))
        return cls(data, had, friends, thin, ease_l2)


def popular(known: Known, seed: int) -> Scores:  # noqa: ARG001 - a Generator
    """Score items by how many had them."""
    counts = np.asarray(known.had.sum(axis=0), np.float32).ravel()
    return np.tile(counts, (len(known.thin), 1))


def of_friends(known: Known, seed: int) -> Scores:
    """Score items by the share of friends who had them; equal ones by popularity."""
    theirs = (known.friends[known.thin] @ known.had).toarray()
    return np.asarray(theirs + 1e-6 * popular(known, seed), np.float32)


def by_ease(known: Known, seed: int) -> Scores:  # noqa: ARG001
    """Score items as EASE does: self-training."""
    model = EASE(EASEConfig(l2=known.ease_l2))
    model.fit(known.data)
    return np.asarray(model.scores(known.thin), np.float32)


def by_regression(known: Known, seed: int) -> Scores:
    """Score items by a taste that a network foresees from entries and friends."""
    return _by_taste(known, seed, adversary=0.0, distance=1.0)


def by_gan(known: Known, seed: int) -> Scores:
    """Score items by a taste that was made to look like a long history's."""
    return _by_taste(known, seed, adversary=1.0, distance=0.0)


def by_both(known: Known, seed: int) -> Scores:
    """Score items by a taste made to look real, and to be near the true one."""
    return _by_taste(known, seed, adversary=1.0, distance=10.0)


GENERATORS: Final[dict[str, Generator]] = {
    "popular": popular,
    "friends": of_friends,
    "ease": by_ease,
    "regression": by_regression,
    "gan": by_gan,
    "gan near": by_both,
}


def best_items(known: Known, scores: Scores, dose: int) -> tuple[Ints, Ints]:
    """Take the best that each did not have: users and items, ``dose`` each."""
    scores = scores.copy()
    rows = known.had[known.thin].tocoo()
    scores[rows.row, rows.col] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :dose]
    return np.repeat(known.thin, dose), best.ravel().astype(np.int64)


def with_entries(data: TrainingSet, user: Ints, item: Ints) -> TrainingSet:
    """Add entries to a training set, each like its shopper's newest liked event."""
    seen = liked_events(data)
    last = np.full(data.num_users, len(seen) - 1)
    last[seen.user_idx] = np.arange(len(seen))
    like = seen.take(last[user])
    added = replace(like, user_idx=user, item_idx=item, referrer_idx=np.full(len(user), -1))
    return replace(data, interactions=Interactions.concat(data.interactions, added))


def with_copies(data: TrainingSet, user: Ints, item: Ints) -> TrainingSet:
    """Add shoppers who had what those had, and the entries, and follow whom they follow.

    Nobody follows them: what was made up is learned from, and speaks to no friend.
    """
    whom = np.unique(user)
    new = np.full(data.num_users, -1)
    new[whom] = data.num_users + np.arange(len(whom))
    filled = with_entries(data, user, item).interactions
    theirs = filled.take(new[filled.user_idx] >= 0)
    ties = data.ties.take(new[data.ties.src_idx] >= 0)
    return replace(
        data,
        interactions=Interactions.concat(
            data.interactions, replace(theirs, user_idx=new[theirs.user_idx])
        ),
        ties=Ties(
            *(
                np.concatenate([getattr(data.ties, f.name), more])
                for f in fields(Ties)
                for more in [new[ties.src_idx] if f.name == "src_idx" else getattr(ties, f.name)]
            )
        ),
        num_users=data.num_users + len(whom),
    )


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, outputs),
    )


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


class _Tastes:
    """Tastes of a shop's people, and what is read of the thin."""

    def __init__(self, known: Known):
        self._known, self.had = known, known.had
        popularity = np.maximum(np.asarray(known.had.sum(axis=0)).ravel(), 1.0)
        scaled = (known.had @ sp.diags_array(popularity**-0.25)).astype(np.float64)
        size = min(SIZE, min(scaled.shape) - 1)
        _, strength, found = svds(scaled, k=size, v0=np.ones(min(scaled.shape)))
        self.items = np.asarray((found.T * popularity[:, None] ** -0.25), np.float32)
        self.items *= np.asarray(np.sqrt(strength / strength.max()), np.float32)
        self.size = size
        self.whole = self._of(known.had)
        spread = self.whole[np.diff(known.had.indptr) >= LONG].std()
        self.items, self.whole = self.items / spread, self.whole / spread
        self.of_friends = np.asarray(known.friends @ self.whole, np.float32)

    def _of(self, rows: sp.csr_matrix) -> npt.NDArray[np.float32]:
        count = np.maximum(np.asarray(rows.sum(axis=1)), 1.0).reshape(-1, 1)
        return np.asarray((rows @ self.items) / np.sqrt(count), np.float32)

    def read(self, users: Ints, rows: sp.csr_matrix) -> torch.Tensor:
        """Join what few entries say, how many they are, and friends, shape (n, 2 size + 1)."""
        count = np.log1p(np.asarray(rows.sum(axis=1))).reshape(-1, 1)
        return _tensor(np.hstack([self._of(rows), count, self.of_friends[users]]))

    def thinned(self, rows: sp.csr_matrix, rng: np.random.Generator) -> sp.csr_matrix:
        """Leave 1 to ``FEW`` entries of each row."""
        counts = np.diff(rows.indptr)
        row = np.repeat(np.arange(len(counts)), counts)
        order = np.lexsort((rng.random(len(row)), row))
        place = np.arange(len(row)) - rows.indptr[row]
        kept = order[place < rng.integers(1, FEW + 1, len(counts))[row]]
        shape = (len(counts), rows.shape[1])
        ones = np.ones(len(kept), np.float32)
        return sp.csr_matrix((ones, (row[kept], rows.indices[kept])), shape)


def _by_taste(known: Known, seed: int, adversary: float, distance: float) -> Scores:
    tastes = _Tastes(known)
    learners = np.flatnonzero(np.diff(known.had.indptr) >= LONG)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        maker = _network(2 * tastes.size + 1 + NOISE, tastes.size)
        judge = _network(3 * tastes.size + 1, 1)
        making = torch.optim.Adam(maker.parameters(), lr=5e-4, betas=(0.5, 0.9))
        judging = torch.optim.Adam(judge.parameters(), lr=5e-4, betas=(0.5, 0.9))

        def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            users = rng.choice(learners, BATCH)
            read = tastes.read(users, tastes.thinned(known.had[users], rng))
            return _tensor(tastes.whole[users]), read, _make(maker, read, tastes.size)

        for _ in range(STEPS):
            for _ in range(CRITICS if adversary else 0):
                real, read, made = drawn()
                lost = _judged(judge, real, made.detach(), read)
                judging.zero_grad()
                lost.backward()
                judging.step()
            real, read, made = drawn()
            lost = distance * (made - real).square().mean()
            if adversary:
                lost = lost - adversary * judge(torch.cat([made, read], dim=1)).mean()
            making.zero_grad()
            lost.backward()
            making.step()
        with torch.no_grad():
            read = tastes.read(known.thin, known.had[known.thin])
            made = _make(maker, read, tastes.size).numpy()
    return np.asarray(made @ tastes.items.T, np.float32)


def _make(maker: nn.Module, read: torch.Tensor, size: int) -> torch.Tensor:
    """Make tastes: what few entries say, and what a network adds to it."""
    noise = torch.randn(len(read), NOISE)
    made: torch.Tensor = read[:, :size] + maker(torch.cat([read, noise], dim=1))
    return made


def _judged(
    judge: nn.Module, real: torch.Tensor, made: torch.Tensor, read: torch.Tensor
) -> torch.Tensor:
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * made).requires_grad_()
    said = judge(torch.cat([between, read], dim=1)).sum()
    (slope,) = torch.autograd.grad(said, between, create_graph=True)
    told = judge(torch.cat([made, read], dim=1)) - judge(torch.cat([real, read], dim=1))
    penalty: torch.Tensor = told.mean() + PENALTY * (slope.norm(dim=1) - 1).square().mean()
    return penalty
