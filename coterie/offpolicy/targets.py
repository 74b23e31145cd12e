"""Probabilities that a policy over ranked items gives to what another one showed."""

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.logged import Ints, Matrix


def conditional_probability(
    ranked: Ints, score: Matrix, shown: Ints, temperature: float = 0.0
) -> Matrix:
    """Give the chance that a ranking shows each item at its place, given what stands above.

    A ranking of temperature 0 shows the best of what does not stand above already. Above 0, each
    place is drawn by odds ``exp(score / temperature)`` (Plackett and Luce).

    Args:
        ranked: Shape (n, m): items of the policy, best first; -1 pads.
        score: Shape (n, m): what they are ranked by, falling.
        shown: Shape (n, k): items of the lists that were shown; -1 pads.
        temperature: In units of the score.

    Returns:
        Shape (n, k); 0 where nothing was shown, and for what the policy does not rank.

    Raises:
        BadInputError: Shapes differ, or the temperature is below 0.
    """
    if ranked.shape != score.shape or len(ranked) != len(shown):
        raise BadInputError(
            f"items of shape {ranked.shape} with scores of shape {score.shape} for "
            f"{len(shown)} lists: give each list its ranking, and each item its score"
        )
    if not temperature >= 0:
        raise BadInputError(f"a temperature is 0 or more, not {temperature:g}")
    left = ranked >= 0
    rows = np.arange(len(ranked))
    found = np.zeros(shown.shape)
    best = np.where(left, score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        odds = np.where(left, np.exp((score - best) / (temperature or 1.0)), 0.0)
    for place in range(shown.shape[1]):  # A place at a time: what stands above is taken out.
        here = (ranked == shown[:, place, None]) & left & (shown[:, place, None] >= 0)
        if temperature == 0.0:
            found[:, place] = here[rows, left.argmax(axis=1)]
        else:
            total = np.where(left, odds, 0.0).sum(axis=1)
            mine = np.where(here, odds, 0.0).sum(axis=1)
            found[:, place] = np.divide(mine, total, out=np.zeros(len(rows)), where=total > 0)
        left &= ~here
    return found


def expected_under(
    ranked: Ints, score: Matrix, value: Matrix, shown: Ints, temperature: float = 0.0
) -> Matrix:
    """Average a value of items over what a ranking would show at each place.

    Args:
        ranked: Shape (n, m): as above.
        score: Shape (n, m).
        value: Shape (n, m): of each ranked item.
        shown: Shape (n, k): what stands above is of these.
        temperature: As above.

    Returns:
        Shape (n, k).
    """
    left = ranked >= 0
    found = np.zeros(shown.shape)
    best = np.where(left, score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        odds = np.where(left, np.exp((score - best) / (temperature or 1.0)), 0.0)
    for place in range(shown.shape[1]):
        if temperature == 0.0:
            first = left.argmax(axis=1)[:, None]
            chance = (np.arange(left.shape[1]) == first) & left
        else:
            chance = np.where(left, odds, 0.0)
        total = chance.sum(axis=1)
        mean = (chance * value).sum(axis=1)
        found[:, place] = np.divide(mean, total, out=np.zeros(len(total)), where=total > 0)
        left &= ranked != shown[:, place, None]
    return found
