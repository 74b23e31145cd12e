"""Files of the public network, read over https within bounds of size, time, type and ways on."""

import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from coterie.content.addresses import PublicNetwork
from coterie.errors import BadInputError, UnavailableError

_HEADERS: Final = [
    ("Accept", "*/*"),
    # Nothing packed: a small answer would unpack to a large one.
    ("Accept-Encoding", "identity"),
    ("User-Agent", "coterie"),
]
_UNTOLD: Final = ("", "application/octet-stream", "binary/octet-stream")
"""What buckets call files that nobody told them the type of."""
_MOVED: Final = (301, 302, 303, 307, 308)
_PASSING: Final = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others next time."""


@dataclass(frozen=True, slots=True)
class WebBounds:
    """What one answer may be."""

    types: tuple[str, ...]
    """What a server may call what it sends, as beginnings."""
    max_bytes: int
    timeout_s: float
    """From the first word to the last byte, all redirects included."""
    max_redirects: int
    connections: int
    """Open at a time."""


_deadline = threading.local()
"""When the answer that a thread waits for has to be whole, in ``until``."""


class _Punctual(httpcore.NetworkBackend):
    """Makes each wait end with the deadline: a byte now and then would keep every one short."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _PunctualStream(self._inner.connect_tcp(*args, **named))


class _PunctualStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        left = float(_deadline.until - time.monotonic())
        if left <= 0.0:
            raise httpcore.ReadTimeout("the time for the whole answer is over")
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _PunctualStream(self._inner.start_tls(*args, **named))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class WebReader:
    """Reads https addresses."""

    def __init__(self, bounds: WebBounds, network: httpcore.NetworkBackend | None = None) -> None:
        """Nothing is read yet; ``network`` is the public one alone if not given."""
        self._bounds = bounds
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=bounds.connections,
            network_backend=_Punctual(network or PublicNetwork()),
        )

    def read(self, url: str) -> bytes:
        """Read what an https address sends, wherever it leads within the public network.

        Raises:
            BadInputError: It may not be read, is not there, too large, or of another type.
            UnavailableError: Who has it does not answer in time.
        """
        until = _deadline.until = time.monotonic() + self._bounds.timeout_s
        try:
            for _ in range(self._bounds.max_redirects + 1):
                found = self._ask(url, until)
                if isinstance(found, bytes):
                    return found
                url = found
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            raise UnavailableError(f"does not answer: {error!r}") from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError) as error:
            if isinstance(error, BadInputError):
                raise
            raise BadInputError(f"is no answer that can be read: {error!r}") from error
        raise BadInputError(f"leads on more than {self._bounds.max_redirects} times")

    def _ask(self, url: str, until: float) -> bytes | str:
        """Read what an address sends, or where it leads."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise BadInputError(
                f"is or leads to an address of {parts.scheme or 'nothing'} at "
                f"{parts.hostname or 'nowhere'}: https alone is read, and without a password"
            )
        left = max(until - time.monotonic(), 0.001)
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), left)
        asked = self._pool.stream(
            "GET", _ascii(url), headers=_HEADERS, extensions={"timeout": timeouts}
        )
        with asked as answer:
            told = {name.lower(): value for name, value in answer.headers}
            if answer.status in _MOVED and b"location" in told:
                return urljoin(url, told[b"location"].decode("latin-1"))
            self._judge(answer.status, told)
            return self._body(answer)

    def _judge(self, status: int, told: dict[bytes, bytes]) -> None:
        if status in _PASSING:
            raise UnavailableError(f"answers {status}")
        if status != 200:
            raise BadInputError(f"answers {status}")
        sent = told.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if not sent.startswith(self._bounds.types) and sent not in _UNTOLD:
            expected = " or ".join(self._bounds.types)
            raise BadInputError(f"is of type {sent[:80]}: expected {expected}")
        if told.get(b"content-encoding", b"identity") != b"identity":
            raise BadInputError("is packed, though nobody asked for that")
        length = told.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._bounds.max_bytes:
            raise too_large(self._bounds.max_bytes)

    def _body(self, answer: Any) -> bytes:
        found = bytearray()
        for piece in answer.iter_stream():
            found += piece
            if len(found) > self._bounds.max_bytes:
                raise too_large(self._bounds.max_bytes)
        return bounded(bytes(found), self._bounds.max_bytes)


def bounded(data: bytes, max_bytes: int) -> bytes:
    """Return what was read, unless it is too much, or nothing.

    Raises:
        BadInputError: It has more bytes, or none.
    """
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    if not data:
        raise BadInputError("is empty")
    return data


def too_large(max_bytes: int) -> BadInputError:
    """Make the error of a file that is larger than what is read."""
    return BadInputError(f"has more than {max_bytes} bytes")


def _ascii(url: str) -> str:
    """Write an address as it goes over the wire.

    >>> _ascii("https://example.com/ü b.jpg?x=1#top")
    'https://example.com/%C3%BC%20b.jpg?x=1'
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.encode("idna").decode()
    port = f":{parts.port}" if parts.port else ""
    query = f"?{quote(parts.query, safe='=&%+,;:@/?')}" if parts.query else ""
    return f"https://{host}{port}{quote(parts.path or '/', safe='/%:@!$&+,;=~()*')}{query}"
