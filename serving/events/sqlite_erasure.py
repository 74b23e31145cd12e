"""Forgetting a person in the SQLite file of one machine's log, down to its bytes."""

import json
import sqlite3
from typing import Final

from coterie.data.changes import Change, state_from_json
from coterie.data.suppressed import Suppressed
from coterie.schema import TIES, USERS
from serving.events.erasure import ErasedEntries, Marks, count_gone, is_about, without
from serving.events.event import Entry, from_json, to_json
from serving.events.sqlite_rows import REST, keep_changes

_LATEST: Final = "SELECT coalesce(max(version), 0) FROM live WHERE kind = 'erased'"
_MARKS: Final = "SELECT owner, state FROM live WHERE kind = 'erased'"
_OF_PERSON: Final = """
DELETE FROM live WHERE (kind = ? AND owner = ?)
OR (kind = ? AND (owner = ? OR substr(rest, 1, ?) = ?))
"""
# An entry whose place is the planned one may be gone: then an export that was begun ends before.
REPLAN: Final = """
UPDATE marks SET planned = max(exported, coalesce(
    (SELECT max(place) FROM events WHERE place <= marks.planned), 0))
"""


class SuppressedRows(Marks):
    """Who is forgotten, read again when that changed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self._db, self._version = db, 0

    def read(self) -> Suppressed:
        """Read who is forgotten at this moment."""
        [(version,)] = self._db.execute(_LATEST).fetchall()
        if version != self._version:
            rows = self._db.execute(_MARKS).fetchall()
            self.adopt({mark: state_from_json(text) for mark, text in rows})
            self._version = version
        return self.people


def erase_person(
    db: sqlite3.Connection, suppressed: SuppressedRows, user_id: str, now_ms: int
) -> ErasedEntries:
    """Suppress a person and remove their rows, within the transaction that is open."""
    suppressed.read()
    erased_ms, change = suppressed.erasing(user_id, now_ms)
    if change is not None:
        # First: it takes the newest version, which the rows that go now may have had.
        _say(db, change, now_ms)
    begins = f"{user_id}{REST}"
    values = (USERS.name, user_id, TIES.name, user_id, len(begins), begins)
    rows = db.execute(_OF_PERSON, values).rowcount
    found = _entries(db, user_id)
    for place, entry in found:
        left = without(entry, user_id)
        if left is None:
            db.execute("DELETE FROM events WHERE place = ?", (place,))
        else:
            db.execute("UPDATE events SET event = ? WHERE place = ?", (to_json(left), place))
    db.execute(REPLAN)
    counts = count_gone([entry for _, entry in found], user_id)
    return ErasedEntries(erased_ms, change is None, *counts, rows)


def lift(db: sqlite3.Connection, suppressed: SuppressedRows, user_id: str, now_ms: int) -> bool:
    """Let a person come back, within the transaction that is open; return whether they were
    forgotten."""
    suppressed.read()
    changes = suppressed.lifting(user_id, now_ms)
    for change in changes:
        _say(db, change, now_ms)
    return bool(changes)


def _say(db: sqlite3.Connection, change: Change, now_ms: int) -> None:
    text = to_json(change)
    db.execute(_INSERT, (change.entry_id, change.key[0], change.ts_ms, text, now_ms))
    keep_changes(db, [change])


def rewrite(db: sqlite3.Connection) -> None:
    """Write the file anew, so that no freed page and no old page of the write-ahead log keeps what
    was deleted; outside a transaction.

    Raises:
        sqlite3.OperationalError: Others were reading or writing all the while.
    """
    db.execute("VACUUM")
    [(busy, _, _)] = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise sqlite3.OperationalError("others read it all the while")


def _entries(db: sqlite3.Connection, user_id: str) -> list[tuple[int, Entry]]:
    # As it stands in an entry, quotes and all: what is found is looked at once more.
    needle = json.dumps(user_id, ensure_ascii=False)
    query = "SELECT place, event FROM events WHERE instr(event, ?)"
    rows = db.execute(query, (needle,)).fetchall()
    found = [(place, from_json(text)) for place, text in rows]
    return [(place, entry) for place, entry in found if is_about(entry, user_id)]


_INSERT: Final = """
INSERT INTO events (event_id, user_id, ts_ms, event, pushed, logged_ms) VALUES (?, ?, ?, ?, 1, ?)
ON CONFLICT (event_id) DO NOTHING
"""
