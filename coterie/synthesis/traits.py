"""People in numbers: tastes, how much they do, how many they know, from when to when."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.sparse.linalg import svds
from scipy.special import ndtr, ndtri

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.network.communities import find_communities
from coterie.network.people import Network
from coterie.synthesis.baskets import BESIDE
from coterie.synthesis.clock import ShopClock
from coterie.synthesis.source import Doubles, HadPairs, SourceShop

COUNTS: Final = ("wanted", "beside", "follows", "followed")
SPAN: Final = ("first", "last")
COLUMN_KNOTS: Final = np.linspace(0.0025, 0.9975, 200)
"""Quantiles that are kept of a column: the extremes are single people's."""
_GENTLE: Final = 20.0
"""People of a community that count as much as all others together in its mean."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is told of n people."""

    taste: Doubles
    """Shape (n, d)."""
    counts: Doubles
    """Items wanted, items beside, people whom they follow, and who follow them: shape (n, 4)."""
    span: Doubles
    """Where in the shop's time they are first and last there, 0 to 1, shape (n, 2)."""
    group: Ints
    """Community of each, shape (n,)."""

    @property
    def table(self) -> Doubles:
        """Put the columns side by side, counts as log(1 + count), shape (n, d + 6)."""
        return np.concatenate([self.taste, np.log1p(self.counts), self.span], axis=1)

    @classmethod
    def from_table(cls, table: Doubles, group: Ints) -> "Traits":
        """Read what ``table`` wrote; counts become whole numbers."""
        cut = table.shape[1] - len(COUNTS) - len(SPAN)
        counts = np.maximum(np.rint(np.expm1(table[:, cut : cut + len(COUNTS)])), 0.0)
        span = np.sort(np.clip(table[:, -len(SPAN) :], 0.0, 1.0), axis=1)
        return cls(table[:, :cut], counts, span, group)


def directions(pairs: HadPairs, source: SourceShop, size: int, seed: int) -> Doubles:
    """Find the directions that tell most of what people have, shape (items, size).

    Raises:
        BadInputError: There are too few people or items.
    """
    had = pairs.matrix(source.num_people, source.num_items, BESIDE)
    size = min(size, min(had.shape) - 1)
    if size < 1:
        raise BadInputError(
            f"{source.num_people} people and {source.num_items} items are too few to learn from"
        )
    _, _, rows = svds(had, k=size, rng=np.random.default_rng(seed))
    # The largest first, each with most of its weight above 0: the same whatever the machine.
    found = rows[::-1].T * np.where(rows[::-1].sum(axis=1) < 0, -1.0, 1.0)
    return varimax(np.ascontiguousarray(found))


def category_directions(group: Ints, weight: Doubles) -> Doubles:
    """Make a direction of each category, its popular items weighing more, shape (items, groups).

    Columns have length 1, and are orthogonal.
    """
    _, number = np.unique(group, return_inverse=True)
    found = np.zeros((len(group), int(number.max()) + 1))
    found[np.arange(len(group)), number] = np.sqrt(weight + 1e-3 * weight.mean() + 1e-12)
    scaled: Doubles = found / np.sqrt((found**2).sum(axis=0))
    return scaled


def varimax(loadings: Doubles, rounds: int = 50) -> Doubles:
    """Rotate directions so that each is about few items (Kaiser, 1958), shape (items, d).

    People then have much of a few directions and little of the others, which columns tell by
    themselves; of unrotated ones only all together do.
    """
    m, d = loadings.shape
    turn, before = np.eye(d), 0.0
    for _ in range(rounds):
        turned = loadings @ turn
        spread = turned**3 - turned * ((turned**2).sum(axis=0) / m)
        left, values, right = np.linalg.svd(loadings.T @ spread)
        turn = left @ right
        if values.sum() < before * (1 + 1e-6):
            break
        before = values.sum()
    turned = loadings @ turn
    found: Doubles = turned * np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
    return found


def traits_of(
    source: SourceShop, pairs: HadPairs, loadings: Doubles, clock: ShopClock, least_group: int
) -> Traits:
    """Tell a shop's people in numbers, with communities of at least so many people."""
    found = traits_in(source, pairs, loadings, clock)
    return replace(found, group=groups_of(source, least_group))


def traits_in(source: SourceShop, pairs: HadPairs, loadings: Doubles, clock: ShopClock) -> Traits:
    """Tell a shop's people in numbers, all in one community."""
    n = source.num_people
    had = pairs.matrix(n, source.num_items, BESIDE)
    counts = np.stack(
        [
            np.bincount(pairs.person[pairs.wanted], minlength=n),
            np.bincount(pairs.person[~pairs.wanted], minlength=n),
            np.bincount(source.ties.src_idx, minlength=n),
            np.bincount(source.ties.dst_idx, minlength=n),
        ],
        axis=1,
    ).astype(np.float64)
    at = clock.position(source.events.ts_ms)
    first, last = np.ones(n), np.zeros(n)
    np.minimum.at(first, source.events.user_idx, at)
    np.maximum.at(last, source.events.user_idx, at)
    span = np.stack([np.minimum(first, last), last], axis=1)
    return Traits(np.asarray(had @ loadings), counts, span, np.zeros(n, np.int64))


def groups_of(source: SourceShop, least: int) -> Ints:
    """Find communities of at least so many people; 0 are all others together."""
    if not len(source.ties):
        return np.zeros(source.num_people, np.int64)
    network = Network.of(source.ties, source.num_people)
    label = find_communities(network, seeds=1).label
    large = np.bincount(label) >= least
    return np.where(large, np.cumsum(large), 0)[label]


@dataclass(frozen=True, slots=True)
class ColumnQuantiles:
    """What values each column of a table has: quantiles, of which no single row is one."""

    knots: Doubles
    """Shape (quantiles, columns)."""

    @classmethod
    def of(cls, table: Doubles) -> "ColumnQuantiles":
        """Keep the quantiles of each column."""
        return cls(np.quantile(table, COLUMN_KNOTS, axis=0))

    def values(self, scores: Doubles) -> Doubles:
        """Turn normal scores into values, shape (n, columns)."""
        place = ndtr(scores)
        found = [
            np.interp(place[:, at], COLUMN_KNOTS, self.knots[:, at]) for at in range(place.shape[1])
        ]
        return np.stack(found, axis=1)


def normal_scores(table: Doubles, rng: np.random.Generator) -> Doubles:
    """Turn each column into standard normal numbers by rank; equal values in an order by chance."""
    order = np.lexsort((rng.random(len(table)), table[:, 0]))
    found = np.empty_like(table)
    place = ndtri((np.arange(len(table)) + 0.5) / len(table))
    for at in range(table.shape[1]):
        order = np.lexsort((rng.random(len(table)), table[:, at]))
        found[order, at] = place
    return found


def group_means(scores: Doubles, group: Ints, num_groups: int) -> Doubles:
    """Compute communities' mean scores, drawn towards all people's, shape (num_groups, columns)."""
    sums = np.zeros((num_groups, scores.shape[1]))
    np.add.at(sums, group, scores)
    count = np.bincount(group, minlength=num_groups)[:, None]
    means: Doubles = sums / (count + _GENTLE)
    return means
