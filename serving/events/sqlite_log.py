"""The event log of one machine: a SQLite file."""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from coterie.data.changes import Change
from coterie.data.locks import WAIT_S, FileLocks
from coterie.data.suppressed import Suppressed
from coterie.errors import UnavailableError
from serving.events.erasure import ErasedEntries, is_about, spared
from serving.events.event import Entry, Event, entry_id, from_json, to_json
from serving.events.log import KeptEntries, LogBatch
from serving.events.old_entries import OldEntries, remove_from_sqlite
from serving.events.sqlite_erasure import SuppressedRows, erase_person, lift, rewrite
from serving.events.sqlite_file import open_file
from serving.events.sqlite_rows import TABLES as ROW_TABLES
from serving.events.sqlite_rows import keep_changes


class SqliteLog:
    """The EventLog in one file; several processes of this machine may have it open."""

    def __init__(self, path: Path) -> None:
        """Open the log, or begin one.

        Raises:
            UnavailableError: The file cannot be opened, or is no event log.
        """
        self._path, self._locks = path, FileLocks(path)
        try:
            self._db = open_file(path, _prepare)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(
                f"cannot open the event log {path}: {error}; "
                "check the folder's rights, or set COTERIE_STATE to another"
            ) from error
        self._suppressed = SuppressedRows(self._db)

    def append(self, entries: Sequence[Entry]) -> list[bool]:
        """See EventLog."""
        return self.keep(entries).fresh

    def keep(self, entries: Sequence[Entry]) -> KeptEntries:
        """See EventLog."""
        now = _now_ms()
        with self._writing():
            gone = self._suppressed.read()
            left = [spared(entry, gone) for entry in entries]
            places = [None if entry is None else self._add(entry, now) for entry in left]
            new = [(p, e) for p, e in zip(places, left, strict=True) if p and e is not None]
            keep_changes(self._db, [entry for _, entry in new if isinstance(entry, Change)])
        events = [(_offset(place), entry) for place, entry in new if isinstance(entry, Event)]
        return KeptEntries([bool(place) for place in places], LogBatch.of(events))

    def _add(self, entry: Entry, now_ms: int) -> int | None:
        """Add an entry; return its place if it is new."""
        cursor = self._db.execute(_INSERT, _row(entry, now_ms))
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def lock(
        self, name: str, wait_s: float = WAIT_S, shared: bool = False
    ) -> AbstractContextManager[int]:
        """See EventLog; the lock of a process that dies is free at once."""
        return self._locks.lock(name, wait_s, shared)

    def unpushed(self, limit: int) -> LogBatch:
        """See EventLog."""
        return self._batch("NOT pushed", (), limit)

    def mark_pushed(self, batch: LogBatch) -> None:
        """See EventLog."""
        with self._writing():
            offsets = [(int(offset),) for offset in batch.offsets]
            self._db.executemany("UPDATE events SET pushed = 1 WHERE place = ?", offsets)

    def count(self) -> int:
        """Count all events in the log."""
        return int(self._one("SELECT count(*) FROM events"))

    def count_unpushed(self) -> int:
        """See EventLog."""
        return int(self._one("SELECT count(*) FROM events WHERE NOT pushed"))

    def oldest_unpushed_s(self) -> float:
        """See EventLog."""
        return self._age_s("SELECT logged_ms FROM events WHERE NOT pushed ORDER BY place LIMIT 1")

    def unexported(self, most: int, least: int = 1, age_s: float = 0.0) -> LogBatch:
        """See EventLog."""
        with self._writing():
            exported, planned = self._marks()
            if planned > exported:
                return self._batch("place > ? AND place <= ?", (exported, planned), -1)
            # Not read before there is enough: this is asked for every other second.
            few = (self._one("SELECT max(place) FROM events") or 0) - exported < least
            if few and self.oldest_unexported_s() < age_s:
                return LogBatch()
            batch = self._batch("place > ?", (exported,), most)
            if not batch:
                return LogBatch()
            # Written down first: whoever goes on after a crash makes the same file again.
            self._db.execute("UPDATE marks SET planned = ?", (int(batch.offsets[-1]),))
            return batch

    def mark_exported(self, batch: LogBatch) -> None:
        """See EventLog; a file lets go of nothing: disks are large, and it tells duplicates."""
        with self._writing():
            last = int(batch.offsets[-1])
            self._db.execute("UPDATE marks SET exported = planned WHERE planned = ?", (last,))

    def oldest_unexported_s(self) -> float:
        """See EventLog."""
        return self._age_s(
            "SELECT logged_ms FROM events, marks WHERE place > exported ORDER BY place LIMIT 1"
        )

    def suppressed(self) -> Suppressed:
        """See EventLog."""
        with self._reading():
            return self._suppressed.read()

    def erase(self, user_id: str) -> ErasedEntries:
        """See EventLog."""
        with self._writing():
            return erase_person(self._db, self._suppressed, user_id, _now_ms())

    def remove_older(self, oldest_ms: int, after: str = "", most: int = 5000) -> OldEntries:
        """See EventLog; the newest entry of all stays until there is another one."""
        with self._writing():
            removed, last = remove_from_sqlite(self._db, oldest_ms, int(after or 0), most)
        return OldEntries(removed, "" if last is None else _offset(last))

    def compact(self) -> None:
        """See EventLog."""
        try:
            rewrite(self._db)
        except sqlite3.Error as error:
            raise UnavailableError(
                f"what was erased is still in free pages of {self._path}: {error}; erase again"
            ) from error

    def lift(self, user_id: str) -> bool:
        """See EventLog."""
        with self._writing():
            return lift(self._db, self._suppressed, user_id, _now_ms())

    def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """See EventLog."""
        needle = json.dumps(user_id, ensure_ascii=False)
        found: list[tuple[str, Entry]] = []
        while len(found) < most:
            page = self._batch("place > ? AND instr(event, ?)", (int(after or 0), needle), most)
            pairs = zip(page.offsets, page.entries, strict=True)
            found += [pair for pair in pairs if is_about(pair[1], user_id)]
            if len(page) < most:
                break
            after = page.offsets[-1]
        return LogBatch.of(found[:most])

    def ping(self) -> None:
        """See EventLog."""
        self._one("SELECT 1")

    def close(self) -> None:
        """See EventLog."""
        self._db.close()

    def _batch(self, where: str, values: tuple[Any, ...], limit: int) -> LogBatch:
        query = f"SELECT place, event FROM events WHERE {where} ORDER BY place LIMIT ?"  # noqa: S608
        rows = self._read(query, (*values, limit))
        return LogBatch(
            tuple(_offset(place) for place, _ in rows),
            tuple(from_json(text) for _, text in rows),
            str(self._one("SELECT identity FROM marks")),
        )

    def _marks(self) -> tuple[int, int]:
        [(exported, planned)] = self._read("SELECT exported, planned FROM marks")
        return int(exported), int(planned)

    def _one(self, query: str) -> Any:
        rows = self._read(query)
        return rows[0][0] if rows else None

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._reading():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise UnavailableError(
                f"cannot read the event log {self._path}: {error}; is its disk full?"
            ) from error

    def _age_s(self, query: str) -> float:
        logged_ms = self._one(query)
        return 0.0 if logged_ms is None else max(0.0, (_now_ms() - logged_ms) / 1000)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise UnavailableError(
                f"cannot write to the event log {self._path}: {error}; is the disk full?"
            ) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _prepare(db: sqlite3.Connection) -> None:
    db.executescript(_TABLES)
    db.executescript(ROW_TABLES)
    # Logs of earlier versions did not know when an event came: long ago, for all they know.
    known = {row[1] for row in db.execute("PRAGMA table_info (events)")}
    if "logged_ms" not in known:
        db.execute("ALTER TABLE events ADD COLUMN logged_ms INTEGER NOT NULL DEFAULT 0")
    db.execute(_IDENTITY, (secrets.token_hex(4),))


def _row(entry: Entry, now_ms: int) -> tuple[Any, ...]:
    """Write an entry as a row of the log; features need not be told of a change."""
    is_event = isinstance(entry, Event)
    who = entry.user_id if isinstance(entry, Event) else entry.key[0]
    return (entry_id(entry), who, entry.ts_ms, to_json(entry), not is_event, now_ms)


def _offset(place: int) -> str:
    return f"{place:015d}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# A column keeps its name: files of before are opened as they are, also by the version before.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    pushed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS unpushed ON events (place) WHERE NOT pushed;
CREATE TABLE IF NOT EXISTS marks (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    identity TEXT NOT NULL,
    exported INTEGER NOT NULL DEFAULT 0,
    planned INTEGER NOT NULL DEFAULT 0
);
"""
_IDENTITY: Final = "INSERT INTO marks (one, identity) VALUES (1, ?) ON CONFLICT (one) DO NOTHING"
_INSERT: Final = """
INSERT INTO events (event_id, user_id, ts_ms, event, pushed, logged_ms) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (event_id) DO NOTHING
"""
