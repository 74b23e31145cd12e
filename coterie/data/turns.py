"""The one turn at something among all processes that share an event log: a lock, and a clock.

Who changes online features reads them, changes them and writes them, so two at once would lose what
one of them wrote. Serving takes a turn for each push, a pipeline for each batch that it brings.
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
"""The turn at changing what online features know."""
TURN_S: Final = 10.0
"""For so long a turn is ours. Who dies in it holds up the others until then, so not longer."""
WAIT_S: Final = 2.0
"""For so long a turn is waited for."""
_POLL_S: Final = 0.01
"""Between two looks whether the turn is free."""


class TurnTakenError(UnavailableError):
    """Another process is at it; nothing is wrong."""


class Turns(Protocol):
    """Turns at something, one process at a time; used by one thread."""

    def turn(self, what: str, wait_s: float = WAIT_S) -> AbstractContextManager[int]:
        """The one turn at ``what`` among all processes, for ``TURN_S`` seconds at most.

        Yields:
            A time in microseconds since 1970, later than that of every turn before.

        Raises:
            TurnTakenError: Somebody else had it for all of ``wait_s`` seconds.
        """

    def hold(self) -> None:
        """Make sure that the turn is still ours.

        Raises:
            UnavailableError: It is over: whatever was read in it may have changed.
        """


class FileTurns:
    """Turns of the processes of one machine; the turn of one that dies is free at once."""

    def __init__(self, path: Path) -> None:
        """Lock files beside a path."""
        self._path, self._last = path, 0

    @contextmanager
    def turn(self, what: str, wait_s: float = WAIT_S) -> Iterator[int]:
        """See Turns."""
        with self._locking(what) as lock:
            last = time.monotonic() + wait_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= last:
                        raise TurnTakenError(f"another process is at its turn to {what}") from None
                    time.sleep(_POLL_S)
            # The clock may have been put back.
            self._last = max(time.time_ns() // 1000, self._last + 1)
            yield self._last

    def _locking(self, what: str) -> IO[str]:
        try:
            return self._path.with_suffix(f".{what}.lock").open("w")
        except OSError as error:
            raise UnavailableError(
                f"there is no taking a turn to {what} beside {self._path}: {error}; "
                "is the disk full?"
            ) from error

    def hold(self) -> None:
        """See Turns; a lock of the file system does not run out."""


class RedisTurns:
    """Turns of processes anywhere, by the clock of Redis; each runs out by itself."""

    def __init__(self, asked: "ScriptedRedis") -> None:
        self._asked = asked
        self._key = ""
        self.token = ""
        """What the key of the turn holds as long as it is ours; empty outside one."""

    @contextmanager
    def turn(self, what: str, wait_s: float = WAIT_S, turn_s: float = TURN_S) -> Iterator[int]:
        """See Turns; it runs out after ``turn_s`` seconds."""
        key, token = f"{LOG_KEYS}:turn:{what}", secrets.token_hex(8)
        last = time.monotonic() + wait_s
        keys, values = [key, f"{LOG_KEYS}:time"], [token, round(turn_s * 1000)]
        while not (at := self._asked.run(_TAKE, keys, values)):
            if time.monotonic() >= last:
                raise TurnTakenError(f"another process is at its turn to {what}")
            time.sleep(_POLL_S)
        self._key, self.token = key, token
        try:
            yield int(at)
        finally:
            self.token = ""
            # It ends by itself.
            with suppress(UnavailableError):
                self._asked.run(_LEAVE, [key], [token])

    def hold(self) -> None:
        """See Turns."""
        with self._asked.asking():
            found = self._asked.ask("GET", self._key)
        if not self.token or found != self.token.encode():
            raise UnavailableError("the turn was over before all was done: it is tried again")


def check_place(place: str) -> None:
    """Refuse what names no event log.

    Raises:
        BadInputError: It is no URL of a log, or holds a password.
    """
    url = urlsplit(place)
    if url.scheme not in {SQLITE, *REDIS}:
        raise BadInputError(
            f"{place!r} names no event log: expected sqlite:///path/to/events.sqlite, "
            "redis://host:port/0, or rediss:// for TLS"
        )
    if url.password is not None:
        raise BadInputError(
            "the URL of the event log holds a password, and URLs are logged: "
            "set COTERIE_EVENT_LOG_PASSWORD instead"
        )


def open_turns(place: str, password: str = "") -> Turns:
    """The turns of those who share the event log that a URL names.

    Args:
        place: ``sqlite:///path``, ``redis://host:port/db`` or ``rediss://``.
        password: Of Redis.

    Raises:
        BadInputError: It names none.
    """
    check_place(place)
    if urlsplit(place).scheme == SQLITE:
        return FileTurns(Path(place.removeprefix(f"{SQLITE}://")))
    from coterie.data.redis_scripts import ScriptedRedis

    return RedisTurns(ScriptedRedis(place, password))


# Let through by a full Redis, too: they make room.
_TAKE: Final = """#!lua flags=allow-oom
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
-- A clock may be put back, or be another machine's since the last turn.
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local before = tonumber(redis.call('GET', KEYS[2]) or 0)
if at <= before then at = before + 1 end
local text = string.format('%.0f', at)
redis.call('SET', KEYS[2], text)
return text
"""
_LEAVE: Final = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
