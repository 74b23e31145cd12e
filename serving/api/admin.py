"""Rollouts over HTTP: commands for who holds the token, and a page to look at for everybody else.

A command is left in the rollout store; the controller carries it out, or refuses it, within its
next looks.
"""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Security
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field, FiniteFloat, StringConstraints

from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.history import (
    PastState,
    Series,
    Snapshot,
    past_state,
    series,
    snapshots_in,
)
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import Plan
from coterie.rollout.state import Transition
from coterie.rollout.status import NamedRelease, RolloutStatus, rollout_status
from coterie.rollout.store import RolloutStore
from coterie.rollout.transitions import CONTROLLER
from coterie.rollout.words import called, in_percent
from serving.api.problems import MEDIA_TYPE, ProblemError
from serving.api.strict import StrictRoute
from serving.schemas import Id, Strict

WAIT_S: Final = 3.0
"""How long an answer waits for the controller."""
POLL_S: Final = 0.05
FRESH_S: Final = 0.5
"""For so long the page gets the same answer: it is open to everybody, and reading costs time."""
MAX_HISTORY: Final = 200
SHOWN_HISTORY: Final = 40
MAX_REASON: Final = 500
MAX_NAME: Final = 128
LEAST_DIGITS: Final = 8
"""Of a digest that stands for a release in quarantine."""
LEAD_S: Final = 60.0
"""A caller's clock may be so far ahead of ours."""
PERSON: Final = "a person"
"""In the place of names, where no token is asked for."""
_STATIC: Final = Path(__file__).parent / "static"
_LONGEST_S: Final = 30 * 86_400.0

Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=MAX_REASON,
        pattern=r"^[^\x00-\x1f\x7f]+$",
    ),
]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""Of who commands, or of a release: as it is, where an id ``1.0`` would be ``1``."""
Seconds = Annotated[FiniteFloat, Field(ge=0, le=_LONGEST_S)]


class PlanIn(Strict):
    """How to roll out: what is left out is as in `coterie.rollout.plan`."""

    weights: list[FiniteFloat] | None = Field(default=None, min_length=1, max_length=50)
    step_s: Seconds | None = None
    bake_s: Seconds | None = None
    min_samples: int | None = Field(default=None, ge=1, le=1_000_000_000)
    deadline_s: Seconds | None = None
    alpha: FiniteFloat | None = None
    signals: dict[str, FiniteFloat] | None = Field(
        default=None, max_length=50, description="Name to limit; only these are judged"
    )
    fast_failures: int | None = Field(default=None, ge=1, le=1_000_000_000)
    fast_ratio: FiniteFloat | None = Field(default=None, ge=1, le=1e6)
    hold_s: Seconds | None = None
    on_hold: Literal["pause", "rollback"] | None = None
    approval: bool | None = None
    cooldown_s: Seconds | None = None

    def plan(self) -> Plan:
        """The same, checked whole.

        Raises:
            BadInputError: The values do not fit each other.
        """
        return Plan.of(self.model_dump(exclude_none=True))


class CommandIn(Strict):
    """Who wants it, and why: both are kept in the audit log."""

    reason: Text = Field(description="Why", examples=["v8 has the new ties"])
    who: Name = Field(default="api", description="Who: a person, or a program")
    release: Name | None = Field(
        default=None,
        description="Only to unquarantine: version or folder of a release, or its digest",
    )


class StartIn(Strict):
    """A release to roll out."""

    release: Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON)] = Field(
        description="Version, or folder in the store"
    )
    reason: Text = Field(description="Why", examples=["better on validation"])
    who: Name = Field(default="api", description="Who: a person, or a program")
    plan: PlanIn | None = None


class CommandReceipt(BaseModel):
    """What became of a command."""

    id: str = Field(description="Stands in the controller's state")
    carried_out: bool = Field(
        description="False: it is kept, and the controller has not come to it yet"
    )


class History(BaseModel):
    """Part of the audit log."""

    transitions: list[Transition] = Field(description="Newest first")
    before: float | None = Field(description="Ask with it for those that come next; null: none do")
    versions: dict[str, str] = Field(description="Digest to version, as far as they are known")


class UserArm(BaseModel):
    """Where one shopper was."""

    arm: Literal["stable", "canary"]
    release: NamedRelease
    bucket: float = Field(description="From 0 to 1: on the canary as long as its weight is more")
    place: float = Field(description="The same as `bucket`, for older clients", deprecated=True)


class Explanation(BaseModel):
    """What was live, for whom, and why."""

    text: str = Field(description="For people to read")
    past_state: PastState
    moment: PastState = Field(
        description="The same as `past_state`, for older clients", deprecated=True
    )
    stable: NamedRelease | None
    canary: NamedRelease | None
    user: UserArm | None


class Overview(BaseModel):
    """All that the page shows. Names of people are left out."""

    status: RolloutStatus
    standing: RolloutStatus = Field(
        description="The same as `status`, for older pages", deprecated=True
    )
    history: list[Transition] = Field(description="Newest first, without evidence")
    series: Series


def admin_router(
    rollout_store: RolloutStore,
    token: str,
    find_release: Callable[[str], ReleaseRef],
    versions: Callable[[], Mapping[str, str]] = dict,
) -> APIRouter:
    """The routes that command.

    Args:
        rollout_store: Where the rollout is written down.
        token: What callers have to know; without one nobody may.
        find_release: From a version, or a folder in the store, to where a release lies; raises
            BadInputError for others.
        versions: Digest to version of the releases that are known.
    """
    admin = APIRouter(
        prefix="/v1/admin",
        route_class=StrictRoute,
        tags=["rollouts"],
        dependencies=[Security(_guard(token))],
        responses={n: _problem(n) for n in (401, 403, 503)},
    )

    @admin.get("/rollouts")
    def read_status() -> RolloutStatus:
        """How the rollout stands, and what happens next."""
        return _status(rollout_store, versions())

    @admin.get("/rollouts/history")
    def read_history(
        limit: Annotated[int, Query(ge=1, le=MAX_HISTORY, description="How many")] = 50,
        before: Annotated[
            float | None, Query(ge=0, le=1e12, description="Only earlier than this Unix time")
        ] = None,
    ) -> History:
        """The audit log: every transition with its reason, and the evidence of that moment."""
        return _page(rollout_store.history(), limit, before, versions())

    @admin.get("/rollouts/explain")
    def explain(
        at: Annotated[AwareDatetime, Query(description="ISO 8601 with an offset")],
        user: Annotated[Id | None, Query(description="A shopper: on which arm?")] = None,
    ) -> Explanation:
        """Which release was live, for a shopper where one is named, and why."""
        if at.timestamp() > time.time() + LEAD_S:
            raise ProblemError(422, f"at: {at.isoformat()} is still to come")
        state, _ = rollout_store.read()
        return _explain(
            past_state(state, rollout_store.history(), at.timestamp()), user, versions()
        )

    @admin.post("/rollouts", status_code=202, responses=_REFUSALS)
    def start(body: StartIn) -> CommandReceipt:
        """Begin a rollout. The answer waits up to 3 s for the controller."""
        plan = body.plan.plan() if body.plan else None
        digest = find_release(body.release).digest
        return _leave(rollout_store, Verb.START, body.who, body.reason, digest, plan)

    @admin.post("/rollouts/{verb}", status_code=202, responses=_REFUSALS)
    def command(verb: _Verb, body: CommandIn) -> CommandReceipt:
        """Command the rollout. The answer waits up to 3 s for the controller."""
        digest = ""
        if verb is Verb.UNQUARANTINE:
            if body.release is None:
                raise ProblemError(422, "body.release: which release leaves quarantine?")
            digest = _quarantined(body.release, rollout_store.read()[0].quarantine, find_release)
        elif body.release is not None:
            raise ProblemError(422, f"body.release: {verb} takes none, it is of what runs")
        return _leave(rollout_store, verb, body.who, body.reason, digest)

    return admin


def operations_router(
    rollout_store: RolloutStore,
    versions: Callable[[], Mapping[str, str]] = dict,
    snapshots: Callable[[], Sequence[Snapshot]] = tuple,
) -> APIRouter:
    """The page, and what it shows: to whoever asks, so only where the storefront is on.

    Args:
        rollout_store: Where the rollout is written down.
        versions: Digest to version of the releases that are known.
        snapshots: Signals over time; without any, the audit log has a few points of each.
    """
    shown = APIRouter(tags=["storefront"], responses={503: _problem(503)}, route_class=StrictRoute)
    kept = _Kept(lambda: _overview(rollout_store, versions(), snapshots()))

    @shown.get("/v1/rollouts")
    def overview() -> Overview:
        """How the rollout stands, its history, and its signals over time."""
        return kept.get()

    @shown.get("/operations", include_in_schema=False)
    async def page() -> FileResponse:
        """The operations page."""
        return FileResponse(_STATIC / "operations.html")

    return shown


class _Kept:
    """An overview that is made anew only when it is no longer fresh."""

    def __init__(self, make: Callable[[], Overview]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Overview | None = None
        self._until = 0.0

    def get(self) -> Overview:
        """One that is at most FRESH_S old; who asks meanwhile waits for the same."""
        with self._lock:
            if self._made is None or time.monotonic() > self._until:
                self._made = self._make()
                self._until = time.monotonic() + FRESH_S
            return self._made


_Verb = Literal[
    Verb.PAUSE,
    Verb.RESUME,
    Verb.PROMOTE,
    Verb.ROLLBACK,
    Verb.FREEZE,
    Verb.UNFREEZE,
    Verb.UNQUARANTINE,
]
_ABOUT: Final = {
    401: "The token is missing, or another one",
    403: "This app has no token, so nobody may",
    409: "The controller refuses; `detail` says why",
    503: "Something behind this service does not answer; try again",
}


def _problem(status: int) -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": _ABOUT[status], "content": {MEDIA_TYPE: schema}}


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {409: _problem(409)}


def _guard(token: str) -> Callable[..., None]:
    scheme = HTTPBearer(
        scheme_name="AdminToken", description="COTERIE_ADMIN_TOKEN", auto_error=False
    )

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        if not token:
            raise ProblemError(
                403,
                "this app was started without a token, so nobody may command rollouts: set "
                "COTERIE_ADMIN_TOKEN, for example to the output of `openssl rand -hex 16`, and "
                "start it again",
            )
        sent = given.credentials if given else ""
        if not secrets.compare_digest(sent.encode(), token.encode()):
            raise HTTPException(
                401,
                "send `Authorization: Bearer TOKEN`, with the app's COTERIE_ADMIN_TOKEN",
                {"WWW-Authenticate": 'Bearer realm="coterie"'},
            )

    return check


def _status(rollout_store: RolloutStore, versions: Mapping[str, str]) -> RolloutStatus:
    state, _ = rollout_store.read()
    return rollout_status(state, time.time(), rollout_store.history(), versions)


def _page(
    history: Sequence[Transition], limit: int, before: float | None, versions: Mapping[str, str]
) -> History:
    found = [one for one in reversed(history) if before is None or one.at < before]
    # All of one moment are on one page, or ``before`` would skip the rest of them.
    while limit < len(found) and found[limit].at == found[limit - 1].at:
        limit += 1
    told = found[:limit]
    digests = {digest for one in told for digest in (one.stable, one.canary)}
    return History(
        transitions=told,
        before=told[-1].at if len(found) > limit else None,
        versions={digest: versions[digest] for digest in digests & versions.keys()},
    )


def _explain(then: PastState, user: str | None, versions: Mapping[str, str]) -> Explanation:
    arm = _arm_of(user, then, versions) if user is not None and then.stable else None
    text = _in_words(then, versions)
    if arm:
        side = "under" if arm.arm == "canary" else "not under"
        text += (
            f". This shopper's bucket is {arm.bucket:.4f}, {side} {then.weight:g}: "
            f"{called(arm.release.digest, versions)}, the {arm.arm}"
        )
    return Explanation(
        text=text,
        past_state=then,
        moment=then,
        stable=_named(then.stable, versions),
        canary=_named(then.canary, versions),
        user=arm,
    )


def _in_words(then: PastState, versions: Mapping[str, str]) -> str:
    when = datetime.fromtimestamp(then.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if not then.stable:
        return f"{when}: nothing is known of that time"
    stable, canary = (called(digest, versions) for digest in (then.stable, then.canary))
    if then.weight:
        live = (
            f"{stable} answered {in_percent(1 - then.weight)}, {canary} {in_percent(then.weight)}"
        )
    elif then.mirrored:
        live = f"{stable} answered everybody; requests were mirrored to {canary}"
    else:
        live = f"{stable} answered everybody"
    if not then.because:
        return f"{when}: {live}; the log begins later"
    last = then.because[0]
    since = datetime.fromtimestamp(last.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{when}: {live}. {last.after} since {since}, by {last.who}: {last.why}"


def _arm_of(user: str, then: PastState, versions: Mapping[str, str]) -> UserArm:
    # Brings the recommender, which the other routes do without.
    from serving.rollouts.arms import assigned

    bucket = assigned(user, then.canary) if then.canary else 1.0
    on_canary = bucket < then.weight
    digest = then.canary if on_canary else then.stable
    return UserArm(
        arm="canary" if on_canary else "stable",
        release=NamedRelease(digest, versions.get(digest)),
        bucket=bucket,
        place=bucket,
    )


def _named(digest: str, versions: Mapping[str, str]) -> NamedRelease | None:
    return NamedRelease(digest, versions.get(digest)) if digest else None


def _leave(
    rollout_store: RolloutStore,
    verb: Verb,
    who: str,
    reason: str,
    digest: str = "",
    plan: Plan | None = None,
) -> CommandReceipt:
    """Leave a command, and see what becomes of it.

    Raises:
        ProblemError: The controller refused.
    """
    if who == CONTROLLER:
        raise ProblemError(422, f"body.who: {CONTROLLER} is the controller's own name")
    command = Command(str(uuid.uuid4()), verb, who, reason, digest, plan)
    rollout_store.command(command)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        state, _ = rollout_store.read()
        if command.id in state.done_commands:
            if command.id in state.refused:
                raise ProblemError(409, state.refused[command.id])
            return CommandReceipt(id=command.id, carried_out=True)
        time.sleep(POLL_S)
    return CommandReceipt(id=command.id, carried_out=False)


def _quarantined(
    release: str, quarantine: Mapping[str, str], find_release: Callable[[str], ReleaseRef]
) -> str:
    """The digest that is meant: it may be of a release that is no longer in the store."""
    meant = [d for d in quarantine if len(release) >= LEAST_DIGITS and d.startswith(release)]
    if len(meant) > 1:
        raise BadInputError(f"{release} could be {' or '.join(meant)}: give more digits")
    return meant[0] if meant else find_release(release).digest


def _overview(
    rollout_store: RolloutStore, versions: Mapping[str, str], snapshots: Sequence[Snapshot]
) -> Overview:
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
