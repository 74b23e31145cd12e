"""The recent list of a shopper, and how events change it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coterie.data.polarity import Told, both_told, told_by, told_had, wanted_at
from coterie.schema import MAX_ASKED, MAX_HAD, MAX_RECENT
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
    asked_ms: tuple[int, ...] = ()
    """When somebody shared an item with them, newest first: by whom, and what, is not kept."""

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

    The order in which events come, and how often one comes, make no difference. It is the rule of
    ``coterie.recommend.history_merge``, for one shopper: a list has some hundred entries at most,
    and columns of so few cost more to set up than to fill.

    Args:
        recent: What is known.
        events: Of this shopper, in any order.
        most: Entries kept.
        most_had: Of those that then fall out and were had, how many are remembered beside them.
    """
    known = _known(recent)
    for event in events:
        told = told_by(KIND_CODES[event.event], event.value, event.ts_ms)
        before = known.get(event.item_id)
        known[event.item_id] = told if before is None else both_told(before, told)
    # Equal times fall in the order of ids: any order will do, as long as it is always the same.
    # What is known is nearly in this order already, which sorting is quick with.
    rows = sorted([(-ts_ms, item, kind, at) for item, (kind, ts_ms, at) in known.items()])
    had = [(-abs(at), item, kind, at) for _, item, kind, at in rows[most:] if told_had(kind, at)]
    times, ids, kinds, wanted = _columns(rows[:most])
    _, had_ids, had_kinds, had_wanted = _columns(sorted(had)[:most_had])
    return RecentList(
        ids,
        kinds,
        tuple([-ms for ms in times]),
        wanted,
        had_ids,
        had_kinds,
        had_wanted,
        recent.asked_ms,
    )


def note_asked(recent: RecentList, times: Iterable[int], most: int = MAX_ASKED) -> RecentList:
    """Note when somebody shared items with this person; the same time twice counts once."""
    asked = tuple(sorted({*recent.asked_ms, *times}, reverse=True)[:most])
    return replace(recent, asked_ms=asked)


def _known(recent: RecentList) -> dict[str, Told]:
    """Put what is known by item: entries of the list, then what fell out of it."""
    told = zip(recent.kinds, recent.ts_ms, recent.wanted_ms, strict=True)
    known = dict(zip(recent.item_ids, told, strict=True))
    for item, kind, at in zip(recent.had_ids, recent.had_kinds, recent.had_wanted_ms, strict=True):
        entry = (kind, abs(at), at)
        before = known.get(item)
        known[item] = entry if before is None else both_told(before, entry)
    return known


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True)) if rows else ((), (), (), ())
