"""The whole HTTP app: routes, errors, and what surrounds each request."""

from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import coterie
from coterie.experiments.store import ExperimentStore
from serving.api import (
    admin,
    asking,
    changes,
    experiments,
    operations,
    people,
    routes,
    service,
    storefront,
    taste,
    together,
    tokens,
)
from serving.api.auth import Guard
from serving.api.dependencies import AppParts, RolloutParts
from serving.api.described import describe_api
from serving.api.middleware import REQUEST_ID, TelemetryMiddleware
from serving.api.normalizing import NormalizingMiddleware
from serving.api.operations import STATIC, CachedOverview
from serving.api.picture_files import PICTURES, PictureFiles
from serving.api.problems import answer_with_problems
from serving.api.rates import Buckets
from serving.api.strict_routes import StrictFiles
from serving.ingestion.people_door import door_of
from serving.lists.language_parts import LanguageParts
from serving.settings import Settings
from serving.telemetry.logs import Pseudonyms

PREFLIGHT_S: Final = 600
"""For so long a browser may remember what another origin's page may ask."""


def create_app(parts: AppParts) -> ASGIApp:
    """Put an app together from what its routes work with."""
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
    app.state.guard = guard = Guard.of(parts.settings)
    app.state.door = door_of(parts.settings)
    answer_with_problems(app)
    app.state.language = LanguageParts.of(parts.settings, parts.metrics.llm)
    app.state.asking = Buckets(asking.READ_PER_S)
    routers = [
        routes.api,
        asking.api,
        changes.api,
        people.api,
        taste.api,
        together.api,
        tokens.api,
        service.api,
    ]
    if parts.rollouts is not None:
        rollout_store, locator = parts.rollouts
        rollouts = RolloutParts(rollout_store, locator.find, locator.versions)
        app.state.rollouts, app.state.overview = rollouts, CachedOverview(rollouts)
        root = parts.settings.experiments_root
        app.state.experiments = ExperimentStore(root) if root else None
        routers += [admin.api, experiments.api]
        if parts.settings.storefront:
            routers += [operations.api, experiments.pages]
    if parts.settings.storefront:
        routers.append(storefront.api)
    # Not by include_router, which prepares every route once more at an app's first request. All
    # apps of a process share the routes, so what a route works with is its app's state.
    app.router.routes.extend(route for router in routers for route in router.routes)
    if parts.settings.storefront and parts.settings.pictures:
        app.mount(PICTURES, PictureFiles(parts.settings.pictures), name="pictures")
    describe_api(app, guard.is_open)
    app.mount("/static", StrictFiles(directory=STATIC), name="static")
    return TelemetryMiddleware(
        _shared(NormalizingMiddleware(app), parts.settings),
        parts.metrics,
        Pseudonyms(parts.settings.log_salt),
    )


def _shared(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Let pages of other origins read what they may; no cookies. Only where there are keys may they
    send one: a shopper's token, since a page keeps no secret."""
    origins = settings.origins
    if not origins:
        return app
    sent = ["Authorization"] if settings.keys else []
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Content-Type", "Content-Encoding", REQUEST_ID, *sent],
        expose_headers=[REQUEST_ID, "Retry-After", "Accept-Encoding"],
        max_age=PREFLIGHT_S,
    )
