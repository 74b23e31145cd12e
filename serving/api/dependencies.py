"""What routes work with, and the kinds of values that they take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi import Path as PathPart

from coterie.rollout.live import ReleaseRef
from coterie.rollout.store import RolloutStore
from serving import schemas
from serving.api.directory import ShopperDirectory
from serving.ingestion.sink import EventWriter
from serving.lists.list_maker import ListMaker
from serving.rollouts.release_locator import ReleaseLocator
from serving.rollouts.router import ReleaseRouter
from serving.settings import Settings
from serving.telemetry.metrics import ServingMetrics


@dataclass(frozen=True, slots=True)
class AppParts:
    """What the routes work with."""

    settings: Settings
    router: ReleaseRouter
    writer: EventWriter
    metrics: ServingMetrics
    directory: ShopperDirectory
    rollouts: tuple[RolloutStore, ReleaseLocator] | None = None
    """Where rollouts are written down, and where releases lie."""

    @property
    def lists(self) -> ListMaker:
        """Maker of lists, of the release that shoppers are on."""
        return self.router.stable


@dataclass(frozen=True, slots=True)
class RolloutParts:
    """What the routes of rollouts work with: ``app.state.rollouts``."""

    store: RolloutStore
    """Where the rollout is written down."""
    find: Callable[[str], ReleaseRef]
    """From a version, or a folder in the store, to where a release lies; raises BadInputError for
    others."""
    versions: Callable[[], Mapping[str, str]] = dict
    """Digest to version of the releases that are known."""


def parts_of(request: Request) -> AppParts:
    """Find what the app that was asked works with."""
    parts: AppParts = request.app.state.parts
    return parts


async def _parts(request: Request) -> AppParts:
    return parts_of(request)


async def _rollouts(request: Request) -> RolloutParts:
    rollouts: RolloutParts = request.app.state.rollouts
    return rollouts


Using = Annotated[AppParts, Depends(_parts)]
Rollouts = Annotated[RolloutParts, Depends(_rollouts)]
UserId = Annotated[schemas.Id, PathPart(description="Encode what a path may not hold: %2F")]
ItemId = Annotated[schemas.Id, PathPart(description="Encode what a path may not hold: %2F")]
K = Annotated[int, Query(ge=1, le=schemas.MAX_K, description="Length of the list")]
