"""Ways to draw people: each learns normal scores of columns, and draws others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.synthesis.acquaintance import Acquaintances
from coterie.synthesis.baskets import Baskets
from coterie.synthesis.source import Doubles
from coterie.synthesis.traits import ColumnQuantiles, group_means

_LOOKED_AT: Final = 20_000
"""People among whom nearest ones are sought."""
_NEAR: Final = 30
_BLOCK: Final = 500


@dataclass(frozen=True, slots=True)
class RealPeople:
    """What a sampler learns from."""

    scores: Doubles
    """Normal scores of all columns of ``Traits.table``, shape (n, columns)."""
    group: Ints
    num_groups: int
    src: Ints
    """Followers of ties, shape (m,)."""
    dst: Ints
    tastes: int
    """Columns of taste, which come first."""
    had: "sparse.csr_matrix[np.float64]"
    """Who wanted what, by ones, shape (n, items)."""
    columns: ColumnQuantiles
    """What scores stand for."""
    baskets: Baskets
    """How items are drawn of tastes."""
    acquaintances: Acquaintances
    """How ties are drawn."""
    steps: int
    """Of training, where there is any."""


class Sampler(Protocol):
    """What draws people."""

    def draw(self, group: Ints, rng: np.random.Generator) -> Doubles:
        """Draw normal scores of people of these communities, shape (n, columns)."""


Learner = Callable[[RealPeople, np.random.Generator], Sampler]


@dataclass(frozen=True, slots=True)
class IndependentColumns:
    """Draws each column by itself: what a marginal table would give away."""

    columns: int

    def draw(self, group: Ints, rng: np.random.Generator) -> Doubles:
        """Draw normal numbers."""
        return rng.standard_normal((len(group), self.columns))


@dataclass(frozen=True, slots=True)
class GaussianCopula:
    """Draws columns that go together as they do in pairs, about the mean of each community."""

    means: Doubles
    """Shape (groups, columns)."""
    root: Doubles
    """Of the covariance of what communities do not tell, shape (columns, columns)."""

    @classmethod
    def learn(cls, people: RealPeople) -> "GaussianCopula":
        """Compute means and covariance."""
        means = group_means(people.scores, people.group, people.num_groups)
        rest = people.scores - means[people.group]
        return cls(means, root_of(np.cov(rest, rowvar=False)))

    def draw(self, group: Ints, rng: np.random.Generator) -> Doubles:
        """Draw a normal vector about each one's community."""
        drawn = rng.standard_normal((len(group), len(self.root)))
        found: Doubles = self.means[group] + drawn @ self.root.T
        return found


@dataclass(frozen=True, slots=True)
class LocalNormal:
    """Draws people about the mean of the few real ones nearest to one of them, as these differ."""

    scores: Doubles
    """Of the real people that are looked at, shape (n, columns)."""
    group: Ints
    """Row of ``by_group`` at which each community begins, shape (groups + 1,)."""
    by_group: Ints
    near: int

    @classmethod
    def learn(cls, people: RealPeople, rng: np.random.Generator) -> "LocalNormal":
        """Keep at most ``_LOOKED_AT`` people, so that each draw costs the same in a larger shop."""
        some = np.sort(rng.permutation(len(people.scores))[:_LOOKED_AT])
        group = people.group[some]
        counts = np.bincount(group, minlength=people.num_groups)
        begins = np.concatenate([[0], np.cumsum(counts)])
        order = np.argsort(group, kind="stable")
        return cls(people.scores[some], begins, order, min(_NEAR, len(some)))

    def draw(self, group: Ints, rng: np.random.Generator) -> Doubles:
        """Draw a community's person each, and a weighted sum of those around them."""
        count = self.group[group + 1] - self.group[group]
        place = self.group[group] + (rng.random(len(group)) * count).astype(np.int64)
        centre = self.by_group[np.minimum(place, len(self.by_group) - 1)]
        size = (self.scores**2).sum(axis=1)
        found = np.empty((len(group), self.scores.shape[1]))
        for at in range(0, len(group), _BLOCK):
            rows = slice(at, at + _BLOCK)
            apart = size - 2 * self.scores[centre[rows]] @ self.scores.T
            near = np.argpartition(apart, self.near - 1, axis=1)[:, : self.near]
            theirs = self.scores[near]
            mean = theirs.mean(axis=1, keepdims=True)
            weight = rng.standard_normal(near.shape) / np.sqrt(max(self.near - 1, 1))
            found[rows] = mean[:, 0] + np.einsum("nk,nkd->nd", weight, theirs - mean)
        return found


def root_of(covariance: Doubles) -> Doubles:
    """Compute a matrix whose square is a covariance, be it singular."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    found: Doubles = vectors * np.sqrt(np.maximum(values, 0.0))
    return found


def learn_columns(people: RealPeople, rng: np.random.Generator) -> Sampler:
    """Learn nothing but that each column has its values."""
    del rng
    return IndependentColumns(people.scores.shape[1])


def learn_copula(people: RealPeople, rng: np.random.Generator) -> Sampler:
    """Learn a Gaussian copula."""
    del rng
    return GaussianCopula.learn(people)


def learn_neighbours(people: RealPeople, rng: np.random.Generator) -> Sampler:
    """Keep people, to draw others between those who are alike."""
    return LocalNormal.learn(people, rng)


def learn_adversarial(people: RealPeople, rng: np.random.Generator) -> Sampler:
    """Train a generator against critics; torch takes seconds to import, so only here."""
    from coterie.synthesis import adversarial

    return adversarial.learn_adversarial(people, rng)
