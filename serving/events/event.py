"""One event of a shopper, and its form in logs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from coterie.schema import EVENT_KINDS, EventKind

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


def by_shopper(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events by shopper, in the order that they came."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.user_id, []).append(event)
    return groups


_FIELDS: Final = tuple(field.name for field in fields(Event))


def to_json(event: Event) -> str:
    """Write an event as logs keep it."""
    # Not asdict, which copies values as well and takes three times as long.
    return json.dumps({name: getattr(event, name) for name in _FIELDS}, ensure_ascii=False)


def from_json(text: str | bytes) -> Event:
    """Read an event as logs keep it."""
    fields: Mapping[str, object] = json.loads(text)
    return Event(**{**fields, "event": EventKind(str(fields["event"]))})  # type: ignore[arg-type]
