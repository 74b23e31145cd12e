"""Locks among all processes that share an event log, with fencing tokens.

Who changes online features reads them, changes them and writes them, so two at once would lose what
one of them wrote. Serving takes the lock for each push, a pipeline for each batch that it brings.
Whoever stood still for longer than a lock lasts may write late all the same; its fencing token is
lower than that of the one who came after it, and by that its rows are left out.
"""

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from coterie.errors import BadInputError, UnavailableError

if TYPE_CHECKING:
    from coterie.data.redis_scripts import ScriptedRedis

SQLITE: Final = "sqlite"
REDIS: Final = frozenset({"redis", "rediss"})
LOG_KEYS: Final = "{coterie:events}"
"""What all keys of a log in Redis begin with: one hash tag, so that a script may touch all."""
PUSH: Final = "push"
"""The lock of those who change online features."""
EXPORT: Final = "export"
"""The lock of those who write what the log has into files: two at once would do the same work
twice."""
LOCK_TTL_S: Final = 10.0
"""Seconds after which a lock in Redis is free again. One whose holder died holds up the others for
so long, so it is not longer."""
WAIT_S: Final = 2.0
"""Seconds that a lock is waited for."""
_POLL_S: Final = 0.01
"""Seconds between two trials to take a lock."""
_WANTED_MS: Final = 200
"""After a trial to hold a shared lock alone nobody new shares it for so long; trials renew it."""
SHARED: Final = "shared"
"""What the key of a lock holds that is shared."""


class LockTakenError(UnavailableError):
    """Another process holds the lock; nothing is wrong."""


class LockLostError(UnavailableError):
    """The lock ran out before the work was done, which is to be begun anew."""


class Locks(Protocol):
    """Locks by name, each held by one process at a time; one holds one of them, in one thread."""

    def lock(
        self, name: str, wait_s: float = WAIT_S, shared: bool = False
    ) -> AbstractContextManager[int]:
        """Hold a lock within a context, for ``LOCK_TTL_S`` seconds at most.

        Args:
            name: Of the lock.
            wait_s: For so long it is waited for.
            shared: Others who share it may hold it too; nobody else.

        Yields:
            The fencing token: microseconds since 1970, above that of every holder before, whatever
            clocks do.

        Raises:
            LockTakenError: Somebody else had it for all of ``wait_s`` seconds.
        """

    def check_held(self) -> None:
        """Make sure that the lock is still ours.

        Raises:
            LockLostError: It ran out: whatever was read under it may have changed.
        """


