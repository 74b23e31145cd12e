"""Two rankings in one list: each shopper judges both, so much fewer of them are needed."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def team_draft(
    first: Sequence[str], second: Sequence[str], k: int, rng: np.random.Generator
) -> InterleavedList:
    """Interleave two rankings by team draft (Radlinski, Kurup and Joachims, 2008).

    In each round a coin says which ranking picks before the other, its best item that is not there
    yet. Credit by the team that picked depends on the coin: an item that both would pick next goes
    to whoever won it. So credit here is the expectation over all coins that make this very list:
    the same on average, without that noise, and 0 for what both rankings would have put there
    (as Hofmann, Whiteson and de Rijke, 2011, marginalise assignments).

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
    chosen: list[str] = []
    teams: list[bool] = []
    credit: list[float] = []
    while len(chosen) < k:
        both = [_next(first, chosen), _next(second, chosen)]
        if both[0] is None and both[1] is None:
            break
        before = bool(rng.random() < 0.5)
        made = _round(first, second, chosen, before)
        other = _round(first, second, chosen, not before)
        same = [item for item, _ in made] == [item for item, _ in other]
        for (item, team), (_, instead) in zip(made, other, strict=same):
            if len(chosen) == k:
                break
            chosen.append(item)
            teams.append(team)
            sides = [team, instead] if same else [team]
            credit.append(sum(1.0 if one else -1.0 for one in sides) / len(sides))
    return InterleavedList(tuple(chosen), tuple(teams), tuple(credit))


def _round(
    first: Sequence[str], second: Sequence[str], chosen: Sequence[str], before: bool
) -> list[tuple[str, bool]]:
    """Let both rankings pick once, one before the other."""
    picked: list[tuple[str, bool]] = []
    for team in (before, not before):
        there = [*chosen, *(item for item, _ in picked)]
        item = _next(first if team else second, there)
        if item is not None:
            picked.append((item, team))
    return picked


def _next(ranking: Sequence[str], chosen: Sequence[str]) -> str | None:
    there = set(chosen)
    return next((item for item in ranking if item not in there), None)
