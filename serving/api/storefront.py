"""The demonstration's page, and routes that show people to whoever asks: COTERIE_STOREFRONT."""

import functools
import html
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from coterie.data.ids import MAX_ID
from coterie.languages.page_texts import page_in
from coterie.languages.texts import ITSELF, SOURCE, Texts, languages, texts_for
from serving import schemas
from serving.api.dependencies import ItemId, UserId, Using
from serving.api.list_parameters import Paged
from serving.api.middleware import SAFE_HEADERS
from serving.api.operations import STATIC
from serving.api.picture_files import PICTURES
from serving.api.problems import ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.api.tokens import keep_session
from serving.ingestion.people_door import door_of

SHOWN_HISTORY: Final = 24
"""Entries of a shopper's history, and of each friend's."""
MAX_SAMPLE: Final = 50
MAX_NEW: Final = 24
CHOSEN_LANGUAGE: Final = "coterie_language"
"""The cookie by which the page remembers which language was chosen (static/languages.js)."""
_PAGES: Final = {
    name: (STATIC / name).read_text(encoding="utf-8")
    for name in ("index.html", "privacy.html", "sign-in.html", "together.html", "circle.html")
}
_NO_PICTURES: Final = '<meta name="pictures" content="">'
_ENGLISH_ALONE: Final = '<option value="en">English</option>'
_CSP: Final = "Content-Security-Policy"
_HEADERS: Final = {
    # Pictures of a real shop lie behind https, anywhere; no other page of ours has any.
    _CSP: SAFE_HEADERS[_CSP].replace("img-src 'self' data:", "img-src 'self' data: https:"),
    "Cache-Control": "no-cache",
}
_PLAIN: Final = {"Cache-Control": "no-cache"}


class PageTexts(BaseModel):
    """A catalogue, for the page."""

    language: str
    forms: list[int]
    """Which form goes with each of 0 to 199."""
    entries: dict[str, str | list[str]]
    """Sentences, or their forms, by the English one."""


api = APIRouter(responses=problem_responses(503), route_class=StrictRoute)


@api.get("/", include_in_schema=False)
async def index(
    request: Request,
    using: Using,
    shopper: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads them
    q: Annotated[str, Query()] = "",  # noqa: ARG001
    lang: Annotated[str, Query()] = "",
    item: Annotated[str, Query()] = "",  # noqa: ARG001
    category: Annotated[str, Query()] = "",  # noqa: ARG001
    brand: Annotated[str, Query()] = "",  # noqa: ARG001
    price_min: Annotated[str, Query()] = "",  # noqa: ARG001
    price_max: Annotated[str, Query()] = "",  # noqa: ARG001
) -> HTMLResponse:
    """Show the storefront page, in the reader's language."""
    answer = _shown("index.html", request, lang, _HEADERS, bool(using.settings.pictures))
    keep_session(request, answer)
    return answer