class FileLocks:
    """Locks of the processes of one machine; the lock of one that dies is free at once."""

    def __init__(self, path: Path) -> None:
        """Lock files beside a path."""
        self._path, self._last = path, 0

    @contextmanager
    def lock(self, name: str, wait_s: float = WAIT_S, shared: bool = False) -> Iterator[int]:  # noqa: ARG002
        """Hold a lock, always alone; see Locks."""
        with self._open(name) as file:
            last = time.monotonic() + wait_s
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= last:
                        raise LockTakenError(f"another process holds the lock {name!r}") from None
                    time.sleep(_POLL_S)
            # The clock may have been put back.
            self._last = max(time.time_ns() // 1000, self._last + 1)
            yield self._last

    def _open(self, name: str) -> IO[str]:
        try:
            return self._path.with_suffix(f".{name}.lock").open("w")
        except OSError as error:
            raise UnavailableError(
                f"cannot make the file of the lock {name!r} beside {self._path}: {error}; "
                "is the disk full?"
            ) from error

    def check_held(self) -> None:
        """Do nothing; a lock of the file system does not run out."""


class RedisLocks:
    """Locks of processes anywhere, by the clock of Redis; each runs out by itself."""

    def __init__(self, asked: "ScriptedRedis") -> None:
        self._asked = asked
        self._key = ""
        self.owner = ""
        """What the key of the lock holds as long as it is ours; empty outside a lock."""

    @contextmanager
    def lock(
        self,
        name: str,
        wait_s: float = WAIT_S,
        shared: bool = False,
        ttl_s: float = LOCK_TTL_S,
    ) -> Iterator[int]:
        """Hold a lock for ``ttl_s`` seconds at most; see Locks."""
        key, owner = lock_key(name), secrets.token_hex(8)
        last = time.monotonic() + wait_s
        acquire = _SHARE if shared else _ACQUIRE
        keys = [key, f"{LOG_KEYS}:time", sharers_key(name), f"{key}:wanted"]
        values = [owner, round(ttl_s * 1000), _WANTED_MS]
        while not (fencing_token := self._asked.run(acquire, keys, values)):
            if time.monotonic() >= last:
                raise LockTakenError(f"another process holds the lock {name!r}")
            time.sleep(_POLL_S)
        self._key, self.owner = key, owner
        try:
            yield int(fencing_token)
        finally:
            self.owner = ""
            # It runs out by itself.
            with suppress(UnavailableError):
                self._asked.run(_RELEASE, [key, sharers_key(name)], [owner])

    def check_held(self) -> None:
        """Ask Redis whether the lock is still ours, and ours alone; see Locks."""
        with self._asked.asking():
            found = self._asked.ask("GET", self._key)
        if not self.owner or found != self.owner.encode():
            raise LockLostError("the lock ran out before all was done: it is tried again")


def lock_key(name: str) -> str:
    """Spell the key that a lock has in Redis."""
    # It says turn, as it did before locks were called so: while an upgrade rolls, old and new
    # processes run at once, and under two keys each of them would hold the lock.
    return f"{LOG_KEYS}:turn:{name}"


def sharers_key(name: str) -> str:
    """Spell the key that holds who shares a lock in Redis, by when their share runs out."""
    return f"{lock_key(name)}:shared"


def check_log_url(url: str) -> None:
    """Refuse what names no event log.

    Raises:
        BadInputError: It is no URL of a log, or holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {SQLITE, *REDIS}:
        raise BadInputError(
            f"{url!r} names no event log: expected sqlite:///path/to/events.sqlite, "
            "redis://host:port/0, or rediss:// for TLS"
        )
    if parts.password is not None:
        raise BadInputError(
            "the URL of the event log holds a password, and URLs are logged: "
            "set COTERIE_EVENT_LOG_PASSWORD instead"
        )


def open_locks(url: str, password: str = "") -> Locks:
    """Open the locks of those who share the event log that a URL names.

    Args:
        url: ``sqlite:///path``, ``redis://host:port/db`` or ``rediss://``.
        password: Of Redis.

    Raises:
        BadInputError: It names none.
    """
    check_log_url(url)
    if urlsplit(url).scheme == SQLITE:
        return FileLocks(Path(url.removeprefix(f"{SQLITE}://")))
    from coterie.data.redis_scripts import ScriptedRedis

    return RedisLocks(ScriptedRedis(url, password))


_STAMP: Final = """
-- A clock may be put back, or be another machine's since the last holder.
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local before = tonumber(redis.call('GET', KEYS[2]) or 0)
if at <= before then at = before + 1 end
local text = string.format('%.0f', at)
redis.call('SET', KEYS[2], text)
return text
"""
# Let through by a full Redis, too: they make room.
_ACQUIRE: Final = f"""#!lua flags=allow-oom
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('GET', KEYS[1]) == '{SHARED}' then
    redis.call('SET', KEYS[4], '', 'PX', ARGV[3])
  end
  return false
end
redis.call('DEL', KEYS[4])
{_STAMP}"""
_SHARE: Final = f"""#!lua flags=allow-oom
local held = redis.call('GET', KEYS[1])
if (held and held ~= '{SHARED}') or redis.call('EXISTS', KEYS[4]) == 1 then return false end
local clock = redis.call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[1], '{SHARED}', 'PX', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ms)
redis.call('ZADD', KEYS[3], ms + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
{_STAMP}"""
_RELEASE: Final = f"""#!lua flags=allow-oom
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('DEL', KEYS[1]) end
redis.call('ZREM', KEYS[2], ARGV[1])
-- Of one who shared it and died the share runs out by itself.
if held == '{SHARED}' and redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
return 0
"""
