"""Opens the event log that a URL names, and the rows that its changes changed."""

from pathlib import Path
from urllib.parse import urlsplit

from coterie.data.locks import SQLITE, check_log_url
from serving.events.log import EventLog, LiveRows
from serving.settings import Settings


def open_log(url: str, password: str = "", sync_s: float = 0.0) -> EventLog:
    """Open the log that a URL names; a Redis is asked nothing yet.

    Args:
        url: ``sqlite:///path``, ``redis://host:port/db`` or ``rediss://``.
        password: Of Redis.
        sync_s: See RedisLog.

    Raises:
        BadInputError: It names none.
        UnavailableError: The file cannot be opened.
    """
    check_log_url(url)
    if urlsplit(url).scheme == SQLITE:
        from serving.events.sqlite_log import SqliteLog

        return SqliteLog(Path(url.removeprefix(f"{SQLITE}://")))
    from serving.events.redis_log import RedisLog

    return RedisLog(url, password, sync_s)


def open_event_log(settings: Settings) -> EventLog:
    """Open the log that the settings name.

    Raises:
        BadInputError: They name none.
        UnavailableError: Its file cannot be opened.
    """
    return open_log(settings.event_log_url, settings.event_log_password, settings.event_log_sync_s)


def open_rows(url: str, password: str = "") -> LiveRows:
    """Open the changed rows beside the log that a URL names; a Redis is asked nothing yet.

    Raises:
        BadInputError: It names none.
        UnavailableError: The file cannot be opened.
    """
    check_log_url(url)
    if urlsplit(url).scheme == SQLITE:
        from serving.events.sqlite_rows import SqliteRows

        return SqliteRows(Path(url.removeprefix(f"{SQLITE}://")))
    from serving.events.redis_rows import RedisRows

    return RedisRows(url, password)


def open_live_rows(settings: Settings) -> LiveRows:
    """Open the changed rows beside the log that the settings name; raises as ``open_rows`` does."""
    return open_rows(settings.event_log_url, settings.event_log_password)
