"""Routes that change ties, items and people: in effect from the next request on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathPart

from coterie.data.changes import Change
from coterie.schema import ITEMS, TIES, USERS, Table, TieKind
from serving import schemas
from serving.api import change_bodies as bodies
from serving.api.dependencies import AppParts, ItemId, UserId, Using, parts_of
from serving.api.problems import FieldError, ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.features.new_ties import with_strengths
from serving.ingestion.change_intake import ChangeIntake, Op, SortedChanges
from serving.ingestion.intake import ERASED, Intake
from serving.ingestion.people_door import NO_DOOR, PeopleDoor, door_of

OtherId = Annotated[schemas.Id, PathPart(description="The other person; encode as user_id")]
Ts = Annotated[
    str | None,
    Query(description="When it was so, as for events; when it came in, if left out", max_length=40),
]
ChangeId = Annotated[
    schemas.Id | None, Query(description="A second change with it is ignored: chosen by the sender")
]
_SOME: Any = {
    207: {
        "model": bodies.ChangeReceipt,
        "description": "Some were kept; `refused` names the others",
    }
}

api = APIRouter(
    prefix="/v1", tags=["changes"], responses=problem_responses(503), route_class=StrictRoute
)


async def _refuse_erased(request: Request) -> None:
    """Refuse what is said of who was erased under another name: what stood for them before there
    was the key that there is."""
    gone = parts_of(request).router.erased
    for name, texts in PeopleDoor.stood_for(request.scope).items():
        if gone and any(text in gone for text in texts):
            why = [FieldError(where=f"path.{name}", message=ERASED)]
            raise ProblemError(422, f"nothing was changed: path.{name}: {ERASED}", why)


_OF_PEOPLE: Any = {"dependencies": [Depends(_refuse_erased)]}


@api.put("/users/{user_id}/ties/{other_id}", **_OF_PEOPLE)
async def put_tie(
    using: Using, user_id: UserId, other_id: OtherId, tie: bodies.TieIn
) -> bodies.ChangeReceipt:
    """Tie two people: the next list of the first knows, and of a friendship that of both."""
    ends = {"src_user_id": user_id, "dst_user_id": other_id}
    return await _one(using, TIES, [_said(tie) | ends])


@api.delete("/users/{user_id}/ties/{other_id}", **_OF_PEOPLE)
async def delete_tie(
    using: Using,
    user_id: UserId,
    other_id: OtherId,
    kind: Annotated[TieKind | None, Query(description="Of one kind; all if left out")] = None,
    ts: Ts = None,
    change_id: ChangeId = None,
) -> bodies.ChangeReceipt:
    """End a tie: the next list draws on it no more."""
    row = {"src_user_id": user_id, "dst_user_id": other_id, "op": Op.DELETE.value, "ts": ts}
    ends = [
        row | {"kind": one.value, "change_id": change_id and f"{change_id}:{one.value}"}
        for one in ([kind] if kind else TieKind)
    ]
    return await _one(using, TIES, ends)


@api.post("/ties", responses=_SOME)
async def write_ties(
    using: Using, batch: bodies.TieBatch, response: Response
) -> bodies.ChangeReceipt:
    """Make or end many ties. Each stands for itself: one that does not fit is named, and the others
    are kept."""
    return await _many(using, TIES, batch.ties, response)


@api.put("/items/{item_id}")
async def put_item(using: Using, item_id: ItemId, item: bodies.ItemPut) -> bodies.ChangeReceipt:
    """Say all of an item. One that the release does not know is listed as soon as it has vectors:
    those of known items that are like it."""
    return await _one(using, ITEMS, [_said(item) | {"item_id": item_id}])


@api.patch("/items/{item_id}")
async def patch_item(using: Using, item_id: ItemId, item: bodies.ItemPatch) -> bodies.ChangeReceipt:
    """Say some things of an item, such as its price, or that it is out of stock."""
    return await _one(using, ITEMS, [_said(item) | {"item_id": item_id, "op": Op.PATCH.value}])


@api.delete("/items/{item_id}")
async def delete_item(
    using: Using, item_id: ItemId, ts: Ts = None, change_id: ChangeId = None
) -> bodies.ChangeReceipt:
    """Take an item out of the shop: it is not shown from the next request on."""
    row = {"item_id": item_id, "op": Op.DELETE.value, "ts": ts, "change_id": change_id}
    return await _one(using, ITEMS, [row])


@api.post("/items", responses=_SOME)
async def write_items(
    using: Using, batch: bodies.ItemBatch, response: Response
) -> bodies.ChangeReceipt:
    """Change many items. Each stands for itself: one that does not fit is named, and the others are
    kept."""
    return await _many(using, ITEMS, batch.items, response)


@api.put("/users/{user_id}", **_OF_PEOPLE)
async def put_user(
    using: Using, user_id: UserId, consent: bodies.ConsentIn
) -> bodies.ChangeReceipt:
    """Say what a person agrees to: the next list of everybody keeps to it."""
    return await _one(using, USERS, [_said(consent) | {"user_id": user_id}])


def _said(body: schemas.StrictBody) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_unset=True)


async def _one(using: AppParts, table: Table, rows: Sequence[Any]) -> bodies.ChangeReceipt:
    """Keep changes of one row, or say what is wrong. Whom its path names is inside already."""
    sorted_out = _sort(using, table, rows, NO_DOOR)
    if sorted_out.refused:
        first = sorted_out.refused[0]
        where = f"body.{first.field}" if first.field else "body"
        raise ProblemError(
            422,
            f"nothing was changed: {where}: {first.reason}",
            [FieldError(where=where, message=first.reason)],
        )
    return await _keep(using, table, sorted_out)


async def _many(
    using: AppParts, table: Table, rows: Sequence[Any], response: Response
) -> bodies.ChangeReceipt:
    sorted_out = _sort(using, table, rows, door_of(using.settings))
    if not sorted_out.kept:
        errors = [FieldError(where=r.where, message=r.reason) for r in _refused(table, sorted_out)]
        raise ProblemError(
            422,
            f"nothing was changed, {len(errors)} of {len(rows)} do not fit: `errors` names each, "
            f"the first is {errors[0].where}: {errors[0].message}",
            errors,
        )
    if sorted_out.refused:
        response.status_code = 207
    return await _keep(using, table, sorted_out)


def _sort(using: AppParts, table: Table, rows: Sequence[Any], door: PeopleDoor) -> SortedChanges:
    settings = using.settings
    taken = Intake(settings.taken_days, settings.max_event_lead_s, using.router.erased, door)
    intake = ChangeIntake(taken)
    return intake.sort(table, rows, datetime.now(UTC))


def _refused(table: Table, sorted_out: SortedChanges) -> list[bodies.RefusedChange]:
    return [
        bodies.RefusedChange(
            index=one.index,
            where=f"body.{table.name}[{one.index}]" + (f".{one.field}" if one.field else ""),
            reason=one.reason,
        )
        for one in sorted_out.refused
    ]


async def _keep(using: AppParts, table: Table, sorted_out: SortedChanges) -> bodies.ChangeReceipt:
    changes: Sequence[Change] = sorted_out.kept
    if table is TIES:
        changes = with_strengths(changes, using.lists.features)
    receipt = await using.writer.write(changes)
    return bodies.ChangeReceipt(
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=_refused(table, sorted_out),
        applied=receipt.applied,
    )
