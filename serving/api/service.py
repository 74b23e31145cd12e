"""What is asked of the service itself: whether it is up, its counts, and its description."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse

from serving import schemas
from serving.api.dependencies import Using
from serving.api.description import for_clients
from serving.api.operations import STATIC
from serving.api.problems import problem_responses
from serving.api.strict_routes import StrictRoute
from serving.telemetry.metrics import CONTENT_TYPE

api = APIRouter(tags=["operations"], route_class=StrictRoute)


@api.get("/healthz")
async def healthz() -> schemas.Health:
    """Answer: the process is alive."""
    return schemas.Health()


@api.get("/readyz", responses=problem_responses(503))
async def readyz(using: Using) -> schemas.Readiness:
    """Answer if this is ready: a release is loaded, and the feature store answers."""
    using.lists.features.ping()
    release = using.lists.release
    return schemas.Readiness(release=release.version, digest=release.digest)


@api.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
)
async def metrics(using: Using) -> Response:
    """Expose counts and times of all replicas on this machine."""
    return Response(using.metrics.expose(), media_type=CONTENT_TYPE)


@api.get("/openapi.json", include_in_schema=False)
async def described(request: Request) -> JSONResponse:
    """Describe the API for programs."""
    return JSONResponse(for_clients(request.app.openapi()))


@api.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """Show the API, to read and to try; needs no outside host."""
    return FileResponse(STATIC / "docs.html")
