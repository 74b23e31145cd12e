"""Boosted trees and, to be measured against, linear models: of one question about each shopper.

Chances are calibrated on shoppers that were not learned from (Platt, 1999): two numbers, so that
few of them do, and the order of shoppers stays.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy import optimize, special

from coterie.behaviour.shop_log import Doubles
from coterie.errors import BadInputError


class Learner(Protocol):
    """Learns a chance, or an amount, of features."""

    def fit(self, features: Doubles, target: Doubles) -> None:
        """Learn.

        Args:
            features: Shape (rows, features), nan where nothing is known.
            target: Shape (rows,): 0 or 1 for a chance, at least 0 for an amount.
        """

    def predict(self, features: Doubles) -> Doubles:
        """Foresee, shape (rows,)."""


class BoostedTrees:
    """Gradient-boosted trees (scikit-learn's), which read missing values as such."""

    def __init__(self, seed: int, amounts: bool = False) -> None:
        ensemble = _sklearn().ensemble
        shape = {
            "max_iter": 120,
            "learning_rate": 0.06,
            "max_leaf_nodes": 8,
            "min_samples_leaf": 40,
            "l2_regularization": 1.0,
            "early_stopping": False,
            "random_state": seed,
        }
        self._amounts = amounts
        self._model: Any = (
            ensemble.HistGradientBoostingRegressor(loss="poisson", **shape)
            if amounts
            else ensemble.HistGradientBoostingClassifier(**shape)
        )

    def fit(self, features: Doubles, target: Doubles) -> None:
        """See Learner."""
        self._model.fit(features, target)

    def predict(self, features: Doubles) -> Doubles:
        """See Learner."""
        return _predict(self._model, features, self._amounts)


class Linear:
    """Logistic regression of logarithms, or Poisson regression for amounts."""

    def __init__(self, amounts: bool = False) -> None:
        sklearn = _sklearn()
        last = (
            sklearn.linear_model.PoissonRegressor(alpha=1e-3, max_iter=300)
            if amounts
            else sklearn.linear_model.LogisticRegression(max_iter=500)
        )
        scaled = sklearn.preprocessing.StandardScaler()
        self._model: Any = sklearn.pipeline.make_pipeline(scaled, last)
        self._amounts = amounts
        self._never = np.zeros(0)

    def fit(self, features: Doubles, target: Doubles) -> None:
        """See Learner."""
        # Never is later than the longest ago that anybody was seen.
        known = np.where(np.isnan(features), 0.0, features)
        self._never = known.max(axis=0) + 1
        self._model.fit(self._logs(features), target)

    def predict(self, features: Doubles) -> Doubles:
        """See Learner."""
        return _predict(self._model, self._logs(features), self._amounts)

    def _logs(self, features: Doubles) -> Doubles:
        filled = np.where(np.isnan(features), self._never, features)
        logs: Doubles = np.log1p(np.clip(filled, 0, self._never))
        return logs


class Combined:
    """Several learners of chances, each taken for what its word was worth on other shoppers.

    One alone is calibrated so. Until it is, chances are the mean of all.
    """

    def __init__(self, *learners: Learner) -> None:
        self._learners = learners
        self._line: Any = None
        self._shift = 0.0

    def fit(self, features: Doubles, target: Doubles) -> None:
        """See Learner."""
        for one in self._learners:
            one.fit(features, target)

    def calibrate(self, features: Doubles, target: Doubles) -> None:
        """Learn how far to believe each, on rows that none has seen; of one kind alone nothing."""
        if target.min() == target.max():
            return
        line = _sklearn().linear_model.LogisticRegression(C=1e3, max_iter=300)
        self._line = line.fit(self._words(features), target)

    def shift(self, features: Doubles, target: Doubles) -> None:
        """Move all chances so that their sum is that of newer rows: shops grow, seasons come."""
        logit, wanted = _logit(self.predict(features)), float(target.mean())
        if 0 < wanted < 1:
            self._shift = float(
                optimize.brentq(lambda by: _chance(logit + by).mean() - wanted, -9, 9)
            )

    def predict(self, features: Doubles) -> Doubles:
        """See Learner."""
        if self._line is None:
            return _mean(self._learners, features)
        found = self._line.predict_proba(self._words(features))[:, 1]
        return _chance(_logit(np.asarray(found, np.float64)) + self._shift)

    def _words(self, features: Doubles) -> Doubles:
        return np.stack([_logit(one.predict(features)) for one in self._learners], axis=1)


class Mean:
    """The mean of several learners of amounts."""

    def __init__(self, *learners: Learner) -> None:
        self._learners = learners

    def fit(self, features: Doubles, target: Doubles) -> None:
        """See Learner."""
        for one in self._learners:
            one.fit(features, target)

    def predict(self, features: Doubles) -> Doubles:
        """See Learner."""
        return _mean(self._learners, features)


def _mean(learners: Sequence[Learner], features: Doubles) -> Doubles:
    mean: Doubles = np.mean([one.predict(features) for one in learners], axis=0)
    return mean


def _predict(model: Any, features: Doubles, amounts: bool) -> Doubles:
    found = model.predict(features) if amounts else model.predict_proba(features)[:, 1]
    return np.asarray(found, np.float64)


def _logit(chance: Doubles) -> Doubles:
    inside = np.clip(chance, 1e-6, 1 - 1e-6)
    logit: Doubles = np.log(inside / (1 - inside))
    return logit


def _chance(logit: Doubles) -> Doubles:
    chance: Doubles = special.expit(logit)
    return chance


def _sklearn() -> Any:
    """Import scikit-learn when it is needed.

    Raises:
        BadInputError: It is not installed.
    """
    try:
        import sklearn.ensemble
        import sklearn.linear_model
        import sklearn.pipeline
        import sklearn.preprocessing
    except ImportError as error:
        raise BadInputError(
            f"behaviour needs scikit-learn ({error}): install coterie with the extra train"
        ) from error
    return sklearn
