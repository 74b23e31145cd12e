"""What each shopper will do: buy within some days, spend, or stay away.

Learned at earlier moments, measured at a later one whose answer nobody had looked at, then learned
once more with the newest moments and asked about today. Of shoppers, a quarter is left out of
learning: chances are calibrated on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.behaviour.activity import add_up, features_at, known_at, refuse_future
from coterie.behaviour.judging import (
    AmountScores,
    ChanceScores,
    ScoreInterval,
    judge_amounts,
    judge_chances,
)
from coterie.behaviour.learners import BoostedTrees, Combined, Learner, Linear, Mean
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import DAY_MS, Bools, Doubles, ShopLog
from coterie.schema import BUYS_7D, BUYS_30D, LEAVES_30D, VALUE_30D

BOTH: Final = "both together"
"""Boosted trees and the linear model: what is kept."""
BOOSTED: Final = "boosted trees"
LINEAR: Final = "linear"
BEFORE: Final = "as before"
"""What somebody spent in as many days before, for as many days to come."""
_FEWEST_DAYS: Final = 14
"""Of history before the first moment that is learned from."""
_FEWEST: Final = 20
"""Shoppers who did, and who did not, below which nothing is learned."""


@dataclass(frozen=True, slots=True)
class ShopperQuestion:
    """Something that is asked about each shopper."""

    name: str
    """Of the column."""
    days: int
    about: str
    """What people read."""
    answer: Callable[[ShopLog, int], Doubles]
    """What came of it from a moment on, shape (users,)."""
    asked: Callable[[ShopLog, int], Bools] = known_at
    """About whom, shape (users,)."""
    amounts: bool = False
    """Whether the answer is an amount and no chance."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is foreseen of everybody, and how good that was out of time."""

    question: ShopperQuestion
    now: Doubles
    """Shape (users,); nan about whom nothing is asked."""
    shoppers: int
    """Of the measurement."""
    happened: float
    """The mean answer among them."""
    learned_from: int
    """Shoppers' days."""
    chances: Mapping[str, ChanceScores]
    """By learner; empty for amounts."""
    gains: Mapping[str, ScoreInterval]
    """How much more AUC both together have than another."""
    amounts: Mapping[str, AmountScores]


@dataclass(frozen=True, slots=True)
class _LearningRows:
    """Shoppers' days to learn from, columns of the same length."""

    features: Doubles
    target: Doubles
    held: Bools
    """Of shoppers that are left out of learning."""
    newest: Bools
    """Of the last moment."""


def questions() -> tuple[ShopperQuestion, ...]:
    """List what is asked, by column of ``schema``."""
    return (
        ShopperQuestion(BUYS_7D, 7, "buys within 7 days", lambda log, t: _buys(log, t, 7)),
        ShopperQuestion(BUYS_30D, 30, "buys within 30 days", lambda log, t: _buys(log, t, 30)),
        ShopperQuestion(
            VALUE_30D,
            30,
            "spends within 30 days",
            lambda log, t: _spends(log, t, 30),
            amounts=True,
        ),
        ShopperQuestion(
            LEAVES_30D,
            30,
            "was there in the last 30 days, and stays away for 30",
            lambda log, t: (~_comes(log, t, 30)).astype(np.float64),
            lambda log, t: _comes(log, t - 30 * DAY_MS, 30),
        ),
    )


