"""Recent lists in the Redis of Feast's online store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from typing import Any, Final

import redis
from feast import FeatureStore
from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisType
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from coterie.errors import UnavailableError, unresolved
from serving.features.recent import RecentList
from serving.features.recent_rows import RecentRow, from_values, to_values
from serving.features.stored_rows import key_maker

_AT_ONCE: Final = 200
"""Rows of one script: Redis serves nobody else meanwhile."""


class RedisRecents:
    """The RecentRows of a Redis, a hash a shopper; used by one thread at a time.

    A row's mark is its time: the fencing token it was written under, microseconds since 1970.
    """

    shared: Final = True

    def __init__(self, store: FeatureStore, view: Any, columns: Sequence[str]) -> None:
        """Connect to nothing yet."""
        config = store.config
        name = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
        self._time = f"_ts:{name}".encode()
        self._columns = tuple(columns)
        self._fields = [_mmh3(f"{name}:{column}") for column in columns]
        self._key, self._project = key_maker(config), config.project.encode()
        self._client = store.provider.online_store._get_client(config.online_store)
        self._script = self._client.register_script(_WRITE)

    @classmethod
    def of(cls, store: FeatureStore, view: Any, columns: Sequence[str]) -> "RedisRecents | None":
        """Take the rows of a Feast store; None where they are written in another way than here."""
        settings = store.config.online_store
        if type(store.provider.online_store) is not RedisOnlineStore:
            return None
        if settings.redis_type is not RedisType.redis or settings.key_ttl_seconds:
            return None
        return None if settings.skip_dedup else cls(store, view, columns)

    def read(self, user_ids: Sequence[str]) -> list[RecentRow]:
        """See RecentRows."""
        with self._asking():
            pipe = self._client.pipeline(transaction=False)
            for key in self._keys(user_ids):
                pipe.hmget(key, [self._time, *self._fields])
            return [self._row(*found) for found in pipe.execute()]

    def write(
        self,
        user_ids: Sequence[str],
        known: Sequence[RecentRow],
        lists: Sequence[RecentList],
        fencing_token: int,
    ) -> list[RecentRow | None]:
        """See RecentRows."""
        written: list[RecentRow | None] = [None] * len(lists)
        # Feast leaves a row alone that is as late, or later.
        older = [place for place, row in enumerate(known) if row.mark < fencing_token]
        keys = self._keys(user_ids)
        now = _time(fencing_token)
        with self._asking():
            for first in range(0, len(older), _AT_ONCE):
                some = older[first : first + _AT_ONCE]
                told: list[Any] = [len(self._fields), self._time, now, *self._fields]
                for place in some:
                    told.append(_time(known[place].mark))
                    told += to_values(lists[place], self._columns)
                answers = self._script(keys=[keys[place] for place in some], args=told)
                for place in compress(some, answers):
                    written[place] = RecentRow(lists[place], fencing_token)
        return written

    def _keys(self, user_ids: Sequence[str]) -> list[bytes]:
        return [self._key(user_id) + self._project for user_id in user_ids]

    def _row(self, time: bytes | None, *values: bytes | None) -> RecentRow:
        found = zip(self._columns, values, strict=True)
        recent = from_values({name: value for name, value in found if value is not None})
        return RecentRow(recent, _mark(time))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise UnavailableError(
                f"the feature store did not answer as it should: {error}{unresolved(error)}"
            ) from error


def _time(mark: int) -> bytes:
    """Write microseconds since 1970 as Feast does; nothing for a row that is not there."""
    if not mark:
        return b""
    seconds, rest = divmod(mark, 1_000_000)
    time: bytes = Timestamp(seconds=seconds, nanos=rest * 1000).SerializeToString()
    return time


def _mark(time: bytes | None) -> int:
    if not time:
        return 0
    found = Timestamp.FromString(time)
    return int(found.seconds * 1_000_000 + found.nanos // 1000)


# Redis runs a script as a whole: nobody writes between the look at a row and its end. Feast itself
# looks first and writes then.
_WRITE: Final = """
local width = tonumber(ARGV[1])
local at, written = width + 4, {}
for i = 1, #KEYS do
  if (redis.call('HGET', KEYS[i], ARGV[2]) or '') == ARGV[at] then
    local row = {'HSET', KEYS[i], ARGV[2], ARGV[3]}
    for n = 1, width do
      row[#row + 1] = ARGV[n + 3]
      row[#row + 1] = ARGV[at + n]
    end
    redis.call(unpack(row))
    written[i] = 1
  else
    written[i] = 0
  end
  at = at + width + 1
end
return written
"""
