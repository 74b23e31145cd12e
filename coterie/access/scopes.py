"""What a key lets its holder do."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from coterie.errors import BadInputError


class Scope(StrEnum):
    """One thing that a key may open; none includes another."""

    LISTS = "lists:read"
    EVENTS = "events:write"
    CATALOGUE = "catalogue:write"
    PEOPLE = "people:write"
    ADMIN = "admin"


MEANING: Final = {
    Scope.LISTS: "ask for lists, searches and items of anybody",
    Scope.EVENTS: "send what shoppers did",
    Scope.CATALOGUE: "change items",
    Scope.PEOPLE: "change ties and what people agree to, give their data out, and forget them",
    Scope.ADMIN: "command rollouts, and read who did",
}
"""In words that follow "may"."""


def read_scopes(words: Iterable[str]) -> tuple[Scope, ...]:
    """Read names of scopes, each once, in the order of ``Scope``.

    Raises:
        BadInputError: One is no scope, or there is none.
    """
    named = set(words)
    unknown = sorted(named - {*Scope})
    if unknown:
        raise BadInputError(
            f"{unknown[0]!r} is no scope: expected some of {', '.join(Scope)}, divided by spaces"
        )
    if not named:
        raise BadInputError(f"no scope is named: expected some of {', '.join(Scope)}")
    return tuple(scope for scope in Scope if scope in named)
