"""The event log of a cluster: a Redis stream.

What is in it, all under one hash tag, so that a script may touch all of it:

- ``{coterie:events}``: the stream; an entry an event or a change. Its consumer group holds as
  *pending* what features were not told of: the script that adds an event makes it pending, pushing
  acknowledges. Changes are in effect as soon as they are added, so they are never pending.
- ``{coterie:events}:id:...``: ids of entries of the last hour, so that none is added twice.
- ``{coterie:events}:marks``: which log it is, up to where it is exported, and up to where the
  export goes that somebody is at.
- ``{coterie:events}:live...``: the states of rows that changes changed (``redis_rows``).
- ``{coterie:events}:turn:...``: who holds a lock; and in ``:time`` the last fencing token.

Why it is so: docs/adr/0011-event-log-on-redis-streams.md.
"""

import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import redis

from coterie.data.changes import Change
from coterie.data.locks import (
    LOCK_TTL_S,
    LOG_KEYS,
    PUSH,
    WAIT_S,
    LockLostError,
    RedisLocks,
    lock_key,
    sharers_key,
)
from coterie.data.redis_scripts import ScriptedRedis
from coterie.data.suppressed import Suppressed
from coterie.errors import BadInputError, UnavailableError
from serving.events.erasure import ErasedEntries, count_gone, is_about, spared
from serving.events.event import Entry, Event, from_json, to_json
from serving.events.log import KeptEntries, LogBatch
from serving.events.old_entries import OldEntries, remove_from_redis
from serving.events.redis_erasure import SuppressedKeys, remove_entries, remove_rows, rewrite_files
from serving.events.redis_ids import id_at, id_key, offset_of, text
from serving.events.redis_rows import GONE, RowWriter

STREAM: Final = LOG_KEYS
GROUP: Final = "features"
CONSUMER: Final = "pusher"
"""One name for all who push: who has the lock has all that is pending."""
KNOWN_S: Final = 3600
"""For so long an event id is known again, longer than senders try again; it takes 200 bytes. A
second event after that is counted as new, but merges and ingest know it: it changes nothing."""
_PAGE: Final = 1000
_ATTEMPTS: Final = 20
_Kept = TypeVar("_Kept", Event, Change)


