"""Lists that simulated shoppers are shown, and the steps that they go at each rank."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.data.ids import normal_ids
from coterie.data.ragged import Ragged
from coterie.data.simulate.visits import BOUGHT, CARTED, CLICKED, VIEWED
from coterie.errors import BadInputError
from coterie.schema import EventKind

SLOT_MS: Final = 20_000
"""Time that a shopper gives to each entry of a list."""


@dataclass(frozen=True, slots=True)
class ShownLists:
    """Shown lists, flattened: columns of shape (entries,)."""

    which: Ints
    """The list that each entry is of."""
    user: Ints
    item: Ints
    rank: Ints
    """0 is the first."""
    bounds: Ints

    @staticmethod
    def of(
        known: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]],
        user_ids: Sequence[str],
        lists: Sequence[Sequence[str]],
    ) -> "ShownLists":
        """Look up lists of ids among ``known`` ids of users and of items, both sorted.

        Raises:
            BadInputError: An id is unknown.
        """
        rows = Ragged.of(np.array([len(one) for one in lists], np.int64))
        which = rows.row
        users = rows_of(known[0], user_ids)
        items = rows_of(known[1], [item for one in lists for item in one])
        return ShownLists(which, users[which], items, rows.position, rows.offsets)


def steps(shown: ShownLists, reach: Ints, start: Ints) -> tuple[Ints, npt.NDArray[np.str_], Ints]:
    """Make events of looked-at entries (reach at least 0): rows of ``shown``, kinds, times."""
    rows, kinds, times = [], [], []
    funnel = (EventKind.VIEW, VIEWED), (EventKind.CLICK, CLICKED), (EventKind.CART, CARTED)
    for step, (kind, least) in enumerate((*funnel, (EventKind.PURCHASE, BOUGHT))):
        done = np.flatnonzero(reach >= least)
        rows.append(done)
        kinds.append(np.full(len(done), str(kind)))
        times.append(start[shown.which[done]] + shown.rank[done] * SLOT_MS + step * 4_000)
    row, kind_of, ts = np.concatenate(rows), np.concatenate(kinds), np.concatenate(times)
    order = np.lexsort((row, ts))
    return row[order], kind_of[order], ts[order]


def rows_of(known: npt.NDArray[np.str_], ids: Sequence[str]) -> Ints:
    """Look up the rows of ids among sorted ones.

    Raises:
        BadInputError: An id is unknown.
    """
    if len(ids) == 0:
        return np.zeros(0, np.int64)
    given = pa.array([str(one) for one in ids], pa.string())
    # What can be no id stays as it came, to be named.
    wanted = np.asarray(pc.coalesce(normal_ids(given)[0], given), dtype=np.str_)
    rows = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    strange = np.flatnonzero(known[rows] != wanted)
    if len(strange):
        raise BadInputError(
            f"{str(wanted[strange[0]])!r} is not of this simulated shop "
            f"({known[0]} to {known[-1]}): was the list made from another shop's data?"
        )
    return rows.astype(np.int64)
