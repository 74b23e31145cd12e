"""Who takes things because a friend did: influence along each tie, apart from shared taste.

A followee's adoption raises the rate at which each follower takes the same item for some days.
That follower's adoption is then shared out, by rates, among all followees who took it before and
what the follower would have done anyway (an independent cascade in continuous time with a
background, fitted by EM). How much more alike tied people are than their activity and categories
tell is calibrated by followers who took the item too late to have been moved.
"""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.adoptions import DAY_MS, Adoptions, Exposures
from coterie.network.background import Background
from coterie.network.people import Doubles, Network, add_up

WINDOW_DAYS = 21
_ROUNDS = 40
_TURNS = 3
_PRECISION = 1e-4
_FEWEST = 3.0
"""Late adoptions that have to be expected before likeness is measured by them."""
_PRIOR = 4.0
"""Adoptions seen along an average tie that each tie's own are mixed with."""
_RECEIVER = 2.0
_BANDS = 5


@dataclass(frozen=True, slots=True)
class Influence:
    """What moves along each tie, in the order of ``Network.ties`` (follower, followee)."""

    probability: Doubles
    """Chance that what the followee takes makes the follower take it, shape (m,)."""
    caused: Doubles
    """Adoptions of the follower that the followee is held to have caused, shape (m,)."""
    seen: Ints
    """Adoptions of the followee that the follower could see, shape (m,)."""
    share_caused: float
    """Of all adoptions: held to be caused by somebody."""
    share_naive: float
    """Of all adoptions: by somebody one of whose followees took the same within the window."""
    alike: float
    """How much more often tied people take the same, too late to be moved, than activity and
    category tell; nan where the log is too short for that: all influence is then at most so."""
    by_day: Doubles
    """Share of caused adoptions by days after the followee's, shape (WINDOW_DAYS + 1,)."""
    background: Background
    """What people would have taken anyway."""

    def given(self, network: Network) -> Doubles:
        """Sum what each one is held to have caused, shape (num_people,)."""
        return add_up(network.ties.dst_idx, self.caused, network.num_people)

    def received(self, network: Network) -> Doubles:
        """Sum what others are held to have caused of each one's, shape (num_people,)."""
        return add_up(network.ties.src_idx, self.caused, network.num_people)

    def own_rate(self, adoptions: Adoptions, rows: Ints) -> Doubles:
        """Compute at what rate these rows would have been taken anyway; 0 of others, shape (a,).

        Where nobody can tell how alike tied people are, no more than the background tells.
        """
        return _own_rate(adoptions, rows, self.background, self.alike)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Exposures that an adoption followed within the window, as columns of shape (c,)."""

    tie: Ints
    answer: Ints
    day: Ints

    @classmethod
    def of(cls, exposures: Exposures) -> "Contacts":
        """Find them."""
        within = (exposures.lag_days > 0) & (exposures.lag_days <= WINDOW_DAYS)
        found = exposures.take(within)
        return cls(found.tie, found.answer, found.lag_days.astype(np.int64))

    def share_out(
        self, network: Network, adoptions: Adoptions, rate: Doubles, strength: Doubles
    ) -> Doubles:
        """Share each adoption out by strengths, shape (c,), and its own rate, shape (a,).

        Who is told of by the shop itself has all the credit, and nobody else has any.
        """
        referred = adoptions.referrer[self.answer] == network.ties.dst_idx[self.tie]
        known = np.bincount(self.answer, referred, len(rate))[self.answer] > 0
        total = rate + np.bincount(self.answer, strength, len(rate))
        return np.where(known, referred, strength / total[self.answer])


@dataclass(frozen=True, slots=True)
class Pooling:
    """What a tie with little to show is held to be like: its band of weight and its follower."""

    band: Ints
    """Of each tie, shape (m,): bands of about equal size by weight."""
    follower: Ints
    """Of each tie, shape (m,)."""
    people: int

    @classmethod
    def of(cls, network: Network) -> "Pooling":
        """Put ties into bands; one band where all weigh the same."""
        weight = network.ties.weight
        edges = np.unique(np.quantile(weight, np.linspace(0, 1, _BANDS + 1)[1:-1]))
        band = np.searchsorted(edges, weight, side="left").astype(np.int64)
        return cls(band, network.ties.src_idx, network.num_people)

    def shrink(self, caused: Doubles, seen: Doubles) -> Doubles:
        """Estimate each tie's chance from its own, its band's and its follower's counts."""
        mean = (np.bincount(self.band, caused) + 1e-6) / (np.bincount(self.band, seen) + 1e-3)
        base = mean[self.band]
        open_to = (np.bincount(self.follower, caused, self.people) + _RECEIVER * base.mean()) / (
            np.bincount(self.follower, base * seen, self.people) + _RECEIVER * base.mean()
        )
        prior = base * open_to[self.follower]
        found: Doubles = np.minimum((caused + _PRIOR * prior) / (seen + _PRIOR), 1.0)
        return found


