"""Forgetting a person in the online store: their own row, and their name in lists of friends."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final, Protocol
from urllib.parse import quote

from coterie import schema
from coterie.errors import BadInputError, UnavailableError, unresolved
from serving.events.redis_erasure import rewrite_files
from serving.features.online_store import FakeFeatures, FeastFeatures, OnlineFeatures
from serving.features.people_columns import STUDIES
from serving.features.stored_rows import key_maker

_PAGE: Final = 1000
_BUSY_S: Final = 30.0
_IS_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"


class ErasedRows(Protocol):
    """Removes people from an online store; every method may raise UnavailableError."""

    def remove(self, user_id: str) -> int:
        """Remove a person's own row, and say whether there was one; under the lock ``PUSH``."""

    def remove_from_others(self, user_id: str) -> int:
        """Take a person out of all lists of friends; count the lists."""

    def compact(self) -> None:
        """Let files of the store hold nothing that was removed; see EventLog."""


def erased_rows(features: OnlineFeatures) -> ErasedRows:
    """Open the rows behind features, to remove some.

    Raises:
        BadInputError: They lie in a store of which nobody here knows how it deletes.
    """
    if isinstance(features, FakeFeatures):
        return FakeErasedRows(features)
    if isinstance(features, FeastFeatures):
        kind = features.store.config.online_store.type
        if kind == "sqlite":
            return SqliteErasedRows(features)
        if kind == "redis":
            return RedisErasedRows(features)
    raise BadInputError(
        "people can be erased from an online store of type sqlite or redis alone: remove them "
        "from this one by its own means"
    )


def without_friends(
    values: Mapping[str, bytes], is_gone: Callable[[str], bool]
) -> dict[str, bytes] | None:
    """Take friends out of a row of ties; None where none of them is in it.

    Args:
        values: By column, as Feast serialises them.
        is_gone: Tells whom to take out.
    """
    from feast.protos.feast.types.Value_pb2 import Value

    messages = {
        name: Value.FromString(values[name]) for name in schema.FRIEND_WIDTHS if values.get(name)
    }
    named = messages.get(schema.FRIEND_IDS)
    ids = named.string_list_val.val if named is not None else ()
    kept = [place for place, one in enumerate(ids) if not is_gone(one)]
    if len(kept) == len(ids):
        return None
    for name, message in messages.items():
        kind = message.WhichOneof("val")
        if kind is None:
            continue
        held, width = getattr(message, kind).val, schema.FRIEND_WIDTHS[name]
        left = [held[place * width + at] for place in kept for at in range(width)] if held else []
        del held[:]
        held.extend(left)
    return {name: message.SerializeToString() for name, message in messages.items()}


class FakeErasedRows:
    """The ErasedRows of features in memory."""

    def __init__(self, features: FakeFeatures) -> None:
        self._features = features

    def remove(self, user_id: str) -> int:
        """See ErasedRows."""
        self._features.ping()
        known = self._features
        held = (known.recent, known.friends, known.consent, known.studies)
        found = [part.pop(user_id, None) for part in held]
        return int(any(one is not None for one in found))

    def remove_from_others(self, user_id: str) -> int:
        """See ErasedRows."""
        self._features.ping()
        named = {n: of for n, of in self._features.friends.items() if user_id in of.ids}
        for name, of in named.items():
            kept = [place for place, one in enumerate(of.ids) if one != user_id]
            self._features.friends[name] = of.take(kept)
        return len(named)

    def compact(self) -> None:
        """See ErasedRows; memory has no files."""


