"""The HTTP API: what is asked for, within which bounds, and who answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi import Path as PathPart
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import coterie
from coterie.data.ids import MAX_ID
from coterie.rollout.history import Snapshot
from coterie.rollout.store import FileRolloutStore, RolloutStore
from serving import schemas
from serving.api.admin import admin_router, operations_router
from serving.api.directory import ShopperDirectory
from serving.api.middleware import REQUEST_ID, Surround
from serving.api.problems import (
    MEDIA_TYPE,
    FieldError,
    Problem,
    ProblemError,
    answer_with_problems,
)
from serving.api.strict import StrictFiles, StrictRoute
from serving.api.transport import Transport
from serving.ingestion.intake import Intake, Taken
from serving.ingestion.sink import EventWriter
from serving.lists.list_maker import ListMaker
from serving.rollouts.release_locator import Places
from serving.rollouts.router import Switch
from serving.schemas import MAX_K
from serving.settings import Settings
from serving.telemetry.logs import Pseudonyms
from serving.telemetry.metrics import CONTENT_TYPE, Metrics

STATIC: Final = Path(__file__).parent / "static"
SHOWN_HISTORY: Final = 24
MAX_SAMPLE: Final = 50
MAX_SEARCH: Final = 64
PREFLIGHT_S: Final = 600
"""For so long a browser may remember what another origin's page may ask."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    settings: Settings
    switch: Switch
    writer: EventWriter
    metrics: Metrics
    directory: ShopperDirectory
    rollouts: tuple[RolloutStore, Places] | None = None
    """Where rollouts are written down, and where releases lie."""

    @property
    def lists(self) -> ListMaker:
        """Stable's."""
        return self.switch.stable


def create_app(parts: Parts) -> ASGIApp:
    """The whole app: routes, errors, and what surrounds each request."""
    app = FastAPI(
        title="Coterie",
        version=coterie.__version__,
        description="Product recommendations through the people a shopper knows, with reasons.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # a route of ours, which refuses what it does not know
        separate_input_output_schemas=False,
        # Its own spans hold paths, so people's ids; ours hold routes.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.parts = parts
    answer_with_problems(app)
    app.include_router(_api)
    app.include_router(_operations)
    if parts.rollouts is not None:
        rollout_store, places = parts.rollouts
        token = parts.settings.admin_token
        app.include_router(admin_router(rollout_store, token, places.find, places.versions))
        if parts.settings.storefront:
            app.include_router(
                operations_router(rollout_store, places.versions, _snapshots_of(rollout_store))
            )
    if parts.settings.storefront:
        app.include_router(_storefront)
    _describe_problems(app)
    app.mount("/static", StrictFiles(directory=STATIC), name="static")
    return Surround(
        _shared(Transport(app), parts.settings.origins),
        parts.metrics,
        Pseudonyms(parts.settings.log_salt),
    )


def _shared(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of other origins read what anybody may read; no cookies, and no commands: a page
    may not send the token that those need."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Content-Type", "Content-Encoding", REQUEST_ID],
        expose_headers=[REQUEST_ID, "Retry-After", "Accept-Encoding"],
        max_age=PREFLIGHT_S,
    )


def _snapshots_of(rollout_store: RolloutStore) -> Callable[[], Sequence[Snapshot]]:
    """Signals over time: only the rollout store on this machine keeps them."""
    return rollout_store.snapshots if isinstance(rollout_store, FileRolloutStore) else tuple


