"""One look at one item, and how far it went: the unit that a simulated shop is made of."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Codes, Floats, Ints
from coterie.data.simulate.assortment import Assortment

DAY_MS: Final = 86_400_000
VISIT_MS: Final = 300_000
"""Room for one visit in a session: all of its events come before the next visit's first."""
MAX_VISITS: Final = 8
"""Visits in a session."""


class Cause(StrEnum):
    """Why a visit happened."""

    TASTE = "taste"
    POPULARITY = "popularity"
    FRIEND = "friend"
    SHARE = "share"
    HABIT = "habit"
    """Bought again: it had run out."""


CAUSES: Final = tuple(Cause)
VIEWED, CLICKED, CARTED, BOUGHT = range(4)


@dataclass(frozen=True, slots=True)
class Visits:
    """v visits as columns of shape (v,)."""

    user: Ints
    item: Ints
    ts_ms: Ints
    """Time when it began, milliseconds after the shop's first day."""
    cause: Codes
    """Index in ``CAUSES``."""
    friend: Ints
    """The friend who bought or shared before; -1 where nobody moved this shopper."""
    source: Ints
    """The friend's visit, as a row of the whole shop's visits; -1 where there is none."""
    reach: Codes
    """VIEWED, CLICKED, CARTED or BOUGHT."""
    shared: npt.NDArray[np.bool_]
    """The shopper told friends about it."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Visits":
        """Take the rows of an index or a mask, in that order."""
        return Visits(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def concat(parts: "list[Visits]") -> "Visits":
        """Join visits, in the order given."""
        return Visits(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Visits))
        )


def match(taste: Floats, assortment: Assortment, user: Ints, item: Ints) -> Floats:
    """Measure how well items please shoppers, -1 to 1, shape of ``item``; ``user`` is one a row."""
    axes = "nd,nd->n" if item.ndim == 1 else "nd,nkd->nk"
    pleased: Floats = np.einsum(axes, taste[user], assortment.vector[item])
    return pleased


def go_on(pleased: Floats, moved: Floats, rng: np.random.Generator, eager: float = 0.0) -> Codes:
    """Draw how far visits go: view, click, cart, purchase.

    Args:
        pleased: Match of taste and item, -1 to 1.
        moved: 0 where no friend speaks for the item, about 1 where one does.
        rng: Draws three numbers a visit.
        eager: Raises the odds of a click: one who came by themselves looks closer than one who
            was shown a list.
    """
    clicks = _chance(eager - 0.9 + 2.6 * pleased + 0.8 * moved)
    carts = _chance(-1.3 + 2.2 * pleased + 0.8 * moved)
    buys = _chance(0.4 + 0.8 * pleased + 0.2 * moved)
    passed = rng.random((3, len(pleased))) < np.stack([clicks, carts, buys])
    reach: Codes = np.cumprod(passed, axis=0).sum(axis=0).astype(np.int8)
    return reach


def _chance(odds: Floats) -> Floats:
    """Map odds to chances by the logistic function."""
    chance: Floats = (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)
    return chance
