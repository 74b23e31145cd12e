"""Whom to share an item with: a shopper's friends, by how likely each wants it and follows."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.graph.friends import FriendLists
from coterie.recommend.shoppers import Histories, Shoppers

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SAMPLE = 400
"""Items beside which a friend's score of the one that is shared is looked at."""


@dataclass(frozen=True, slots=True)
class InviteWeights:
    """How much counts what, in the log odds that a friend takes an item up.

    Chosen on validation parts of public sets (docs/together.md).
    """

    want: float = 1.0
    """Of ``wants``: one standard deviation of all friends' scores of other items."""
    history: float = 0.05
    """Of log(1 + items of the friend's history): who does much takes more."""
    strengths: tuple[float, ...] = (0.0, 0.02, 0.04, 0.02)
    """Of the tie, by ``schema.STRENGTHS``, each of log(1 + value): little, since the one who shares
    counts in the friend's score already."""
    asked: float = 0.5
    """What it takes away to have been asked lately, of log(1 + times)."""


@dataclass(frozen=True, slots=True)
class AskingRule:
    """Whom a shopper may be told to ask."""

    most_asked: int = 5
    """Invitations that one person gets, from everybody together, within ``days``; 0: nobody is
    asked."""
    days: float = 30.0
    """For so long an invitation counts."""
    least_fit: float = 0.0
    """Friends who would want the item less than this are not named: 0 is their own average."""
    share: float = 0.5
    """At most this share of friends is named, rounded up. So who is missing may as well stand in
    the other half, and nobody can tell who turned the item down."""


@dataclass(frozen=True, slots=True)
class Invitees:
    """The friends to share an item with, best first."""

    place: Ints
    """Places among those who were given, shape (k,) or shorter."""
    score: Doubles
    """Log odds, but for a constant, in the same order."""


def as_shoppers(histories: Histories, strengths: Floats) -> Shoppers:
    """Make a batch of b friends, each of whom has the one who shares for a friend.

    Args:
        histories: Of the one who shares, then of the b friends.
        strengths: Of the ties to them, shape (b, len(schema.STRENGTHS)).
    """
    num = histories.num_people - 1
    one_each = np.arange(num + 1, dtype=np.int64)
    turned = histories.take(np.append(one_each[1:], 0))
    friends = FriendLists(one_each, np.full(num, num, np.int64), strengths.astype(np.float32))
    nothing = np.zeros(num + 1, np.int64)
    return Shoppers(turned, friends, nothing, nothing[:0])


def fits(scores: Floats, lost: Bools) -> Doubles:
    """Tell how much more than other items each of b people wants one.

    Args:
        scores: Theirs, of the one item and then of others, shape (b, 1 + others).
        lost: People of whom nothing is known, shape (b,): they want it as others do.

    Returns:
        Standard deviations of their scores of the others, shape (b,).
    """
    others = scores[:, 1:].astype(np.float64)
    spread = np.maximum(others.std(axis=1), 1e-9)
    fit = (scores[:, 0] - others.mean(axis=1)) / spread
    return np.where(lost, 0.0, fit)


def wants(scores: Floats, lost: Bools) -> Doubles:
    """Tell how much each of b people wants one item, on a scale that all of them share.

    Unlike ``fits`` it tells people apart who want everything from those who want nothing.

    Args:
        scores: See ``fits``.
        lost: Likewise.

    Returns:
        Standard deviations of everybody's scores of the others together, shape (b,).
    """
    others = scores[~lost, 1:].astype(np.float64)
    if not others.size:
        return np.zeros(len(scores))
    want = (scores[:, 0] - others.mean()) / max(float(others.std()), 1e-9)
    return np.where(lost, 0.0, want)


def sample_of(allowed: Bools, seed: int = 0, most: int = SAMPLE) -> Ints:
    """Draw rows of items beside which fits are told, the same ones each time, shape (s,)."""
    rows = np.flatnonzero(allowed)
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


@dataclass(frozen=True, slots=True)
class AskedFriends:
    """What is known of b friends who may be asked."""

    want: Doubles
    """As ``wants`` gives it, shape (b,)."""
    history: Ints
    """Items of their histories, shape (b,)."""
    strengths: Floats
    """Of the ties to them, shape (b, len(schema.STRENGTHS))."""
    asked: Ints
    """How often each was asked lately, shape (b,)."""


def log_odds(friends: AskedFriends, weights: InviteWeights = InviteWeights()) -> Doubles:
    """Score friends: the log odds that each takes the item up, but for a constant, shape (b,)."""
    ties = friends.strengths.astype(np.float64) @ np.array(weights.strengths)
    own = weights.want * friends.want + weights.history * np.log1p(friends.history)
    return np.asarray(own + ties - weights.asked * np.log1p(friends.asked))


def rank_invitees(
    friends: AskedFriends,
    fit: Doubles,
    has_it: Bools,
    k: int,
    rule: AskingRule = AskingRule(),
    weights: InviteWeights = InviteWeights(),
) -> Invitees:
    """Choose whom to ask.

    Args:
        friends: Among whom.
        fit: As ``fits`` gives it, shape (b,).
        has_it: Who has the item, or turned it down, shape (b,).
        k: How many, at most.
        rule: Who is left out.
        weights: How much counts what.
    """
    may = ~has_it & (friends.asked < rule.most_asked) & (fit >= rule.least_fit)
    place = np.flatnonzero(may)
    # Rounded, so that who is scored beside whom makes no difference.
    score = np.round(log_odds(friends, weights)[place], 6)
    most = min(k, math.ceil(rule.share * len(fit)))
    order = np.lexsort((place, -score))[:most]
    return Invitees(place[order], score[order])
