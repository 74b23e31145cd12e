"""Rows of feature views as the online store holds them: as bytes, in one round trip.

Feast's own client takes ten times as long as the look-up, most of it for answers in a form that
nobody asked for here. Where a row lies, and what its bytes mean, is Feast's: its keys, names of
tables and of fields, and messages.
"""

import functools
import sqlite3
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, Final, Protocol, cast
from urllib.parse import quote

RawRow = tuple[bytes | None, ...]
"""One row's values in the order of its columns, as written; None for what is not there."""
_JOIN_KEY: Final = "user_id"


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of one view."""

    view: Any
    """Feast's ``FeatureView``, as registered."""
    names: tuple[str, ...]


Asked = tuple[Columns, Sequence[str]]
"""Columns, and the ids of the people whose rows are wanted."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a person's rows say, and those of the people whom they name."""

    own: list[RawRow]
    """One for each part asked."""
    theirs: list[RawRow]
    """In the order in which they are named."""


class StoredRows(Protocol):
    """Reads rows of an online store; raises whatever the store's client raises."""

    def read(self, asked: Sequence[Asked]) -> list[list[RawRow]]:
        """Read rows of several views together.

        Returns:
            For each part asked, a row for each person in their order; of somebody who is not there
            one of None.
        """

    def read_around(self, own: Sequence[Columns], theirs: Columns, user_id: str) -> Around | None:
        """Read a person's rows, and those of the people whom they name, in one round trip.

        Args:
            own: Columns of the person; the first of the last ones names people.
            theirs: Columns of these.
            user_id: Whose.

        Returns:
            None where the store would take as many round trips as ``read`` does.
        """


def stored_rows(store: Any) -> StoredRows:
    """Read what a ``FeatureStore`` keeps online, by the kind of store that it is."""
    kinds: dict[str, Callable[[Any, Any], StoredRows]] = {
        "sqlite": SqliteFeatureRows,
        "redis": RedisFeatureRows,
    }
    kind = kinds.get(store.config.online_store.type, OtherFeatureRows)
    return kind(store._get_provider().online_store, store.config)


class SqliteFeatureRows:
    """Rows in a SQLite file: one SELECT a view, on a connection of its own.

    To find a value by its key in SQLite costs less than to tell whose and what each of 120 is.

    Several threads may read at once, as with Feast's own connection.
    """

    def __init__(self, online: Any, config: Any) -> None:
        """Open nothing yet: a store may be filled after it was named."""
        from feast.infra.online_stores.helpers import compute_table_id

        self._path = online._get_db_path(config)
        self._key = key_maker(config)
        versioned = config.registry.enable_online_feature_view_versioning
        self._table: Callable[[Any], str] = lambda view: compute_table_id(
            config.project, view, versioned
        )
        self._selects: dict[tuple[str, ...], str] = {}
        self._opened: sqlite3.Connection | None = None

    def read(self, asked: Sequence[Asked]) -> list[list[RawRow]]:
        """See StoredRows."""
        return [self._rows(columns, user_ids) for columns, user_ids in asked]

    def read_around(self, own: Sequence[Columns], theirs: Columns, user_id: str) -> Around | None:  # noqa: ARG002
        """See StoredRows."""
        return None

    def _rows(self, columns: Columns, user_ids: Sequence[str]) -> list[RawRow]:
        if not user_ids:
            return []
        keys = [self._key(user_id) for user_id in user_ids]
        query = self._select_of(columns).format("), (".join("?" * len(keys)))
        with closing(self._connection().execute(query, keys)) as cursor:
            found = {key: values for key, *values in cursor}
        return [tuple(found[key]) for key in keys]

    def _select_of(self, columns: Columns) -> str:
        """Write the query of some columns once: with a row a person, not one a value."""
        about = (columns.view.name, *columns.names)
        known = self._selects.get(about)
        if known is None:
            table = self._table(columns.view).replace('"', '""')
            values = (_VALUE.format(table, name.replace("'", "''")) for name in columns.names)
            known = self._selects[about] = _SELECT.format(", ".join(values), "{}")
        return known

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            # Never made here: what is not there has to be told.
            place = f"file:{quote(self._path)}?mode=rw"
            opened = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
            # After another process's write all pages are read anew: mapped, without a call each.
            opened.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            self._opened = opened
        return self._opened


_SELECT: Final = "WITH asked (key) AS (VALUES ({1})) SELECT asked.key, {0} FROM asked"
_VALUE: Final = """(SELECT value FROM "{}" WHERE entity_key = asked.key AND feature_name = '{}')"""
_MAPPED_BYTES: Final = 1 << 30


