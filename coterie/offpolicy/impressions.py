"""Impressions and what followed them, as lists that estimates are made of."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Interactions
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.offpolicy.logged import Bools, Ints, Matrix
from coterie.schema import EVENT_KINDS, EventKind

REWARDS: Final = (EventKind.CLICK, EventKind.CART, EventKind.PURCHASE)
"""What a list may be judged by: whether it followed."""
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ShownItems:
    """n lists of at most k places, of a log of impressions."""

    user_ids: npt.NDArray[np.object_]
    """Shape (n,)."""
    ts_ms: Ints
    """Shape (n,): when each was shown, milliseconds since 1970."""
    item: Ints
    """Shape (n, k): codes of ``item_ids``; -1 pads."""
    propensity: Matrix
    """Shape (n, k); 1 where nothing stood."""
    item_ids: pa.Array
    """Of each code."""
    dropped: int
    """Lists left out: later pages, or places that are missing."""

    @property
    def shown(self) -> Bools:
        """Where something stood, shape (n, k)."""
        return np.asarray(self.item >= 0)

    def take(self, rows: Ints | Bools) -> "ShownItems":
        """Take the lists of an index or a mask."""
        return ShownItems(
            self.user_ids[rows],
            self.ts_ms[rows],
            self.item[rows],
            self.propensity[rows],
            self.item_ids,
            self.dropped,
        )


def lists_of(rows: pa.Table, places: int, surface: str = "home") -> ShownItems:
    """Put rows of impressions together into lists.

    Args:
        rows: Columns ``list_id``, ``user_id``, ``shown_ts_ms``, ``surface``, ``position``,
            ``item_id`` and ``propensity``; an item of a list once.
        places: How many places from the top are looked at.
        surface: Lists of this place in the shop alone.

    Raises:
        BadInputError: No list of that surface begins at its top.
    """
    rows = rows.filter(pc.equal(rows["surface"], surface))
    position = np.asarray(rows["position"], dtype=np.int64)
    rows, position = rows.filter(pa.array(position < places)), position[position < places]
    if not rows.num_rows:
        raise BadInputError(
            f"the log holds no list of surface {surface}: name one that it has with --surface"
        )
    ids = rows["list_id"].combine_chunks().dictionary_encode()
    which = np.asarray(ids.indices, dtype=np.int64)
    items = rows["item_id"].combine_chunks().dictionary_encode()
    num = len(ids.dictionary)
    item = np.full((num, places), -1, np.int64)
    item[which, position] = np.asarray(items.indices, dtype=np.int64)
    propensity = np.ones((num, places))
    propensity[which, position] = np.asarray(rows["propensity"], dtype=np.float64)
    first = np.zeros(num, np.int64)
    first[which[::-1]] = np.arange(len(which))[::-1]
    there = item >= 0
    whole = there[:, 0] & ~(there[:, 1:] & ~there[:, :-1]).any(axis=1)
    if not whole.any():
        raise BadInputError(
            f"none of {num:,} lists has a first place and no gap: log whole first pages"
        )
    kept = first[whole]
    return ShownItems(
        np.asarray(rows["user_id"].take(pa.array(kept)).to_numpy(), dtype=np.object_),
        np.asarray(rows["shown_ts_ms"], dtype=np.int64)[kept],
        item[whole],
        propensity[whole],
        items.dictionary,
        int((~whole).sum()),
    )


def followed(
    shown: ShownItems,
    users: Vocab,
    items: Vocab,
    events: Interactions,
    kind: EventKind,
    window_ms: int,
) -> Matrix:
    """Tell after which impressions a shopper did something with the item.

    What several lists showed within the window counts for the last of them before it was done.

    Args:
        shown: n lists of k places.
        users: Of ``events``.
        items: Of ``events``.
        events: Ordered by time.
        kind: What is looked for.
        window_ms: Milliseconds from showing an item for which what is done with it counts.

    Returns:
        Shape (n, k): 1 where it followed, 0 elsewhere.
    """
    done = events.take(events.kind == EVENT_KINDS.index(kind))
    user = users.rows(pa.array(shown.user_ids, pa.string()))
    item = items.rows(shown.item_ids)[np.maximum(shown.item, 0)]
    cells = np.flatnonzero((shown.shown & (item >= 0) & (user >= 0)[:, None]).ravel())
    found = np.zeros(shown.item.size)
    if not len(cells) or not len(done):
        return found.reshape(shown.item.shape)
    row = cells // shown.item.shape[1]
    pair = user[row] * len(items) + item.ravel()[cells]
    ts = shown.ts_ms[row]
    order = np.lexsort((ts, pair))
    pair, ts, cells = pair[order], ts[order], cells[order]
    # Both sides as places of one order: pairs first, then time.
    wanted = done.user_idx * len(items) + done.item_idx
    low = np.searchsorted(pair, wanted, "left")
    known = np.unique(np.concatenate([ts, done.ts_ms]))
    span = len(known) + 1
    groups = np.unique(np.concatenate([pair, wanted]))
    key = np.searchsorted(groups, pair) * span + np.searchsorted(known, ts)
    at = np.searchsorted(groups, wanted) * span + np.searchsorted(known, done.ts_ms)
    last = np.searchsorted(key, at, "right") - 1
    good = (last >= low) & (last >= 0)
    good[good] &= done.ts_ms[good] - ts[last[good]] <= window_ms
    found[cells[last[good]]] = 1.0
    return found.reshape(shown.item.shape)
