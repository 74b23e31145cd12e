"""Recent lists in the SQLite file of Feast's online store."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from feast import FeatureStore
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore

from coterie.errors import UnavailableError
from serving.features.recent import RecentList
from serving.features.recent_rows import RecentRow, from_values, to_values
from serving.features.stored_rows import key_maker

_EPOCH: Final = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
_AT_ONCE: Final = 500
"""Keys of one query."""


class SqliteRecents:
    """The RecentRows of a file, a row a column; used by one thread at a time.

    Feast keeps whole seconds here, which tell no two rows apart. So a row's mark is the version of
    the file: it changes as soon as somebody else writes anything into it, and not by what is
    written here. Which of two rows is older makes no difference, as it makes none to Feast.
    """

    shared: Final = False

    def __init__(self, store: FeatureStore, view: Any, columns: Sequence[str]) -> None:
        """Open nothing yet: a store may be filled after it was named."""
        config = store.config
        versioned = config.registry.enable_online_feature_view_versioning
        name = compute_table_id(config.project, view, versioned).replace('"', '""')
        self._get, self._put = (text.format(table=f'"{name}"') for text in (_GET, _PUT))
        self._path = SqliteOnlineStore._get_db_path(config)
        self._key, self._columns = key_maker(config), tuple(columns)
        self._has_created = bool(view.batch_source.created_timestamp_column)
        self._opened: sqlite3.Connection | None = None

    @classmethod
    def of(cls, store: FeatureStore, view: Any, columns: Sequence[str]) -> "SqliteRecents | None":
        """Take the rows of a Feast store; None where they are written in another way than here."""
        settings = store.config.online_store
        if type(store.provider.online_store) is not SqliteOnlineStore or settings.vector_enabled:
            return None
        if getattr(settings, "enable_openai_compatible_store", False):
            return None
        return cls(store, view, columns)

    def read(self, user_ids: Sequence[str]) -> list[RecentRow]:
        """See RecentRows."""
        keys = [*map(self._key, user_ids)]
        values: dict[bytes, dict[str, bytes]] = {key: {} for key in keys}
        with self._transaction("BEGIN"):
            for key, name, value in self._found(keys):
                values[key][name] = value
            mark = self._version()
        known = frozenset(self._columns)
        return [
            RecentRow(from_values({n: v for n, v in values[key].items() if n in known}), mark)
            for key in keys
        ]

    def write(
        self,
        user_ids: Sequence[str],
        known: Sequence[RecentRow],
        lists: Sequence[RecentList],
        fencing_token: int,
    ) -> list[RecentRow | None]:
        """See RecentRows."""
        time = _time(fencing_token)
        made = time if self._has_created else None
        rows = [
            (key, name, value, time, made)
            for key, recent in zip(map(self._key, user_ids), lists, strict=True)
            for name, value in zip(self._columns, to_values(recent, self._columns), strict=True)
        ]
        with self._transaction("BEGIN IMMEDIATE"):
            mark = self._version()
            if any(row.mark != mark for row in known):
                return [None] * len(lists)
            self._db.executemany(self._put, rows)
        return [RecentRow(recent, mark) for recent in lists]

    def _version(self) -> int:
        [(version,)] = self._db.execute("PRAGMA data_version")
        return int(version)

    def _found(self, keys: Sequence[bytes]) -> Iterator[Any]:
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            yield from self._db.execute(self._get.format(", ".join("?" * len(some))), some)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        try:
            self._db.execute(begin)
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise UnavailableError(
                f"the feature store {self._path} refused: {error}; is its disk full?"
            ) from error
        finally:
            if self._opened is not None and self._opened.in_transaction:
                self._opened.execute("ROLLBACK")

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            # Never made here: what is not there has to be told.
            place = f"file:{quote(self._path)}?mode=rw"
            # Used by one thread at a time, but not always the one that opened it.
            self._opened = sqlite3.connect(
                place, uri=True, isolation_level=None, check_same_thread=False
            )
        return self._opened


def _time(fencing_token: int) -> int:
    """Write microseconds since 1970 as Feast writes times: seconds, as if UTC were our own."""
    return int((_EPOCH + timedelta(microseconds=fencing_token)).timestamp())


_GET: Final = "SELECT entity_key, feature_name, value FROM {table} WHERE entity_key IN ({{}})"
_PUT: Final = """
INSERT INTO {table} (entity_key, feature_name, value, event_ts, created_ts) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = excluded.value, value_text = NULL,
event_ts = excluded.event_ts, created_ts = excluded.created_ts
"""
