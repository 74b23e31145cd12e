"""Which key the people of an event log stand under: one, for all who write into it or beside it.

Whoever comes first says it, in the log itself; all others are compared. A pseudonym names the key
that it was made under, so ids tell by themselves what they are. Why so: ADR 57.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from coterie.data.locks import LOG_KEYS, SQLITE, check_log_url
from coterie.data.pseudonyms import key_named_in
from coterie.errors import BadInputError, UnavailableError

AS_IDS: Final = "ids"
"""Said where the shop's own ids are kept."""
KEY: Final = f"{LOG_KEYS}:people"
"""Where a Redis keeps it."""
_LOOKED_AT: Final = 1000
"""Ids of a table that are looked at."""
_BUSY_S: Final = 30.0


def agree_on_key(log_url: str, password: str, name: str, whose: str) -> None:
    """Say under which key people stand, or compare with what was said first.

    Args:
        log_url: Of the event log, ``sqlite:///path`` or ``redis://host:port/db``. A file that is
            not there yet has no people, and is not made.
        password: Of Redis.
        name: Of the key (``PseudonymKeys.name``); empty: ids are kept as they are.
        whose: Who stands under it, for the error: "serving", "the tables that are handed over".

    Raises:
        BadInputError: The log's people stand under another one, or it lets nobody in.
        UnavailableError: The log does not answer.
    """
    check_log_url(log_url)
    ours = name or AS_IDS
    if urlsplit(log_url).scheme == SQLITE:
        first = _in_file(Path(log_url.removeprefix(f"{SQLITE}://")), ours)
    else:
        first = _in_redis(log_url, password, ours)
    if first != ours:
        raise BadInputError(
            f"people stand under {_in_words(first)} in the event log {log_url}, and under "
            f"{_in_words(ours)} in {whose}: nobody would be known again. Give the same "
            "COTERIE_PSEUDONYM_KEY to serving and to pipelines; after a rotation begin an empty "
            "log and online store (docs/privacy.md)"
        )


def key_of_ids(ids: Iterable[str | None]) -> str:
    """Read off ids of people which key they stand under; empty where they are the shop's own."""
    found = (one for _, one in zip(range(_LOOKED_AT), ids, strict=False) if one)
    return next((name for name in map(key_named_in, found) if name), "")


def _in_words(said: str) -> str:
    return "the shop's own ids" if said == AS_IDS else f"pseudonyms of key {said}"


def _in_file(path: Path, ours: str) -> str:
    if not path.exists():
        return ours
    try:
        place = f"file:{quote(str(path))}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_S, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE IF NOT EXISTS people (key_name TEXT NOT NULL)")
            found = db.execute("SELECT key_name FROM people").fetchone()
            if found is None:
                db.execute("INSERT INTO people VALUES (?)", (ours,))
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise UnavailableError(
            f"cannot read which key the people of {path} stand under: {error}; "
            "is the disk full, or the file another one's?"
        ) from error
    return ours if found is None else str(found[0])


def _in_redis(log_url: str, password: str, ours: str) -> str:
    from coterie.data.redis_scripts import ScriptedRedis

    asked = ScriptedRedis(log_url, password)
    try:
        with asked.asking():
            asked.ask("SET", KEY, ours, "NX")
            found = asked.ask("GET", KEY)
    finally:
        asked.client.close()
    return ours if found is None else bytes(found).decode("utf-8", "replace")
