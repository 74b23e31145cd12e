"""The operations page, and what it shows: to whoever asks, so people's names are left out."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from coterie.rollout.history import Series, series, snapshots_in
from coterie.rollout.state import Transition
from coterie.rollout.status import RolloutStatus, rollout_status
from coterie.rollout.store import FileRolloutStore, RolloutStore
from coterie.rollout.transitions import CONTROLLER
from serving.api.dependencies import RolloutParts
from serving.api.problems import problem_responses
from serving.api.strict_routes import StrictRoute
from serving.api.tokens import keep_session

STATIC: Final = Path(__file__).parent / "static"
FRESH_S: Final = 0.5
"""For so long the page gets the same answer: it is open to everybody, and reading costs time."""
SHOWN_HISTORY: Final = 40
PERSON: Final = "a person"
"""In the place of names, where no token is asked for."""


class Overview(BaseModel):
    """All that the page shows. Names of people are left out."""

    status: RolloutStatus
    standing: RolloutStatus = Field(
        description="The status, by its earlier name", json_schema_extra={"deprecated": True}
    )
    history: list[Transition] = Field(description="Newest first, without evidence")
    series: Series


class CachedOverview:
    """An overview that is made anew only when it is no longer fresh: ``app.state.overview``."""

    def __init__(self, rollouts: RolloutParts) -> None:
        """Take what is shown; only the rollout store on this machine keeps signals over time, of
        another the audit log has a few points of each."""
        self._rollouts = rollouts
        self._lock = threading.Lock()
        self._made: Overview | None = None
        self._until = 0.0

    def get(self) -> Overview:
        """Return one that is at most FRESH_S old; who asks meanwhile waits for the same."""
        with self._lock:
            if self._made is None or time.monotonic() > self._until:
                self._made = _overview(self._rollouts.store, self._rollouts.versions())
                self._until = time.monotonic() + FRESH_S
            return self._made


api = APIRouter(tags=["storefront"], responses=problem_responses(503), route_class=StrictRoute)


@api.get("/v1/rollouts")
def overview(request: Request) -> Overview:
    """Show how the rollout stands, its history, and its signals over time."""
    cached: CachedOverview = request.app.state.overview
    return cached.get()


@api.get("/operations", include_in_schema=False)
async def page(request: Request) -> FileResponse:
    """Show the operations page."""
    answer = FileResponse(STATIC / "operations.html")
    keep_session(request, answer)
    return answer


def _overview(rollout_store: RolloutStore, versions: Mapping[str, str]) -> Overview:
    snapshots = rollout_store.snapshots() if isinstance(rollout_store, FileRolloutStore) else ()
    state, _ = rollout_store.read()
    history = rollout_store.history()
    told = [_nameless(one) for one in reversed(history[-SHOWN_HISTORY:])]
    now = replace(rollout_status(state, time.time(), history, versions), last=())
    return Overview(
        status=now,
        standing=now,
        history=told,
        series=series(snapshots or snapshots_in(history)),
    )


def _nameless(one: Transition) -> Transition:
    who = one.who if one.who == CONTROLLER else PERSON
    return replace(one, who=who, evidence={})
