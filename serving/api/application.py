"""The whole HTTP app: routes, errors, and what surrounds each request."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import coterie
from coterie.rollout.history import Snapshot
from coterie.rollout.store import FileRolloutStore, RolloutStore
from serving.api import changes, routes, service, storefront
from serving.api.admin import admin_router
from serving.api.auth import Guard, Scope
from serving.api.dependencies import AppParts
from serving.api.middleware import REQUEST_ID, TelemetryMiddleware
from serving.api.normalizing import NormalizingMiddleware
from serving.api.operations import STATIC, operations_router
from serving.api.picture_files import PICTURES, PictureFiles
from serving.api.problems import answer_with_problems, describe_problems
from serving.api.strict_routes import StrictFiles
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
    answer_with_problems(app)
    app.include_router(routes.api)
    guard = Guard.of(parts.settings)
    may_change = guard.require(Scope.CHANGES, open_without=True)
    app.include_router(changes.api, dependencies=may_change)
    app.include_router(service.api)
    if parts.rollouts is not None:
        rollout_store, locator = parts.rollouts
        app.include_router(admin_router(rollout_store, guard, locator.find, locator.versions))
        if parts.settings.storefront:
            app.include_router(
                operations_router(rollout_store, locator.versions, _snapshots_of(rollout_store))
            )
    if parts.settings.storefront:
        app.include_router(storefront.api)
        if parts.settings.pictures:
            app.mount(PICTURES, PictureFiles(parts.settings.pictures), name="pictures")
    describe_problems(app)
    app.mount("/static", StrictFiles(directory=STATIC), name="static")
    return TelemetryMiddleware(
        _shared(NormalizingMiddleware(app), parts.settings.origins),
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
    """Find who reads signals over time: only the rollout store on this machine keeps them."""
    return rollout_store.snapshots if isinstance(rollout_store, FileRolloutStore) else tuple
