"""What shoppers did, kept for good; and how it changes what we know of them lately."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from coterie.errors import UnavailableError
from coterie.schema import EVENT_KINDS, MAX_RECENT, EventKind

KIND_CODES: Final = {kind: code for code, kind in enumerate(EVENT_KINDS)}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the contract's events, checked."""

    event_id: str
    user_id: str
    item_id: str
    event: EventKind
    ts_ms: int
    """Milliseconds since 1970, UTC."""
    value: float | None = None
    text: str | None = None
    referrer_user_id: str | None = None
    list_id: str | None = None
    """The list that it follows from."""


@dataclass(frozen=True, slots=True)
class RecentList:
    """What one shopper did lately, as the feature view holds it: newest first, an entry an item."""

    item_ids: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()
    """Places in ``schema.EVENT_KINDS``."""
    ts_ms: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)


def merge(recent: RecentList, events: Iterable[Event], most: int = MAX_RECENT) -> RecentList:
    """Take events into a recent list: strongest kind and newest time an item, newest first.

    The order in which events come, and how often one comes, make no difference.

    Args:
        recent: What is known.
        events: Of this shopper, in any order.
        most: Entries kept.
    """
    known = dict(zip(recent.item_ids, zip(recent.kinds, recent.ts_ms, strict=True), strict=True))
    for event in events:
        kind, ts = known.get(event.item_id, (0, event.ts_ms))
        known[event.item_id] = max(kind, KIND_CODES[event.event]), max(ts, event.ts_ms)
    # Equal times fall in the order of ids: any order will do, as long as it is always the same.
    entries = sorted(known.items(), key=lambda entry: (-entry[1][1], entry[0]))[:most]
    return RecentList(
        tuple(item for item, _ in entries),
        tuple(kind for _, (kind, _) in entries),
        tuple(ts for _, (_, ts) in entries),
    )


def by_shopper(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Events of each shopper, in the order that they came."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.user_id, []).append(event)
    return groups


class EventLog:
    """A durable log in one SQLite file: an event is in it once, and known to be pushed or not."""

    def __init__(self, path: Path) -> None:
        """Open the log, or begin one.

        Raises:
            UnavailableError: The file cannot be opened, or is no event log.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Used by one thread at a time, but not always the one that opened it.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            # An acknowledged event survives a power cut, not only a crash of ours.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(
                f"cannot open the event log {path}: {error}; "
                "check the folder's rights, or set COTERIE_STATE to another"
            ) from error

    def append(self, events: Sequence[Event]) -> list[bool]:
        """Add events in one transaction.

        Returns:
            Of each event, whether it is new; an ``event_id`` that is there already stays as it is.

        Raises:
            UnavailableError: The disk refused; nothing was added.
        """
        try:
            return self._append(events)
        except sqlite3.Error as error:
            raise UnavailableError(f"cannot write to the event log: {error}") from error

    def unpushed(self, limit: int) -> list[Event]:
        """Events that the feature store has not been told of, oldest first."""
        rows = self._db.execute(
            "SELECT event FROM events WHERE NOT pushed ORDER BY place LIMIT ?", (limit,)
        )
        return [_from_json(text) for (text,) in rows]

    def mark_pushed(self, events: Sequence[Event]) -> None:
        """Remember that the feature store knows of these.

        Raises:
            UnavailableError: The disk refused; they will be pushed again, which changes nothing.
        """
        ids = [(event.event_id,) for event in events]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("UPDATE events SET pushed = 1 WHERE event_id = ?", ids)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise UnavailableError(f"cannot write to the event log: {error}") from error

    def count(self) -> int:
        """Events in the log."""
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def count_unpushed(self) -> int:
        """Events that the feature store has not been told of."""
        return int(self._db.execute("SELECT count(*) FROM events WHERE NOT pushed").fetchone()[0])

    def oldest_unpushed_s(self) -> float:
        """How long ago the oldest event happened that the feature store has not been told of."""
        row = self._db.execute("SELECT min(ts_ms) FROM events WHERE NOT pushed").fetchone()
        return 0.0 if row[0] is None else max(0.0, time.time() - row[0] / 1000)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _append(self, events: Sequence[Event]) -> list[bool]:
        rows = [(e.event_id, e.user_id, e.ts_ms, _to_json(e)) for e in events]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            fresh = [self._db.execute(_INSERT, row).rowcount == 1 for row in rows]
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise
        return fresh

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


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
"""
_INSERT: Final = """
INSERT INTO events (event_id, user_id, ts_ms, event) VALUES (?, ?, ?, ?)
ON CONFLICT (event_id) DO NOTHING
"""


def _to_json(event: Event) -> str:
    return json.dumps(asdict(event), ensure_ascii=False)


def _from_json(text: str) -> Event:
    fields: Mapping[str, object] = json.loads(text)
    return Event(**{**fields, "event": EventKind(str(fields["event"]))})  # type: ignore[arg-type]
