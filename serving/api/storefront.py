"""The demonstration's page, and routes that show people to whoever asks: COTERIE_STOREFRONT."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from coterie.data.ids import MAX_ID
from serving import schemas
from serving.api.dependencies import UserId, Using
from serving.api.operations import STATIC
from serving.api.problems import problem_responses
from serving.api.strict_routes import StrictRoute

SHOWN_HISTORY: Final = 24
"""Entries of a shopper's history, and of each friend's."""
MAX_SAMPLE: Final = 50

api = APIRouter(responses=problem_responses(503), route_class=StrictRoute)


@api.get("/", include_in_schema=False)
async def index(
    shopper: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads it
) -> FileResponse:
    """Show the storefront page."""
    return FileResponse(STATIC / "index.html")


@api.get("/v1/shoppers", tags=["storefront"])
async def find_shoppers(
    using: Using,
    q: Annotated[str, Query(max_length=MAX_ID, description="Part of an id")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SAMPLE)] = 12,
) -> schemas.ShopperSample:
    """List some shoppers to try. For demonstrations only: COTERIE_STOREFRONT."""
    return using.directory.find(q, limit)


@api.get("/v1/users/{user_id}", tags=["storefront"])
async def shopper(using: Using, user_id: UserId) -> schemas.Shopper:
    """Show a shopper's history and friends. For demonstrations only: COTERIE_STOREFRONT."""
    return using.lists.shopper(user_id, SHOWN_HISTORY)
