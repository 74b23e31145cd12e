"""Reads who is forgotten out of an event log, for those who do not serve from it."""

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from coterie.data.changes import state_from_json
from coterie.data.locks import LOG_KEYS, SQLITE, check_log_url
from coterie.data.suppressed import NOBODY, Suppressed
from coterie.errors import UnavailableError
from coterie.schema import ERASED

_MARKS: Final = "SELECT owner, state FROM live WHERE kind = ?"
_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE name = 'live'"


def read_suppressed(log_url: str, password: str = "") -> Suppressed:
    """Read who is forgotten at this moment.

    Args:
        log_url: Of the event log, ``sqlite:///path`` or ``redis://host:port/db``.
        password: Of Redis.

    Raises:
        BadInputError: It names no log.
        UnavailableError: The log does not answer.
    """
    check_log_url(log_url)
    if urlsplit(log_url).scheme == SQLITE:
        return _in_file(Path(log_url.removeprefix(f"{SQLITE}://")))
    from coterie.data.redis_scripts import ScriptedRedis

    asked = ScriptedRedis(log_url, password)
    try:
        with asked.asking():
            found = dict(asked.ask("HGETALL", f"{LOG_KEYS}:live:{ERASED.name}"))
    finally:
        asked.client.close()
    return Suppressed.of({mark.decode(): state_from_json(text) for mark, text in found.items()})


def _in_file(path: Path) -> Suppressed:
    if not path.exists():
        return NOBODY
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        try:
            if not db.execute(_TABLE).fetchall():
                return NOBODY
            rows = db.execute(_MARKS, (ERASED.name,)).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise UnavailableError(f"cannot read who is forgotten in {path}: {error}") from error
    return Suppressed.of({mark: state_from_json(text) for mark, text in rows})
