"""The shop's routes: lists for shoppers, events, items."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from coterie.languages.texts import texts_for
from serving import schemas
from serving.api.dependencies import AppParts, ItemId, K, UserId, Using, parts_of
from serving.api.list_parameters import Paged, Place, Placed
from serving.api.problems import FieldError, ProblemError, problem_responses
from serving.api.remembering_routes import RememberingRoute, remember
from serving.api.strict_routes import StrictRoute
from serving.ingestion.intake import Intake, SortedBatch
from serving.ingestion.people_door import door_of
from serving.lists.search import By
from serving.rollouts.router import ReleaseRouter

MAX_SEARCH: Final = 64

api = APIRouter(prefix="/v1", responses=problem_responses(503), route_class=StrictRoute)


async def recommend(
    request: Request,
    user_id: UserId,
    placed: Placed,
    k: K = 20,
    explain: Annotated[bool, Query(description="Say why, item by item")] = True,
    wording: Annotated[
        Literal["template", "model"],
        Query(
            description="model: say each item's reasons in a `sentence` too, in a language model's "
            "words where they hold against the reasons; takes up to a second longer"
        ),
    ] = "template",
) -> Response:
    """Recommend items, best first. Strangers get a list too; `source` says what it draws on."""
    spoken = explain and wording == "model"
    remember(request, partial(_recommend, placed=placed, k=k, explain=explain, spoken=spoken))
    return await _recommend(request, user_id, placed, k, explain, spoken)


async def _recommend(
    request: Request, user_id: str, placed: Place, k: int, explain: bool, spoken: bool
) -> Response:
    texts = texts_for(request.headers.get("accept-language"))
    language = texts.language
    wanted = replace(placed.wanted("list", user_id), language=language)
    arm, listed = await parts_of(request).router.answer(user_id, k, explain, wanted)
    if spoken:
        title_of = parts_of(request).lists.catalogue.title_of
        await request.app.state.language.reasons.speak(listed.items, texts, title_of)
    request.state.release, request.state.arm = listed.release, arm
    # Ours already: FastAPI would check it all over again, which took as long as making it.
    return Response(
        listed.model_dump_json(exclude_none=True),
        media_type="application/json",
        headers={"Content-Language": language, "Vary": "Accept-Language"},
    )


api.add_api_route(
    "/users/{user_id}/recommendations",
    recommend,
    methods=["GET"],
    tags=["lists"],
    response_model=schemas.RecommendationList,
    route_class_override=RememberingRoute,
)


@api.get("/users/{user_id}/search", tags=["lists"], response_model=schemas.SearchResults)
async def search(
    request: Request,
    using: Using,
    user_id: UserId,
    q: Annotated[
        str,
        Query(min_length=1, max_length=schemas.MAX_QUERY, description="What is looked for"),
    ],
    paged: Paged,
    k: K = 20,
    explain: Annotated[bool, Query(description="Split each score into its parts")] = False,
) -> Response:
    """Find what a shopper looks for, by words, meaning and their taste, best first. Where nothing
    fits the list is empty."""
    wanted = paged.wanted("search", user_id, q)
    arm, found = await using.router.search(user_id, q, k, explain, wanted)
    request.state.release, request.state.arm = found.release, arm
    return Response(found.model_dump_json(exclude_none=True), media_type="application/json")


@api.post(
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
    taken = _intake(using).sort(batch.events, datetime.now(UTC))
    using.metrics.events.count_refused(one.kind for one in taken.refused)
    if taken.refused and (atomic or not taken.kept):
        raise _nothing_kept(taken, atomic)
    receipt = await using.writer.write(taken.kept)
    if receipt.accepted:
        using.router.explorer.note_events(taken.kept)
    if taken.refused:
        response.status_code = 207
    elif not receipt.applied:
        response.status_code = 202
    return schemas.EventReceipt(
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=[
            schemas.RefusedEvent(
                index=one.index,
                place=one.index,
                event_id=one.event_id,
                where=one.where,
                reason=one.reason,
            )
            for one in taken.refused
        ],
        unknown_item=_unknown(using.router, taken),
        shortened=list(taken.shortened),
        applied=receipt.applied,
    )


@api.get("/items/{item_id}/similar", tags=["items"], responses=problem_responses(404, 409))
async def similar_items(
    using: Using,
    item_id: ItemId,
    paged: Paged,
    k: K = 20,
    by: Annotated[
        By,
        Query(
            description="taste: the same people would like them; words: they say alike of "
            "themselves; looks: their pictures are alike"
        ),
    ] = "taste",
) -> schemas.SimilarItems:
    """List items that are like one, best first."""
    lists = using.lists
    row = lists.catalogue.row(item_id)
    if row < 0 or lists.catalogue.is_gone(row):
        raise ProblemError(404, "this release's catalogue has no such item")
    if by == "looks" and not using.lists.searcher.knows_looks:
        raise ProblemError(
            409,
            f"release {using.lists.release.version} does not know how items look: let the content "
            "step encode their pictures, or ask by taste or words",
        )
    return using.lists.similar(row, k, by, paged.wanted("similar", item_id, by))


@api.get("/items", tags=["items"])
async def find_items(
    using: Using,
    ids: Annotated[list[schemas.Id] | None, Query(max_length=MAX_SEARCH)] = None,
    q: Annotated[str, Query(max_length=100, description="Words in the title or category")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SEARCH)] = 20,
) -> schemas.ItemPage:
    """Find items by id (unknown ones are left out), or by words."""
    catalogue = using.lists.catalogue
    rows = catalogue.search(q, limit) if ids is None else catalogue.rows(ids)
    there = [row for row in rows if row >= 0 and not catalogue.is_gone(row)]
    return schemas.ItemPage(items=[catalogue.item(row) for row in there])


def _intake(using: AppParts) -> Intake:
    settings = using.settings
    return Intake(
        settings.taken_days,
        settings.max_event_lead_s,
        using.router.erased,
        door_of(settings),
    )


def _unknown(router: ReleaseRouter, taken: SortedBatch) -> list[str]:
    """List items of kept events that neither release knows, each once."""
    catalogues = [maker.catalogue for maker in router.makers]
    items = dict.fromkeys(event.item_id for event in taken.kept)
    return [item for item in items if all(one.row(item) < 0 for one in catalogues)]


def _nothing_kept(taken: SortedBatch, atomic: bool) -> ProblemError:
    errors = [FieldError(where=one.where, message=one.reason) for one in taken.refused]
    why = "since atomic=true keeps all or none: " if atomic and taken.kept else ""
    first = f"{errors[0].where}: {errors[0].message}"
    return ProblemError(
        422,
        f"no event was kept, {why}{len(errors)} of {len(taken.kept) + len(errors)} do not fit: "
        f"`errors` names each, the first is {first}",
        errors,
    )
