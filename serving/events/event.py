"""One entry of a log, an event of a shopper or a change of the shop, and its form there."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from coterie.data.changes import Change, change_of, change_to_json
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
    invited_user_id: str | None = None
    """Of a share: with whom."""

    def __reduce__(self) -> tuple[Any, ...]:
        # As a call with values: what dataclasses with slots do by themselves takes five times as
        # long, and every event goes from a replica to a sink.
        values = _values(self)
        # A version of before knows nothing of who is invited.
        return Event, values if self.invited_user_id is not None else values[:-1]


def by_shopper(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events by shopper, in the order that they came."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.user_id, []).append(event)
    return groups


def by_person(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events as ``by_shopper`` does; a share is also its invited person's."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.user_id, []).append(event)
        if event.invited_user_id is not None:
            groups.setdefault(event.invited_user_id, []).append(event)
    return groups


Entry = Event | Change
"""What a log keeps: each once, by its id."""
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
_FIELDS: Final = tuple(field.name for field in fields(Event))
_values: Final[Callable[[Event], tuple[Any, ...]]] = attrgetter(*_FIELDS)


def entry_id(entry: Entry) -> str:
    """Name an entry among all of a log."""
    return entry.event_id if isinstance(entry, Event) else entry.entry_id


def to_json(entry: Entry) -> str:
    """Write an entry as logs keep it."""
    if isinstance(entry, Change):
        return change_to_json(entry)
    # Not asdict, which copies values as well and takes three times as long.
    fields = dict(zip(_FIELDS, _values(entry), strict=True))
    if fields["invited_user_id"] is None:
        del fields["invited_user_id"]  # which a version of before could not read
    return _encode(fields)


def from_json(text: str | bytes) -> Entry:
    """Read an entry as logs keep it."""
    fields: Mapping[str, object] = json.loads(text)
    if "change_id" in fields:
        return change_of(fields)
    return Event(**{**fields, "event": EventKind(str(fields["event"]))})  # type: ignore[arg-type]
