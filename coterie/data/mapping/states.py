"""Columns that say whether a row counts: states of orders and of invitations, times of an end."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from coterie.data.mapping.look import ID, TEXT, WORD, ColumnLook
from coterie.data.mapping.model import ANY
from coterie.data.mapping.words import (
    DO_NOT_YET,
    DONE,
    GIVEN_BACK,
    GONE_AT,
    KNOW_EACH_OTHER,
    NOES,
    NOT_DONE,
    ON_SALE,
    VARIANTS,
    plain_name,
)
from coterie.schema import EventKind

_STATE: Final = re.compile("(status|state)$")
_MOST_STATES: Final = 50
Whole = Callable[[str], pa.Array]
"""Gives the distinct values of a column in whole files."""


def state_of(looks: Sequence[ColumnLook], whole: Whole, bad: frozenset[str]) -> ColumnLook | None:
    """Find the column with the state of each row: one that holds a word of what does not count.

    Args:
        looks: All columns of the file.
        whole: See ``Whole``.
        bad: Plain words of what does not count.
    """
    for look in looks:
        if not _STATE.search(plain_name(look.name)) or look.type not in (WORD, TEXT, ID):
            continue
        if look.distinct <= _MOST_STATES and _among(whole(look.name), bad):
            return look
    return None


def event_of_state(state: ColumnLook, whole: Whole) -> tuple[dict[str, Any], str]:
    """Write the rule of what happened by the state of an order, and a note on it."""
    words = whole(state.name)
    known = dict.fromkeys(_among(words, DONE), str(EventKind.PURCHASE))
    known |= dict.fromkeys(_among(words, GIVEN_BACK), str(EventKind.RETURN))
    rule = {"from": state.name, "words": known, "drop": _among(words, NOT_DONE)}
    unknown = sorted(set(words.to_pylist()) - known.keys() - set(rule["drop"]))
    note = f"by {state.name}"
    if unknown:
        note += f"; not known: {', '.join(unknown[:20])}: give each a kind in words, or name it in "
        note += "drop"
    return rule, note


def kind_of_state(state: ColumnLook, whole: Whole, kind: str) -> tuple[dict[str, Any], str]:
    """Write the rule of a tie's kind by the state of an invitation, and a note on it."""
    words = whole(state.name)
    drop = _among(words, DO_NOT_YET)
    known = dict.fromkeys(_among(words, KNOW_EACH_OTHER), kind)
    unknown = sorted(set(words.to_pylist()) - known.keys() - set(drop))
    note = f"by {state.name}; friend goes both ways, follow and trust one"
    if unknown:
        note += f"; not known: {', '.join(unknown[:20])}: give each a kind, or name it in drop"
    return {"from": state.name, "words": known, "drop": drop}, note


def left_out(
    looks: Sequence[ColumnLook],
    state: ColumnLook | None,
    whole: Whole,
    bad: frozenset[str] = NOT_DONE | GIVEN_BACK,
) -> dict[str, Any]:
    """List the rows that a part leaves out: by a state of some rows, and by times of an end.

    Args:
        looks: All columns of the file.
        state: The column with the state.
        whole: See ``Whole``.
        bad: Plain words of states that do not count.
    """
    found: dict[str, Any] = {}
    if state is not None:
        found[state.name] = _among(whole(state.name), bad)
    for look in looks:
        if plain_name(look.name) == "type" and (kinds := _among(whole(look.name), VARIANTS)):
            found[look.name] = kinds
        if plain_name(look.name) in GONE_AT and len(look.values) and look.missing:
            found[look.name] = ANY
    return found


def not_on_sale(looks: Sequence[ColumnLook], whole: Whole) -> dict[str, Any]:
    """List the rows of products that a column such as ``Published`` says no of; never all rows."""
    found: dict[str, Any] = {}
    for look in looks:
        if plain_name(look.name) in ON_SALE:
            words = whole(look.name).to_pylist()
            noes = sorted(word for word in words if word.lower() in NOES)
            if 0 < len(noes) < len(words):
                found[look.name] = noes
    return found


def gone_at(looks: Sequence[ColumnLook]) -> ColumnLook | None:
    """Find the column that is filled of what is gone, and empty of the rest."""
    for look in looks:
        if plain_name(look.name) in GONE_AT and look.missing:
            return look
    return None


def _among(words: pa.Array, known: frozenset[str]) -> list[str]:
    return sorted(word for word in words.to_pylist() if plain_name(word) in known)
