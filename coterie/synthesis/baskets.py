"""From tastes to items: who has what."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.synthesis.source import Bools, Doubles, HadPairs, SourceShop

BESIDE: Final = 0.3
"""Weight of an item that was looked at and not wanted."""
_BLOCK: Final = 4_000_000
"""Scores computed at once."""


@dataclass(frozen=True, slots=True)
class Baskets:
    """How likely each item is for a taste: by what fits it, and by what everybody has."""

    loadings: Doubles
    """Shape (items, d)."""
    wanted: Doubles
    """Share of all wanted pairs that each item has, shape (items,)."""
    beside: Doubles
    """The same of pairs that were looked at alone."""
    sharpness: float = 2.0
    """Power of what fits. What tells as much of tastes as real baskets do is some 1.4, and models
    learn less of it."""
    popular: float = 0.05
    """Share that is drawn by popularity alone."""

    def chances(self, taste: Doubles, wanted: bool) -> Doubles:
        """Compute how likely each item is for each taste, shape (n, items); rows sum to 1."""
        share = self.wanted if wanted else self.beside
        both = 0.5 * (self.wanted + self.beside)
        fit = np.maximum(taste @ self.loadings.T, 0.0) ** self.sharpness
        fit *= share / np.maximum(both, 1e-12)
        whole = fit.sum(axis=1, keepdims=True)
        mixed = (1 - self.popular) * fit / np.maximum(whole, 1e-30) + self.popular * share
        return np.asarray(np.where(whole > 0, mixed, share))

    def draw(
        self, taste: Doubles, num: "tuple[Ints, Ints]", rng: np.random.Generator
    ) -> tuple[Ints, Ints, Bools]:
        """Draw each person's items, none twice: so many wanted, so many beside.

        Returns:
            Person, item and whether it is wanted, of each pair.
        """
        items = len(self.loadings)
        wanted, beside = (np.minimum(one, items // 3) for one in num)
        # People who have about as many come together, so that little is drawn in vain.
        order = np.argsort(wanted + beside, kind="stable")
        size = max(1, _BLOCK // items)
        drawn = [
            self._draw_block(taste[rows], wanted[rows], beside[rows], rows, rng)
            for rows in (order[at : at + size] for at in range(0, len(order), size))
        ]
        person, item, is_wanted = (np.concatenate(one) for one in zip(*drawn, strict=True))
        return person, item, is_wanted

    def _draw_block(
        self, taste: Doubles, wanted: Ints, beside: Ints, rows: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Bools]:
        first = self._best(taste, True, wanted, None, rng)
        second = self._best(taste, False, beside, first, rng)
        pairs = [np.nonzero(one) for one in (first, second)]
        return (
            rows[np.concatenate([one[0] for one in pairs])],
            np.concatenate([one[1] for one in pairs]),
            np.repeat([True, False], [len(one[0]) for one in pairs]),
        )

    def _best(
        self,
        taste: Doubles,
        wanted: bool,
        num: Ints,
        had: Bools | None,
        rng: np.random.Generator,
    ) -> Bools:
        """Mark ``num`` items of each row, drawn by their chances without replacement."""
        taken = np.zeros((len(taste), len(self.loadings)), np.bool_)
        most = int(num.max(initial=0))
        if not most:
            return taken
        # Gumbel noise: the largest k of log-chances are k draws without replacement.
        with np.errstate(divide="ignore"):
            score = np.log(self.chances(taste, wanted))
        score += rng.gumbel(size=score.shape)
        if had is not None:
            score[had] = -np.inf
        best = np.argpartition(-score, most - 1, axis=1)[:, :most]
        ranked = np.take_along_axis(
            best, np.argsort(-np.take_along_axis(score, best, axis=1), axis=1), axis=1
        )
        row, place = np.nonzero(np.arange(most) < num[:, None])
        taken[row, ranked[row, place]] = True
        return taken


def learn_baskets(source: SourceShop, pairs: HadPairs, loadings: Doubles) -> Baskets:
    """Count how often items were wanted, and looked at alone."""
    items = source.num_items
    wanted = np.bincount(pairs.item[pairs.wanted], minlength=items).astype(np.float64)
    beside = np.bincount(pairs.item[~pairs.wanted], minlength=items).astype(np.float64)
    if not beside.sum():
        beside = wanted
    if not wanted.sum():
        wanted = beside
    return Baskets(loadings, wanted / wanted.sum(), beside / beside.sum())
