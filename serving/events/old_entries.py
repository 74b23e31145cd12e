"""Events that are older than a shop keeps them, out of a log: a piece of it at a time."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from coterie.data.redis_scripts import ScriptedRedis
from serving.events.event import Entry, Event, from_json, to_json
from serving.events.redis_erasure import BESIDE, move_entries
from serving.events.sqlite_erasure import REPLAN

REDIS_MOST: Final = 1000
"""Entries of one look at a Redis, which serves nobody else while they move."""


@dataclass(frozen=True, slots=True)
class OldEntries:
    """What one look at a log found, and where the next one goes on."""

    removed: int
    """Events."""
    after: str = ""
    """Offset of the last entry that was looked at; empty: that was the last there is."""


def is_old(entry: Entry, oldest_ms: int) -> bool:
    """Tell whether an entry is an event of before a time; changes of the shop do not age."""
    return isinstance(entry, Event) and entry.ts_ms < oldest_ms


def remove_from_sqlite(
    db: sqlite3.Connection, oldest_ms: int, after: int, most: int
) -> tuple[int, int | None]:
    """Remove old events among the next entries, within the transaction that is open.

    The newest entry of all stays, however old: where it stands tells where the next one goes, and
    a place that was exported must not be taken again.

    Returns:
        How many were removed, and the place of the last entry that was looked at; None: there are
        no more.
    """
    rows = db.execute(_NEXT, (oldest_ms, after, most)).fetchall()
    [(newest,)] = db.execute("SELECT coalesce(max(place), 0) FROM events").fetchall()
    old = [
        (place,)
        for place, text in rows
        if text is not None and place < newest and is_old(from_json(text), oldest_ms)
    ]
    if old:
        db.executemany("DELETE FROM events WHERE place = ?", old)
        db.execute(REPLAN)
    return len(old), rows[-1][0] if len(rows) == most else None


def remove_from_redis(
    asked: ScriptedRedis, stream: str, group: str, consumer: str, oldest_ms: int, after: str
) -> tuple[int, str]:
    """Remove old events among the next entries of a stream.

    Entries beside them come in anew, since Redis keeps the bytes of a deleted one as long as it
    keeps a neighbour: see ``redis_erasure``.

    Returns:
        How many were removed, and the id of the last entry that was looked at; empty: no more.
    """
    with asked.asking():
        first = f"({after}" if after else "-"
        page = asked.ask("XRANGE", stream, first, "+", "COUNT", REDIS_MOST)
        found = [(at.decode(), from_json(fields[b"e"])) for at, fields in page]
        places = [n for n, (_, entry) in enumerate(found) if is_old(entry, oldest_ms)]
        following = found[-1][0] if len(found) == REDIS_MOST else ""
        if not places:
            return 0, following
        begin, end = found[places[0]][0], found[places[-1]][0]
        before = asked.ask("XREVRANGE", stream, f"({begin}", "-", "COUNT", BESIDE)
        behind = asked.ask("XRANGE", stream, f"({end}", "+", "COUNT", BESIDE)
    beside = [(at.decode(), from_json(f[b"e"])) for at, f in (*reversed(before), *behind)]
    span = [
        *beside[: len(before)],
        *found[places[0] : places[-1] + 1],
        *beside[len(before) :],
    ]
    old = [is_old(entry, oldest_ms) for _, entry in span]
    moved = [
        part
        for (at, entry), gone in zip(span, old, strict=True)
        for part in (at, "" if gone else to_json(entry))
    ]
    move_entries(asked, stream, group, consumer, moved)
    return sum(old), following


_NEXT: Final = """
SELECT place, CASE WHEN ts_ms < ? THEN event END FROM events WHERE place > ? ORDER BY place LIMIT ?
"""
