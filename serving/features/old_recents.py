"""What people did longer ago than a shop keeps it, out of the lists that features hold online."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from coterie.data.locks import PUSH
from coterie.data.polarity import told_had
from coterie.errors import BadInputError, UnavailableError, unresolved
from coterie.schema import EVENT_KINDS, EventKind
from serving.events.log import EventLog
from serving.features.erased_rows import ErasedRows, erased_rows
from serving.features.online_store import FakeFeatures, FeastFeatures, OnlineFeatures
from serving.features.recent import RecentList
from serving.features.recent_rows import recent_rows
from serving.features.stored_rows import key_maker

PAGE: Final = 500
"""Lists of one look, and of one lock."""
_ATTEMPTS: Final = 4
"""At rows that somebody else wrote meanwhile."""
_LENGTH: Final = 4
"""Bytes of a key before an id, which say how long it is."""
_VIEW: Final = EVENT_KINDS.index(EventKind.VIEW)


def without_old(recent: RecentList, oldest_ms: int) -> RecentList | None:
    """Take out of a list what happened before a time; None where nothing did.

    An item that was wanted before it, and only looked at since, was looked at: of what kind the
    later events were, a list does not say.
    """
    told = zip(recent.item_ids, recent.kinds, recent.ts_ms, recent.wanted_ms, strict=True)
    left = [_faded(*one, oldest_ms) for one in told if one[2] >= oldest_ms]
    had = [
        one
        for one in zip(recent.had_ids, recent.had_kinds, recent.had_wanted_ms, strict=True)
        if abs(one[2]) >= oldest_ms
    ]
    items, kinds, times, wanted = _columns(left, 4)
    asked = tuple(ms for ms in recent.asked_ms if ms >= oldest_ms)
    found = RecentList(items, kinds, times, wanted, *_columns(had, 3))
    found = replace(found, asked_ms=asked)
    return None if found == recent else found


def _faded(
    item_id: str, kind: int, ts_ms: int, wanted_ms: int, oldest_ms: int
) -> tuple[str, int, int, int]:
    if not wanted_ms or abs(wanted_ms) >= oldest_ms:
        return item_id, kind, ts_ms, wanted_ms
    return item_id, _VIEW if told_had(kind, wanted_ms) else kind, ts_ms, 0


def _columns(rows: list[Any], count: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True)) if rows else ((),) * count


class OldRecents:
    """Goes through the recent lists of an online store, some at a time."""

    def __init__(self, log: EventLog, features: OnlineFeatures) -> None:
        """Take a log, whose lock they are written under, and features.

        Raises:
            BadInputError: They lie in a store of which nobody here knows whom it has.
        """
        self._log, self._rows = log, recent_rows(features, 0)
        self._erased: ErasedRows = erased_rows(features)
        self._people = _people(features)

    def pages(self) -> Iterator[list[str]]:
        """Name everybody who has a row, some at a time; nobody is left out who was there all the
        while."""
        return self._people()

    def remove_older(self, user_ids: list[str], oldest_ms: int) -> int:
        """Take what is too old out of people's lists; count the lists.

        Raises:
            UnavailableError: Some of it may be left: do it again.
        """
        changed, left = 0, user_ids
        for _ in range(_ATTEMPTS):
            # A lock for each attempt: stores tell newer rows from older by its fencing token.
            with self._log.lock(PUSH, shared=self._rows.shared) as fencing_token:
                known = self._rows.read(left)
                shorter = [without_old(row.recent, oldest_ms) for row in known]
                which = [place for place, one in enumerate(shorter) if one is not None]
                users = [left[place] for place in which]
                lists = [one for one in shorter if one is not None]
                rows = [known[place] for place in which]
                written = self._rows.write(users, rows, lists, fencing_token) if users else []
            left = [user for user, row in zip(users, written, strict=True) if row is None]
            changed += len(users) - len(left)
            if not left:
                return changed
        raise UnavailableError(
            f"{len(left)} recent lists with old entries were written by others all the while: "
            "they are looked at again"
        )

    def compact(self) -> None:
        """Let files of the store hold nothing that was removed; see ErasedRows."""
        self._erased.compact()


def _people(features: OnlineFeatures) -> Callable[[], Iterator[list[str]]]:
    if isinstance(features, FakeFeatures):
        return lambda: iter([list(features.recent)])
    if isinstance(features, FeastFeatures):
        kind = features.store.config.online_store.type
        if kind == "sqlite":
            return lambda: _of_sqlite(features)
        if kind == "redis":
            return lambda: _of_redis(features)
    raise BadInputError(
        "what is too old can be taken out of an online store of type sqlite or redis alone: unset "
        "COTERIE_KEEP_DAYS, and remove it from this one by its own means"
    )


def _of_sqlite(features: FeastFeatures) -> Iterator[list[str]]:
    from feast.infra.online_stores.helpers import compute_table_id

    config = features.store.config
    versioned = config.registry.enable_online_feature_view_versioning
    name = compute_table_id(config.project, features.views[0], versioned).replace('"', '""')
    place = f"file:{quote(str(features.store.provider.online_store._get_db_path(config)))}?mode=ro"
    begins, last = len(key_maker(config)("")), b""
    try:
        with closing(sqlite3.connect(place, uri=True, timeout=30.0)) as db:
            while True:
                found = db.execute(_KEYS.format(table=f'"{name}"'), (last, PAGE)).fetchall()
                if found:
                    yield [bytes(key)[begins:].decode() for (key,) in found]
                    last = bytes(found[-1][0])
                if len(found) < PAGE:
                    return
    except sqlite3.Error as error:
        raise UnavailableError(f"the feature store {place} did not answer: {error}") from error


def _of_redis(features: FeastFeatures) -> Iterator[list[str]]:
    import redis

    config = features.store.config
    begins, project = key_maker(config)("")[:-_LENGTH], config.project.encode()
    client: Any = features.store.provider.online_store._get_client(config.online_store)
    cursor = 0
    try:
        while True:
            cursor, keys = client.scan(cursor, count=PAGE)
            ids = [
                key[len(begins) + _LENGTH : -len(project)].decode()
                for key in keys
                if key.startswith(begins) and key.endswith(project)
            ]
            yield ids
            if not cursor:
                return
    except redis.RedisError as error:
        raise UnavailableError(
            f"the Redis of features did not answer: {error}{unresolved(error)}"
        ) from error


_KEYS: Final = (
    "SELECT DISTINCT entity_key FROM {table} WHERE entity_key > ? ORDER BY entity_key LIMIT ?"
)
