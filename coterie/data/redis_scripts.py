"""A Redis that is asked by scripts: one happens as a whole, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coterie.errors import BadInputError, UnavailableError, unresolved

CONNECT_S: Final = 2.0
ANSWER_S: Final = 5.0
"""Longer than a Redis takes that rewrites its log; less than a request waits for the sink."""


class ScriptedRedis:
    """One connection to the Redis of an event log; its troubles are told in our words."""

    def __init__(self, url: str, password: str = "", more_s: float = 0.0) -> None:
        """Prepare a connection; Redis is asked nothing yet.

        Args:
            url: ``redis://host:port/db``, or ``rediss://`` for TLS.
            password: Of Redis; none if empty.
            more_s: For so much longer than usual an answer is waited for.
        """
        self._url = url
        # One connection: what WAITAOF waits for is what its own connection wrote. Nothing is sent
        # again by itself: only whoever reads the answer can tell a new event from a known one.
        self.client = redis.Redis.from_url(
            url,
            password=password or None,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S + more_s,
            max_connections=1,
            retry=Retry(NoBackoff(), 0),
        )
        self._scripts: dict[str, Any] = {}

    def run(self, text: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """Run a script, and return its answer."""
        if text not in self._scripts:
            self._scripts[text] = self.client.register_script(text)
        with self.asking():
            return self._scripts[text](keys=keys, args=values)

    def ask(self, *command: Any) -> Any:
        """Send one command; within ``asking``, where its troubles are to be ours."""
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn Redis' troubles into ours.

        Raises:
            BadInputError: It does not let us in.
            UnavailableError: It does not answer, or is full.
        """
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise BadInputError(
                f"{self._url} does not let us in: {error}; see COTERIE_EVENT_LOG_PASSWORD"
            ) from error
        except redis.exceptions.OutOfMemoryError as error:
            raise UnavailableError(
                f"{self._url} is full: nothing was kept. See whether the event consumer exports "
                "(coterie_oldest_unexported_seconds), then raise maxmemory"
            ) from error
        except redis.RedisError as error:
            raise UnavailableError(
                f"the event log {self._url} does not answer as it should: {error}; "
                f"see whether Redis runs and its disk has room{unresolved(error)}"
            ) from error