@api.get("/privacy", include_in_schema=False)
async def privacy(
    request: Request,
    shopper: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads it
    lang: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """Show the page of one shopper's own data, in the reader's language."""
    return _shown("privacy.html", request, lang, _PLAIN)


@api.get("/together", include_in_schema=False)
async def together(
    request: Request,
    using: Using,
    user: Annotated[list[str] | None, Query()] = None,  # noqa: ARG001 - the page's script reads it
    rule: Annotated[str, Query()] = "",  # noqa: ARG001
    lang: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """Show the page of a group's list, in the reader's language."""
    answer = _shown("together.html", request, lang, _HEADERS, bool(using.settings.pictures))
    keep_session(request, answer)
    return answer


@api.get("/circle", include_in_schema=False)
async def circle(
    request: Request,
    shopper: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads it
    lang: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """Show the page of one shopper's circle, in the reader's language."""
    answer = _shown("circle.html", request, lang, _PLAIN)
    keep_session(request, answer)
    return answer


@api.get("/sign-in", include_in_schema=False)
async def sign_in(
    request: Request,
    next: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads it
    lang: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """Show where a session is begun with a key, in the reader's language."""
    return _shown("sign-in.html", request, lang, _PLAIN)


def _shown(
    name: str, request: Request, lang: str, headers: Mapping[str, str], pictures: bool = False
) -> HTMLResponse:
    page = _page(name, _texts_of(request, lang).language, pictures)
    return HTMLResponse(page, headers={**headers, "Vary": "Accept-Language, Cookie"})


def _texts_of(request: Request, lang: str) -> Texts:
    """Choose by what the address says, else by what was chosen before, else by what the browser
    accepts."""
    for chosen in (lang, request.cookies.get(CHOSEN_LANGUAGE, "")):
        if chosen in languages():
            return languages()[chosen]
    return texts_for(request.headers.get("accept-language"))


@functools.cache
def _page(name: str, language: str, pictures: bool) -> str:
    """Say a page in a language; it is told where pictures are, if there are any."""
    page = page_in(_PAGES[name], languages()[language])
    if pictures:
        page = page.replace(_NO_PICTURES, f'<meta name="pictures" content="{PICTURES}/">')
    return page.replace(_ENGLISH_ALONE, "".join(_choices()))


def _choices() -> Iterator[str]:
    for language, texts in languages().items():
        yield f'<option value="{language}">{html.escape(texts.say(ITSELF))}</option>'


@api.get("/languages/{language}", include_in_schema=False)
async def catalogue(language: str) -> PageTexts:
    """Give the page its sentences in a language; English, which is its own key, has none."""
    texts = languages().get(language) or languages()[SOURCE]
    return PageTexts(language=texts.language, forms=texts.forms(), entries=texts.entries())


@api.get("/v1/shoppers", tags=["storefront"])
async def find_shoppers(
    using: Using,
    q: Annotated[str, Query(max_length=MAX_ID, description="Part of an id")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SAMPLE)] = 12,
) -> schemas.ShopperSample:
    """List some shoppers to try. For demonstrations only: COTERIE_STOREFRONT."""
    # Whole ids are found as well where the directory has pseudonyms alone.
    part = using.directory.part_of(q, door_of(using.settings))
    return using.directory.find(part, limit, using.router.withdrawn, using.router.erased)


@api.get("/v1/users/{user_id}", tags=["storefront"])
async def shopper(using: Using, user_id: UserId) -> schemas.Shopper:
    """Show a shopper's history and friends. For demonstrations only: COTERIE_STOREFRONT."""
    return using.lists.shopper(user_id, SHOWN_HISTORY)


@api.get(
    "/v1/users/{user_id}/items/{item_id}", tags=["storefront"], responses=problem_responses(404)
)
async def shopper_item(
    request: Request, response: Response, using: Using, user_id: UserId, item_id: ItemId
) -> schemas.ShopperItem:
    """Say what one item is to a shopper: its score, and reasons. For demonstrations only:
    COTERIE_STOREFRONT."""
    row = using.lists.catalogue.row(item_id)
    if row < 0:
        raise ProblemError(404, "this release's catalogue has no such item")
    texts = texts_for(request.headers.get("accept-language"))
    response.headers["Content-Language"], response.headers["Vary"] = (
        texts.language,
        "Accept-Language",
    )
    return using.lists.about(using.lists.gather(user_id), row, texts)


@api.get("/v1/new-items", tags=["storefront"])
async def new_items(
    using: Using, paged: Paged, limit: Annotated[int, Query(ge=1, le=MAX_NEW)] = 12
) -> schemas.ItemPage:
    """List what entered the catalogue last. For demonstrations only: COTERIE_STOREFRONT."""
    catalogue = using.lists.catalogue
    wanted = paged.wanted("new")
    rows = catalogue.newest(limit + 1, wanted)
    items = [catalogue.item(row) for row in rows[:limit]]
    shown = (item.item_id for item in items)
    following = wanted.shown.next_page(shown, wanted.about) if len(rows) > limit else None
    return schemas.ItemPage(items=items, next=following)
