"""Requests over HTTP, for all who ask others: time limits, no way to elsewhere, our two errors.

httpx comes with the first request: most programs ask nobody.
"""

import functools
import json
import logging
import math
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import BadInputError, UnavailableError, unresolved

if TYPE_CHECKING:
    import httpx

MAX_BYTES: Final = 16 << 20
"""Of an answer; a longer one is none."""
LONGEST_DETAIL: Final = 2000
_AGAIN_LATER: Final = frozenset({408, 425, 429})
"""Refusals that hold for this time only."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    url: str
    """Without the query."""
    status: int
    content: bytes

    def checked(self) -> "Answer":
        """Let a good answer through.

        Raises:
            BadInputError: The request is refused, or sent on to elsewhere.
            UnavailableError: The server has a fault, or has too much to do.
        """
        if self.status < 300:
            return self
        if self.status < 400:
            raise BadInputError(
                f"{self.url} sends on to elsewhere ({self.status}): name that address itself"
            )
        said = f"{self.url} answered {self.status}: {self.detail or 'it gives no reason'}"
        if self.status < 500 and self.status not in _AGAIN_LATER:
            raise BadInputError(said)
        raise UnavailableError(said)

    def json(self) -> Any:
        """Read the content.

        Raises:
            UnavailableError: It is no JSON, so it is not of whom we meant to ask.
        """
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise UnavailableError(f"{self.url} answers without JSON") from error

    @property
    def detail(self) -> str:
        """The ``detail`` of a problem (RFC 9457), or else the text; empty: there is none."""
        try:
            said = str(json.loads(self.content)["detail"])
        except (ValueError, KeyError, TypeError):
            said = self.content[:LONGEST_DETAIL].decode("utf-8", "replace").strip()
        # Without what would move a terminal's cursor.
        return "".join(letter if letter.isprintable() else " " for letter in said)


class HttpClient:
    """One address to ask. Each request is tried once; ``coterie.retries`` asks again."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        token: str = "",
        max_bytes: int = MAX_BYTES,
        whole_s: float = math.inf,
    ):
        """Ask nobody yet.

        Args:
            url: Base address; paths are put behind it.
            timeout_s: Most time for the connection, and for each wait for a part of the answer.
            token: Sent as a bearer token to this address alone, and never written to a log.
            max_bytes: Of an answer.
            whole_s: Most time until all of an answer is there, where one that comes bit by bit
                would take any time.

        Raises:
            BadInputError: It is no address of HTTP.
        """
        if not url.startswith(("http://", "https://")):
            raise BadInputError(f"{url} is no address: expected one like http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self._timeout_s, self._max_bytes, self._whole_s = timeout_s, max_bytes, whole_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str = "", **query: Any) -> Answer:
        """Ask for what lies at a path; None leaves a parameter of the query out.

        Raises:
            BadInputError: The address cannot be one.
            UnavailableError: Nobody answers, or without an end.
        """
        given = {name: value for name, value in query.items() if value is not None}
        return self._send("GET", path, params=given)

    def post(self, path: str, body: Any) -> Answer:
        """Send plain values as JSON.

        Raises:
            BadInputError: See ``get``.
            UnavailableError: See ``get``.
        """
        return self._send("POST", path, json=body)

    def _send(self, method: str, path: str, **content: Any) -> Answer:
        import httpx

        where, until = f"{self.url}{path}", time.monotonic() + self._whole_s
        try:
            with (
                self._opened() as client,
                client.stream(method, where, headers=self._headers, **content) as answer,
            ):
                return Answer(where, answer.status_code, self._read(answer, where, until))
        except httpx.InvalidURL as error:
            raise BadInputError(f"{where} is no address: {error}") from error
        except (httpx.HTTPError, OSError) as error:
            why = str(error) or type(error).__name__
            raise UnavailableError(f"{where} did not answer: {why}{unresolved(error)}") from error

    def _read(self, answer: "httpx.Response", where: str, until: float) -> bytes:
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            if time.monotonic() > until:
                raise UnavailableError(f"{where} did not answer within {self._whole_s:g} s")
            if len(content) > self._max_bytes:
                raise UnavailableError(f"{where} answered more than {self._max_bytes} bytes")
        return bytes(content)

    def _opened(self) -> "httpx.Client":
        import httpx

        # It says each request at INFO, query and all: a controller asks every second.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        # What the system trusts, as for all else here; httpx would bring a list of its own.
        return httpx.Client(timeout=self._timeout_s, verify=_trust(), follow_redirects=False)


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
