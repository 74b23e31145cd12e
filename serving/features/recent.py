"""The recent list of a shopper, and how events change it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.data.polarity import Entries, meant, wanted_at
from coterie.recommend.shoppers import last_had
from coterie.schema import MAX_HAD, MAX_RECENT
from serving.events.event import KIND_CODES, Event


@dataclass(frozen=True, slots=True)
class RecentList:
    """What one shopper did, as the feature view holds it: lately, newest first, an entry an item;
    and what they had before that."""

    item_ids: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()
    """Places in ``schema.EVENT_KINDS``, as ``polarity.meant`` has them."""
    ts_ms: tuple[int, ...] = ()
    wanted_ms: tuple[int, ...] = ()
    """When each was last wanted; below 0: last turned down; 0: neither. Where nobody wrote it down,
    kinds and times tell."""
    had_ids: tuple[str, ...] = ()
    """What fell out of the list, and was wanted or turned down: never to be shown again."""
    had_kinds: tuple[int, ...] = ()
    had_wanted_ms: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.wanted_ms) != len(self.item_ids):
            told = wanted_at(np.array(self.kinds, np.int8), np.array(self.ts_ms, np.int64))
            object.__setattr__(self, "wanted_ms", tuple(told.tolist()))

    def __len__(self) -> int:
        return len(self.item_ids)


def merge(
    recent: RecentList,
    events: Iterable[Event],
    most: int = MAX_RECENT,
    most_had: int = MAX_HAD,
) -> RecentList:
    """Take events into a recent list: what ``polarity.Entries`` leaves of an item, newest first.

    The order in which events come, and how often one comes, make no difference.

    Args:
        recent: What is known.
        events: Of this shopper, in any order.
        most: Entries kept.
        most_had: Of those that then fall out and were had, how many are remembered beside them.
    """
    new = list(events)
    ids, row = np.unique(
        np.array([*recent.item_ids, *recent.had_ids, *(e.item_id for e in new)], object),
        return_inverse=True,
    )
    known = _entries(recent, new, row).collapse()[0]
    # Equal times fall in the order of ids: any order will do, as long as it is always the same.
    known = known.take(np.lexsort((known.item, -known.ts_ms)))
    kept, rest = known.take(np.arange(len(known)) < most), known.take(np.arange(len(known)) >= most)
    had = last_had(rest, most_had)
    return RecentList(
        tuple(ids[kept.item].tolist()),
        tuple(kept.kind.tolist()),
        tuple(kept.ts_ms.tolist()),
        tuple(kept.wanted_ms.tolist()),
        tuple(ids[had.item].tolist()),
        tuple(had.kind.tolist()),
        tuple(had.wanted_ms.tolist()),
    )


def _entries(recent: RecentList, events: Sequence[Event], item: Ints) -> Entries:
    """Put entries of the list, remembered items and events into rows, in this order."""
    did = np.array([KIND_CODES[event.event] for event in events], np.int8)
    value = np.array([math.nan if e.value is None else e.value for e in events], np.float32)
    kind, ts_ms = meant(did, value), np.array([event.ts_ms for event in events], np.int64)
    had_ms = np.array(recent.had_wanted_ms, np.int64)
    return Entries(
        np.zeros(len(item), np.int64),
        item.astype(np.int64),
        np.concatenate([np.array([*recent.kinds, *recent.had_kinds], np.int8), kind]),
        np.concatenate([np.array(recent.ts_ms, np.int64), np.abs(had_ms), ts_ms]),
        np.concatenate([np.array(recent.wanted_ms, np.int64), had_ms, wanted_at(kind, ts_ms)]),
    )
