"""What HTTP allows and routes need not know: HEAD, percent encoding, compressed bodies."""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.bodies import read_body
from serving.api.problems import ProblemError, send_problem

_HALF_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PLAIN_IN_PATH: Final = "!$&'()*+,;=:@-._~"


class NormalizingMiddleware:
    """ASGI middleware: routes see GET for HEAD, whole plain bodies, and paths in one form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in a form that routes can read, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # In place: what watches the request looks up its route here.
            scope["method"], send = "GET", _without_body(send)
        try:
            scope["path"] = _one_form(scope)
            _text_of(scope.get("query_string", b"").replace(b"+", b" "), "query")
        except ProblemError as error:
            await send_problem(scope, send, error.status, error.detail, error.headers)
            return
        # Read when a route asks for it: who may not ask is refused by the headers alone.
        await self._app(scope, _whole(Headers(scope=scope), receive), send)


def _one_form(scope: Scope) -> str:
    """Encode each segment of the path in one form, so that an encoded slash divides nothing.

    Routes decode what they take from it.

    Raises:
        ProblemError: It is no percent-encoded UTF-8.
    """
    raw = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"], safe=f"/{_PLAIN_IN_PATH}")
    segments = raw.partition(b"?")[0].split(b"/")
    return "/".join(quote(_text_of(part, "path"), safe=_PLAIN_IN_PATH) for part in segments)


def _text_of(encoded: bytes, where: str) -> str:
    half = _HALF_ESCAPE.search(encoded)
    if half:
        found = encoded[half.start() : half.start() + 3].decode("latin-1")
        raise ProblemError(
            400,
            f"the {where} holds {found!r}, expected % and two hexadecimal digits: "
            "encode a percent sign as %25",
        )
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        found = quote(error.object[error.start : error.end])
        raise ProblemError(
            400,
            f"the {where} holds {found}, which is no UTF-8: encode its text as UTF-8 first, then "
            "each byte as % and two hexadecimal digits",
        ) from error


def _whole(headers: Headers, receive: Receive) -> Receive:
    """Give the body in one piece, then whatever follows.

    Raises:
        ProblemError: Where it is first asked for, as ``read_body`` does.
    """
    was_read = False

    async def next_message() -> Message:
        nonlocal was_read
        if was_read:
            return await receive()
        was_read = True
        body = await read_body(headers, receive)
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
