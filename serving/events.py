"""What shoppers did, and how it changes what we know of them lately."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from coterie.schema import EVENT_KINDS, MAX_RECENT, EventKind

KIND_CODES: Final = {kind: code for code, kind in enumerate(EVENT_KINDS)}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the contract's events, checked."""

    event_id: str
    user_id: str
    item_id: str
    event: EventKind
    ts_ms: int
    """Milliseconds since 1970, UTC."""
    value: float | None = None
    text: str | None = None
    referrer_user_id: str | None = None
    list_id: str | None = None
    """The list that it follows from."""


@dataclass(frozen=True, slots=True)
class RecentList:
    """What one shopper did lately, as the feature view holds it: newest first, an entry an item."""

    item_ids: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()
    """Places in ``schema.EVENT_KINDS``."""
    ts_ms: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)


def merge(recent: RecentList, events: Iterable[Event], most: int = MAX_RECENT) -> RecentList:
    """Take events into a recent list: strongest kind and newest time an item, newest first.

    The order in which events come, and how often one comes, make no difference.

    Args:
        recent: What is known.
        events: Of this shopper, in any order.
        most: Entries kept.
    """
    known = dict(zip(recent.item_ids, zip(recent.kinds, recent.ts_ms, strict=True), strict=True))
    for event in events:
        kind, ts = known.get(event.item_id, (0, event.ts_ms))
        known[event.item_id] = max(kind, KIND_CODES[event.event]), max(ts, event.ts_ms)
    # Equal times fall in the order of ids: any order will do, as long as it is always the same.
    entries = sorted(known.items(), key=lambda entry: (-entry[1][1], entry[0]))[:most]
    return RecentList(
        tuple(item for item, _ in entries),
        tuple(kind for _, (kind, _) in entries),
        tuple(ts for _, (_, ts) in entries),
    )


def by_shopper(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Events of each shopper, in the order that they came."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.user_id, []).append(event)
    return groups


_FIELDS: Final = tuple(field.name for field in fields(Event))


def to_json(event: Event) -> str:
    """An event as logs keep it."""
    # Not asdict, which copies values as well and takes three times as long.
    return json.dumps({name: getattr(event, name) for name in _FIELDS}, ensure_ascii=False)


def from_json(text: str | bytes) -> Event:
    """The other way round."""
    fields: Mapping[str, object] = json.loads(text)
    return Event(**{**fields, "event": EventKind(str(fields["event"]))})  # type: ignore[arg-type]
