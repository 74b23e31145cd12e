"""Who takes things once enough friends have: the weights of a linear threshold model.

A follower takes an item when the weights of the followees who have it pass a threshold, drawn
evenly from 0 to 1 for each person and item (Kempe, Kleinberg and Tardos, 2003). The weights of a
follower's ties add up to 1 at most. Beside it stands what the follower would have taken anyway,
as found by ``influence.estimate``.
"""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.adoptions import Adoptions, Exposures
from coterie.network.influence import WINDOW_DAYS, Contacts, Influence, Pooling
from coterie.network.people import Doubles, Network, add_up

_ROUNDS = 40
_PRECISION = 1e-4
_MOST = 0.999
"""What all weights of a follower may add up to: a threshold above is always possible."""


@dataclass(frozen=True, slots=True)
class LinearThreshold:
    """What each tie weighs, in the order of ``Network.ties`` (follower, followee)."""

    weight: Doubles
    """Shape (m,); those of a follower add up to less than 1."""
    caused: Doubles
    """Adoptions of the follower whose threshold the followee's weight passed, shape (m,)."""
    share_caused: float
    """Of all adoptions: by a threshold that was passed."""


@dataclass(frozen=True, slots=True)
class _Trials:
    """Each follower and item of which somebody could have moved them, once."""

    tie: Ints
    """Of each exposure, shape (x,)."""
    trial: Ints
    """Of each exposure, shape (x,)."""
    share: Doubles
    """Of each exposure: how much of its weight had come by the end of its trial, shape (x,)."""
    answered: Ints
    """Trials that ended with an adoption within the window, shape (a,)."""
    answer: Ints
    """The adoption each of them ended with, shape (a,)."""
    number: int


def fit_linear_threshold(
    network: Network, adoptions: Adoptions, exposures: Exposures, found: Influence
) -> LinearThreshold:
    """Fit the weights by EM, given what people would have taken anyway.

    Args:
        network: Ties.
        adoptions: All.
        exposures: All: see ``adoptions.expose``.
        found: The cascade that was estimated from the same.

    Each adoption is shared out between its own rate, while the threshold is not passed, and what
    each followee's weight adds by the day: ``c`` to a tie. A trial that ends without one says that
    the threshold lies above the weights ``h`` that came. The best weights ``b`` have c = D b, where
    D is the sum of 1 / (1 - h) over a tie's trials. Each round takes b to (c + E b) / (D + E),
    with E the sum of h / (1 - h)^2: Newton's step for each tie as if the others of its trials
    moved alike, which cannot overshoot where little room is left. Ties with few trials go towards
    what ties of the same weight and the same follower show, as in the cascade.
    """
    contacts, pooling = Contacts.of(exposures), Pooling.of(network)
    trials = _trials(network, adoptions, exposures, found.by_day)
    rate = found.own_rate(adoptions, np.unique(contacts.answer))
    speed = found.by_day[contacts.day]
    weight = _bounded(found.probability, network)
    caused = np.zeros(len(weight))
    for _ in range(_ROUNDS):
        passed = np.bincount(trials.trial, weight[trials.tie] * trials.share, trials.number)
        room = np.maximum(1.0 - passed, 1.0 - _MOST)
        still = rate.copy()
        still[trials.answer] *= room[trials.answered]
        credit = contacts.share_out(network, adoptions, still, weight[contacts.tie] * speed)
        caused = add_up(contacts.tie, credit, len(weight))
        moved = np.bincount(contacts.answer, credit, len(adoptions))
        unmoved = np.ones(trials.number)
        unmoved[trials.answered] = 1.0 - moved[trials.answer]
        slope = (unmoved / room)[trials.trial] * trials.share
        curve = slope * (passed / room)[trials.trial]
        steep = add_up(trials.tie, curve, len(weight))
        tried = add_up(trials.tie, slope, len(weight)) + steep
        before = weight
        weight = _bounded(pooling.shrink(caused + steep * weight, tried), network)
        if np.abs(weight - before).max(initial=0.0) < _PRECISION:
            break
    return LinearThreshold(weight, caused, float(caused.sum()) / len(adoptions))


def _bounded(weight: Doubles, network: Network) -> Doubles:
    """Scale the weights of those followers down whose sum is more than there can be."""
    follower = network.ties.src_idx
    total = np.bincount(follower, weight, network.num_people)
    return weight / np.maximum(total / _MOST, 1.0)[follower]


def _trials(
    network: Network, adoptions: Adoptions, exposures: Exposures, by_day: Doubles
) -> _Trials:
    open_to = np.flatnonzero(~(exposures.lag_days <= 0))
    tie, lag = exposures.tie[open_to], exposures.lag_days[open_to]
    item = adoptions.item[exposures.adoption[open_to]]
    key = network.ties.src_idx[tie] * (int(adoptions.item.max(initial=0)) + 1) + item
    number, trial = np.unique(key, return_inverse=True)
    within = lag <= WINDOW_DAYS
    share = np.ones(len(tie))
    share[within] = np.cumsum(by_day)[lag[within].astype(np.int64)]
    answered, first = np.unique(trial[within], return_index=True)
    answer = exposures.answer[open_to][within][first]
    return _Trials(tie, trial, share, answered, answer, len(number))
