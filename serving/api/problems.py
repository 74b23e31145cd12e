"""Errors as problem details (RFC 9457): one form for everything that goes wrong."""

import http
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import Scope, Send

from coterie.errors import BadInputError, UnavailableError
from serving.telemetry.logs import LOGGER

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
OUR_FAULT: Final = "this is our fault: tell us the request_id"
_MAX_ERRORS: Final = 20
_MAX_SHOWN: Final = 200


class FieldError(BaseModel):
    """What is wrong with one part of a request."""

    where: str = Field(description="JSON path of the part", examples=["body.events[3].item_id"])
    message: str = Field(description="What was found and what was expected")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it")
    title: str = Field(description="The status in words", examples=["Unprocessable Entity"])
    status: int = Field(description="The HTTP status", examples=[422])
    detail: str = Field(description="What happened, and what to do")
    instance: str = Field(description="The path that was asked for")
    request_id: str = Field(description="Find this request in our logs by it")
    errors: list[FieldError] | None = Field(default=None, description="One entry a wrong part")


class ProblemError(Exception):
    """Raised by routes to answer with problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers


def problem_body(
    status: int, detail: str, path: str, request_id: str, errors: list[FieldError] | None = None
) -> dict[str, Any]:
    """Make problem details, as fields that JSON takes."""
    title = http.HTTPStatus(status).phrase
    problem = Problem(
        title=title,
        status=status,
        detail=detail,
        instance=path,
        request_id=request_id,
        errors=errors,
    )
    return problem.model_dump(exclude_none=True)


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of an app problem details."""

    @app.exception_handler(ProblemError)
    async def _raised(request: Request, error: ProblemError) -> JSONResponse:
        return _response(request, error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [_field_error(part) for part in error.errors()[:_MAX_ERRORS]]
        wrong = "; ".join(f"{part.where}: {part.message}" for part in parts[:3])
        return _response(request, 422, f"the request does not fit: {wrong}", parts)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        # A body that is no text at all; one that is no JSON comes as a RequestValidationError.
        status = 422 if error.status_code == 400 else error.status_code
        detail = _DETAILS.get(status, str(error.detail))
        headers = {"Allow": _allowed(request)} if status == 405 else error.headers
        return _response(request, status, detail, headers=headers)

    @app.exception_handler(BadInputError)
    async def _bad(request: Request, error: BadInputError) -> JSONResponse:
        return _response(request, 422, str(error))

    @app.exception_handler(Exception)
    async def _ours(request: Request, _: Exception) -> JSONResponse:
        # Raised again after this answer, and logged around the app.
        return _response(request, 500, OUR_FAULT)

    @app.exception_handler(UnavailableError)
    async def _unavailable(request: Request, error: UnavailableError) -> JSONResponse:
        _log(request, error)
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return _response(
            request, 503, "something behind this service does not answer: try again", None, headers
        )


_ABOUT: Final = {
    400: "The path, the query or the compression cannot be decoded",
    401: "A key is missing, or opens nothing",
    403: "The key does not open this, or nobody may",
    404: "There is no such thing",
    409: "Not as things stand: the controller refuses, or the release lacks it; `detail` says why",
    413: "The body is over 1 MiB, or would be once decompressed",
    415: "The body's Content-Type or Content-Encoding is not one that is taken",
    422: "The request does not fit; `errors` says where",
    429: "Asked for too often; try again after Retry-After",
    503: "Something behind this service does not answer; try again",
}
"""What each status says in the OpenAPI description."""


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe statuses as problem details, as FastAPI takes it for ``responses``."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _ABOUT[status], "content": content} for status in statuses}


_DETAILS: Final = {
    404: "nothing is here: GET /openapi.json lists what there is",
    405: "this path does not take that method: see the Allow header",
}


async def send_problem(
    scope: Scope, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request that no route has seen."""
    body = problem_body(status, detail, scope["path"], scope["state"]["request_id"])
    response = JSONResponse(body, status, headers, media_type=MEDIA_TYPE)
    await send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})


_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""That any route takes."""


def _allowed(request: Request) -> str:
    """List methods of every route at a path: FastAPI names those of the first one only."""
    found: set[str] = set()
    # What is mounted has moved it.
    root = request.scope.get("app_root_path", request.scope.get("root_path", ""))
    for method in _METHODS:
        scope = {**request.scope, "method": method, "root_path": root}
        at = [one for one in request.app.routes if one.matches(scope)[0] == Match.FULL]
        # What is mounted are files, and matches whatever the method is.
        if any(method == "GET" or not isinstance(one, Mount) for one in at):
            found |= {"GET", "HEAD"} if method == "GET" else {method}
    return ", ".join(sorted(found))


def _response(
    request: Request,
    status: int,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = problem_body(status, detail, request.url.path, request.state.request_id, errors)
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def _field_error(part: Mapping[str, Any]) -> FieldError:
    where = ""
    for step in part["loc"]:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
    message = str(part["msg"]).removeprefix("Value error, ")
    return FieldError(where=where, message=message[:_MAX_SHOWN])


def _log(request: Request, error: Exception) -> None:
    logging.getLogger(LOGGER).error(
        "a part did not answer",
        exc_info=error,
        extra={"fields": {"request_id": request.state.request_id}},
    )
