"""Events as they come in: which are kept, and what is wrong with the others.

The rules are the contract's, in the very check that ingest has, so that what was acknowledged here
is never refused there. A live shop adds two: when an event may have happened, and no field that it
does not know.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.checks import COLUMN, CUT, REASON, check
from coterie.data.ids import MAX_ID, normal_ids
from coterie.data.json_lines import as_text
from coterie.schema import EVENTS, TIMESTAMP, EventKind
from serving.events.event import Event

LIST_ID: Final = "list_id"
_COLUMNS: Final = tuple(name for name in EVENTS.arrow.names if name != "split")
"""That a sender may fill: splits are of public data sets."""
FIELDS: Final = (*_COLUMNS, LIST_ID)
_EXPECTED: Final = {
    "event": "one of " + ", ".join(EventKind),
    "value": "a number from 0 up, of a rating or review from 0 to 5",
    "ts": "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    "text": "text",
}
_AN_ID: Final = f"text of 1 to {MAX_ID} characters, or a whole number"
_MAX_SHOWN: Final = 60


_Fault = tuple[str, str]
"""A field, and what is wrong with it."""


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
class Taken:
    """A batch, sorted."""

    kept: tuple[Event, ...]
    refused: tuple[Refused, ...]
    shortened: tuple[int, ...]
    """Indices of kept events whose text was cut."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What a shop takes at any moment."""

    max_age_days: float
    max_lead_s: float

    def sort(self, batch: Sequence[Any], now: datetime) -> Taken:
        """Tell the events that fit from those that do not.

        Args:
            batch: JSON values, at least one.
            now: What an event without a time has for its time.
        """
        odd = [_odd(given) for given in batch]
        sent = _Sent([{} if fault else given for given, fault in zip(batch, odd, strict=True)])
        columns = sent.columns | {"ts": _timed(sent.columns.get("ts"), len(batch), now)}
        checked = check(EVENTS, columns, now, sent.faults)
        lists, wrong_lists = sent.list_ids()
        values = {name: _listed(checked.field(name)) for name in (*_COLUMNS, COLUMN, REASON)}
        told = zip(
            odd, sent.rows, values[COLUMN], values[REASON], wrong_lists, values["ts"], strict=True
        )
        faults = [
            fault
            or (field and _told(row, field, why))
            or (wrong_list and _told(row, LIST_ID, wrong_list))
            or self._untimely(row, ts, int(now.timestamp() * 1000))
            for fault, row, field, why, wrong_list, ts in told
        ]
        good = [not fault for fault in faults]
        found = zip(*(values[name] for name in _COLUMNS), lists, strict=True)
        cut = enumerate(checked.field(CUT).to_pylist())
        refused = zip(batch, faults, values["event"], strict=True)
        return Taken(
            tuple(_event(*one) for one in compress(found, good)),
            tuple(
                Refused(index, _name_of(given), fault[0], fault[1], kind)
                for index, (given, fault, kind) in enumerate(refused)
                if fault
            ),
            tuple(index for index, texts in compress(cut, good) if texts),
        )

    def _untimely(self, row: Mapping[str, Any], ts_ms: int, now_ms: int) -> _Fault | None:
        """Find what is wrong with a time that a live shop does not take."""
        oldest = now_ms - int(self.max_age_days * 86_400_000)
        if oldest <= ts_ms <= now_ms + int(self.max_lead_s * 1000):
            return None
        return "ts", (
            f"found {_shown(row.get('ts'))}, expected a time from {self.max_age_days:g} days ago "
            f"to {self.max_lead_s:g} s ahead of our clock"
        )


class _Sent:
    """The fields of events as columns of text, as a file would hold them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        self.columns: dict[str, pa.Array] = {}
        self.faults: dict[str, pa.Array] = {}
        """Of values that no column holds, by column."""
        for name in FIELDS:
            cells = [row.get(name) for row in rows]
            # What nobody sent is not looked at: checks cost by the column.
            if any(cell is not None for cell in cells):
                self._add(name, cells)

    def list_ids(self) -> tuple[list[str | None], list[str | None]]:
        """Read the ids of the lists that events follow from, and what is wrong with them."""
        column = self.columns.get(LIST_ID)
        if column is None:
            none: list[str | None] = [None] * len(self.rows)
            return none, none
        ids, wrong = normal_ids(column)
        if LIST_ID in self.faults:
            wrong = pc.coalesce(self.faults[LIST_ID], wrong)
        return ids.to_pylist(), wrong.to_pylist()

    def _add(self, name: str, cells: list[Any]) -> None:
        try:
            self.columns[name] = pa.array(cells, pa.string())
        except (TypeError, ValueError):  # not all of them are texts
            texts, faults = zip(*map(_as_text, cells), strict=True)
            self.columns[name] = pa.array(texts, pa.string())
            self.faults[name] = pa.array(faults, pa.string())


def _timed(found: pa.Array | None, length: int, now: datetime) -> pa.Array:
    """Fill in now where no time was sent."""
    if found is None:
        return pa.array([now] * length, TIMESTAMP)
    return pc.fill_null(found, now.isoformat())


def _as_text(value: Any) -> tuple[str | None, str | None]:
    text, fault = as_text(value)
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return None, "half of a character, expected whole ones"
    return text, fault


def _odd(given: Any) -> _Fault | None:
    """Find what is wrong with an event before its values are looked at."""
    if not isinstance(given, dict):
        return "", f"found {_shown(given)}, expected an object with {', '.join(FIELDS)}"
    unknown = next((name for name in given if name not in FIELDS), None)
    if unknown is None:
        return None
    near = difflib.get_close_matches(unknown[:_MAX_SHOWN].lower(), FIELDS, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    known = ", ".join(FIELDS)
    return unknown[:_MAX_SHOWN], f"there is no such field: {meant}expected are {known}"


def _told(row: Mapping[str, Any], field: str, reason: str) -> _Fault:
    """Add to the contract's reason what was found and what was expected."""
    expected = "" if ", expected" in reason else f", expected {_EXPECTED.get(field, _AN_ID)}"
    if row.get(field) is None:
        return field, f"{reason}{expected}"
    return field, f"found {_shown(row[field])}: {reason}{expected}"


def _shown(value: Any) -> str:
    """Write a JSON value for people; of what may be long, name its kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _name_of(given: Any) -> str | None:
    name = given.get("event_id") if isinstance(given, dict) else None
    return _as_text(name)[0] if isinstance(name, str | int) else None


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
    )
