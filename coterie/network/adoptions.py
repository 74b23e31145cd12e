"""Who took what first, and what their followers then did: what influence is estimated from."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Codes, Interactions, Ints
from coterie.data.polarity import liked
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.network.people import Network
from coterie.schema import EVENT_KINDS, EventKind

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Adoptions:
    """The first time that each person took each item, as columns of shape (a,), by time."""

    user: Ints
    item: Ints
    ts_ms: Ints
    referrer: Ints
    """Who shared or invited, as the shop knows it; -1 where nobody did."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Adoptions":
        """Take the rows of an index or a mask, in that order."""
        return Adoptions(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def of(cls, events: Interactions) -> "Adoptions":
        """Find them: first purchases, or first targets where a shop logs no purchases.

        Raises:
            BadInputError: There are none, or they have no times.
        """
        bought = _is(events.kind, EventKind.PURCHASE)
        taken = events.take(bought if bought.any() else liked(events))
        taken = taken.take(np.argsort(taken.ts_ms, kind="stable"))
        key = taken.user_idx * (int(taken.item_idx.max(initial=0)) + 1) + taken.item_idx
        _, first = np.unique(key, return_index=True)
        found = taken.take(np.sort(first))
        if not len(found) or found.ts_ms[0] == found.ts_ms[-1]:
            raise BadInputError(
                "influence needs purchases, or other targets, with times: of undated events nobody "
                "can tell who came first"
            )
        return cls(found.user_idx, found.item_idx, found.ts_ms, found.referrer_idx)


@dataclass(frozen=True, slots=True)
class Exposures:
    """Each adoption, once for each follower who could see it: columns of shape (x,)."""

    tie: Ints
    """Row of the follower's tie in ``Network.ties``."""
    adoption: Ints
    """Row of what the followee took."""
    answer: Ints
    """Row of the follower's own first adoption of the item, before or after; -1: none."""
    lag_days: npt.NDArray[np.float64]
    """From the followee's adoption to the follower's; below 0: the other way; nan: none."""

    def __len__(self) -> int:
        return len(self.tie)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Exposures":
        """Take the rows of an index or a mask, in that order."""
        return Exposures(*(getattr(self, f.name)[rows] for f in fields(self)))


def expose(network: Network, adoptions: Adoptions) -> Exposures:
    """List who could see whose adoption: followers by ties that were there by then."""
    ties = network.ties
    order = np.argsort(ties.dst_idx, kind="stable")
    followers = Ragged.of_rows(ties.dst_idx, network.num_people)
    told, entries = followers.take(adoptions.user)
    tie, adoption = order[entries], told.row
    kept = ties.since_ms[tie] <= adoptions.ts_ms[adoption]
    tie, adoption = tie[kept], adoption[kept]
    answer = find_adoptions(adoptions, ties.src_idx[tie], adoptions.item[adoption])
    lag = (adoptions.ts_ms[answer] - adoptions.ts_ms[adoption]) / DAY_MS
    return Exposures(tie, adoption, answer, np.where(answer >= 0, lag, np.nan))


def find_adoptions(adoptions: Adoptions, user: Ints, item: Ints) -> Ints:
    """Find the row of each person's adoption of an item; -1: none. Shapes (n,)."""
    width = int(max(adoptions.item.max(initial=0), item.max(initial=0))) + 1
    key = adoptions.user * width + adoptions.item
    order = np.argsort(key)
    ordered = key[order]
    wanted = user * width + item
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[place] == wanted, order[place], -1)


def _is(kind: Codes, wanted: EventKind) -> npt.NDArray[np.bool_]:
    return np.asarray(kind == EVENT_KINDS.index(wanted))


def arrivals(events: Interactions, num_people: int) -> Ints:
    """Find the time of each person's first event of any kind, shape (num_people,).

    Who has none came when all was over.
    """
    came = np.full(num_people, int(events.ts_ms.max(initial=0)), np.int64)
    np.minimum.at(came, events.user_idx, events.ts_ms)
    return came
