"""Two rankings in one list: each shopper judges both, so much fewer of them are needed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class InterleavedList:
    """One list made of two, best first."""

    item_ids: tuple[str, ...]
    first: tuple[bool, ...]
    """Of each item, whether the first ranking's turn brought it here."""
    credit: tuple[float, ...]
    """What a click on an item says, from -1 (for the second ranking) to 1 (for the first)."""
    chance: tuple[float, ...]
    """How likely each item was to stand here, over the coins, given what stands above."""


def team_draft(
    first: Sequence[str], second: Sequence[str], k: int, rng: np.random.Generator
) -> InterleavedList:
    """Interleave two rankings by team draft (Radlinski, Kurup and Joachims, 2008).

    In each round a coin says which ranking picks before the other, its best item that is not there
    yet. Credit by the team that picked depends on the coin: an item that both would pick next goes
    to whoever won it. So credit here is the expectation over all coins that make this very list:
    the same on average, without that noise, and 0 for what both rankings would have put there
    (as Hofmann, Whiteson and de Rijke, 2011, marginalise assignments). Once one ranking has nothing
    left, the rest of the other compares nothing, and has no credit.

    Args:
        first: Item ids, best first, each once.
        second: Likewise.
        k: Items wanted.
        rng: Tosses the coins.

    Raises:
        BadInputError: A ranking has an item twice.
    """
    for ranking in (first, second):
        if len(set(ranking)) < len(ranking):
            raise BadInputError("a ranking has an item twice: expected each once")
    draft = _Draft([], [], [], [])
    ahead = _Ranking(first), _Ranking(second)
    there: set[str] = set()
    while len(draft.item_ids) < k:
        heads = [one.next_two(there) for one in ahead]
        if not any(heads):
            break
        before = bool(rng.random() < 0.5)
        for pick in _alone(heads) if not all(heads) else _round(heads, before):
            if len(draft.item_ids) < k:
                draft.add(*pick)
                there.add(pick[0])
    return InterleavedList(*(tuple(getattr(draft, one.name)) for one in fields(draft)))


@dataclass(slots=True)
class _Draft:
    """The columns of an ``InterleavedList`` as they grow."""

    item_ids: list[str]
    first: list[bool]
    credit: list[float]
    chance: list[float]

    def add(self, item_id: str, first: bool, credit: float, chance: float) -> None:
        for one, value in zip(fields(self), (item_id, first, credit, chance), strict=True):
            getattr(self, one.name).append(value)


class _Ranking:
    """A ranking, and how far of it is in the list."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self._item_ids, self._at = item_ids, 0

    def next_two(self, there: set[str]) -> list[str]:
        """Find its best two items that are not there yet."""
        while self._at < len(self._item_ids) and self._item_ids[self._at] in there:
            self._at += 1
        rest = (one for one in self._item_ids[self._at :] if one not in there)
        return list(itertools.islice(rest, 2))


Pick = tuple[str, bool, float, float]


def _alone(heads: list[list[str]]) -> list[Pick]:
    """Let the one ranking that has anything left pick once."""
    first = bool(heads[0])
    return [((heads[0] or heads[1])[0], first, 0.0, 1.0)]


def _round(heads: list[list[str]], before: bool) -> list[Pick]:
    """Let both rankings pick once, the first one before the other or behind it."""
    made, other = _picked(heads, before), _picked(heads, not before)
    agree = heads[0][0] == heads[1][0]
    # Either the coin makes no difference, or one ranking ends with what both agree on.
    nothing = made == other or (agree and len(made) != len(other))
    picks = []
    for place, (item_id, team) in enumerate(zip(made, (before, not before), strict=False)):
        known = nothing or (agree if place == 0 else not agree)
        credit = 0.0 if nothing else (1.0 if team else -1.0)
        picks.append((item_id, team, credit, 1.0 if known else 0.5))
    return picks


def _picked(heads: list[list[str]], before: bool) -> list[str]:
    lead, follow = heads if before else heads[::-1]
    return [lead[0], *[one for one in follow if one != lead[0]][:1]]
