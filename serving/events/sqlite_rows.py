"""The state of changed rows on one machine: tables in the file of the event log."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from coterie.data.changes import Change, RowState, merged, state_from_json, state_to_json
from coterie.errors import UnavailableError
from coterie.schema import DIRECTED_TIES, ERASED, ITEMS, TIE_KINDS, TIES, USERS
from serving.events.log import ChangedRows
from serving.events.sqlite_file import open_file

TABLES: Final = """
CREATE TABLE IF NOT EXISTS live (
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    rest TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (kind, owner, rest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS live_versions ON live (version);
CREATE INDEX IF NOT EXISTS erased_versions ON live (version) WHERE kind = 'erased';
"""
"""A row: its table, its first key column, the other ones, and its state."""
REST: Final = "\x1f"
_LATEST: Final = "SELECT coalesce(max(version), 0) FROM live"


def keep_changes(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Take changes into the states of their rows, within the transaction that is open."""
    [(version,)] = db.execute(_LATEST).fetchall()
    for change in changes:
        version += 1
        for owner, *rest in change.keys:
            key = (change.table, owner, REST.join(rest))
            found = db.execute(_STATE, key).fetchone()
            before = state_from_json(found[0]) if found else None
            after = merged(before, change)
            if after != before:
                db.execute(_PUT, (*key, state_to_json(after), version))


def _prepare(db: sqlite3.Connection) -> None:
    db.executescript(TABLES)


class SqliteRows:
    """The LiveRows of a file; every process that reads them opens it for itself."""

    def __init__(self, path: Path) -> None:
        """Open the file of an event log, or begin one.

        Raises:
            UnavailableError: The file cannot be opened.
        """
        self._path = path
        try:
            self._db = open_file(path, _prepare)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"cannot open changed rows in {path}: {error}") from error

    def version(self) -> int:
        """See LiveRows."""
        [(version,)] = self._read(_LATEST)
        return int(version)

    def since(self, version: int) -> ChangedRows:
        """See LiveRows."""
        rows = self._read(_SINCE, (version, TIES.name))
        tables = (ITEMS.name, USERS.name, ERASED.name)
        states: dict[str, dict[str, RowState]] = {name: {} for name in tables}
        latest = version
        for kind, owner, state, changed in rows:
            states[kind][owner] = state_from_json(state)
            latest = max(latest, changed)
        return ChangedRows(latest, *(states[name] for name in tables))

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], RowState]:
        """See LiveRows."""
        found = {}
        for rest, state in self._read(_OWNED, (TIES.name, user_id)):
            followee, _, kind = rest.partition(REST)
            found[followee, kind] = state_from_json(state)
        return found

    def ties_to(self, user_id: str) -> list[tuple[str, RowState]]:
        """See LiveRows."""
        rests = [f"{user_id}{REST}{kind}" for kind in TIE_KINDS]
        query = _TIED_TO.format(", ".join("?" * len(rests)))
        rows = self._read(query, (TIES.name, *rests))
        return [(rest.partition(REST)[2], state_from_json(state)) for rest, state in rows]

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """See LiveRows."""
        found: set[str] = set()
        rests = [f"{user_id}{REST}{kind}" for kind in DIRECTED_TIES]
        for first in range(0, len(others), _AT_ONCE):
            some = others[first : first + _AT_ONCE]
            marks = (", ".join("?" * len(values)) for values in (some, rests))
            query = _TURNED.format(*marks)
            found.update(owner for (owner,) in self._read(query, (TIES.name, *some, *rests)))
        return frozenset(found)

    def ties_around(
        self, user_id: str, others: Sequence[str]
    ) -> tuple[Mapping[tuple[str, str], RowState], frozenset[str]]:
        """See LiveRows."""
        return self.ties_of(user_id), self.turned_to(user_id, others)

    def close(self) -> None:
        """See LiveRows."""
        self._db.close()

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(
                f"cannot read changed rows in {self._path}: {error}; is its disk full?"
            ) from error


_STATE: Final = "SELECT state FROM live WHERE kind = ? AND owner = ? AND rest = ?"
_PUT: Final = """
INSERT INTO live (kind, owner, rest, state, version) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, owner, rest) DO UPDATE SET state = excluded.state, version = excluded.version
"""
# Ties are read by whoever asks for a list: there may be many, and nobody needs all.
_SINCE: Final = "SELECT kind, owner, state, version FROM live WHERE version > ? AND kind != ?"
_TURNED: Final = "SELECT owner FROM live WHERE kind = ? AND owner IN ({}) AND rest IN ({})"
_TIED_TO: Final = "SELECT rest, state FROM live WHERE kind = ? AND rest IN ({}) ORDER BY owner"
_AT_ONCE: Final = 500
_OWNED: Final = "SELECT rest, state FROM live WHERE kind = ? AND owner = ?"
