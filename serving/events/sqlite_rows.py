"""The state of changed rows on one machine: tables in the file of the event log."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from coterie.data.changes import Change, RowState, merged, state_from_json, state_to_json
from coterie.errors import UnavailableError
from coterie.schema import DIRECTED_TIES, ITEMS, TIES, USERS
from serving.events.log import ChangedRows

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
"""
"""A row: its table, its first key column, the other ones, and its state."""
_REST: Final = "\x1f"
_LATEST: Final = "SELECT coalesce(max(version), 0) FROM live"


def keep_changes(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Take changes into the states of their rows, within the transaction that is open."""
    [(version,)] = db.execute(_LATEST).fetchall()
    for change in changes:
        version += 1
        for owner, *rest in change.keys:
            key = (change.table, owner, _REST.join(rest))
            found = db.execute(_STATE, key).fetchone()
            before = state_from_json(found[0]) if found else None
            after = merged(before, change)
            if after != before:
                db.execute(_PUT, (*key, state_to_json(after), version))


class SqliteRows:
    """The LiveRows of a file; every process that reads them opens it for itself."""

    def __init__(self, path: Path) -> None:
        """Open the file of an event log, or begin one.

        Raises:
            UnavailableError: The file cannot be opened.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"cannot open changed rows in {path}: {error}") from error

    def version(self) -> int:
        """See LiveRows."""
        [(version,)] = self._read(_LATEST)
        return int(version)

    def since(self, version: int) -> ChangedRows:
        """See LiveRows."""
        rows = self._read(_SINCE, (version, TIES.name))
        states: dict[str, dict[str, RowState]] = {ITEMS.name: {}, USERS.name: {}}
        latest = version
        for kind, owner, state, changed in rows:
            states[kind][owner] = state_from_json(state)
            latest = max(latest, changed)
        return ChangedRows(latest, states[ITEMS.name], states[USERS.name])

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], RowState]:
        """See LiveRows."""
        found = {}
        for rest, state in self._read(_OWNED, (TIES.name, user_id)):
            followee, _, kind = rest.partition(_REST)
            found[followee, kind] = state_from_json(state)
        return found

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """See LiveRows."""
        found: set[str] = set()
        rests = [f"{user_id}{_REST}{kind}" for kind in DIRECTED_TIES]
        for first in range(0, len(others), _AT_ONCE):
            some = others[first : first + _AT_ONCE]
            marks = (", ".join("?" * len(values)) for values in (some, rests))
            query = _TURNED.format(*marks)
            found.update(owner for (owner,) in self._read(query, (TIES.name, *some, *rests)))
        return frozenset(found)

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
_AT_ONCE: Final = 500
_OWNED: Final = "SELECT rest, state FROM live WHERE kind = ? AND owner = ?"