def foresee(
    log: ShopLog, question: ShopperQuestion, settings: BehaviourSettings
) -> "Foreseen | str":
    """Learn and measure the answer of one question.

    Returns:
        What is foreseen; or, where the log is too short or hardly anybody does, why not.

    Raises:
        BadInputError: Features know what came after their moment.
    """
    span, step = question.days * DAY_MS, max(7, question.days // 3) * DAY_MS
    test = log.end_ms - span
    before = [test - span - k * step for k in range(settings.moments)]
    before = [t for t in before if t - log.begin_ms >= _FEWEST_DAYS * DAY_MS]
    if not before:
        return f"needs {2 * question.days + _FEWEST_DAYS} days of events, the log has {log.days}"
    refuse_future(log, test)
    quarter = np.random.default_rng(settings.seed).random(log.num_users) < 0.25
    rows = _rows(log, question, before, quarter, settings)
    did = rows.target > 0
    few = min(did[~rows.held].sum(), (~did[~rows.held]).sum(), did[rows.held].sum())
    if not question.amounts and few < _FEWEST:
        return f"needs {_FEWEST} shoppers who did, and as many who did not"
    asked, came = question.asked(log, test), question.answer(log, test)
    if not asked.any() or not came[asked].any() or (came[asked] > 0).all():
        return "nobody, or everybody, did in the last days, which it would be measured on"
    at_test, came = features_at(log, test)[asked], came[asked]
    told = {}
    for name in (BOTH, BOOSTED, LINEAR):
        told[name] = _learn(name, question, rows, settings)(at_test)
    chances: Mapping[str, ChanceScores] = {}
    gains: Mapping[str, ScoreInterval] = {}
    amounts: Mapping[str, AmountScores] = {}
    if question.amounts:
        told[BEFORE] = _spends(log, test - span, question.days)[asked]
        amounts = judge_amounts(came, told, settings.seed)
    else:
        chances, gains = judge_chances(came > 0, told, settings.seed)
    newest = [test, *before][: settings.moments]
    model = _learn(BOTH, question, _rows(log, question, newest, quarter, settings), settings)
    now = np.full(log.num_users, np.nan)
    about = question.asked(log, log.end_ms)
    now[about] = model(features_at(log, log.end_ms)[about])
    learned = int((~rows.held).sum())
    mean = float(came.mean())
    return Foreseen(question, now, len(came), mean, learned, chances, gains, amounts)


def _rows(
    log: ShopLog,
    question: ShopperQuestion,
    moments: list[int],
    quarter: Bools,
    settings: BehaviourSettings,
) -> _LearningRows:
    """Stack features and answers of several moments."""
    parts = []
    for moment in sorted(moments):
        asked = question.asked(log, moment)
        answer = question.answer(log, moment)
        last = np.full(int(asked.sum()), moment == max(moments))
        parts.append((features_at(log, moment)[asked], answer[asked], quarter[asked], last))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(columns[1]) > settings.most_rows:
        rng = np.random.default_rng(settings.seed)
        kept = np.sort(rng.choice(len(columns[1]), settings.most_rows, replace=False))
        columns = [column[kept] for column in columns]
    return _LearningRows(*columns)


def _learn(
    name: str,
    question: ShopperQuestion,
    rows: _LearningRows,
    settings: BehaviourSettings,
) -> Callable[[Doubles], Doubles]:
    kinds: dict[str, tuple[Learner, ...]] = {
        BOOSTED: (BoostedTrees(settings.seed, question.amounts),),
        LINEAR: (Linear(question.amounts),),
    }
    learners = kinds.get(name, kinds[BOOSTED] + kinds[LINEAR])
    if question.amounts:
        amounts = Mean(*learners)
        amounts.fit(rows.features, rows.target)
        return amounts.predict
    model = Combined(*learners)
    model.fit(rows.features[~rows.held], rows.target[~rows.held])
    model.calibrate(rows.features[rows.held], rows.target[rows.held])
    last = rows.held & rows.newest
    if last.sum() >= _FEWEST:
        model.shift(rows.features[last], rows.target[last])
    return model.predict


def _buys(log: ShopLog, moment_ms: int, days: int) -> Doubles:
    rows = log.between(moment_ms, moment_ms + days * DAY_MS)
    users = log.events.user_idx[rows][log.bought[rows]]
    return (np.bincount(users, minlength=log.num_users) > 0).astype(np.float64)


def _spends(log: ShopLog, moment_ms: int, days: int) -> Doubles:
    rows = log.between(moment_ms, moment_ms + days * DAY_MS)
    return add_up(log.events.user_idx[rows], log.value[rows], log.num_users)


def _comes(log: ShopLog, moment_ms: int, days: int) -> Bools:
    rows = log.between(moment_ms, moment_ms + days * DAY_MS)
    return np.bincount(log.events.user_idx[rows], minlength=log.num_users) > 0
