"""Whether what a release learned still has the part in a score that it had in the live one.

Some vectors are there to be asked by and others to answer, some are of own histories and others of
friends'. Where two of them changed places, each item is as like the others as it was, lists are as
good in form as any, and scores are about as large. What tells is how much each item speaks for each
other one, by each of both parts: retraining turns the space in which vectors stand, and leaves
these products nearly what they were.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.recommend import linear
from coterie.release.bundle import Release
from coterie.release.learned_sample import FEWEST, SAMPLED, often_had
from coterie.rollout.figures import ComparedFigure

CLEARLY: Final = 0.1
"""A correlation that is larger by this is so by more than what training moves."""
Role = tuple[str, str]
"""Tensors of what an item asks by, and of what it answers by."""
ROLES: Final[tuple[tuple[Role, Role], ...]] = (
    (
        (f"{linear.PREFIX}own", f"{linear.PREFIX}out"),
        (f"{linear.PREFIX}friend", f"{linear.PREFIX}out"),
    ),
    (("item_in", "item_out"), ("item_out", "item_in")),
)
"""Parts of a score that may have changed places."""
KINDS: Final = (f"{linear.PREFIX}kind", "encoder.kind")
"""How much each kind of event counts, in each half of a score."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LearnedRoles:
    """Vectors of some items in each part that they have, and how much kinds of events count."""

    rows: Mapping[str, int]
    """By the item's id, its row in ``vectors``."""
    vectors: Mapping[str, Floats]
    """By the tensor's name, shape (items, width)."""
    kinds: Mapping[str, Floats]
    """By the tensor's name, shape (event kinds,)."""

    @classmethod
    def of(cls, release: Release) -> "LearnedRoles":
        """Draw items as :class:`LearnedSample` does."""
        drawn = often_had(release, SAMPLED)
        rows = torch.tensor(list(drawn.values()), dtype=torch.int64)
        known = release.parameters
        names = {name for both in ROLES for role in both for name in role}
        return cls(
            {one: row for row, one in enumerate(drawn)},
            {name: known[name][rows].double().numpy() for name in names if name in known},
            {name: known[name].double().numpy() for name in KINDS if name in known},
        )

    def compare(self, canary: "LearnedRoles") -> tuple[ComparedFigure, ComparedFigure]:
        """Give ``roles_traded`` and ``kinds_agree``; None where one of both cannot be told."""
        return self._traded(canary), self._kinds(canary)

    def _traded(self, canary: "LearnedRoles") -> ComparedFigure:
        """Find the part of which most items are clearly more like what another part was."""
        name, shared = "roles_traded", sorted(self.rows.keys() & canary.rows.keys())
        if len(shared) < FEWEST:
            return ComparedFigure(name, None)
        live, new = (one._all_spoken(shared) for one in (self, canary))
        found = {
            role[0]: float(
                np.mean(
                    _agreement(live[other], new[role]) > _agreement(live[role], new[role]) + CLEARLY
                )
            )
            for role, other in _trades()
            if all(part in one for one in (live, new) for part in (role, other))
        }
        if not found:
            return ComparedFigure(name, None)
        most = max(found, key=lambda part: found[part])
        return ComparedFigure(name, found[most], examples=(most,) if found[most] else ())

    def _all_spoken(self, shared: list[str]) -> dict[Role, Floats]:
        """Compute :meth:`_spoken` of each part that it knows, once."""
        roles = [role for both in ROLES for role in both if self._knows(role)]
        return {role: self._spoken(role, shared) for role in roles}

    def _knows(self, role: Role) -> bool:
        """Tell whether it has both tensors of a part, and they fit each other."""
        widths = {self.vectors[name].shape[1] for name in role if name in self.vectors}
        return set(role) <= set(self.vectors) and len(widths) == 1

    def _spoken(self, role: Role, shared: list[str]) -> Floats:
        """Compute how much each item speaks for each other one, beyond its mean; 0 for itself."""
        rows = [self.rows[one] for one in shared]
        weights = self.vectors[role[0]][rows] @ self.vectors[role[1]][rows].T
        np.fill_diagonal(weights, np.nan)
        found: Floats = np.nan_to_num(weights - np.nanmean(weights, axis=1, keepdims=True))
        return found

    def _kinds(self, canary: "LearnedRoles") -> ComparedFigure:
        """Correlate how much kinds count, in the half of the score in which they agree least."""
        agreed = {
            name: _correlation(before, canary.kinds[name])
            for name, before in self.kinds.items()
            if before.std() and before.shape == canary.kinds.get(name, before[:0]).shape
        }
        if not agreed:
            return ComparedFigure("kinds_agree", None)
        least = min(agreed, key=lambda part: agreed[part])
        return ComparedFigure("kinds_agree", agreed[least], examples=(least,))


def _trades() -> Iterator[tuple[Role, Role]]:
    """List each part with the one that it may have changed places with."""
    for one, other in ROLES:
        yield one, other
        yield other, one


def _agreement(live: Floats, canary: Floats) -> Floats:
    """Correlate row by row what is centred already, shape (items,); 0 for rows of zeros."""
    lengths = [np.sqrt((one**2).sum(axis=1)) for one in (live, canary)]
    found: Floats = (live * canary).sum(axis=1) / np.maximum(lengths[0] * lengths[1], 1e-12)
    return found


def _correlation(before: Floats, after: Floats) -> float:
    """Correlate two rows of numbers of which the first differ; 0 where the second are all alike."""
    return float(np.corrcoef(before, after)[0, 1]) if after.std() else 0.0
