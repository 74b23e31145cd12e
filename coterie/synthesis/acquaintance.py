"""Who follows whom among made-up people: communities, degrees, likeness, friends of friends.

A degree-corrected block model (Karrer and Newman, 2011, arXiv:1008.3926): from whom ties come and
to whom they go is drawn by degrees, and between which communities by how many ties those have. Of
several people met so, one is kept, the more alike the rather, which makes tied people alike; and
some pairs meet through a common friend, which closes triangles. How much of both is found by
drawing ties among the real people until likeness and triangles are as they are.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import sparse

from coterie.data.dataset import Ints, Ties
from coterie.schema import TIE_KINDS, UNDIRECTED_TIES
from coterie.synthesis.source import Bools, Doubles
from coterie.synthesis.traits import Traits

_MET: Final = 8
"""People of whom one is kept."""
_ROUNDS: Final = 4
"""Draws that fill up what was drawn twice."""
_MOST_ALIKE: Final = 12.0
_QUANTILES: Final = np.linspace(0.01, 0.99, 99)
_UNDIRECTED: Final = np.array([kind in UNDIRECTED_TIES for kind in TIE_KINDS])


@dataclass(frozen=True, slots=True)
class Acquaintances:
    """What is learned of ties."""

    between: Doubles
    """Share of a community's ties that go to each, shape (groups, groups); rows sum to 1."""
    kinds: Doubles
    """Share of pairs of each kind of ``schema.TIE_KINDS``, one of them a pair."""
    returned: Doubles
    """Chance that a directed tie of each kind is returned by one of the same kind."""
    alike: float = 0.0
    """How much rather alike people are kept: exp(alike * cosine)."""
    closing: float = 0.0
    """Share of pairs that meet through a common friend."""
    weights: Doubles | None = None
    """Quantiles of ties' weights; None: all are 1."""
    since: Doubles | None = None
    """Quantiles of when ties formed, milliseconds; None: nobody knows."""
    dated: float = 0.0
    """Share of ties of which it is known."""

    def draw(self, traits: Traits, rng: np.random.Generator) -> Ties:
        """Draw ties of people with these traits."""
        return self.dress(*self.draw_pairs(traits, rng), rng)

    def dress(self, one: Ints, other: Ints, rng: np.random.Generator) -> Ties:
        """Draw of what kind each pair is, whether it goes both ways, its weight and its day."""
        kind = rng.choice(len(TIE_KINDS), len(one), p=self.kinds)
        both = _UNDIRECTED[kind] | (rng.random(len(one)) < self.returned[kind])
        weight, since = self._weights(len(one), rng), self._since(len(one), rng)
        src, dst = np.concatenate([one, other[both]]), np.concatenate([other, one[both]])
        twice = np.concatenate([np.arange(len(one)), np.flatnonzero(both)])
        order = np.lexsort((kind[twice], dst, src))
        return Ties(
            src_idx=src[order],
            dst_idx=dst[order],
            kind=kind[twice][order].astype(np.int8),
            weight=weight[twice][order].astype(np.float32),
            since_ms=since[twice][order],
        )

    def draw_pairs(self, traits: Traits, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw pairs, the follower first, each pair once."""
        n = len(traits.group)
        out, into = traits.counts[:, 2], traits.counts[:, 3]
        both = float(self.kinds @ np.where(_UNDIRECTED, 2.0, 1.0 + self.returned))
        wanted = min(round(out.sum() / both), n * (n - 1) // 4)
        if wanted < 1 or not into.sum():
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        taste = unit(traits.taste)
        by_group = Members.of(traits.group, into + 1e-9, len(self.between))
        early = round((1 - self.closing) * wanted)
        pairs = np.zeros(0, np.int64)
        for aim in (early, wanted):
            for _ in range(_ROUNDS):
                missing = aim - len(pairs)
                if missing < 1:
                    break
                src = _by_weight(out, missing, rng)
                met = self._meet(src, traits.group, by_group, rng)
                if aim > early and len(pairs):
                    met = _through_friends(src, pairs, met, n, rng)
                dst = _keep(src, met, taste, self.alike, rng)
                pairs = _merged(pairs, src, dst, n)
        return pairs // n, pairs % n

    def _meet(self, src: Ints, group: Ints, members: "Members", rng: np.random.Generator) -> Ints:
        to = np.cumsum(self.between, axis=1)[group[src]]
        chosen = (rng.random((len(src), _MET))[:, :, None] > to[:, None, :]).sum(axis=2)
        chosen = np.minimum(chosen, len(self.between) - 1)
        return members.draw(chosen, rng)

    def _weights(self, num: int, rng: np.random.Generator) -> Doubles:
        if self.weights is None:
            return np.ones(num)
        return np.interp(rng.random(num), _QUANTILES, self.weights)

    def _since(self, num: int, rng: np.random.Generator) -> Ints:
        if self.since is None:
            return np.zeros(num, np.int64)
        drawn = np.interp(rng.random(num), _QUANTILES, self.since)
        return np.where(rng.random(num) < self.dated, drawn, 0.0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Members:
    """People by community, to be drawn by weight."""

    order: Ints
    up_to: Doubles
    """Weights added up in that order."""
    borders: Doubles
    """Of communities in these sums, shape (groups + 1,)."""

    @classmethod
    def of(cls, group: Ints, weight: Doubles, num_groups: int) -> "Members":
        """Lay out people of communities, shape (n,)."""
        order = np.argsort(group, kind="stable")
        sums = np.concatenate([[0.0], np.cumsum(weight[order])])
        counts = np.cumsum(np.bincount(group, minlength=num_groups))
        return cls(order, sums[1:], sums[np.concatenate([[0], counts])])

    def draw(self, group: Ints, rng: np.random.Generator) -> Ints:
        """Draw a member of each community, shape of ``group``; of an empty one, of all."""
        low, high = self.borders[group], self.borders[group + 1]
        empty = high <= low
        low, high = np.where(empty, 0.0, low), np.where(empty, self.borders[-1], high)
        at = low + rng.random(group.shape) * (high - low)
        place = np.searchsorted(self.up_to, at, side="right")
        found: Ints = self.order[np.minimum(place, len(self.order) - 1)]
        return found


def learn_acquaintances(
    ties: Ties,
    traits: Traits,
    num_groups: int,
    rng: np.random.Generator,
    by_degree: bool = False,
) -> Acquaintances:
    """Count ties between communities, and find how alike and how closed they are.

    With ``by_degree`` nothing but degrees, kinds and weights is learned.
    """
    num_kinds = len(TIE_KINDS)
    between = np.ones((num_groups, num_groups)) / num_groups
    if by_degree:
        between += np.bincount(traits.group, traits.counts[:, 3], num_groups)
    else:
        np.add.at(between, (traits.group[ties.src_idx], traits.group[ties.dst_idx]), 1.0)
    n = len(traits.group)
    key = (ties.kind.astype(np.int64) * n + ties.src_idx) * n + ties.dst_idx
    back = (ties.kind.astype(np.int64) * n + ties.dst_idx) * n + ties.src_idx
    is_returned = np.isin(back, key)
    rows = np.bincount(ties.kind, minlength=num_kinds).astype(np.float64)
    twice = np.bincount(ties.kind[is_returned], minlength=num_kinds)
    pairs = rows - twice / 2
    known = ties.since_ms > 0
    plain = Acquaintances(
        between=between / between.sum(axis=1, keepdims=True),
        kinds=pairs / pairs.sum() if pairs.sum() else np.eye(num_kinds)[0],
        returned=np.divide(twice / 2, pairs, out=np.zeros(num_kinds), where=pairs > 0),
        weights=_quantiles(ties.weight[np.isfinite(ties.weight)].astype(np.float64)),
        since=_quantiles(ties.since_ms[known]),
        dated=float(known.mean()) if len(ties) else 0.0,
    )
    return plain if by_degree or not len(ties) else fit_likeness(plain, ties, traits, rng)


def fit_likeness(
    model: Acquaintances, ties: Ties, traits: Traits, rng: np.random.Generator
) -> Acquaintances:
    """Choose likeness and closing so that ties among the real people are as alike and closed."""
    n = len(traits.group)
    taste = unit(traits.taste)
    aim_alike = likeness(taste, ties.src_idx, ties.dst_idx)
    aim_closed = transitivity(ties.src_idx, ties.dst_idx, n)
    for _ in range(2):
        model = _bisect(model, "closing", 0.95, aim_closed, traits, taste, rng)
        model = _bisect(model, "alike", _MOST_ALIKE, aim_alike, traits, taste, rng)
    return model


def fit_alike(
    model: Acquaintances, aim: float, traits: Traits, rng: np.random.Generator
) -> Acquaintances:
    """Choose likeness so that ties among people with these traits are so alike."""
    return _bisect(model, "alike", _MOST_ALIKE, aim, traits, unit(traits.taste), rng)


def _bisect(
    model: Acquaintances,
    name: str,
    high: float,
    aim: float,
    traits: Traits,
    taste: Doubles,
    rng: np.random.Generator,
) -> Acquaintances:
    low = 0.0
    for _ in range(6):
        middle = (low + high) / 2
        one, other = _with(model, name, middle).draw_pairs(traits, rng)
        found = (
            likeness(taste, one, other) if name == "alike" else transitivity(one, other, len(taste))
        )
        low, high = (middle, high) if found < aim else (low, middle)
    return _with(model, name, (low + high) / 2)


def _with(model: Acquaintances, name: str, value: float) -> Acquaintances:
    return replace(model, alike=value) if name == "alike" else replace(model, closing=value)


def unit(taste: Doubles) -> Doubles:
    """Scale rows to length 1; empty ones stay."""
    length = np.sqrt((taste**2).sum(axis=1, keepdims=True))
    found: Doubles = taste / np.maximum(length, 1e-12)
    return found


def likeness(taste: Doubles, one: Ints, other: Ints) -> float:
    """Compute the mean cosine of pairs' tastes, rows of ``taste`` having length 1; 0 of no pair."""
    return float((taste[one] * taste[other]).sum(axis=1).mean()) if len(one) else 0.0


def transitivity(one: Ints, other: Ints, n: int) -> float:
    """Compute the share of pairs of one's acquaintances who know each other; 0 where none has two.

    It costs the sum of squared degrees.
    """
    known = known_matrix(one, other, n)
    degree = np.diff(known.indptr).astype(np.float64)
    wedges = float((degree * (degree - 1)).sum())
    closed = float(known.multiply(known @ known).sum()) if wedges else 0.0
    return closed / wedges if wedges else 0.0


def known_matrix(one: Ints, other: Ints, n: int) -> "sparse.csr_matrix[np.float64]":
    """Lay out who knows whom, in either direction, by ones, shape (n, n)."""
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    known = sparse.csr_matrix((np.ones(len(ends[0])), ends), shape=(n, n))
    known.data.fill(1.0)
    return known


def _quantiles(values: "Doubles | Ints") -> Doubles | None:
    return np.quantile(values.astype(np.float64), _QUANTILES) if len(values) else None


def _by_weight(weight: Doubles, num: int, rng: np.random.Generator) -> Ints:
    sums = np.cumsum(weight)
    place = np.searchsorted(sums, rng.random(num) * sums[-1], side="right")
    found: Ints = np.minimum(place, len(weight) - 1).astype(np.int64)
    return found


def _through_friends(src: Ints, pairs: Ints, met: Ints, n: int, rng: np.random.Generator) -> Ints:
    """Meet friends of friends, shape (len(src), met); who has none keeps whom they met."""
    known = known_matrix(pairs // n, pairs % n, n)
    degree = np.diff(known.indptr)
    friend = np.repeat(src[:, None], met.shape[1], axis=1)
    alone = degree[src] == 0
    for _ in range(2):
        start = np.asarray(known.indptr, np.int64)[friend]
        place = start + (rng.random(friend.shape) * degree[friend]).astype(np.int64)
        friend = np.asarray(known.indices, np.int64)[np.minimum(place, known.nnz - 1)]
    found: Ints = np.where(alone[:, None], met, friend)
    return found


def _keep(src: Ints, met: Ints, taste: Doubles, alike: float, rng: np.random.Generator) -> Ints:
    score = rng.gumbel(size=met.shape)
    for at in range(met.shape[1]):
        score[:, at] += alike * (taste[src] * taste[met[:, at]]).sum(axis=1)
    score[met == src[:, None]] = -np.inf
    kept: Ints = met[np.arange(len(src)), np.argmax(score, axis=1)]
    return kept


def _merged(pairs: Ints, src: Ints, dst: Ints, n: int) -> Ints:
    """Add pairs that are not there in either direction, as follower * n + followee."""
    fine = src != dst
    found = np.concatenate([pairs, src[fine] * n + dst[fine]])
    low = np.minimum(found // n, found % n) * n + np.maximum(found // n, found % n)
    _, first = np.unique(low, return_index=True)
    merged: Ints = found[np.sort(first)]
    return merged


def mutual(ties: Ties, n: int) -> Bools:
    """Tell which ties are returned by one of any kind, shape (m,)."""
    return np.isin(ties.dst_idx * n + ties.src_idx, ties.src_idx * n + ties.dst_idx)
