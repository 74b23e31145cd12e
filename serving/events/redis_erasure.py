"""Forgetting a person in the Redis of a cluster's log."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import redis

from coterie.data.changes import RowState, state_from_json
from coterie.data.redis_scripts import ScriptedRedis
from coterie.data.suppressed import Suppressed
from coterie.schema import TIE_KINDS, TIES, USERS
from serving.events.erasure import Marks, is_about, without
from serving.events.event import Entry, from_json, to_json
from serving.events.redis_rows import CHANGED, ERASED_HASH, GONE, LIVE, REST, ties_hash

_PAGE: Final = 1000
_REWRITE_S: Final = 20.0
_POLL_S: Final = 0.05
BESIDE: Final = 101
"""Entries on each side of one: Redis stores a hundred together at most, unless it was told else."""


class SuppressedKeys(Marks):
    """Who is forgotten, read again when that changed."""

    def __init__(self, asked: ScriptedRedis) -> None:
        super().__init__()
        self._redis, self.version = asked, ""

    def read(self) -> Suppressed:
        """Read who is forgotten at this moment; scripts compare the version, so that nothing slips
        in meanwhile."""
        with self._redis.asking():
            # The version first: what changes meanwhile is read again.
            version = (self._redis.ask("GET", GONE) or b"").decode()
            if version != self.version:
                found = dict(self._redis.ask("HGETALL", ERASED_HASH))
                texts = {mark.decode(): text for mark, text in found.items()}
                self.adopt({mark: state_from_json(text) for mark, text in texts.items()})
                self.version = version
        return self.people


def remove_entries(
    asked: ScriptedRedis, stream: str, group: str, consumer: str, user_id: str
) -> list[Entry]:
    """Take a person's entries out of the stream; others' that named them come in anew, without.

    Redis keeps the bytes of a deleted entry as long as it keeps one that is stored beside it: so
    its neighbours come in anew as well. To be read, pushed or exported in another order, or twice,
    changes nothing.

    Returns:
        Entries as they were.
    """
    found: list[tuple[str, Entry]] = []
    for page in _pages(asked, stream):
        read = [(at, from_json(fields[b"e"])) for at, fields in page if fields]
        found += [(at, entry) for at, entry in read if is_about(entry, user_id)]
    for at, _ in found:
        with asked.asking():
            before = asked.ask("XREVRANGE", stream, at, "-", "COUNT", BESIDE)
            after = asked.ask("XRANGE", stream, f"({at}", "+", "COUNT", BESIDE)
        moved: list[str] = []
        for place, fields in (*reversed(before), *after):
            left = without(from_json(fields[b"e"]), user_id)
            moved += [place.decode(), "" if left is None else to_json(left)]
        move_entries(asked, stream, group, consumer, moved)
    return [entry for _, entry in found]


def move_entries(
    asked: ScriptedRedis, stream: str, group: str, consumer: str, moved: Sequence[str]
) -> None:
    """Take entries out of the stream; those of which something stays come in anew, behind all.

    Args:
        asked: The Redis.
        stream: Of the log.
        group: Whose pending entries stay pending,
        consumer: and of whom.
        moved: Of each, oldest first, its id and what stays of it, as a text; empty: nothing.
    """
    asked.run(_MOVE, [stream, f"{stream}:marks"], [group, consumer, *moved])


def _pages(asked: ScriptedRedis, stream: str) -> Iterator[Sequence[tuple[str, Any]]]:
    first = "-"
    # Up to what is there now: what comes anew is without the person.
    with asked.asking():
        newest = asked.ask("XREVRANGE", stream, "+", "-", "COUNT", 1)
    last = newest[0][0].decode() if newest else ""
    while last:
        with asked.asking():
            page = asked.ask("XRANGE", stream, first, last, "COUNT", _PAGE)
        yield [(at.decode(), fields) for at, fields in page]
        if len(page) < _PAGE:
            return
        first = f"({page[-1][0].decode()}"


def remove_rows(asked: ScriptedRedis, user_id: str) -> int:
    """Remove the states of a person's consents, and of ties in both directions; count them."""
    fields = [f"{user_id}{REST}{kind}" for kind in TIE_KINDS]
    with asked.asking():
        own = ties_hash(user_id)
        removed = int(asked.ask("HLEN", own)) + int(
            asked.ask("HDEL", f"{LIVE}:{USERS.name}", user_id)
        )
        asked.ask("UNLINK", own)
        asked.ask("ZREM", CHANGED, f"{USERS.name}{REST}{user_id}")
        for keys in _hashes_of_ties(asked):
            pipe = asked.client.pipeline(transaction=False)
            for key in keys:
                pipe.hdel(key, *fields)
            removed += sum(pipe.execute())
    return removed


def ties_to(asked: ScriptedRedis, user_id: str) -> list[tuple[str, RowState]]:
    """Read the changed ties of others to a person, each with its kind."""
    fields = [f"{user_id}{REST}{kind}" for kind in TIE_KINDS]
    found: list[tuple[str, RowState]] = []
    with asked.asking():
        for keys in _hashes_of_ties(asked):
            pipe = asked.client.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(key, fields)
            found += [
                (str(kind), state_from_json(text))
                for texts in pipe.execute()
                for kind, text in zip(TIE_KINDS, texts, strict=True)
                if text
            ]
    return found


def rewrite_files(client: Any) -> bool:
    """Ask a Redis to write its append-only file anew, after the rewrite that it may be at: that one
    began before the last removal. Return whether it does."""
    ends = time.monotonic() + _REWRITE_S
    try:
        while client.info("persistence").get("aof_rewrite_in_progress"):
            if time.monotonic() > ends:
                return False
            time.sleep(_POLL_S)
        client.execute_command("BGREWRITEAOF")
    except redis.RedisError:
        # Not every Redis lets us; none has to, to go on.
        return False
    return True


def _hashes_of_ties(asked: ScriptedRedis) -> Iterator[list[str]]:
    cursor = 0
    match = f"{LIVE}:{TIES.name}:*".replace("{", "\\{")
    while True:
        cursor, keys = asked.ask("SCAN", cursor, "MATCH", match, "COUNT", _PAGE)
        if keys:
            yield [key.decode() for key in keys]
        if int(cursor) == 0:
            return


# All go before the first comes back: what is stored together is let go of as a whole. The last
# entry of a planned export may be among them: then the plan ends before it.
_MOVE: Final = """#!lua flags=allow-oom
local back, waiting = {}, {}
for i = 3, #ARGV, 2 do
  local at, text = ARGV[i], ARGV[i + 1]
  local waits = #redis.pcall('XPENDING', KEYS[1], ARGV[1], at, at, 1) > 0
  redis.call('XACK', KEYS[1], ARGV[1], at)
  if redis.call('XDEL', KEYS[1], at) == 1 and text ~= '' then
    back[#back + 1], waiting[#waiting + 1] = text, waits
  end
end
for i, text in ipairs(back) do
  local new = redis.call('XADD', KEYS[1], '*', 'e', text)
  if waiting[i] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, new, 'FORCE', 'JUSTID', 'LASTID', new)
  end
end
local marks = redis.call('HMGET', KEYS[2], 'exported', 'planned')
if marks[1] and marks[1] ~= marks[2] then
  local left = redis.call('XREVRANGE', KEYS[1], marks[2], '(' .. marks[1], 'COUNT', 1)
  redis.call('HSET', KEYS[2], 'planned', left[1] and left[1][1] or marks[1])
end
return #back
"""
