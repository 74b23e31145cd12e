"""What replicas are told to serve: the ``user_config`` of the serving deployment, as plain values.

Both tiers write it: one machine through Ray Serve, a cluster in ``RayService.spec.serveConfigV2``.
A replica takes it without a restart; releases are data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coterie.errors import BadInputError
from coterie.rollout.state import Target


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """A release, and where replicas find it."""

    digest: str
    """SHA-256 of its manifest; a replica refuses a folder that holds another."""
    folder: str
    """A folder or URL."""


@dataclass(frozen=True, slots=True)
class Live:
    """A target whose releases can be found."""

    stable: ReleaseRef
    canary: ReleaseRef | None = None
    weight: float = 0.0
    """Share of shoppers on the canary."""
    mirrored: bool = False
    """Whether stable's requests are also put to the canary, its answers thrown away."""

    @property
    def target(self) -> Target:
        """The same, as the controller speaks of it."""
        canary = self.canary.digest if self.canary else ""
        return Target(self.stable.digest, canary, self.weight, self.mirrored)

    def as_json(self) -> dict[str, Any]:
        """Make plain values; ``canary`` is None where there is none."""
        return {
            "stable": _plain(self.stable),
            "canary": _plain(self.canary) if self.canary else None,
            "weight": self.weight,
            "mirrored": self.mirrored,
        }

    @classmethod
    def from_json(cls, content: Any) -> "Live":
        """Read back what :meth:`as_json` made.

        Raises:
            BadInputError: It is anything else.
        """
        try:
            names = {"stable", "canary", "weight", "mirrored"}
            if set(content) != names:
                raise KeyError(f"expected {sorted(names)}, found {sorted(content)}")
            canary, weight = content["canary"], float(content["weight"])
            if not (math.isfinite(weight) and 0 <= weight <= 1):
                raise ValueError(f"weight is {weight}, expected a share")
            ref = None if canary is None else _ref(canary)
            return cls(_ref(content["stable"]), ref, weight, bool(content["mirrored"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"this is no configuration of arms ({error})") from error


def _plain(ref: ReleaseRef) -> dict[str, str]:
    return {"digest": ref.digest, "folder": ref.folder}


def _ref(content: Mapping[str, Any]) -> ReleaseRef:
    digest, folder = content["digest"], content["folder"]
    if not (isinstance(digest, str) and isinstance(folder, str) and digest and folder):
        raise ValueError(f"a release needs digest and folder, found {content}")
    return ReleaseRef(digest, folder)
