"""Around every request: an id, a log line, counts, and safe headers."""

import logging
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.trace import Span
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.data.ids import normal_id
from coterie.errors import BadInputError
from serving.api.access import Need
from serving.api.problems import OUR_FAULT, send_problem
from serving.telemetry.instruments import OTHER
from serving.telemetry.logs import AUDIT, LOGGER, Pseudonyms
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.traces import span

REQUEST_ID: Final = "X-Request-ID"
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
SAFE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_Header = tuple[bytes, bytes]
_ID: Final = REQUEST_ID.lower().encode()
_SAFE: Final = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_KEPT: Final = (b"cache-control", b"no-store")
_SHARED: Final = [
    (name, b"cross-origin" if name == b"cross-origin-resource-policy" else value)
    for name, value in _SAFE
]


class TelemetryMiddleware:
    """ASGI middleware; the outermost, so that nothing escapes it."""

    def __init__(self, app: ASGIApp, metrics: ServingMetrics, pseudonyms: Pseudonyms) -> None:
        self._app = app
        self._metrics = metrics
        self._pseudonyms = pseudonyms
        self._logger, self._audit = logging.getLogger(LOGGER), logging.getLogger(AUDIT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A copy: the server's own says how to end the answer, and routing changes ours.
        request = _ObservedRequest({**scope}, send)
        with span("request", request.headers) as current:
            try:
                await self._answer(request, receive)
            finally:
                self._record(request, current)

    async def _answer(self, request: "_ObservedRequest", receive: Receive) -> None:
        try:
            await self._app(request.scope, receive, request.send)
        except Exception:
            self._logger.exception(
                "a request failed", extra={"fields": {"request_id": request.request_id}}
            )
            if not request.answered:
                await send_problem(request.scope, request.send, 500, OUR_FAULT)

    def _record(self, request: "_ObservedRequest", current: Span) -> None:
        seconds = time.perf_counter() - request.began
        route = _template(request.scope)
        method = request.method
        self._metrics.http.count_request(route, method, request.status, seconds)
        made_by = {n: v for n, v in request.scope["state"].items() if n in ("release", "arm")}
        current.update_name(f"{method} {route}")
        current.set_attributes(
            {
                "http.route": route,
                "http.response.status_code": request.status,
                "request_id": request.request_id,
                **{f"coterie.{name}": value for name, value in made_by.items()},
            }
        )
        level = logging.DEBUG if route in _QUIET else logging.INFO
        told, written = self._logger.isEnabledFor(level), _writes(request)
        if not (told or written):
            return
        fields = {
            "request_id": request.request_id,
            "method": method,
            "route": route,
            "status": request.status,
            "ms": round(seconds * 1000, 2),
        }
        fields |= made_by
        if key := request.scope["state"].get("key"):
            fields["key"] = key
        named = request.scope.get("path_params", {})
        if "user_id" in named:
            fields["user"] = self._pseudonyms.of(_one_form(named["user_id"]))
        if told:
            self._logger.log(level, "request", extra={"fields": fields})
        if written:
            self._audit.info("audit", extra={"fields": fields | self._written(named, written)})

    def _written(self, named: Mapping[str, str], need: Need) -> dict[str, str]:
        """Say what a write was about: people by their pseudonyms."""
        found = {"scope": str(need.scope)}
        if "other_id" in named:
            found["other"] = self._pseudonyms.of(_one_form(named["other_id"]))
        if "item_id" in named:
            found["item"] = named["item_id"]
        return found


def _writes(request: "_ObservedRequest") -> Need | None:
    """Find what a request needed that writes, or wanted to; None for those that only read."""
    need: Need | None = request.scope["state"].get("need")
    return need if request.method not in _READS else None


class _ObservedRequest:
    """One request: what goes out is looked at, and gets our headers."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.method = scope["method"]
        self.began = time.perf_counter()
        self.status = 500
        self.headers = headers = Headers(scope=scope)
        self.request_id = _request_id(headers.get(REQUEST_ID))
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._send = send
        self.answered = False

    async def send(self, message: Message) -> None:
        """Send a message on, with our headers where it begins an answer."""
        if message["type"] == "http.response.start":
            self.answered = True
            self.status = message["status"]
            guarded = "need" in self.scope["state"]
            message["headers"] = _with_ours(message.get("headers", ()), self.request_id, guarded)
        await self._send(message)


def _with_ours(
    headers: Iterable[tuple[bytes, bytes]], request_id: str, guarded: bool
) -> list[_Header]:
    """Add our headers to those of an answer, which keeps its own.

    Args:
        headers: Of the answer.
        request_id: To say which it was.
        guarded: It is of a route that not everybody may ask: nothing on the way may keep it. A
            cookie alone does not tell caches so, as a key does.
    """
    found = [header for header in headers if header[0] != _ID]
    there = {name for name, _ in found}
    found.append((_ID, request_id.encode()))
    safe = _SHARED if b"access-control-allow-origin" in there else _SAFE
    if guarded and _KEPT[0] not in there:
        found.append(_KEPT)
    return [*found, *(header for header in safe if header[0] not in there)]


def _request_id(sent: str | None) -> str:
    # A caller's id is echoed into headers and logs: only plain ones are taken over.
    return sent if sent and _PLAIN_ID.fullmatch(sent) else uuid.uuid4().hex


def _one_form(user_id: str) -> str:
    """Bring an id into one form, so one person has one pseudonym; what is none stays as it is."""
    try:
        return normal_id(user_id)
    except BadInputError:
        return user_id


def _template(scope: Scope) -> str:
    """Find the route's template: there are few of them, where paths are endless."""
    route = scope.get("route")
    return getattr(route, "path", OTHER) if route is not None else OTHER
