"""Routes of what is kept of one person: to have it, to have it removed, to let them come back."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from coterie.data.changes import STRENGTHS_FIELD, RowState, is_there, values_of
from coterie.languages.texts import marked
from coterie.schema import (
    EVENT_KINDS,
    SHOPPER_BEHAVIOUR_VIEW,
    SHOPPER_NETWORK_VIEW,
    STRENGTHS,
    TieKind,
)
from serving.api import people_bodies as bodies
from serving.api.dependencies import AppParts, UserId, Using
from serving.api.problems import FieldError, ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.events.event import Entry, Event
from serving.features.online_store import Friends
from serving.features.recent import RecentList
from serving.ingestion.people_door import PeopleDoor

MOST: Final = 500
"""Ties, or entries of the log, on a page."""
_PLACE: Final = re.compile(
    r"ties:(?P<ties>[0-9]{1,9})|log:(?P<log>[0-9]{1,15}(_[0-9]{8})?)|shown:(?P<shown>[\w.-]{0,80})"
)
# The page of one's own data says them in the reader's language.
_REMAINS: Final = (
    (
        marked(
            "exported tables (events/, changes/, impressions/, experiments/ of the export folder)"
        ),
        marked(
            "the event consumer's next turn, within seconds; without one, "
            "python -m serving.consumer --once"
        ),
    ),
    (
        marked("clean tables and quarantine"),
        marked("the next ingest, which reads the mark that is exported"),
    ),
    (
        marked("features that pipelines wrote, checkpoints, lists for everyone"),
        marked("the next run of the pipeline; at once by coterie forget"),
    ),
    (
        marked("tables that the shop hands in"),
        marked("the shop removes them; ingest leaves them out"),
    ),
    (
        marked("releases"),
        marked("no id is in them; what was learned of all people goes with the next training"),
    ),
    (
        marked("files and replicas of a Redis"),
        marked("the rewrite that was asked for ends, within seconds"),
    ),
    (marked("log lines"), marked("pseudonyms alone; until the shop throws them away")),
    (
        marked("backups"),
        marked("the shop throws them away; ingest and log leave out what comes back"),
    ),
)

api = APIRouter(
    prefix="/v1/users/{user_id}",
    tags=["people"],
    responses=problem_responses(503),
    route_class=StrictRoute,
)


@dataclass(frozen=True, slots=True)
class _DataPage:
    """Where a page begins."""

    ties: int | None
    """Place among the ties; None: they are through."""
    log: str = ""
    """Offset of the last entry that was given."""
    shown: str | None = None
    """Last file of impressions that was looked into; None: ties and log are not through."""

    @classmethod
    def read(cls, text: str) -> "_DataPage":
        """Read what an earlier page gave; empty: the first page."""
        found = _PLACE.fullmatch(text or "ties:0")
        if found is None:
            why = "found what no page gave as its `next`, expected that, or nothing"
            raise ProblemError(
                422, f"query.after: {why}", [FieldError(where="query.after", message=why)]
            )
        if found["ties"] is not None:
            return cls(int(found["ties"]))
        return cls(None, found["log"] or "", found["shown"])


@api.get("/data")
async def person_data(
    request: Request,
    using: Using,
    user_id: UserId,
    after: Annotated[str, Query(max_length=90, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST, description="Ties or log entries a page")] = MOST,
) -> bodies.PersonData:
    """Give all that is kept online of a person, page by page."""
    using.router.refresh()
    place, live = _DataPage.read(after), using.router.live
    erased = any(text in using.router.erased for text in _names(request, user_id))
    found = bodies.PersonData(user_id=user_id, erased=erased, ties=[], log=[])
    if not after and found.erased:
        found.recent, found.had, found.asked, found.friends = [], [], [], []
        found.network, found.behaviour = {}, {}
    elif not after:
        _describe(using, user_id, found)
    if place.shown is not None:
        names = _names(request, user_id)
        await asyncio.to_thread(_fill_shown, using.settings.event_export, names, place.shown, found)
        return found
    if place.ties is not None:
        ties = [] if live is None else _ties(live.ties_of(user_id), live.ties_to(user_id))
        found.ties = ties[place.ties : place.ties + limit]
        if place.ties + limit < len(ties):
            found.next = f"ties:{place.ties + limit}"
            return found
    entries = await using.writer.about(user_id, place.log, limit)
    found.log = [_entry(entry, user_id) for entry in entries.entries]
    if len(entries) == limit:
        found.next = f"log:{entries.offsets[-1]}"
    elif using.settings.event_export and not erased:
        found.next = "shown:"
    return found


@api.delete("")
async def erase_person(using: Using, user_id: UserId) -> bodies.ErasureReceipt:
    """Forget a person: what is kept of them online is removed, in every replica, and nothing of
    theirs is taken from then on. Again, it changes nothing but what was left."""
    erased = await using.writer.erase(user_id)
    using.router.refresh()  # others do before their next answer
    entries = erased.entries
    return bodies.ErasureReceipt(
        user_id=user_id,
        erased=_time(entries.erased_ms),
        again=entries.again,
        log_events=entries.events,
        log_referrals=entries.referrals,
        log_changes=entries.changes,
        states=entries.rows,
        features=erased.features,
        friends=erased.friends,
        remains=[bodies.Remaining(where=where, until=until) for where, until in _REMAINS],
    )


@api.delete("/erasure")
async def lift_erasure(request: Request, using: Using, user_id: UserId) -> bodies.LiftReceipt:
    """Let a person who was erased come back, as somebody of whom nothing is known."""
    lifted = False
    for text in _names(request, user_id):
        lifted = await using.writer.lift(text) or lifted
    using.router.refresh()
    return bodies.LiftReceipt(user_id=user_id, lifted=lifted)


def _names(request: Request, user_id: str) -> tuple[str, ...]:
    """Say what stands for a person, and stood for them under older keys, or before there were any:
    a mark of who was erased is of what stood for them then."""
    return (*PeopleDoor.stood_for(request.scope).get("user_id", ()), user_id)


def _fill_shown(source: str, names: Sequence[str], after: str, found: bodies.PersonData) -> None:
    """Fill in what lists showed, a file of impressions, or several, a page."""
    if not source:
        return
    from coterie.impressions.person import shown_to

    page = shown_to(source, names, after, MOST)
    lists: dict[str, list[dict[str, Any]]] = {}
    for row in page.rows.to_pylist():
        lists.setdefault(row["list_id"], []).append(row)
    for rows in lists.values():
        first = rows[0]
        items = [bodies.ShownItemTold(**row) for row in rows]
        found.shown.append(
            bodies.ShownListTold(**first, ts=_time(first["shown_ts_ms"]), items=items)
        )
    found.next = None if page.next is None else f"shown:{page.next}"


def _describe(using: AppParts, user_id: str, found: bodies.PersonData) -> None:
    """Fill in what lists draw on."""
    features, live = using.lists.features, using.router.live
    [(named, used)] = features.consents([user_id])
    said = {} if live is None else live.consent(user_id)
    found.consents = bodies.ConsentsTold(
        may_be_named=said.get("may_be_named", named),
        may_be_used=said.get("may_be_used", used),
        said_live=bool(said),
    )
    row = features.shopper(user_id)
    found.recent, found.had = _recent(row.recent), _had(row.recent)
    found.asked = [_time(ms) for ms in row.recent.asked_ms]
    found.friends = _friends(row.friends)
    found.network = features.studied(SHOPPER_NETWORK_VIEW, user_id)
    found.behaviour = features.studied(SHOPPER_BEHAVIOUR_VIEW, user_id)


def _recent(recent: RecentList) -> list[bodies.RecentItem]:
    columns = (recent.item_ids, recent.kinds, recent.ts_ms, recent.wanted_ms)
    return [
        bodies.RecentItem(item_id=i, event=EVENT_KINDS[k], ts=_time(ts), wanted=_wanted(at))
        for i, k, ts, at in zip(*columns, strict=True)
    ]


def _had(recent: RecentList) -> list[bodies.RecentItem]:
    columns = (recent.had_ids, recent.had_kinds, recent.had_wanted_ms)
    return [
        bodies.RecentItem(item_id=i, event=EVENT_KINDS[k], ts=None, wanted=_wanted(at))
        for i, k, at in zip(*columns, strict=True)
    ]


def _wanted(at_ms: int) -> bool | None:
    return None if at_ms == 0 else at_ms > 0


def _friends(friends: Friends) -> list[bodies.TiedPerson]:
    width = len(STRENGTHS)
    return [
        bodies.TiedPerson(
            user_id=one,
            mutual=friends.mutual[place] if friends.mutual else None,
            strengths=dict(
                zip(STRENGTHS, friends.strengths[place * width :][:width], strict=False)
            ),
        )
        for place, one in enumerate(friends.ids)
    ]


def _ties(
    own: Mapping[tuple[str, str], RowState], of_others: Sequence[tuple[str, RowState]]
) -> list[bodies.ChangedTie]:
    to = [_tie(followee, kind, own[followee, kind]) for followee, kind in sorted(own)]
    return [*to, *(_tie(None, kind, state) for kind, state in of_others)]


def _tie(followee: str | None, kind: str, state: RowState) -> bodies.ChangedTie:
    said_ms = max((said[1] for said in state.values()), default=0)
    fields = {n: value for n, value in values_of(state).items() if n != STRENGTHS_FIELD}
    return bodies.ChangedTie(
        user_id=followee,
        direction="from" if followee is None else "to",
        kind=TieKind(kind),
        there=is_there(state),
        fields=fields,
        said=_time(said_ms) if said_ms else None,
    )


def _entry(entry: Entry, user_id: str) -> bodies.KeptEntry:
    fields: dict[str, Any]
    if isinstance(entry, Event):
        referred = entry.user_id != user_id
        names = (
            "event_id",
            "item_id",
            "event",
            "value",
            "text",
            "referrer_user_id",
            "list_id",
            "invited_user_id",
        )
        fields = (
            {"event_id": entry.event_id}
            if referred
            else {name: getattr(entry, name) for name in names}
        )
        return bodies.KeptEntry(
            kind="event", ts=_time(entry.ts_ms), referred=referred, fields=fields
        )
    fields = {"table": entry.table, "change_id": entry.change_id, "key": list(entry.key)}
    fields |= {"exists": entry.exists, "values": dict(entry.values)}
    return bodies.KeptEntry(kind="change", ts=_time(entry.ts_ms), referred=False, fields=fields)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
