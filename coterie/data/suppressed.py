"""Whom a shop has forgotten: marks by which an id is known again, and which hold no id.

A mark is a salt and a digest of the id under it. It travels as a change of the table ``erased``,
through the event log and beside exported tables, so that whoever reads either knows whom to leave
out. Why so: docs/adr/0059-who-is-forgotten-stays-forgotten.md.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa

from coterie.data.changes import RowState, is_there
from coterie.schema import ERASED, TIES, USERS, Table

_DIVIDER: Final = "$"
_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 20
_REMEMBERED: Final = 50_000


REFERRING: Final = frozenset({"referrer_user_id", "invited_user_id"})
"""Columns in which somebody else's row may name a person."""


def people_in(table: Table) -> tuple[str, ...]:
    """Name the columns of a table that say whose a row is."""
    people = (name for name in table.arrow.names if name.endswith("user_id"))
    return tuple(name for name in people if name not in REFERRING)


class Suppressed:
    """People who were erased, by their marks."""

    def __init__(self, marks: Iterable[str] = ()) -> None:
        self._digests: dict[str, set[str]] = {}
        for mark in sorted(marks):
            salt, _, digest = mark.partition(_DIVIDER)
            self._digests.setdefault(salt, set()).add(digest)
        # Who is looked up for each list; nobody who is forgotten is remembered here.
        self._others: set[str] = set()

    @classmethod
    def of(cls, states: Mapping[str, RowState]) -> "Suppressed":
        """Take the states of marks, without those that were lifted."""
        return cls(mark for mark, state in states.items() if is_there(state))

    def __len__(self) -> int:
        return sum(map(len, self._digests.values()))

    def __contains__(self, user_id: object) -> bool:
        if not self._digests or not isinstance(user_id, str) or user_id in self._others:
            return False
        if self.marks_of(user_id):
            return True
        if len(self._others) >= _REMEMBERED:
            self._others.clear()
        self._others.add(user_id)
        return False

    def marks_of(self, user_id: str) -> list[str]:
        """Give the marks that a person is known by; several where logs were begun anew."""
        made = ((salt, _digest(salt, user_id)) for salt in self._digests)
        return [_mark(salt, digest) for salt, digest in made if digest in self._digests[salt]]

    def mark_for(self, user_id: str) -> str:
        """Give a person's mark, or make one: under a salt that is in use, if there is any."""
        if known := self.marks_of(user_id):
            return known[0]
        salt = min(self._digests, default="") or secrets.token_hex(_SALT_BYTES)
        return _mark(salt, _digest(salt, user_id))

    def among(self, ids: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Find those of a column of ids who are suppressed: a mask, false where there is none."""
        whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        coded = whole.cast(pa.string()).dictionary_encode()
        gone = pa.array(
            [bool(self.marks_of(one)) for one in coded.dictionary.to_pylist()], pa.bool_()
        )
        return gone.take(coded.indices).fill_null(False)


NOBODY: Final = Suppressed()


def suppressed_in(states: Mapping[str, Mapping[Any, RowState]]) -> Suppressed:
    """Read whom the states of changed rows suppress, as ``states_of`` makes them."""
    found = states.get(ERASED.name, {})
    return Suppressed.of({key[0]: state for key, state in found.items()})


def _digest(salt: str, user_id: str) -> str:
    content = user_id.encode("utf-8", "replace")
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=salt.encode()).hexdigest()


def _mark(salt: str, digest: str) -> str:
    return f"{salt}{_DIVIDER}{digest}"


def without_suppressed(
    states: Mapping[str, Mapping[Any, RowState]], gone: Suppressed
) -> dict[str, dict[Any, RowState]]:
    """Leave out of the states of changed rows what is of people who were erased, and the marks."""
    num = {TIES.name: 2, USERS.name: 1}
    return {
        name: {
            key: state
            for key, state in rows.items()
            if not any(one in gone for one in key[: num.get(name, 0)])
        }
        for name, rows in states.items()
        if name != ERASED.name
    }
