"""A request's body, read whole within a bound, decompressed where it came compressed."""

import re
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from starlette.datastructures import Headers
from starlette.types import Receive

from serving.api.problems import ProblemError

MAX_BODY_BYTES: Final = 1 << 20
"""Of a body as it comes, and as it is once decompressed."""
CODINGS: Final = ("gzip", "deflate")
_MAX_PARTS: Final = 64
"""Streams that one gzip body may be joined from: each costs memory anew."""
_GZIP: Final = b"\x1f\x8b"
_REST: Final = "other bytes follow where it ends"
_OTHER_NAMES: Final = {"x-gzip": "gzip"}


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """Read a whole body.

    Raises:
        ProblemError: It is too large, 413, as soon as it is or says that it will be; compressed in
            a way that is not ours, 415; or not what it says it is, 400.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise _too_large()
    coding = _coding(headers)
    reader = _READERS[coding]() if coding else _Plain()
    came = size = 0
    parts = []
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        came += len(chunk)
        part = reader.read(chunk, MAX_BODY_BYTES - size + 1)
        size += len(part)
        if came > MAX_BODY_BYTES or size > MAX_BODY_BYTES:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            if came:
                reader.end()
            return b"".join(parts)


def _too_large() -> ProblemError:
    return ProblemError(413, f"the body is over {MAX_BODY_BYTES} bytes: send it in parts")


def _coding(headers: Headers) -> str:
    """Read what compression to undo; an empty text where there is none.

    Raises:
        ProblemError: What we cannot undo.
    """
    told = ",".join(headers.getlist("content-encoding"))
    names = [name for name in re.split(r"[,\s]+", told.lower()) if name not in {"", "identity"}]
    names = [_OTHER_NAMES.get(name, name) for name in names]
    if len(names) > 1 or any(name not in CODINGS for name in names):
        raise ProblemError(
            415,
            f"the Content-Encoding is {told[:100]!r}, expected one of {', '.join(CODINGS)}, or "
            "none: compress the body in one of these, or not at all",
            headers={"Accept-Encoding": ", ".join(CODINGS)},
        )
    return names[0] if names else ""


class _Reader(Protocol):
    def read(self, chunk: bytes, most: int) -> bytes:
        """Decompress a chunk, to ``most`` bytes at most."""

    def end(self) -> None:
        """Check that nothing is missing, when no chunk follows.

        Raises:
            ProblemError: Something is missing.
        """


class _Plain:
    def read(self, chunk: bytes, most: int) -> bytes:
        """See _Reader."""
        return chunk[:most]

    def end(self) -> None:
        """See _Reader."""


class _Compressed:
    """One zlib stream, or several gzip streams one after the other."""

    def __init__(self, name: str, window: Callable[[bytes], int], joined: int = 1) -> None:
        """Choose a form by ``window`` of the first two bytes; take ``joined`` streams at most."""
        self._name, self._window, self._joined, self._begun = name, window, joined, 0
        self._stream: Any = None
        self._head = b""

    def read(self, chunk: bytes, most: int) -> bytes:
        """See _Reader."""
        found = bytearray()
        rest = self._head + chunk
        self._head = b""
        while rest and len(found) < most:
            if self._stream is None:
                if len(rest) < 2:
                    self._head = rest
                    break
                self._begin(rest)
            try:
                found += self._stream.decompress(rest, most - len(found))
            except zlib.error as error:
                raise self._broken(f"it is not {self._name}") from error
            if not self._stream.eof:
                break
            rest, self._stream = self._stream.unused_data, None
        return bytes(found)

    def end(self) -> None:
        """See _Reader."""
        if self._head and self._begun:
            raise self._broken(_REST)
        if self._stream is not None or self._head:
            raise self._broken("it is cut short")

    def _begin(self, rest: bytes) -> None:
        if self._begun == self._joined or (self._begun and not rest.startswith(_GZIP)):
            raise self._broken(_REST)
        self._begun += 1
        self._stream = zlib.decompressobj(self._window(rest))

    def _broken(self, why: str) -> ProblemError:
        return ProblemError(
            400,
            f"the Content-Encoding is {self._name}, but the body cannot be decompressed: {why}; "
            "compress it again, or send it as it is, without Content-Encoding",
        )


def _deflate_window(head: bytes) -> int:
    """Choose a window: RFC 9110 means the zlib form, some senders leave its frame out."""
    framed = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if framed else -zlib.MAX_WBITS


_READERS: Final[dict[str, Callable[[], _Reader]]] = {
    "gzip": lambda: _Compressed("gzip", lambda _: 16 + zlib.MAX_WBITS, _MAX_PARTS),
    "deflate": lambda: _Compressed("deflate", _deflate_window),
}
