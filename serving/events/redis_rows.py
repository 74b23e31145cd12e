"""The state of changed rows on a cluster: hashes in the Redis of the event log.

Beside its stream, under the same hash tag:

- ``{coterie:events}:live:items``, ``:users`` and ``:erased``: hashes, a field a row.
- ``{coterie:events}:live:ties:...``: a hash a follower, a field a tie.
- ``{coterie:events}:live:changed``: items and users by the version that changed them last.
- ``{coterie:events}:live:version``: the version of all rows.
- ``{coterie:events}:live:gone``: the version that last changed who is forgotten.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from coterie.data.changes import Change, RowState, merged, state_from_json, state_to_json
from coterie.data.locks import LOG_KEYS
from coterie.data.redis_scripts import ScriptedRedis
from coterie.errors import UnavailableError
from coterie.schema import DIRECTED_TIES, ERASED, ITEMS, TIES, USERS
from serving.events.log import ChangedRows

LIVE: Final = f"{LOG_KEYS}:live"
VERSION: Final = f"{LIVE}:version"
CHANGED: Final = f"{LIVE}:changed"
GONE: Final = f"{LIVE}:gone"
ERASED_HASH: Final = f"{LIVE}:{ERASED.name}"
REST: Final = "\x1f"
_ATTEMPTS: Final = 20
_PAGE: Final = 1000

_Field = tuple[str, str]
"""A hash, and a field in it."""


class RowWriter:
    """Adds changes to the stream of a log, and takes them into rows, in one script."""

    def __init__(self, asked: ScriptedRedis) -> None:
        self._redis = asked

    def append(
        self,
        stream: str,
        entries: Sequence[tuple[str, str]],
        changes: Sequence[Change],
        known_ms: int,
        gone: str,
    ) -> list[bool] | None:
        """Add changes, all or none; one writer's states never overwrite another's.

        Args:
            stream: Of the log.
            entries: Of each change, the key that knows it again, and its text.
            changes: In the same order.
            known_ms: For so long a change is known again.
            gone: Version of who is forgotten, by which these were looked at.

        Returns:
            Of each whether it is new; None where others are forgotten since: nothing was added.

        Raises:
            UnavailableError: Others change the same rows all the time, or Redis does not answer.
        """
        ids = [key for key, _ in entries]
        texts = [text for _, text in entries]
        for _ in range(_ATTEMPTS):
            before, after = self._states(self._unknown(ids, changes))
            rows: list[str] = []
            for (hash_name, name), state in after.items():
                rows += [hash_name, name, before.get((hash_name, name)) or "", state]
            given = [len(ids), known_ms, gone, *texts, *rows]
            hashes = dict.fromkeys(hash_name for hash_name, _ in after)
            keys = [stream, VERSION, CHANGED, GONE, *ids, *hashes]
            fresh = self._redis.run(_APPEND, keys, given)
            if fresh == 0:
                return None
            if fresh:
                return [is_new == 1 for is_new in fresh]
        raise UnavailableError("others change the same rows at this moment: send them again")

    def _unknown(self, ids: Sequence[str], changes: Sequence[Change]) -> list[Change]:
        """Leave out changes that are known, and all but the first of an id."""
        with self._redis.asking():
            pipe = self._redis.client.pipeline(transaction=False)
            for key in ids:
                pipe.exists(key)
            found = dict(zip(ids, pipe.execute(), strict=True))
        first = dict(zip(reversed(ids), reversed(changes), strict=True))
        return [first[key] for key in dict.fromkeys(ids) if not found[key]]

    def _states(self, changes: Sequence[Change]) -> tuple[dict[_Field, str], dict[_Field, str]]:
        """Read the rows' states as they are, and make what they will be, as texts."""
        fields = list(dict.fromkeys(_field(c.table, key) for c in changes for key in c.keys))
        with self._redis.asking():
            pipe = self._redis.client.pipeline(transaction=False)
            for hash_name, name in fields:
                pipe.hget(hash_name, name)
            found = pipe.execute()
        before = {f: v.decode() for f, v in zip(fields, found, strict=True) if v is not None}
        states: dict[_Field, Any] = {f: state_from_json(text) for f, text in before.items()}
        for change in changes:
            for key in change.keys:
                at = _field(change.table, key)
                states[at] = merged(states.get(at), change)
        return before, {f: state_to_json(state) for f, state in states.items()}


