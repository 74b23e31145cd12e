"""Routes that give out what a key stands behind: shoppers' tokens, and sessions of browsers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from coterie.access.keys import Key
from coterie.access.tokens import LONGEST, MAX_CHARACTERS, Purpose, mint, read_token
from serving.api.auth import SAME_ORIGIN, SESSION, Caller, Guard
from serving.api.dependencies import UserId, Using
from serving.api.problems import ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.settings import AT_HOME

USUAL_S: Final = 900
SHORTEST_S: Final = 60
_LONGEST_S: Final = int(LONGEST[Purpose.SHOPPER].total_seconds())

api = APIRouter(route_class=StrictRoute)


class ShopperToken(BaseModel):
    """Opens one shopper's lists and searches."""

    user_id: str = Field(description="Whose lists")
    token: str = Field(description="To send as `Authorization: Bearer TOKEN`")
    expires_at: datetime = Field(description="From then on it opens nothing")


@api.post(
    "/v1/users/{user_id}/tokens",
    tags=["lists"],
    status_code=201,
    responses=problem_responses(409),
)
async def make_token(
    request: Request,
    user_id: UserId,
    seconds: Annotated[
        int, Query(ge=SHORTEST_S, le=_LONGEST_S, description="How long it opens anything")
    ] = USUAL_S,
) -> ShopperToken:
    """Make a token for a shopper's own device: it opens the lists and searches of that shopper."""
    key = _signing_key(request)
    now, lasts = datetime.now(UTC), timedelta(seconds=seconds)
    token = mint(key, Purpose.SHOPPER, now, lasts, user_id)
    return ShopperToken(user_id=user_id, token=token, expires_at=now + lasts)


@api.get("/session", include_in_schema=False)
async def begin_session(
    request: Request, using: Using, token: Annotated[str, Query(max_length=MAX_CHARACTERS)]
) -> RedirectResponse:
    """Begin a browser's session from a link that `coterie keys link` made, and show the pages."""
    guard = request.app.state.guard
    read = read_token(token, Purpose.SIGN_IN, guard.ring.find)
    if read is None:
        raise ProblemError(
            401,
            "this link opens nothing, or no more: make a new one with `coterie keys link`",
            headers={"WWW-Authenticate": 'Bearer realm="coterie"'},
        )
    answer = RedirectResponse("/" if using.settings.storefront else "/docs", 303)
    _set_session(answer, read[0], _is_https(request, using.settings.proxies))
    answer.headers["Cache-Control"] = "no-store"
    return answer


class SignIn(BaseModel):
    """What begins a session from the page that asks for a key."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=MAX_CHARACTERS, description="A key of the file")


@api.post("/session", include_in_schema=False, status_code=204)
async def sign_in(request: Request, using: Using, given: SignIn) -> Response:
    """Begin a browser's session with a key that was typed in."""
    _expect_own_page(request)
    guard: Guard = request.app.state.guard
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    key = guard.sign_in(request.scope, given.key)
    _set_session(answer, key, _is_https(request, using.settings.proxies))
    return answer


@api.delete("/session", include_in_schema=False, status_code=204)
async def sign_out(request: Request) -> Response:
    """End a browser's session: it lets go of the cookie, which opens something until its time."""
    _expect_own_page(request)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(SESSION, httponly=True, samesite="strict")
    return answer


def _expect_own_page(request: Request) -> None:
    """Refuse what a page of somebody else makes a browser send: it would sign its user in as
    another one, or out.

    Raises:
        ProblemError: 403.
    """
    site = request.headers.get("sec-fetch-site", SAME_ORIGIN)
    if site != SAME_ORIGIN:
        raise ProblemError(
            403, "a session begins and ends by this app's own pages alone: open them, and sign in"
        )


def keep_session(request: Request, answer: Response) -> None:
    """Begin a session with a page that is opened on this machine, where a key stands behind pages.

    Only by the names that no other machine has: else a page of another site, whose name leads here
    for a moment, would be one of ours to the browser.
    """
    guard: Guard = request.app.state.guard
    key = guard.ring.find(guard.page_key) if guard.page_key else None
    if key is not None and request.url.hostname in AT_HOME:
        _set_session(answer, key, secure=False)


def _set_session(answer: Response, key: Key, secure: bool) -> None:
    lasts = LONGEST[Purpose.SESSION]
    answer.set_cookie(
        SESSION,
        mint(key, Purpose.SESSION, datetime.now(UTC), lasts),
        max_age=int(lasts.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def _signing_key(request: Request) -> Key:
    """Find the key that asks, which has to be one of the file: others sign nothing.

    Raises:
        ProblemError: There is none.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None or not caller.key.signing:
        raise ProblemError(
            409,
            "a token needs a key that stands behind it: send one of the file that COTERIE_KEYS "
            "names (`coterie keys create`)",
        )
    return caller.key


def _is_https(request: Request, proxies: int) -> bool:
    told = request.headers.get("x-forwarded-proto", "") if proxies else ""
    return "https" in (request.url.scheme, told)
