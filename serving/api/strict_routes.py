"""Routes that take what they know, and refuse the rest by name instead of ignoring it."""

import difflib
import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from email.message import Message
from typing import Any, Final, get_args, get_origin
from urllib.parse import parse_qsl, unquote

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from pydantic.fields import FieldInfo
from starlette.types import Scope

from serving.api.access import need_of
from serving.api.problems import FieldError, ProblemError

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MAX_NAMED: Final = 20
_MAX_SHOWN: Final = 60
_ALSO_CALLED: Final = {
    **dict.fromkeys(("limit", "n", "size", "count", "top", "num", "per_page"), "k"),
    **dict.fromkeys(("page", "offset", "start", "cursor", "next", "page_token"), "after"),
    **dict.fromkeys(("query", "search", "text", "keywords"), "q"),
}
"""What other APIs call parameters of ours."""


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route that asks who asks, then checks query parameters and the body's type against what it
    takes."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Name the operation as its function: so generated clients call it, without the path."""
        super().__init__(path, endpoint, **options | {"operation_id": endpoint.__name__})

    def get_route_handler(self) -> Handler:
        """Put the app's guard in front of everything else.

        Raises:
            LookupError: Nobody has said who may use this route.
        """
        need, answer = need_of(self.path, self.methods or ()), self.checked_handler()

        async def guarded(request: Request) -> Response:
            app = request.app.state
            # First, since a token is bound to what stands for its shopper inside.
            wrong = app.door.enter_path(request.scope) if app.door else {}
            app.guard.admit(request.scope, need)
            if wrong:
                raise _unfit_path(wrong)
            return await answer(request)

        return guarded

    def checked_handler(self) -> Handler:
        """Put the checks in front of the route's own handler."""
        answer = super().get_route_handler()
        known = _query_parameters(self.dependant)

        async def checked(given: Request) -> Response:
            request = StrictRequest(given.scope, given.receive)
            # In place: logs look up the shopper here.
            parameters = request.scope["path_params"]
            parameters.update({name: unquote(text) for name, text in parameters.items()})
            refuse_unknown(request.scope, known)
            # Also where nothing is done with it: what is too much is refused alike.
            has_body = request.method in _WITH_BODY and bool(await request.body())
            if has_body and self.body_field is not None:
                _expect_json(request.headers.getlist("content-type"))
                # What is no JSON at all is told where the body's form is looked at.
                with suppress(ValueError, RecursionError):
                    await request.json()
            return await answer(request)

        return checked


def _unfit_path(wrong: Mapping[str, str]) -> ProblemError:
    errors = [FieldError(where=f"path.{name}", message=why) for name, why in wrong.items()]
    told = "; ".join(f"{one.where}: {one.message}" for one in errors)
    return ProblemError(422, f"the request does not fit: {told}", errors)


class StrictRequest(Request):
    """A request whose JSON says each thing once, as ingest asks of files."""

    async def json(self) -> Any:
        """Parse the body, once.

        Raises:
            ProblemError: A key stands twice in one object.
        """
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body(), object_pairs_hook=_said_once)
        return self._json


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    twice = next(key for key in keys if keys.count(key) > 1)
    raise ProblemError(
        422,
        f"the body has {twice[:_MAX_SHOWN]!r} more than once in one object, expected once: "
        "leave all but one out",
    )


class StrictFiles(StaticFiles):
    """Files, which take no parameters."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with the file, where no parameter is given."""
        refuse_unknown(scope, {})
        return await super().get_response(path, scope)


def refuse_unknown(scope: Scope, known: Mapping[str, bool]) -> None:
    """Refuse query parameters that would do nothing.

    Args:
        scope: Of the request.
        known: Names of parameters, and whether one may be given several times.

    Raises:
        ProblemError: Some are unknown, or given again.
    """
    query = scope.get("query_string", b"").decode("latin-1")
    if not query:
        return
    counts: dict[str, int] = {}
    for name, _ in parse_qsl(query, keep_blank_values=True):
        counts[name] = counts.get(name, 0) + 1
    errors = [
        FieldError(where=f"query.{name[:_MAX_SHOWN]}", message=message)
        for name, count in counts.items()
        if (message := _fault(name, count, known))
    ][:_MAX_NAMED]
    if errors:
        told = "; ".join(f"{one.where}: {one.message}" for one in errors[:3])
        raise ProblemError(422, f"the request does not fit: {told}", errors)


def _fault(name: str, count: int, known: Mapping[str, bool]) -> str:
    if name not in known:
        return f"there is no such parameter: {_instead(name, known)}"
    if count > 1 and not known[name]:
        return f"given {count} times, expected once: leave all but one out"
    return ""


def _instead(name: str, known: Mapping[str, bool]) -> str:
    if not known:
        return "leave it out, none is expected here"
    asked = name.lower()[:_MAX_SHOWN]
    turned = "_".join(reversed(asked.split("_")))
    near = [one for one in (_ALSO_CALLED.get(asked, ""), turned) if one in known]
    near = near or difflib.get_close_matches(asked, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}expected are {', '.join(known)}"


def _query_parameters(dependant: Dependant) -> dict[str, bool]:
    """List a route's own query parameters, and those of what it depends on."""
    found = {field.alias: _takes_many(field.field_info) for field in dependant.query_params}
    for one in dependant.dependencies:
        found |= _query_parameters(one)
    return found


def _takes_many(field: FieldInfo) -> bool:
    kind = field.annotation
    return any(get_origin(part) is list for part in (kind, *get_args(kind)))


def _expect_json(given: list[str]) -> None:
    """Refuse a body that does not say that it is JSON.

    Raises:
        ProblemError: 415.
    """
    message = Message()
    message["content-type"] = ", ".join(given) if given else "none/none"
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    if is_json and charset in {"utf-8", "utf8", "us-ascii"}:
        return
    found = f"is {given[0][:_MAX_SHOWN]!r}" if given else "header is missing"
    raise ProblemError(
        415,
        f"the Content-Type {found}, expected application/json in UTF-8: "
        "send `Content-Type: application/json` with the body",
        headers={"Accept": "application/json"},
    )