class RedisRows:
    """The LiveRows of a Redis; used by one thread at a time."""

    def __init__(self, url: str, password: str = "") -> None:
        self._redis = ScriptedRedis(url, password)

    def version(self) -> int:
        """See LiveRows."""
        with self._redis.asking():
            return int(self._redis.ask("GET", VERSION) or 0)

    def since(self, version: int) -> ChangedRows:
        """See LiveRows."""
        tables = (ITEMS.name, USERS.name, ERASED.name)
        states: dict[str, dict[str, RowState]] = {name: {} for name in tables}
        # The version first: what changes meanwhile is read again.
        latest = self.version()
        with self._redis.asking():
            changed = self._redis.ask("ZRANGEBYSCORE", CHANGED, f"({version}", "+inf")
        for table, found in states.items():
            mark = f"{table}{REST}"
            names = [n.decode().removeprefix(mark) for n in changed if n.startswith(mark.encode())]
            for first in range(0, len(names), _PAGE):
                some = names[first : first + _PAGE]
                with self._redis.asking():
                    texts = self._redis.ask("HMGET", f"{LIVE}:{table}", *some)
                pairs = zip(some, texts, strict=True)
                found.update({n: state_from_json(text) for n, text in pairs if text})
        return ChangedRows(latest, *(states[name] for name in tables))

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], RowState]:
        """See LiveRows."""
        return self.ties_around(user_id, ())[0]

    def ties_to(self, user_id: str) -> list[tuple[str, RowState]]:
        """See LiveRows."""
        from serving.events.redis_erasure import ties_to

        return ties_to(self._redis, user_id)

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """See LiveRows."""
        return self.ties_around(user_id, others)[1]

    def ties_around(
        self, user_id: str, others: Sequence[str]
    ) -> tuple[Mapping[tuple[str, str], RowState], frozenset[str]]:
        """See LiveRows."""
        fields = [f"{user_id}{REST}{kind}" for kind in DIRECTED_TIES]
        own, turned = self._redis.run(_TIES, [*map(ties_hash, (user_id, *others))], fields)
        found = {}
        for name, text in zip(own[::2], own[1::2], strict=True):
            followee, _, kind = name.decode().partition(REST)
            found[followee, kind] = state_from_json(text)
        return found, frozenset(others[place - 1] for place in turned)

    def close(self) -> None:
        """See LiveRows."""
        self._redis.client.close()


def _field(table: str, key: Sequence[str]) -> _Field:
    owner, *rest = key
    if table == TIES.name:
        return ties_hash(owner), REST.join(rest)
    return f"{LIVE}:{table}", owner


def ties_hash(user_id: str) -> str:
    """Name the hash of a follower's ties."""
    digest = hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()
    return f"{LIVE}:{TIES.name}:{digest}"


_TIES: Final = """
local turned = {}
for i = 2, #KEYS do
  for _, said in ipairs(redis.call('HMGET', KEYS[i], unpack(ARGV))) do
    if said then turned[#turned + 1] = i - 1; break end
  end
end
return {redis.call('HGETALL', KEYS[1]), turned}
"""

# All rows are compared before the first is written: what another writer did meanwhile is no ground
# to lose it, so nothing happens and the caller reads again.
_APPEND: Final = f"""
local count = tonumber(ARGV[1])
if (redis.call('GET', KEYS[4]) or '') ~= ARGV[3] then return 0 end
for i = count + 4, #ARGV, 4 do
  if (redis.call('HGET', ARGV[i], ARGV[i + 1]) or '') ~= ARGV[i + 2] then return false end
end
local fresh = {{}}
for i = 1, count do
  local known = KEYS[i + 4]
  if redis.call('EXISTS', known) == 1 then
    redis.call('PEXPIRE', known, ARGV[2])
    fresh[#fresh + 1] = 0
  else
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[i + 3])
    redis.call('SET', known, '', 'PX', ARGV[2])
    fresh[#fresh + 1] = 1
  end
end
for i = count + 4, #ARGV, 4 do
  if ARGV[i + 2] ~= ARGV[i + 3] then
    local version = redis.call('INCR', KEYS[2])
    redis.call('HSET', ARGV[i], ARGV[i + 1], ARGV[i + 3])
    local table = string.match(ARGV[i], ':live:({ITEMS.name})$')
      or string.match(ARGV[i], ':live:({USERS.name})$')
      or string.match(ARGV[i], ':live:({ERASED.name})$')
    if table then redis.call('ZADD', KEYS[3], version, table .. '{REST}' .. ARGV[i + 1]) end
    if table == '{ERASED.name}' then redis.call('SET', KEYS[4], version) end
  end
end
return fresh
"""
