"""Experiments over HTTP, for who holds a key of ``admin``, and their page, which names nobody."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathPart
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, FiniteFloat, StringConstraints

from coterie.errors import BadInputError, CoterieError
from coterie.experiments.communities import frozen
from coterie.experiments.definition import (
    HOLDOUT,
    MOST_ARMS,
    POPULAR,
    Experiment,
    ExperimentArm,
    Guardrail,
    Metric,
    Unit,
)
from coterie.experiments.store import ExperimentStore
from coterie.recommend.rules import read_rules_file
from coterie.schema import SHOPPER_NETWORK_VIEW
from serving.api.admin import Name, Text
from serving.api.dependencies import AppParts, Rollouts, Using
from serving.api.operations import PERSON, STATIC
from serving.api.problems import ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.api.tokens import keep_session
from serving.features.people_columns import read_study
from serving.schemas import StrictBody

MAX_DAYS: Final = 366
_ARM: Final = "a=release:v7, b=release:v8,rules:diverse, c=control or d=popular"
ExperimentName = Annotated[
    str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9_-]*$")
]


class ExperimentIn(StrictBody):
    """What is tried, on whom, and by what it is judged."""

    name: ExperimentName = Field(examples=["rules-of-may"])
    arms: list[Annotated[str, StringConstraints(min_length=3, max_length=200)]] = Field(
        default=[],
        max_length=MOST_ARMS,
        description=f"Each like {_ARM}; the others are held against the first",
    )
    holdout: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="In the place of arms and share: this share of shoppers gets popular items, "
        "and as many others, who get what is live, are held against them",
    )
    metric: Metric = Metric.PURCHASE_RATE
    guardrails: list[Guardrail] = Field(default=[], max_length=len(Guardrail))
    share: FiniteFloat = Field(default=0.2, gt=0, le=1, description="Of shoppers in its layer")
    layer: ExperimentName = Field(
        default="main", description="Experiments of one layer share its shoppers out"
    )
    unit: Unit = Field(default=Unit.SHOPPER, description="What is drawn to an arm as a whole")
    window_s: FiniteFloat = Field(
        default=7 * 86_400.0,
        gt=0,
        le=MAX_DAYS * 86_400.0,
        description="From a shopper's first list to when their outcome is counted",
    )
    alpha: FiniteFloat = Field(default=0.05, gt=0, le=0.5)
    interleave: bool = Field(
        default=False,
        description="Whether each list is made of both arms, two that is, item by item; what is "
        "clicked on is credited to who put it there",
    )
    reason: Text = Field(description="Why", examples=["v8 has the new ties"])
    who: Name = Field(default="api", description="Who: a person, or a program")


class StopIn(StrictBody):
    """Who ends an experiment, and why."""

    reason: Text = Field(description="Why", examples=["b is better"])
    who: Name = Field(default="api", description="Who: a person, or a program")


class ArmTold(BaseModel):
    """One arm."""

    name: str
    shows: str = Field(description="As it was given")
    chance: float = Field(description="Given that a shopper takes part")
    stopped: str = Field(description="Why its shoppers get what is live; empty: they do not")


class ExperimentTold(BaseModel):
    """An experiment, and what it has found so far."""

    name: str
    arms: list[ArmTold]
    metric: Metric
    guardrails: list[Guardrail]
    share: float
    layer: str
    start: float = Field(description="Where its shoppers begin in their layer, from 0 to 1")
    unit: Unit
    window_s: float
    alpha: float
    interleave: bool = Field(description="Whether each list is made of both arms")
    started_ms: int
    stopped_ms: int = Field(description="0: it runs")
    who: str
    reason: str
    stopped_why: str
    result: dict[str, Any] | None = Field(
        description="The newest; null: the event consumer has made none yet"
    )


class AllExperiments(BaseModel):
    """All experiments, those that run first, then the newest first."""

    experiments: list[ExperimentTold]


def _store(request: Request) -> ExperimentStore:
    store: ExperimentStore | None = request.app.state.experiments
    if store is None:
        raise ProblemError(
            409,
            "there is nowhere to keep experiments and what lists show: set COTERIE_EVENT_EXPORT as "
            "the event consumer has it",
        )
    return store


Experiments = Annotated[ExperimentStore, Depends(_store)]
Named = Annotated[ExperimentName, PathPart(description="Name of an experiment")]
api = APIRouter(
    prefix="/v1/admin",
    route_class=StrictRoute,
    tags=["experiments"],
    responses=problem_responses(409, 503),
)
pages = APIRouter(
    tags=["storefront"], route_class=StrictRoute, responses=problem_responses(409, 503)
)


@api.get("/experiments")
def list_experiments(experiments: Experiments) -> AllExperiments:
    """List all experiments, with what each has found so far."""
    return _all(experiments)


@api.post("/experiments", status_code=201)
def start_experiment(
    using: Using, rollouts: Rollouts, experiments: Experiments, body: ExperimentIn
) -> ExperimentTold:
    """Begin an experiment. Replicas take it up within seconds."""
    if (body.holdout is None) == (not body.arms):
        raise ProblemError(422, "body: expected arms, or holdout, and not both")
    arms = tuple(ExperimentArm.parse(text) for text in body.arms)
    share, layer = body.share, body.layer
    if body.holdout is not None:
        share, layer = 2 * body.holdout, HOLDOUT
        arms = ExperimentArm(POPULAR, popular=True), ExperimentArm("recommended")
    elif layer == HOLDOUT:
        raise ProblemError(422, f"body.layer: {HOLDOUT} is of holdouts alone")
    started_ms = int(time.time() * 1000)
    made = Experiment(
        name=body.name,
        arms=tuple(_found(arm, rollouts.find, using.settings.rules) for arm in arms),
        metric=body.metric,
        guardrails=tuple(dict.fromkeys(body.guardrails)),
        share=share,
        layer=layer,
        unit=body.unit,
        window_s=body.window_s,
        alpha=body.alpha,
        interleave=body.interleave,
        started_ms=started_ms,
        who=body.who,
        reason=body.reason,
    )
    if made.unit is not Unit.COMMUNITY:
        return _told(experiments.add(made), experiments)
    made = replace(made, communities=_frozen(using, experiments, started_ms))
    try:
        return _told(experiments.add(made), experiments)
    except CoterieError:
        experiments.thaw(made.communities)
        raise


@api.get("/experiments/{name}", responses=problem_responses(404))
def read_experiment(experiments: Experiments, name: Named) -> ExperimentTold:
    """Tell of one experiment, and what it has found so far."""
    return _told(_known(experiments, name), experiments)


@api.post("/experiments/{name}/stop", responses=problem_responses(404))
def stop_experiment(experiments: Experiments, name: Named, body: StopIn) -> ExperimentTold:
    """End an experiment: its shoppers get what is live within seconds."""
    _known(experiments, name)
    why = f"{body.who}: {body.reason}"
    return _told(experiments.stop(name, int(time.time() * 1000), why), experiments)


@pages.get("/v1/experiments")
def show_experiments(experiments: Experiments) -> AllExperiments:
    """Show all experiments, without names of people."""
    told = _all(experiments)
    for one in told.experiments:
        one.who = PERSON
        one.stopped_why = one.stopped_why.partition(": ")[2]
    return told


@pages.get("/experiments", include_in_schema=False)
async def page(request: Request) -> FileResponse:
    """Show the page of experiments."""
    answer = FileResponse(STATIC / "experiments.html")
    keep_session(request, answer)
    return answer


def _frozen(using: AppParts, experiments: ExperimentStore, started_ms: int) -> str:
    """Keep communities as they are at this moment, without anybody who was erased; give the file's
    name."""
    rows = frozen(read_study(using.settings.features, SHOPPER_NETWORK_VIEW))
    using.router.refresh()
    left = _unerased(using, rows)
    name = experiments.freeze(left, started_ms)
    # Whoever is erased from now on is taken out by the consumer, which finds the file.
    using.router.refresh()
    again = _unerased(using, left)
    if again.num_rows < left.num_rows:
        experiments.thaw(name)
        name = experiments.freeze(again, started_ms)
    return name


def _unerased(using: AppParts, rows: pa.Table) -> pa.Table:
    gone = using.router.erased
    return rows.filter(pc.invert(gone.among(rows["user_id"]))) if gone else rows


def _known(experiments: ExperimentStore, name: str) -> Experiment:
    try:
        return experiments.find(name)
    except BadInputError as error:
        raise ProblemError(404, str(error)) from error


def _found(arm: ExperimentArm, find: Any, rules_file: str) -> ExperimentArm:
    """Look up an arm's release and rules, as they are now and then stay.

    Raises:
        BadInputError: There is no such release, or no such rules.
    """
    if arm.release:
        arm = replace(arm, ref=find(arm.release))
    if not arm.rules:
        return arm
    if not rules_file:
        raise BadInputError(
            f"arm {arm.name} shows rules:{arm.rules}, and this shop has no rules: set "
            "COTERIE_RULES to a file; rules of experiments lie beside it"
        )
    if "/" in arm.rules or arm.rules.startswith("."):
        raise BadInputError(f"rules:{arm.rules}: expected the name of a file beside {rules_file}")
    path = Path(rules_file).with_name(f"{arm.rules}.yaml")
    read_rules_file(str(path))
    return replace(arm, rules_text=path.read_text(encoding="utf-8"))


def _all(experiments: ExperimentStore) -> AllExperiments:
    found = sorted(experiments.read(), key=lambda one: (not one.runs, -one.started_ms))
    return AllExperiments(experiments=[_told(one, experiments) for one in found])


def _told(one: Experiment, experiments: ExperimentStore) -> ExperimentTold:
    arms = [
        ArmTold(name=arm.name, shows=arm.shows, chance=chance, stopped=arm.stopped)
        for arm, chance in zip(one.arms, one.chances, strict=True)
    ]
    plain = one.as_json()
    fields = {name: plain[name] for name in ExperimentTold.model_fields if name in plain}
    return ExperimentTold(**{**fields, "arms": arms, "result": experiments.result(one.name)})
