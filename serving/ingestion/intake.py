"""Events as they come in: which are kept, and what is wrong with the others.

The rules are the contract's, in the very check that ingest has, so that what was acknowledged here
is never refused there. A live shop adds two: when an event may have happened, and no field that it
does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import compress
from typing import Any, Final

import pyarrow as pa

from coterie.data.checks import COLUMN, CUT, REASON, check
from coterie.data.columns import EARLIEST
from coterie.data.suppressed import Suppressed
from coterie.errors import BadInputError
from coterie.schema import EVENTS, TIMESTAMP, EventKind
from serving.events.event import Event
from serving.ingestion.people_door import NO_DOOR, PeopleDoor
from serving.ingestion.plain_events import plain_event
from serving.ingestion.sent_rows import Fault, SentRows, odd, shown, text_of, timed, told

LIST_ID: Final = "list_id"
USER_ID: Final = "user_id"
REFERRER: Final = "referrer_user_id"
INVITED: Final = "invited_user_id"
ERASED: Final = "this person was erased: nothing is kept of them until that is lifted"
_COLUMNS: Final = tuple(name for name in EVENTS.arrow.names if name != "split")
"""That a sender may fill: splits are of public data sets."""
FIELDS: Final = (*_COLUMNS, LIST_ID)
_EARLIEST_MS: Final = int(EARLIEST.timestamp() * 1000)
_EXPECTED: Final = {
    "event": "one of " + ", ".join(EventKind),
    "value": "a number from 0 up, of a rating or review from 0 to 5",
    "ts": "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    "text": "text",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that does not fit."""

    index: int
    event_id: str | None
    """As it was sent, to be named by."""
    field: str
    """Empty where it is the event as a whole."""
    reason: str
    kind: str | None
    """Of an event whose kind is one; for counting."""

    @property
    def where(self) -> str:
        """JSON path in the request."""
        return f"body.events[{self.index}]" + (f".{self.field}" if self.field else "")