def _problem(description: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": description, "content": {MEDIA_TYPE: schema}}


def _describe_problems(app: FastAPI) -> None:
    """Put the form of problems into the OpenAPI description: FastAPI lists only JSON of its own."""
    described = app.openapi()
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    described["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    for operation in (one for path in described["paths"].values() for one in path.values()):
        statuses = (400, 413, 415, 422) if "requestBody" in operation else (400, 422)
        for status in statuses:
            operation["responses"][str(status)] = _PROBLEMS[status]


_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The path, the query or the compression cannot be decoded"),
    404: _problem("There is no such thing"),
    413: _problem("The body is over 1 MiB, or would be once decompressed"),
    415: _problem("The body's Content-Type or Content-Encoding is not one that is taken"),
    422: _problem("The request does not fit; `errors` says where"),
    503: _problem("Something behind this service does not answer; try again"),
}


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Using = Annotated[Parts, Depends(_parts)]
UserId = Annotated[schemas.Id, PathPart(description="Encode what a path may not hold: %2F")]
ItemId = Annotated[schemas.Id, PathPart(description="Encode what a path may not hold: %2F")]
K = Annotated[int, Query(ge=1, le=MAX_K, description="Length of the list")]

_USUAL: Final[dict[int | str, dict[str, Any]]] = {503: _PROBLEMS[503]}
_api = APIRouter(prefix="/v1", responses=_USUAL, route_class=StrictRoute)
_operations = APIRouter(tags=["operations"], route_class=StrictRoute)
_storefront = APIRouter(responses=_USUAL, route_class=StrictRoute)


@_api.get(
    "/users/{user_id}/recommendations",
    tags=["lists"],
    response_model=schemas.RecommendationList,
)
async def recommend(
    request: Request,
    using: Using,
    user_id: UserId,
    k: K = 20,
    explain: Annotated[bool, Query(description="Say why, item by item")] = True,
) -> Response:
    """A shopper's list, best first. Strangers get one too; `source` says what it draws on."""
    arm, listed = await using.switch.answer(user_id, k, explain)
    request.state.release, request.state.arm = listed.release, arm
    # Ours already: FastAPI would check it all over again, which took as long as making it.
    return Response(listed.model_dump_json(exclude_none=True), media_type="application/json")


@_api.post(
    "/events",
    tags=["events"],
    responses={
        202: {"model": schemas.EventReceipt, "description": "Kept; applied later"},
        207: {
            "model": schemas.EventReceipt,
            "description": "Some were kept; `refused` names the others",
        },
    },
)
async def write_events(
    using: Using,
    batch: schemas.EventBatch,
    response: Response,
    atomic: Annotated[bool, Query(description="Keep all events, or none")] = False,
) -> schemas.EventReceipt:
    """Keep what shoppers did. Each event stands for itself: one that does not fit is named, and the
    others are kept; the next list knows."""
    taken = _intake(using.settings).sort(batch.events, datetime.now(UTC))
    using.metrics.count_refused(one.kind for one in taken.refused)
    if taken.refused and (atomic or not taken.kept):
        raise _nothing_kept(taken, atomic)
    receipt = await using.writer.write(taken.kept)
    if taken.refused:
        response.status_code = 207
    elif not receipt.applied:
        response.status_code = 202
    return schemas.EventReceipt(
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=[
            schemas.RefusedEvent(
                place=one.place, event_id=one.event_id, where=one.where, reason=one.reason
            )
            for one in taken.refused
        ],
        unknown_item=_unknown(using.switch, taken),
        shortened=list(taken.shortened),
        applied=receipt.applied,
    )


@_api.get("/items/{item_id}/similar", tags=["items"], responses={404: _PROBLEMS[404]})
async def similar_items(using: Using, item_id: ItemId, k: K = 20) -> schemas.SimilarItems:
    """Items that the same people would like, best first."""
    row = using.lists.catalogue.row(item_id)
    if row < 0:
        raise ProblemError(404, "this release's catalogue has no such item")
    return using.lists.similar(row, k)


@_api.get("/items", tags=["items"])
async def find_items(
    using: Using,
    ids: Annotated[list[schemas.Id] | None, Query(max_length=MAX_SEARCH)] = None,
    q: Annotated[str, Query(max_length=100, description="Words in the title or category")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SEARCH)] = 20,
) -> schemas.ItemPage:
    """Items by id (unknown ones are left out), or by words."""
    catalogue = using.lists.catalogue
    rows = catalogue.search(q, limit) if ids is None else catalogue.rows(ids)
    return schemas.ItemPage(items=[catalogue.item(row) for row in rows if row >= 0])


@_operations.get("/healthz")
async def healthz() -> schemas.Health:
    """Alive: the process answers."""
    return schemas.Health()


@_operations.get("/readyz", responses={503: _PROBLEMS[503]})
async def readyz(using: Using) -> schemas.Readiness:
    """Ready: a release is loaded, and the feature store answers."""
    using.lists.features.ping()
    release = using.lists.release
    return schemas.Readiness(release=release.version, digest=release.digest)


@_operations.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
)
async def metrics(using: Using) -> Response:
    """Counts and times of all replicas on this machine."""
    return Response(using.metrics.expose(), media_type=CONTENT_TYPE)


@_operations.get("/openapi.json", include_in_schema=False)
async def described(request: Request) -> JSONResponse:
    """The API, for programs."""
    return JSONResponse(request.app.openapi())


@_operations.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """The API, to read and to try; needs no outside host."""
    return FileResponse(STATIC / "docs.html")


@_storefront.get("/", include_in_schema=False)
async def index(
    shopper: Annotated[str, Query()] = "",  # noqa: ARG001 - the page's script reads it
) -> FileResponse:
    """The storefront page."""
    return FileResponse(STATIC / "index.html")


@_storefront.get("/v1/shoppers", tags=["storefront"])
async def find_shoppers(
    using: Using,
    q: Annotated[str, Query(max_length=MAX_ID, description="Part of an id")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SAMPLE)] = 12,
) -> schemas.ShopperSample:
    """Some shoppers to try. For demonstrations only: COTERIE_STOREFRONT."""
    return using.directory.find(q, limit)


@_storefront.get("/v1/users/{user_id}", tags=["storefront"])
async def shopper(using: Using, user_id: UserId) -> schemas.Shopper:
    """A shopper's history and friends. For demonstrations only: COTERIE_STOREFRONT."""
    return using.lists.shopper(user_id, SHOWN_HISTORY)


def _intake(settings: Settings) -> Intake:
    return Intake(settings.max_event_age_days, settings.max_event_lead_s)


def _unknown(switch: Switch, taken: Taken) -> list[str]:
    """Items of kept events that neither release knows, each once."""
    catalogues = [maker.catalogue for maker in switch.makers]
    items = dict.fromkeys(event.item_id for event in taken.kept)
    return [item for item in items if all(one.row(item) < 0 for one in catalogues)]


def _nothing_kept(taken: Taken, atomic: bool) -> ProblemError:
    errors = [FieldError(where=one.where, message=one.reason) for one in taken.refused]
    why = "since atomic=true keeps all or none: " if atomic and taken.kept else ""
    first = f"{errors[0].where}: {errors[0].message}"
    return ProblemError(
        422,
        f"no event was kept, {why}{len(errors)} of {len(taken.kept) + len(errors)} do not fit: "
        f"`errors` names each, the first is {first}",
        errors,
    )