def estimate(
    network: Network, adoptions: Adoptions, exposures: Exposures, category: Ints, came_ms: Ints
) -> Influence:
    """Estimate influence along each tie.

    Args:
        network: Ties.
        adoptions: All.
        exposures: All: see ``adoptions.expose``.
        category: Of each item; -1: unknown.
        came_ms: Time of each person's first event of any kind, shape (num_people,).

    What is held to be caused says nothing of taste and trends, so both are estimated in turns.
    """
    contact = Contacts.of(exposures)
    touched = np.unique(contact.answer)
    own: Doubles = np.ones(len(adoptions))
    for _ in range(_TURNS):
        background = Background.of(adoptions, category, came_ms, own)
        alike = likeness(network, adoptions, exposures, background, own)
        rate = _own_rate(adoptions, touched, background, alike)
        fitted = _maximise(network, adoptions, exposures, contact, rate)
        own = 1.0 - add_up(contact.answer, fitted.credit, len(adoptions))
    return Influence(
        probability=fitted.probability,
        caused=add_up(contact.tie, fitted.credit, len(network.ties)),
        seen=fitted.seen.astype(np.int64),
        share_caused=float(fitted.credit.sum()) / len(adoptions),
        share_naive=len(touched) / len(adoptions),
        alike=alike,
        by_day=fitted.by_day,
        background=background,
    )


def _own_rate(adoptions: Adoptions, rows: Ints, background: Background, alike: float) -> Doubles:
    rate = np.zeros(len(adoptions))
    taken = background.rate(adoptions.user[rows], adoptions.item[rows], adoptions.ts_ms[rows])
    rate[rows] = (1.0 if np.isnan(alike) else alike) * np.maximum(taken, 1e-12)
    return rate


def _seen(network: Network, exposures: Exposures) -> Doubles:
    """Count exposures a tie, of those who did not have the item already."""
    open_to = ~(exposures.lag_days <= 0)
    return np.bincount(exposures.tie[open_to], minlength=len(network.ties)).astype(np.float64)


def likeness(
    network: Network,
    adoptions: Adoptions,
    exposures: Exposures,
    background: Background,
    own: Doubles,
) -> float:
    """Measure how much more often tied people take the same than the background tells.

    Counted where nobody can have moved anybody: more than the window, and up to twice as long,
    after the followee's adoption.
    """
    start = adoptions.ts_ms[exposures.adoption] + WINDOW_DAYS * DAY_MS
    end = start + WINDOW_DAYS * DAY_MS
    still = ~(exposures.lag_days <= WINDOW_DAYS) & (start < adoptions.ts_ms[-1])
    late = (exposures.lag_days > WINDOW_DAYS) & (exposures.lag_days <= 2 * WINDOW_DAYS)
    rows = np.flatnonzero(still)
    follower = network.ties.src_idx[exposures.tie[rows]]
    item = adoptions.item[exposures.adoption[rows]]
    expected = float(background.expected(follower, item, start[rows], end[rows]).sum())
    observed = float(own[exposures.answer[late & still]].sum())
    return (observed + 1.0) / (expected + 1.0) if expected >= _FEWEST else float("nan")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What EM ends with."""

    credit: Doubles
    """Of each contact."""
    probability: Doubles
    """Of each tie."""
    seen: Doubles
    by_day: Doubles


def _maximise(
    network: Network,
    adoptions: Adoptions,
    exposures: Exposures,
    contact: Contacts,
    rate: Doubles,
) -> _Fitted:
    """Share adoptions out and estimate what they were shared out by, in turns."""
    num, days = len(network.ties), WINDOW_DAYS + 1
    seen, pooling = _seen(network, exposures), Pooling.of(network)
    probability, by_day = np.full(num, 0.02), np.full(days, 1.0 / days)
    credit = np.zeros(len(contact.tie))
    for _ in range(_ROUNDS):
        strength = probability[contact.tie] * by_day[contact.day]
        credit = contact.share_out(network, adoptions, rate, strength)
        before = probability
        probability = pooling.shrink(add_up(contact.tie, credit, num), seen)
        by_day = np.bincount(contact.day, credit, days) + 1e-3
        by_day /= by_day.sum()
        if np.abs(probability - before).max(initial=0.0) < _PRECISION:
            break
    return _Fitted(credit, probability, seen, by_day)


def credit_distribution(network: Network, adoptions: Adoptions, exposures: Exposures) -> Doubles:
    """Share each adoption equally among all followees who took the item before, shape (m,).

    The count that has no background (Goyal et al., 2011, without decay): what taste and trends
    would have brought anyway counts as influence.
    """
    within = (exposures.lag_days > 0) & (exposures.lag_days <= WINDOW_DAYS)
    tie, answer = exposures.tie[within], exposures.answer[within]
    among = np.bincount(answer, minlength=len(adoptions))
    return add_up(tie, 1.0 / among[answer], len(network.ties))


def naive_counts(network: Network, exposures: Exposures) -> Doubles:
    """Count along each tie how often the follower took the item after the followee, shape (m,)."""
    within = (exposures.lag_days > 0) & (exposures.lag_days <= WINDOW_DAYS)
    return np.bincount(exposures.tie[within], minlength=len(network.ties)).astype(np.float64)
