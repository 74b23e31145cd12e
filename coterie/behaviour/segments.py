"""Groups of shoppers who behave alike: how lately, how often, for how much, and of what.

The number of groups is the largest at which fits on different shoppers still find the same ones:
two fits on four shoppers in five agree by the adjusted Rand index (1: fully, 0: as chance does).
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from coterie.behaviour.activity import FEATURES, features_at, known_at
from coterie.behaviour.naming import name_segments
from coterie.behaviour.numbering import numbers_of
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import DAY_MS, Doubles, ShopLog
from coterie.data.dataset import Ints

MONTH_DAYS: Final = 30
_COLUMNS: Final = ("days_since_event", "active_days_30", "purchases", "value_a_purchase")
"""How lately, how often lately, how often altogether, for how much."""
_TASTES: Final = 4
"""Dimensions that the taste for categories is squeezed into."""
_TASTE_WEIGHT: Final = 0.5
"""Of all dimensions of taste together, as against one column of behaviour each."""
_FITTED: Final = 20_000
"""Shoppers that one fit looks at: centres of more are the same."""


@dataclass(frozen=True, slots=True)
class Segments:
    """k groups of shoppers, the largest first."""

    names: tuple[str, ...]
    numbers: Ints
    """What each is called by in columns of people, shape (k,): 0 to k - 1, or as in an earlier run
    (``numbering``)."""
    label: Ints
    """Of each shopper, shape (users,); -1 of whom nothing is known."""
    means: Doubles
    """Of the features of ``activity.FEATURES``, shape (k, features)."""
    tastes: Doubles
    """Shares of purchases by category, shape (k, categories)."""
    stability: dict[int, float]
    """By number of groups that was tried."""
    moments: tuple[int, ...]
    """Ends of months, milliseconds since 1970, UTC, the newest last."""
    moves: Ints
    """Shoppers by segment at the end of one month and of the next, shape (months, k + 1, k + 1);
    the last of k + 1 are those who were not there yet."""

    @property
    def sizes(self) -> Ints:
        """Shoppers of each, shape (k,)."""
        return np.bincount(self.label[self.label >= 0], minlength=len(self.names))

    def numbered_as(self, earlier: Ints) -> "Segments":
        """Keep the numbers of an earlier run where segments are mostly the same people.

        Args:
            earlier: The number that each shopper had, shape (users,); -1: none.
        """
        return replace(self, numbers=numbers_of(self.label, earlier, len(self.names)))


def find_segments(log: ShopLog, settings: BehaviourSettings) -> Segments:
    """Group shoppers as they are now, and tell how they moved there."""
    now = log.end_ms
    view = _View.of(log, now)
    points = view.points(log, now)
    known = np.flatnonzero(known_at(log, now))
    rng = np.random.default_rng(settings.seed)
    fitted = known if len(known) <= _FITTED else np.sort(rng.choice(known, _FITTED, replace=False))
    most = min(settings.most_segments, max(2, len(fitted) // 20))
    stability = {k: _stability(points[fitted], k, settings) for k in range(2, most + 1)}
    stable = [k for k, value in stability.items() if value >= settings.least_stability]
    k = max(stable) if stable else max(stability, key=lambda one: stability[one])
    model = _fit(points[fitted], k, settings.seed)
    order = np.argsort(-np.bincount(model.predict(points[known]), minlength=k), kind="stable")
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)

    def label_at(moment_ms: int) -> Ints:
        label = np.full(log.num_users, -1, np.int64)
        there = known_at(log, moment_ms)
        if there.any():
            label[there] = rank[model.predict(view.points(log, moment_ms)[there])]
        return label

    months = min(settings.months, log.days // MONTH_DAYS)
    moments = tuple(now - m * MONTH_DAYS * DAY_MS for m in range(months, -1, -1))
    labels = [label_at(moment) for moment in moments]
    features, tastes = features_at(log, now), _tastes(log, now)
    label = labels[-1]
    means = np.stack([np.nanmean(_filled(features[label == one]), axis=0) for one in range(k)])
    shares = np.stack([tastes[label == one].sum(axis=0) for one in range(k)])
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    everybody = np.nanmean(_filled(features[known]), axis=0)
    spread = np.nanstd(_filled(features[known]), axis=0)
    bought = tastes.sum(axis=0) / max(tastes.sum(), 1e-9)
    names = name_segments(means, shares, everybody, spread, bought, log.categories)
    moves = [_moves(one, other, k) for one, other in pairwise(labels)]
    empty = np.zeros((0, k + 1, k + 1), np.int64)
    return Segments(
        names,
        np.arange(k),
        label,
        means,
        shares,
        stability,
        moments,
        np.stack(moves) if moves else empty,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """How shoppers are laid out as points: scales and directions of one moment, kept for others."""

    mean: Doubles
    spread: Doubles
    taste_mean: Doubles
    directions: Doubles
    taste_spread: float

    @classmethod
    def of(cls, log: ShopLog, moment_ms: int) -> "_View":
        known = known_at(log, moment_ms)
        columns = _behaviour(log, moment_ms)[known]
        tastes = _shares(_tastes(log, moment_ms))[known]
        mean = tastes.mean(axis=0)
        # The directions in which tastes differ most; of some dozens of categories, so it is cheap.
        _, _, directions = np.linalg.svd(np.cov((tastes - mean).T).reshape(len(mean), -1))
        directions = directions[:_TASTES]
        # The largest entry positive: a direction and its opposite are the same to the method.
        sign = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
        directions = directions * sign[:, None]
        spread = np.sqrt((((tastes - mean) @ directions.T) ** 2).sum(axis=1).mean())
        return cls(
            columns.mean(axis=0),
            np.maximum(columns.std(axis=0), 1e-9),
            mean,
            directions,
            max(float(spread), 1e-9),
        )

    def points(self, log: ShopLog, moment_ms: int) -> Doubles:
        columns = (_behaviour(log, moment_ms) - self.mean) / self.spread
        tastes = (_shares(_tastes(log, moment_ms)) - self.taste_mean) @ self.directions.T
        tastes *= _TASTE_WEIGHT / self.taste_spread
        points: Doubles = np.concatenate([columns, tastes], axis=1)
        return points


def _behaviour(log: ShopLog, moment_ms: int) -> Doubles:
    """Take logarithms of what has long tails; never is later than the begin of the log."""
    features = features_at(log, moment_ms)
    columns = features[:, [FEATURES.index(name) for name in _COLUMNS]]
    columns[:, 0] = np.where(np.isnan(columns[:, 0]), log.days, columns[:, 0])
    logs: Doubles = np.log1p(np.nan_to_num(columns))
    return logs


def _tastes(log: ShopLog, moment_ms: int) -> Doubles:
    """Count purchases by category, shape (users, categories)."""
    past, width = log.between(0, moment_ms), len(log.categories)
    bought = log.bought[past]
    user = log.events.user_idx[past][bought]
    category = log.category[log.events.item_idx[past][bought]]
    counts = np.bincount(user * width + category, minlength=log.num_users * width)
    return counts.reshape(log.num_users, width).astype(np.float64)


def _shares(tastes: Doubles) -> Doubles:
    """Turn counts into shares; of few purchases everybody's shares tell more than their own."""
    everybody = tastes.sum(axis=0) / max(tastes.sum(), 1e-9)
    shares: Doubles = (tastes + 2 * everybody) / (tastes.sum(axis=1, keepdims=True) + 2)
    return shares


def _stability(points: Doubles, k: int, settings: BehaviourSettings) -> float:
    """Measure how far fits on different shoppers group everybody alike."""
    from sklearn.metrics import adjusted_rand_score

    labels = []
    for fit in range(settings.refits):
        rng = np.random.default_rng([settings.seed, k, fit])
        few = rng.choice(len(points), max(k, int(0.8 * len(points))), replace=False)
        labels.append(_fit(points[few], k, fit).predict(points))
    scores = [
        adjusted_rand_score(one, other)
        for at, one in enumerate(labels)
        for other in labels[at + 1 :]
    ]
    return float(np.mean(scores))


def _fit(points: Doubles, k: int, seed: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=4, max_iter=100, random_state=seed).fit(points)


def _moves(before: Ints, after: Ints, k: int) -> Ints:
    one, other = np.where(before < 0, k, before), np.where(after < 0, k, after)
    return np.bincount(one * (k + 1) + other, minlength=(k + 1) ** 2).reshape(k + 1, k + 1)


def _filled(features: Doubles) -> Doubles:
    """Leave no column empty, whose mean would be a warning."""
    found = features.copy()
    found[:, np.isnan(found).all(axis=0)] = 0.0
    return found