class RedisLog:
    """The EventLog in a stream; used by one thread at a time."""

    def __init__(self, url: str, password: str = "", sync_s: float = 0.0) -> None:
        """Ask nothing yet: who writes events may start before Redis does.

        Args:
            url: ``redis://host:port/db``, or ``rediss://`` for TLS.
            password: Of Redis; none if empty.
            sync_s: An append waits for so long until its events are on the disk of Redis (WAITAOF,
                from Redis 7.2 on); 0 leaves it to the server's ``appendfsync``.
        """
        self._url, self._sync_ms = url, round(sync_s * 1000)
        asked = ScriptedRedis(url, password, sync_s)
        self._run, self._ask, self._asking = asked.run, asked.ask, asked.asking
        self._redis, self._locks = asked.client, RedisLocks(asked)
        self._asked, self._rows, self._suppressed = asked, RowWriter(asked), SuppressedKeys(asked)

    def append(self, entries: Sequence[Entry]) -> list[bool]:
        """See EventLog."""
        return self.keep(entries).fresh

    def keep(self, entries: Sequence[Entry]) -> KeptEntries:
        """See EventLog."""
        events = [entry for entry in entries if isinstance(entry, Event)]
        changes = [entry for entry in entries if isinstance(entry, Change)]
        # Changes first: who dies in between has answered nobody; what an event refers to is there.
        changed = self._keep(changes, self._append)
        added = self._keep(events, self._append_events)
        fresh = {Change: iter([new for _, new in changed]), Event: iter([at for _, at in added])}
        if self._sync_ms and entries:
            self._wait_for_disk()
        new = [(offset_of(place), event) for event, place in added if event and place]
        return KeptEntries(
            [bool(next(fresh[type(entry)])) for entry in entries],
            LogBatch.of(new),
        )

    def _keep(
        self,
        entries: Sequence[_Kept],
        add: Callable[[Sequence[_Kept]], Sequence[Any] | None],
    ) -> list[tuple[_Kept | None, Any]]:
        """Add what may be kept; of each what was, and what adding it gave."""
        if not entries:
            return []
        for _ in range(_ATTEMPTS):
            left: list[Any] = [spared(entry, self._suppressed.people) for entry in entries]
            kept = [entry for entry in left if entry is not None]
            added = add(kept) if kept else []
            if added is not None:
                of_each = iter(added)
                return [(one, None if one is None else next(of_each)) for one in left]
            self._suppressed.read()
        raise UnavailableError("people are being erased at this moment: send it again")

    def _append_events(self, events: Sequence[Event]) -> list[str] | None:
        """Add events; return where each is that is new, nothing of the others, and None where
        somebody was forgotten since."""
        keys = [STREAM, GONE, *map(id_key, events)]
        texts = [to_json(event) for event in events]
        given = [GROUP, CONSUMER, KNOWN_S * 1000, self._suppressed.version, *texts]
        return None if (added := self._run(_APPEND, keys, given)) == 0 else [*map(text, added)]

    def _append(self, changes: Sequence[Change]) -> list[bool] | None:
        texts, gone = [(id_key(c), to_json(c)) for c in changes], self._suppressed.version
        return self._rows.append(STREAM, texts, changes, KNOWN_S * 1000, gone)

    def lock(
        self, name: str, wait_s: float = WAIT_S, shared: bool = False
    ) -> AbstractContextManager[int]:
        """See EventLog."""
        return self._locks.lock(name, wait_s, shared, LOCK_TTL_S)

    def unpushed(self, limit: int) -> LogBatch:
        """See EventLog."""
        # From 0 on: what is pending, again. That writes nothing, unlike XAUTOCLAIM.
        found = self._of_group(
            "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", limit, "STREAMS", STREAM, "0"
        )
        return self._batch(found[0][1] if found else [])

    def mark_pushed(self, batch: LogBatch) -> None:
        """See EventLog."""
        keys = [STREAM, lock_key(PUSH), sharers_key(PUSH)]
        if not self._run(
            _ACKNOWLEDGE, keys, [self._locks.owner, GROUP, *map(id_at, batch.offsets)]
        ):
            raise LockLostError("the lock ran out before all was pushed: it is pushed again")

    def count_unpushed(self) -> int:
        """See EventLog."""
        return int(self._pending().get("pending", 0))

    def oldest_unpushed_s(self) -> float:
        """See EventLog."""
        return self._age_s(self._pending().get("min"))

    def unexported(self, most: int, least: int = 1, age_s: float = 0.0) -> LogBatch:
        """See EventLog."""
        identity, exported, planned = self._marks()
        goes_on = planned != exported
        # Not read before there is enough: this is asked for every other second.
        if not goes_on and self._length() < least and self.oldest_unexported_s() < age_s:
            return LogBatch()
        # What is planned is exported as it was planned, whatever is asked for now.
        last = planned if goes_on else "+"
        found = self._entries(f"({exported}", last, sys.maxsize if goes_on else most)
        if not found:
            return LogBatch()
        # Written down first: whoever goes on after a crash makes the same file again. Refused where
        # another process was quicker, who may have begun to trim what was still being read here.
        if not self._run(_PLAN, [f"{STREAM}:marks"], [exported, planned, found[-1][0]]):
            return LogBatch()
        return self._batch(found, identity)

    def mark_exported(self, batch: LogBatch) -> None:
        """See EventLog."""
        self._run(_EXPORTED, [STREAM, f"{STREAM}:marks"], [id_at(batch.offsets[-1]), GROUP])

    def oldest_unexported_s(self) -> float:
        """See EventLog."""
        found = self._entries(f"({self._marks()[1]}", "+", 1)
        return self._age_s(found[0][0]) if found else 0.0

    def suppressed(self) -> Suppressed:
        """See EventLog."""
        return self._suppressed.read()

    def erase(self, user_id: str) -> ErasedEntries:
        """See EventLog."""
        self._suppressed.read()
        erased_ms, change = self._suppressed.erasing(user_id, self._now_ms())
        if change is not None:
            self.append([change])
        found = remove_entries(self._asked, STREAM, GROUP, CONSUMER, user_id)
        rows = remove_rows(self._asked, user_id)
        return ErasedEntries(erased_ms, change is None, *count_gone(found, user_id), rows)

    def remove_older(self, oldest_ms: int, after: str = "", most: int = 5000) -> OldEntries:  # noqa: ARG002
        """See EventLog; so many entries are looked at as Redis can move at once."""
        first = id_at(after) if after else ""
        place = self._asked, STREAM, GROUP, CONSUMER
        removed, last = remove_from_redis(*place, oldest_ms, first)
        return OldEntries(removed, offset_of(last) if last else "")

    def compact(self) -> None:
        """See EventLog."""
        rewrite_files(self._redis)

    def lift(self, user_id: str) -> bool:
        """See EventLog."""
        self._suppressed.read()
        changes = self._suppressed.lifting(user_id, self._now_ms())
        self.append(changes)
        return bool(changes)

    def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """See EventLog."""
        found: list[tuple[str, Entry]] = []
        first = f"({id_at(after)}" if after else "-"
        while len(found) < most:
            page = self._entries(first, "+", _PAGE)
            read = [(offset_of(at), from_json(fields[b"e"])) for at, fields in page if fields]
            found += [(at, entry) for at, entry in read if is_about(entry, user_id)]
            if len(page) < _PAGE:
                break
            first = f"({page[-1][0]}"
        return LogBatch.of(found[:most])

    def ping(self) -> None:
        """See EventLog."""
        with self._asking():
            self._ask("PING")

    def close(self) -> None:
        """See EventLog."""
        self._redis.close()

    def _marks(self) -> tuple[str, str, str]:
        """Read which log it is, and up to where exported and planned: equal between exports."""
        found = self._run(_MARKS, [f"{STREAM}:marks"], [secrets.token_hex(4)])
        identity, exported, planned = map(text, found)
        return identity, exported, planned

    def _entries(self, first: str, last: str, most: int) -> list[tuple[str, Any]]:
        """Read entries in pages: a long answer would hold up all others that Redis serves."""
        found: list[tuple[str, Any]] = []
        while len(found) < most:
            with self._asking():
                wanted = min(_PAGE, most - len(found))
                page = self._ask("XRANGE", STREAM, first, last, "COUNT", wanted)
            found += [(text(entry), fields) for entry, fields in page]
            if len(page) < wanted:
                break
            first = f"({found[-1][0]}"
        return found

    def _length(self) -> int:
        """Count entries that are not trimmed: at least as many as are not exported."""
        with self._asking():
            return int(self._ask("XLEN", STREAM))

    def _pending(self) -> dict[str, Any]:
        return dict(self._of_group("XPENDING", STREAM, GROUP) or {})

    def _of_group(self, *command: Any) -> Any:
        """Ask of the consumer group; None where there is none, since nothing was ever appended."""
        with self._asking():
            try:
                return self._ask(*command)
            except redis.ResponseError as error:
                if str(error).startswith("NOGROUP"):
                    return None
                raise

    def _age_s(self, entry: str | bytes | None) -> float:
        """Tell an entry's age in seconds, by the clock that gave it its id."""
        if not entry:
            return 0.0
        logged_ms = int(text(entry).partition("-")[0])
        return max(0.0, (self._now_ms() - logged_ms) / 1000)

    def _now_ms(self) -> int:
        """Tell the time by the clock that gives entries their ids."""
        with self._asking():
            seconds, microseconds = self._ask("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _batch(self, entries: Sequence[tuple[Any, Any]], identity: str = "") -> LogBatch:
        return LogBatch(
            tuple(offset_of(text(entry)) for entry, _ in entries),
            # Of an entry that somebody deleted by hand, its offset alone is pending.
            tuple(from_json(fields[b"e"]) for _, fields in entries if fields),
            identity,
        )

    def _wait_for_disk(self) -> None:
        with self._asking():
            try:
                local, _ = self._ask("WAITAOF", 1, 0, self._sync_ms)
            except redis.ResponseError as error:
                if "unknown command" not in str(error):
                    raise
                raise BadInputError(
                    f"{self._url} knows no WAITAOF, which Redis has from 7.2 on: "
                    "set COTERIE_EVENT_LOG_SYNC_S=0, and appendfsync always in Redis"
                ) from error
        if local < 1:
            raise UnavailableError(
                f"{self._url} did not write events to its disk within {self._sync_ms} ms: "
                "they may be sent again"
            )


# Redis runs a script as a whole, writes what it did to its log as one transaction, and refuses for
# want of memory before a script's first write only. So a script happens, or it does not. All but
# the first are let through then, too: they make room.

_APPEND: Final = """
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[4] then return 0 end
-- The group may be gone with a Redis that was made anew.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
local added, claim = {}, {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
local last
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    -- Also, so that WAITAOF after a resend waits for something.
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
    added[#added + 1] = ''
  else
    last = redis.call('XADD', KEYS[1], '*', 'e', ARGV[i + 2])
    redis.call('SET', KEYS[i], '', 'PX', ARGV[3])
    claim[#claim + 1] = last
    added[#added + 1] = last
  end
  -- A call takes some thousands of arguments.
  if last and (i == #KEYS or #claim > 1000) then
    for _, word in ipairs({'FORCE', 'JUSTID', 'LASTID', last}) do claim[#claim + 1] = word end
    redis.call(unpack(claim))
    claim, last = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}, nil
  end
end
return added
"""
_ACKNOWLEDGE: Final = """#!lua flags=allow-oom
local held = redis.call('GET', KEYS[2])
if held ~= ARGV[1] then
  local until_ms = held == 'shared' and redis.call('ZSCORE', KEYS[3], ARGV[1])
  local clock = redis.call('TIME')
  local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
  if not until_ms or tonumber(until_ms) <= ms then return 0 end
end
-- A call takes some thousands of arguments.
for i = 3, #ARGV, 1000 do
  redis.call('XACK', KEYS[1], ARGV[2], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 1
"""
_MARKS: Final = """#!lua flags=allow-oom
local found = redis.call('HMGET', KEYS[1], 'identity', 'exported', 'planned')
if not found[1] then
  found = {ARGV[1], '0-0', '0-0'}
  redis.call('HSET', KEYS[1], 'identity', found[1], 'exported', found[2], 'planned', found[3])
end
return found
"""
_PLAN: Final = """#!lua flags=allow-oom
local found = redis.call('HMGET', KEYS[1], 'exported', 'planned')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return 0 end
if ARGV[2] ~= ARGV[3] then redis.call('HSET', KEYS[1], 'planned', ARGV[3]) end
return 1
"""
_EXPORTED: Final = """#!lua flags=allow-oom
local function parts(id)
  local ms, number = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(number)
end
if redis.call('HGET', KEYS[2], 'planned') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'exported', ARGV[1])
-- Never by length: what was not pushed stays, however much there is of it.
local ms, number = parts(ARGV[1])
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[2])
local keep = string.format('%.0f-%.0f', ms, number + 1)
if pending[2] then
  local oldest_ms, oldest = parts(pending[2])
  if oldest_ms < ms or (oldest_ms == ms and oldest <= number) then keep = pending[2] end
end
return redis.call('XTRIM', KEYS[1], 'MINID', keep)
"""
