"""Which release was live at a time, for whom, and why."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from coterie.experiments.assignment import bucket
from coterie.rollout.history import PastState
from coterie.rollout.status import NamedRelease
from coterie.rollout.words import called, in_percent


class UserArm(BaseModel):
    """Where one shopper was."""

    arm: Literal["stable", "canary"]
    release: NamedRelease
    bucket: float = Field(description="From 0 to 1: on the canary as long as its weight is more")
    place: float = Field(
        description="The bucket, by its earlier name", json_schema_extra={"deprecated": True}
    )


class Explanation(BaseModel):
    """What was live, for whom, and why."""

    text: str = Field(description="For people to read")
    past_state: PastState
    moment: PastState = Field(
        description="The past state, by its earlier name", json_schema_extra={"deprecated": True}
    )
    stable: NamedRelease | None
    canary: NamedRelease | None
    user: UserArm | None


def explain(then: PastState, user: str | None, versions: Mapping[str, str]) -> Explanation:
    """Tell what was live at a time, and on which arm a shopper was where one is named."""
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
    at = bucket(user, then.canary) if then.canary else 1.0
    on_canary = at < then.weight
    digest = then.canary if on_canary else then.stable
    return UserArm(
        arm="canary" if on_canary else "stable",
        release=NamedRelease(digest, versions.get(digest)),
        bucket=at,
        place=at,
    )


def _named(digest: str, versions: Mapping[str, str]) -> NamedRelease | None:
    return NamedRelease(digest, versions.get(digest)) if digest else None
