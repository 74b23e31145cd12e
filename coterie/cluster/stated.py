"""What a person states in the chart's values, and when it counts: the rollout store says what is
live.

The chart writes the statement as an annotation of the RayService. Which one was read last, and in
which install, stands in the rollout store beside the state, so each statement is settled once (ADR
21).
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from coterie.cluster.api import Object
from coterie.errors import BadInputError
from coterie.rollout.live import ReleaseRef
from coterie.rollout.state import State

STATED: Final = "coterie.rollout/stated"
"""Annotation: a statement as JSON."""


def states(service: Object) -> bool:
    """Tell whether a RayService states anything, as each does whose chart has rollouts on."""
    return STATED in (service["metadata"].get("annotations") or {})


@dataclass(frozen=True, slots=True)
class Statement:
    """The values' ``release``, of one revision of the install."""

    release: ReleaseRef
    force: bool = False
    revision: int = 0

    @classmethod
    def of(cls, service: Object) -> "Statement | None":
        """Read what a RayService states; None where an older chart made it.

        Raises:
            BadInputError: It cannot be understood.
        """
        text = (service["metadata"].get("annotations") or {}).get(STATED)
        if text is None:
            return None
        try:
            return cls.from_json(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"annotation {STATED} states no release: {error!r}") from error

    @classmethod
    def from_json(cls, content: Any) -> "Statement":
        """Read the form of the annotation, which is also that of the rollout store."""
        release = ReleaseRef(str(content["digest"]), str(content["folder"]))
        return cls(release, bool(content["force"]), int(content["revision"]))

    def as_json(self) -> dict[str, Any]:
        """Make plain values, as the chart writes them."""
        return {**asdict(self.release), "force": self.force, "revision": self.revision}

    def __str__(self) -> str:
        digest, folder = self.release.digest[:12], self.release.folder
        name = "release.force" if self.force else "release.digest"
        return f"{name} of revision {self.revision} names {digest} ({folder})"


@dataclass(frozen=True, slots=True)
class Install:
    """Whose rollout store it is, and what it was told last."""

    uid: str
    """Of the Lease, which is made with each install and goes with it; the store may stay."""
    statement: Statement
    """The last that was read, whether it counted or not."""
    taken: ReleaseRef | None = None
    """The release of the last that counted; it may lie outside the store."""

    @classmethod
    def from_json(cls, content: Any) -> "Install":
        """Read back what :meth:`as_json` made."""
        statement, taken = Statement.from_json(content["statement"]), content["taken"]
        return cls(str(content["uid"]), statement, ReleaseRef(**taken) if taken else None)

    def as_json(self) -> dict[str, Any]:
        """Make plain values for the rollout store."""
        taken = asdict(self.taken) if self.taken else None
        return {"uid": self.uid, "statement": self.statement.as_json(), "taken": taken}


class Ruling(StrEnum):
    """What a statement is to the rollout store."""

    KNOWN = "known"
    """It was read before."""
    FIRST = "first"
    """The rollout store names no release yet: this one becomes stable."""
    ANEW = "anew"
    """The first of another install: a person chose it, knowing nothing of what was kept."""
    FORCED = "forced"
    """A person insists on it."""
    KEPT = "kept"
    """Any other: what is live stays."""


def ruling(
    state: State, install: Install | None, uid: str, statement: Statement, serves: bool
) -> Ruling:
    """Rule what a statement is to a rollout store.

    Args:
        state: As the rollout store has it.
        install: As the rollout store has it; None before there was one, or in a rollout store of an
        older version,
            which is taken to be of this install.
        uid: Of the install that asks.
        statement: What its values state.
        serves: Whether its replicas are told something: then it is no new one, though its Lease,
            by which installs are told apart, was removed and made again.
    """
    if not state.stable:
        return Ruling.FIRST
    ours = install is not None and install.uid == uid
    known = install is not None and install.statement == statement
    if install and not ours and not serves:
        return Ruling.ANEW
    if ours and known:
        return Ruling.KNOWN
    return Ruling.FORCED if statement.force and not known else Ruling.KEPT
