"""Which clicks and purchases follow from what a list showed: the rule, and the rule on tables.

An event follows from a list that it names, within a window that begins when the list was shown. One
that names no list follows from the last list that showed its shopper its item, if that is wanted.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError
from coterie.schema import EventKind

CLICKS: Final = frozenset({EventKind.CLICK, EventKind.CART, EventKind.PURCHASE})
"""What follows from a list that pleased. A dislike that names its list is no click, and a return no
purchase: they are counted as events of their kind, and what was returned leaves the next list. They
take back no click: most returns come days after the window in which a release is judged."""
OUTCOMES: Final = ("clicked", "purchased", "revenue")
Ints = npt.NDArray[np.int64]
_BETWEEN: Final = "\x1f"


def attributed(
    impressions: pa.Table, events: pa.Table, window_s: float, unnamed: bool = False
) -> pa.Table:
    """Join what was shown to what shoppers did with it.

    Args:
        impressions: As ``read_impressions`` gives them.
        events: Of the contract, with ``list_id`` beside, as the event consumer exports them.
        window_s: From when a list was shown to the last event that follows from it, seconds.
        unnamed: Whether events that name no list follow from the last one that showed their shopper
            their item.

    Returns:
        The rows of ``impressions`` in their order, with ``clicked`` (there was a click, a cart or a
        purchase), ``purchased`` and ``revenue`` (values of purchases, 0 where none is told).

    Raises:
        BadInputError: The window is not over 0.
    """
    if window_s <= 0:
        raise BadInputError(f"window_s is {window_s}: expected seconds, over 0")
    shown = milliseconds(impressions["shown_ts_ms"])
    row = _named(impressions, events)
    if unnamed:
        by_item = _last_shown(impressions, events, shown)
        row = np.where(pc.is_null(events["list_id"]).to_numpy(), by_item, row)
    at = milliseconds(events["ts"])
    late = at - shown[row] if len(shown) else at
    follows = (row >= 0) & (late >= 0) & (late <= window_s * 1000)
    clicked, purchased = (
        _counted(row[follows & is_kind], len(shown)) > 0
        for is_kind in (_is(events, CLICKS), _is(events, {EventKind.PURCHASE}))
    )
    paid = follows & _is(events, {EventKind.PURCHASE})
    value = pc.fill_null(events["value"], 0.0).to_numpy()
    revenue = np.bincount(row[paid], value[paid], len(shown))
    for name, column in zip(OUTCOMES, (clicked, purchased, revenue), strict=True):
        impressions = impressions.append_column(name, pa.array(column))
    return impressions


def milliseconds(column: pa.ChunkedArray) -> Ints:
    """Read times as milliseconds since 1970."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("ms", tz="UTC"), safe=False)
    return np.asarray(pc.cast(column, pa.int64()).to_numpy(), np.int64)


def _named(impressions: pa.Table, events: pa.Table) -> Ints:
    """Find the row that each event names by list and item; -1: none."""
    keys = _joined(impressions["list_id"], impressions["item_id"])
    named = _joined(events["list_id"], events["item_id"])
    return _rows(pc.index_in(named, value_set=keys))


def _last_shown(impressions: pa.Table, events: pa.Table, shown: Ints) -> Ints:
    """Find the newest row before each event that showed its shopper its item; -1: none."""
    if not impressions.num_rows:
        return np.full(events.num_rows, -1)
    keys = _joined(impressions["user_id"], impressions["item_id"]).dictionary_encode()
    code = _rows(keys.indices)
    wanted = _joined(events["user_id"], events["item_id"])
    of_event = _rows(pc.index_in(wanted, value_set=keys.dictionary))
    # One number of pair and time: milliseconds of two years are 36 bits.
    first, span = int(shown.min()), int(shown.max() - shown.min()) + 2
    when = np.clip(milliseconds(events["ts"]) - first, -1, span - 2)
    order = np.lexsort((shown, code))
    whole = (code * span + shown - first)[order]
    place = np.searchsorted(whole, of_event * span + when, side="right") - 1
    found = order[np.maximum(place, 0)]
    there = (place >= 0) & (of_event >= 0) & (when >= 0) & (code[found] == of_event)
    return np.where(there, found, -1)


def _joined(*columns: pa.ChunkedArray) -> pa.Array:
    whole = pc.binary_join_element_wise(*columns, _BETWEEN, null_handling="emit_null")
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _rows(index: pa.Array | pa.ChunkedArray) -> Ints:
    return np.asarray(pc.fill_null(index, -1).to_numpy(zero_copy_only=False), np.int64)


def _is(events: pa.Table, kinds: "frozenset[EventKind] | set[EventKind]") -> npt.NDArray[np.bool_]:
    words = pa.array([str(kind) for kind in kinds], pa.string())
    found: npt.NDArray[np.bool_] = pc.is_in(events["event"], value_set=words).to_numpy()
    return found


def _counted(row: Ints, num: int) -> Ints:
    return np.bincount(row, minlength=num)