class RedisFeatureRows:
    """Rows in a Redis: one HMGET a person and view, all in one pipeline; or in one script, where
    only Redis can know whose rows are meant before it is asked."""

    def __init__(self, online: Any, config: Any) -> None:
        """Connect to nothing yet."""
        self._online, self._config = online, config
        self._key, self._project = key_maker(config), config.project.encode()
        self._fields: dict[tuple[str, ...], list[str | bytes]] = {}
        self._around: Any = None
        self._scripted = _takes_scripts(online, config)

    def read(self, asked: Sequence[Asked]) -> list[list[RawRow]]:
        """See StoredRows."""
        commands = [
            (self._key(user_id) + self._project, self._fields_of(columns))
            for columns, user_ids in asked
            for user_id in user_ids
        ]
        found = iter(self._online._read_hash_fields(self._config, commands) if commands else ())
        return [[tuple(next(found)) for _ in user_ids] for _, user_ids in asked]

    def read_around(self, own: Sequence[Columns], theirs: Columns, user_id: str) -> Around | None:
        """See StoredRows."""
        if not self._scripted:
            return None
        from redis.exceptions import NoPermissionError

        if self._around is None:
            client = self._online._get_client(self._config.online_store)
            self._around = client.register_script(_AROUND)
        fields = [self._fields_of(columns) for columns in own]
        flat = list(chain.from_iterable(fields))
        where = (self._key("")[: -_LENGTH.size], self._project)
        about = (len(flat), len(flat) - len(fields[-1]) + 1, _texts_tag(), *where)
        key = self._key(user_id) + self._project
        try:
            found = self._around(keys=[key], args=[*about, *flat, *self._fields_of(theirs)])
        except NoPermissionError:  # who may read, and run no scripts
            self._scripted = False
            return None
        ends = list(accumulate(map(len, fields), initial=0))
        mine = [tuple(found[0][begin:end]) for begin, end in pairwise(ends)]
        return Around(mine, list(map(tuple, found[1:])))

    def _fields_of(self, columns: Columns) -> list[str | bytes]:
        about = (columns.view.name, *columns.names)
        known = self._fields.get(about)
        if known is None:
            from feast.infra.online_stores.redis import _mmh3, _versioned_fv_name

            view = _versioned_fv_name(columns.view, self._config)
            known = [_mmh3(f"{view}:{name}") for name in columns.names]
            self._fields[about] = known
        return known


def _takes_scripts(online: Any, config: Any) -> bool:
    """Tell whether one Redis holds all rows, so that a script may read what its keys do not name;
    and whether Feast asks it by the client that has scripts."""
    from feast.infra.online_stores.redis import RedisClient, RedisOnlineStore, RedisType

    settings = config.online_store
    alone = settings.redis_type is RedisType.redis and settings.client is not RedisClient.glide
    return type(online) is RedisOnlineStore and alone


@functools.cache
def _texts_tag() -> int:
    """Give the byte that a value of texts begins with."""
    from feast.protos.feast.types.Value_pb2 import Value

    number: int = Value.DESCRIPTOR.fields_by_name["string_list_val"].number
    return number << 3 | 2


# A value of texts is a message in a message: the byte of its field and its length, then for each
# text the byte of field 1, its length, and itself. Any other value names nobody.
_AROUND: Final = """
local function number(text, at)
  local value, unit = 0, 1
  while true do
    local byte = string.byte(text, at)
    at = at + 1
    if byte < 128 then return value + byte * unit, at end
    value, unit = value + (byte - 128) * unit, unit * 128
  end
end
local width = tonumber(ARGV[1])
local answer = {redis.call('HMGET', KEYS[1], unpack(ARGV, 6, 5 + width))}
local told, size, at = answer[1][tonumber(ARGV[2])]
if told and string.byte(told, 1) == tonumber(ARGV[3]) then
  size, at = number(told, 2)
  while at <= #told do
    size, at = number(told, at + 1)
    local id = string.sub(told, at, at + size - 1)
    local key = ARGV[4] .. struct.pack('<I4', size) .. id .. ARGV[5]
    answer[#answer + 1] = redis.call('HMGET', key, unpack(ARGV, 6 + width))
    at = at + size
  end
end
return answer
"""


class OtherFeatureRows:
    """Rows in any other store that Feast knows, through its interface for stores."""

    def __init__(self, online: Any, config: Any) -> None:
        self._online, self._config = online, config

    def read(self, asked: Sequence[Asked]) -> list[list[RawRow]]:
        """See StoredRows."""
        return [self._rows(columns, user_ids) for columns, user_ids in asked]

    def read_around(self, own: Sequence[Columns], theirs: Columns, user_id: str) -> Around | None:  # noqa: ARG002
        """See StoredRows."""
        return None

    def _rows(self, columns: Columns, user_ids: Sequence[str]) -> list[RawRow]:
        if not user_ids:
            return []
        keys = [entity_key(user_id) for user_id in user_ids]
        found = self._online.online_read(
            self._config, columns.view, keys, requested_features=list(columns.names)
        )
        return [
            tuple(
                values[name].SerializeToString() if values and name in values else None
                for name in columns.names
            )
            for _, values in found
        ]


def entity_key(user_id: str) -> Any:
    """Name a person as Feast's stores do."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return EntityKey(join_keys=[_JOIN_KEY], entity_values=[Value(string_val=user_id)])


def key_maker(config: Any) -> Callable[[str], bytes]:
    """Make keys as Feast writes them: only the end differs from one person to another, their id
    after its length."""
    from feast.infra.key_encoding_utils import serialize_entity_key

    nobody = serialize_entity_key(entity_key(""), config.entity_key_serialization_version)
    common, length = cast(bytes, nobody)[: -_LENGTH.size], _LENGTH.pack

    def key(user_id: str) -> bytes:
        text = user_id.encode()
        return common + length(len(text)) + text

    return key


_LENGTH: Final = struct.Struct("<I")