class SqliteErasedRows:
    """The ErasedRows of a file: what is removed is overwritten, too."""

    def __init__(self, features: FeastFeatures) -> None:
        from feast.infra.online_stores.helpers import compute_table_id

        config = features.store.config
        versioned = config.registry.enable_online_feature_view_versioning
        self._path = str(features.store.provider.online_store._get_db_path(config))
        self._key = key_maker(config)
        self._tables = [
            compute_table_id(config.project, view, versioned).replace('"', '""')
            for view in features.views
        ]
        self._ties = self._tables[1]
        # Of views that no list is made of, where a study brought them online.
        self._studies = [self._ties.replace(schema.SHOPPER_TIES_VIEW, view) for view in STUDIES]

    def remove(self, user_id: str) -> int:
        """See ErasedRows."""
        key = self._key(user_id)
        with _asking(self._path), _opened(self._path) as db:
            db.execute("BEGIN IMMEDIATE")
            named = ((table, (table.replace('""', '"'),)) for table in self._studies)
            there = [table for table, name in named if db.execute(_IS_TABLE, name).fetchone()]
            tables = [*self._tables, *there]
            deletes = (f'DELETE FROM "{name}" WHERE entity_key = ?' for name in tables)  # noqa: S608
            found = sum(db.execute(delete, (key,)).rowcount for delete in deletes)
            db.execute("COMMIT")
        return int(found > 0)

    def remove_from_others(self, user_id: str) -> int:
        """See ErasedRows."""
        changed = 0
        select, update = (text.format(table=f'"{self._ties}"') for text in (_NAMING, _REPLACE))
        with _asking(self._path), _opened(self._path) as db:
            db.execute("BEGIN IMMEDIATE")
            keys = db.execute(select, (schema.FRIEND_IDS, user_id.encode())).fetchall()
            row_of = f'SELECT feature_name, value FROM "{self._ties}" WHERE entity_key = ?'  # noqa: S608
            for (key,) in keys:
                left = without_friends(dict(db.execute(row_of, (key,))), user_id.__eq__)
                if left is not None:
                    changed += 1
                    rows = [(value, key, name) for name, value in left.items()]
                    db.executemany(update, rows)
            db.execute("COMMIT")
        return changed

    def compact(self) -> None:
        """See ErasedRows."""
        with _asking(self._path), _opened(self._path) as db:
            # Pages that were freed before keep what they held: the file is written anew.
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    """Open a file that is there."""
    place = f"file:{quote(path)}?mode=rw"
    with closing(sqlite3.connect(place, uri=True, isolation_level=None, timeout=_BUSY_S)) as db:
        yield db


class RedisErasedRows:
    """The ErasedRows of a Redis: a hash a shopper, of all views."""

    def __init__(self, features: FeastFeatures) -> None:
        from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name

        config = features.store.config
        versioned = config.registry.enable_online_feature_view_versioning
        name = compute_versioned_name(features.views[1], versioned)
        self._fields = {column: _mmh3(f"{name}:{column}") for column in schema.FRIEND_WIDTHS}
        self._key, self._project = key_maker(config), config.project.encode()
        self._begins = self._key("")[:-4]
        self._client = features.store.provider.online_store._get_client(config.online_store)
        self._script = self._client.register_script(_REPLACE_IN_REDIS)
        self._naming = self._client.register_script(_NAMING_IN_REDIS)

    def remove(self, user_id: str) -> int:
        """See ErasedRows."""
        with _asking("the Redis of features"):
            return int(self._client.delete(self._key(user_id) + self._project))

    def remove_from_others(self, user_id: str) -> int:
        """See ErasedRows."""
        changed, names = 0, list(self._fields.values())
        named = [self._fields[schema.FRIEND_IDS], user_id.encode()]
        with _asking("the Redis of features"):
            for keys in self._pages():
                # Looked for where they lie: to fetch all rows takes ten times as long.
                for place in self._naming(keys=keys, args=named):
                    key = keys[place - 1]
                    changed += self._rewrite(key, self._client.hmget(key, names), user_id)
        return changed

    def compact(self) -> None:
        """See ErasedRows."""
        rewrite_files(self._client)

    def _rewrite(self, key: bytes, values: list[bytes | None], user_id: str) -> int:
        found = {column: value for column, value in zip(self._fields, values, strict=True) if value}
        left = without_friends(found, user_id.__eq__)
        if left is None:
            return 0
        told = [part for name, value in left.items() for part in (self._fields[name], value)]
        # Whoever wrote the row meanwhile knows who is forgotten.
        return int(
            self._script(keys=[key], args=[self._fields[schema.FRIEND_IDS], values[0], *told])
        )

    def _pages(self) -> Iterator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = self._client.scan(cursor, count=_PAGE)
            ours = [k for k in keys if k.startswith(self._begins) and k.endswith(self._project)]
            if ours:
                yield ours
            if not cursor:
                return


@contextmanager
def _asking(where: str) -> Iterator[None]:
    """Turn a store's troubles into ours."""
    import redis

    try:
        yield
    except (sqlite3.Error, redis.RedisError) as error:
        raise UnavailableError(
            f"the feature store {where} refused to erase: {error}{unresolved(error)}; erase again"
        ) from error


_NAMING: Final = "SELECT entity_key FROM {table} WHERE feature_name = ? AND instr(value, ?)"
_REPLACE: Final = (
    "UPDATE {table} SET value = ?, value_text = NULL WHERE entity_key = ? AND feature_name = ?"
)
_NAMING_IN_REDIS: Final = """
local found = {}
for i = 1, #KEYS do
  local ids = redis.call('HGET', KEYS[i], ARGV[1])
  if ids and string.find(ids, ARGV[2], 1, true) then found[#found + 1] = i end
end
return found
"""
_REPLACE_IN_REDIS: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
"""