@dataclass(frozen=True, slots=True)
class SortedBatch:
    """A batch of events, sorted into those that are kept and those that are refused."""

    kept: tuple[Event, ...]
    refused: tuple[Refused, ...]
    shortened: tuple[int, ...]
    """Indices of kept events whose text was cut."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What a shop takes at any moment."""

    max_age_days: float
    max_lead_s: float
    gone: Suppressed = field(default_factory=Suppressed)
    """Who was erased: nothing of theirs is taken."""
    door: PeopleDoor = NO_DOOR
    """What makes pseudonyms of the ids that come."""

    def sort(self, batch: Sequence[Any], now: datetime) -> SortedBatch:
        """Tell the events that fit from those that do not.

        Args:
            batch: JSON values, at least one.
            now: What an event without a time has for its time.
        """
        now_ms = int(now.timestamp() * 1000)
        oldest_ms = max(self._oldest_ms(now_ms), _EARLIEST_MS)
        events = [plain_event(given, oldest_ms, now_ms) for given in batch]
        rest = [index for index, event in enumerate(events) if event is None]
        if not rest:
            return self._spared(events, (), ())
        judged, refused, cut = self._judge([batch[index] for index in rest], now)
        for index, event in zip(rest, judged, strict=True):
            events[index] = event
        unfit = tuple(replace(one, index=rest[one.index]) for one in refused)
        return self._spared(events, unfit, tuple(rest[index] for index in cut))

    def _spared(
        self, events: Sequence[Event | None], refused: tuple[Refused, ...], cut: tuple[int, ...]
    ) -> SortedBatch:
        """Refuse events of people who were erased, too, and let in whom the others name."""
        if not self.gone and not self.door:
            return SortedBatch(tuple(filter(None, events)), refused, cut)
        gone = self.door.known(self.gone)
        met = {i: (e, self._enter(e, gone)) for i, e in enumerate(events) if e is not None}
        more = [
            Refused(i, event.event_id, *fault, event.event)
            for i, (event, fault) in met.items()
            if isinstance(fault, tuple)
        ]
        unfit = {one.index for one in more}
        return SortedBatch(
            tuple(found for _, found in met.values() if isinstance(found, Event)),
            tuple(sorted((*refused, *more), key=lambda one: one.index)),
            tuple(index for index in cut if index not in unfit),
        )

    def _enter(self, event: Event, gone: Suppressed) -> Event | Fault:
        """Let in whom an event names, or say what is wrong."""
        if event.user_id in gone:
            return USER_ID, ERASED
        if not self.door:
            return event
        # Others who were erased under an older key: the log knows by the newest alone.
        led_by = None if event.referrer_user_id in gone else event.referrer_user_id
        invited = None if event.invited_user_id in gone else event.invited_user_id
        name = USER_ID
        try:
            user_id = self.door.enter(event.user_id)
            name = REFERRER
            inside = self.door.enter(led_by) if led_by else None
            name = INVITED
            with_whom = self.door.enter(invited) if invited else None
        except BadInputError as error:
            return name, str(error)
        return replace(event, user_id=user_id, referrer_user_id=inside, invited_user_id=with_whom)

    def _judge(
        self, batch: Sequence[Any], now: datetime
    ) -> tuple[list[Event | None], list[Refused], list[int]]:
        """Ask the contract's check; return events, who is none of them, and whose text was cut."""
        unlike = [odd(given, FIELDS) for given in batch]
        sent = SentRows(
            [{} if fault else given for given, fault in zip(batch, unlike, strict=True)], FIELDS
        )
        columns = sent.columns | {"ts": timed(sent.columns.get("ts"), len(batch), now)}
        checked = check(EVENTS, columns, now, sent.faults)
        lists, wrong_lists = sent.ids(LIST_ID)
        values = {name: _listed(checked.field(name)) for name in (*_COLUMNS, COLUMN, REASON)}
        reasons = values[COLUMN], values[REASON], wrong_lists
        judged = zip(unlike, sent.rows, *reasons, values["ts"], strict=True)
        faults = [
            fault
            or (field and told(row, field, why, _EXPECTED))
            or (wrong_list and told(row, LIST_ID, wrong_list, _EXPECTED))
            or self.untimely(row, ts, int(now.timestamp() * 1000))
            for fault, row, field, why, wrong_list, ts in judged
        ]
        good = [not fault for fault in faults]
        found = zip(*(values[name] for name in _COLUMNS), lists, strict=True)
        cut = enumerate(checked.field(CUT).to_pylist())
        refused = zip(batch, faults, values["event"], strict=True)
        return (
            [_event(*one) if is_good else None for one, is_good in zip(found, good, strict=True)],
            [
                Refused(index, _name_of(given), fault[0], fault[1], kind)
                for index, (given, fault, kind) in enumerate(refused)
                if fault
            ],
            [index for index, texts in compress(cut, good) if texts],
        )

    def untimely(self, row: Mapping[str, Any], ts_ms: int, now_ms: int) -> Fault | None:
        """Find what is wrong with a time that a live shop does not take."""
        if self._oldest_ms(now_ms) <= ts_ms <= now_ms + int(self.max_lead_s * 1000):
            return None
        return "ts", (
            f"found {shown(row.get('ts'))}, expected a time from {self.max_age_days:g} days ago "
            f"to {self.max_lead_s:g} s ahead of our clock"
        )

    def _oldest_ms(self, now_ms: int) -> int:
        return now_ms - int(self.max_age_days * 86_400_000)


def _name_of(given: Any) -> str | None:
    name = given.get("event_id") if isinstance(given, dict) else None
    return text_of(name)[0] if isinstance(name, str | int) else None


def _listed(column: pa.Array) -> list[Any]:
    """List a column's values; times as milliseconds, which is what logs and features hold."""
    if column.type == TIMESTAMP:
        return [None if us is None else us // 1000 for us in column.cast(pa.int64()).to_pylist()]
    listed: list[Any] = column.to_pylist()
    return listed


def _event(
    event_id: str,
    user_id: str,
    item_id: str,
    event: str,
    value: float | None,
    text: str | None,
    ts_ms: int,
    referrer_user_id: str | None,
    invited_user_id: str | None,
    list_id: str | None,
) -> Event:
    return Event(
        event_id,
        user_id,
        item_id,
        EventKind(event),
        ts_ms,
        value,
        text,
        referrer_user_id,
        list_id,
        invited_user_id,
    )
