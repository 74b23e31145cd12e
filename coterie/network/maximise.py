"""Whom to give something so that it spreads furthest: influence maximisation by IMM.

Influence Maximization via Martingales (Tang, Shi and Xiao, 2015): people are drawn at random, and
of each the set of those who could have moved them. Who is in most of these sets moves most people;
with as many sets as the paper asks for, what is chosen moves at least 1 - 1/e - eps of what the
best choice would, with a chance of 1 - 1 / n^l.
"""

from dataclasses import dataclass
from math import e, log, sqrt

import numpy as np
from scipy.special import gammaln

from coterie.data.dataset import Ints
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.network.spread import Cascade, reach

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Seeds:
    """Whom to begin with."""

    people: Ints
    """The best first, shape (k,)."""
    spread: Ints
    """Estimated people reached by the first, the first two, and so on, shape (k,)."""
    sets: int
    """Drawn."""
    eps: float
    """The choice is at least 1 - 1/e - eps of the best, as far as ``complete`` says so."""
    complete: bool
    """Whether as many sets were drawn as the bound needs."""


def choose_seeds(
    cascade: Cascade,
    k: int,
    eps: float = 0.3,
    ell: float = 1.0,
    seed: int = 0,
    max_sets: int = 5_000_000,
) -> Seeds:
    """Choose k people from whom most are reached.

    Args:
        cascade: Who moves whom.
        k: People to begin with.
        eps: What the choice may lack.
        ell: Chance of 1 / n^ell that it lacks more.
        seed: Of the draws.
        max_sets: Never draw more; ``complete`` is then False.

    Raises:
        BadInputError: There are fewer than k people, or eps is not between 0 and 1 - 1/e.
    """
    n = len(cascade.rows)
    if not 1 <= k <= n or not 0 < eps < 1 - 1 / e:
        raise BadInputError(
            f"choose 1 to {n} people with eps over 0 and under 0.63, got {k}, {eps}"
        )
    if n == 1:
        return Seeds(np.zeros(1, np.int64), np.ones(1, np.int64), 0, eps, True)
    # Section 4 of the paper asks for a little more than ell, so that both phases hold together.
    ell = ell * (1 + log(2) / log(n))
    choices = float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
    sets = _Sets(cascade.reversed(), np.random.default_rng(seed))
    lower = _lower_bound(sets, n, k, (eps, ell, choices), max_sets)
    alpha = sqrt(ell * log(n) + log(2))
    beta = sqrt((1 - 1 / e) * (choices + ell * log(n) + log(2)))
    wanted = int(np.ceil(2 * n * ((1 - 1 / e) * alpha + beta) ** 2 / (lower * eps**2)))
    # Drawn anew: what phase one stopped by would bias the choice (Chen, 2018).
    sets.forget()
    sets.grow(min(wanted, max_sets))
    people, covered = sets.cover(k)
    spread = np.round(n * covered / max(sets.count, 1)).astype(np.int64)
    return Seeds(people, spread, sets.count, eps, wanted <= max_sets)


def _lower_bound(
    sets: "_Sets", n: int, k: int, given: tuple[float, float, float], max_sets: int
) -> float:
    """Find a number of people that the best choice reaches at least (phase one of IMM)."""
    eps, ell, choices = given
    eps = sqrt(2) * eps
    rounds = max(int(np.log2(n)) - 1, 1)
    factor = (2 + 2 / 3 * eps) * (choices + ell * log(n) + log(max(np.log2(n), 2))) * n / eps**2
    for i in range(1, rounds + 1):
        goal = n / 2**i
        sets.grow(min(int(np.ceil(factor / goal)), max_sets))
        _, covered = sets.cover(k)
        reached = n * covered[-1] / sets.count
        if reached >= (1 + eps) * goal:
            return float(max(reached / (1 + eps), k))
        if sets.count >= max_sets:
            break
    return float(k)


class _Sets:
    """Sets of people who could have moved one drawn at random."""

    def __init__(self, cascade: Cascade, rng: np.random.Generator) -> None:
        self._cascade, self._rng = cascade, rng
        self.forget()

    def forget(self) -> None:
        self.count = 0
        self._set: list[Ints] = []
        self._person: list[Ints] = []

    def grow(self, count: int) -> None:
        n = len(self._cascade.rows)
        while self.count < count:
            more = min(_BATCH, count - self.count)
            roots = self._rng.integers(0, n, more)
            run, person = reach(self._cascade, np.arange(more), roots, self._rng)
            self._set.append(run + self.count)
            self._person.append(person)
            self.count += more

    def cover(self, k: int) -> tuple[Ints, Ints]:
        """Choose greedily who is in most sets not covered yet; how many are covered then."""
        n = len(self._cascade.rows)
        which, person = np.concatenate(self._set), np.concatenate(self._person)
        members = Ragged.of_rows(which, self.count)
        order = np.argsort(person, kind="stable")
        held = Ragged.of_rows(person, n)
        sets_of = which[order]
        left = np.bincount(person, minlength=n)
        covered = np.zeros(self.count, bool)
        chosen, total = np.zeros(k, np.int64), np.zeros(k, np.int64)
        for rank in range(k):
            best = int(np.argmax(left))
            chosen[rank] = best
            new = sets_of[held.offsets[best] : held.offsets[best + 1]]
            new = new[~covered[new]]
            covered[new] = True
            _, entries = members.take(new)
            np.subtract.at(left, person[entries], 1)
            left[best] = -1
            total[rank] = int(covered.sum()) if rank == 0 else total[rank - 1] + len(new)
        return chosen, total
