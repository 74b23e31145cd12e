"""Rollouts over HTTP, for who holds a key of ``admin``.

A command is left in the rollout store; the controller carries it out, or refuses it, within its
next looks.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    StringConstraints,
)

from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.history import past_state
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import Plan
from coterie.rollout.state import Transition
from coterie.rollout.status import RolloutStatus, rollout_status
from coterie.rollout.store import RolloutStore
from coterie.rollout.transitions import CONTROLLER
from serving.api import explanation
from serving.api.dependencies import Rollouts
from serving.api.problems import ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.schemas import Id, StrictBody

WAIT_S: Final = 3.0
"""How long an answer waits for the controller."""
POLL_S: Final = 0.05
MAX_HISTORY: Final = 200
MAX_REASON: Final = 500
MAX_NAME: Final = 128
LEAST_DIGITS: Final = 8
"""Of a digest that stands for a release in quarantine."""
LEAD_S: Final = 60.0
"""A caller's clock may be so far ahead of ours."""
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


class PlanIn(StrictBody):
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
    max_strangers: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of answers to shoppers of whom nothing is known, above which a rollout "
        "is held",
    )
    on_hold: Literal["pause", "rollback"] | None = None
    approval: bool | None = None
    cooldown_s: Seconds | None = None
    preflight: dict[str, FiniteFloat] | None = Field(
        default=None,
        max_length=50,
        description="Figure to limit: how far the release may differ from the live one",
    )
    override: list[Name] | None = Field(
        default=None,
        max_length=50,
        description="Figures that may exceed their limits, or `all`: `reason` says why",
    )

    def plan(self) -> Plan:
        """Make a rollout's plan of it, checked whole.

        Raises:
            BadInputError: The values do not fit each other.
        """
        return Plan.of(self.model_dump(exclude_none=True))


class CommandIn(StrictBody):
    """Who wants it, and why: both are kept in the audit log."""

    reason: Text = Field(description="Why", examples=["v8 has the new ties"])
    who: Name = Field(default="api", description="Who: a person, or a program")
    release: Name | None = Field(
        default=None,
        description="Only to unquarantine: version or folder of a release, or its digest",
    )


class StartIn(StrictBody):
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


_Verb = Literal[
    Verb.PAUSE,
    Verb.RESUME,
    Verb.PROMOTE,
    Verb.ROLLBACK,
    Verb.FREEZE,
    Verb.UNFREEZE,
    Verb.UNQUARANTINE,
]


api = APIRouter(
    prefix="/v1/admin",
    route_class=StrictRoute,
    tags=["rollouts"],
    responses=problem_responses(503),
)
_REFUSED: Final = problem_responses(409)


@api.get("/rollouts")
def read_status(rollouts: Rollouts) -> RolloutStatus:
    """Tell how the rollout stands, and what happens next."""
    return _status(rollouts.store, rollouts.versions())


@api.get("/rollouts/history")
def read_history(
    rollouts: Rollouts,
    limit: Annotated[int, Query(ge=1, le=MAX_HISTORY, description="How many")] = 50,
    before: Annotated[
        float | None, Query(ge=0, le=1e12, description="Only earlier than this Unix time")
    ] = None,
) -> History:
    """List the audit log: every transition with its reason, and the evidence of that moment."""
    return _page(rollouts.store.history(), limit, before, rollouts.versions())


def _no_number(text: str) -> str:
    """Refuse a number, of which nobody can tell what it counts."""
    try:
        float(text)
    except ValueError:
        return text
    raise ValueError(f"found {text}, expected ISO 8601 with an offset, as 2026-01-31T12:00:00Z")


@api.get("/rollouts/explain")
def explain(
    request: Request,
    rollouts: Rollouts,
    at: Annotated[
        AwareDatetime, BeforeValidator(_no_number), Query(description="ISO 8601 with an offset")
    ],
    user: Annotated[Id | None, Query(description="A shopper: on which arm?")] = None,
) -> explanation.Explanation:
    """Tell which release was live, for a shopper where one is named, and why."""
    if at.timestamp() > time.time() + LEAD_S:
        raise ProblemError(422, f"at: {at.isoformat()} is still to come")
    state, _ = rollouts.store.read()
    then = past_state(state, rollouts.store.history(), at.timestamp())
    inside = request.app.state.door.enter(user) if user else None
    return explanation.explain(then, inside, rollouts.versions())


@api.post("/rollouts", status_code=202, responses=_REFUSED)
def start(rollouts: Rollouts, body: StartIn) -> CommandReceipt:
    """Begin a rollout. The answer waits up to 3 s for the controller."""
    plan = body.plan.plan() if body.plan else None
    digest = rollouts.find(body.release).digest
    return _leave(rollouts.store, Verb.START, body.who, body.reason, digest, plan)


@api.post("/rollouts/{verb}", status_code=202, responses=_REFUSED)
def command(rollouts: Rollouts, verb: _Verb, body: CommandIn) -> CommandReceipt:
    """Command the rollout. The answer waits up to 3 s for the controller."""
    digest = ""
    if verb is Verb.UNQUARANTINE:
        if body.release is None:
            raise ProblemError(422, "body.release: which release leaves quarantine?")
        digest = _quarantined(body.release, rollouts.store.read()[0].quarantine, rollouts.find)
    elif body.release is not None:
        raise ProblemError(422, f"body.release: {verb} takes none, it is of what runs")
    return _leave(rollouts.store, verb, body.who, body.reason, digest)


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


def _leave(
    rollout_store: RolloutStore,
    verb: Verb,
    who: str,
    reason: str,
    digest: str = "",
    plan: Plan | None = None,
) -> CommandReceipt:
    """Leave a command in the rollout store, and see what becomes of it.

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
    """Find the digest that is meant, maybe of a release that is no longer in the store."""
    meant = [d for d in quarantine if len(release) >= LEAST_DIGITS and d.startswith(release)]
    if len(meant) > 1:
        raise BadInputError(f"{release} could be {' or '.join(meant)}: give more digits")
    return meant[0] if meant else find_release(release).digest
