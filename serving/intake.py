"""Events as they come in: which are kept, and what is wrong with the others.

The rules are the contract's, in the very check that ingest has, so that what was acknowledged here
is never refused there. A live shop adds two: when an event may have happened, and no field that it
does not know.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.checks import COLUMN, CUT, REASON, check
from coterie.data.ids import MAX_ID, normal_ids
from coterie.schema import EVENTS, EventKind
from serving.events import Event

LIST_ID: Final = "list_id"
_COLUMNS: Final = tuple(name for name in EVENTS.arrow.names if name != "split")
"""That a sender may fill: splits are of public data sets."""
FIELDS: Final = (*_COLUMNS, LIST_ID)
_EXPECTED: Final = {
    "value": "a number from 0 up, of a rating from 0 to 5",
    "ts": "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    "text": "text",
}
_AN_ID: Final = f"text of 1 to {MAX_ID} characters, or a whole number"
_MAX_SHOWN: Final = 60
_MAX_FLOAT_DIGITS: Final = 1e15
"""Up to it every whole number is itself as a float."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that does not fit."""

    place: int
    event_id: str | None
    field: str
    """Empty where it is the event as a whole."""
    reason: str
    kind: str | None = None
    """Of an event whose kind is one; for counting."""

    @property
    def where(self) -> str:
        """JSON path in the request."""
        return f"body.events[{self.place}]" + (f".{self.field}" if self.field else "")


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch, sorted."""

    kept: tuple[Event, ...]
    refused: tuple[Refused, ...]
    shortened: tuple[int, ...]
    """Places of kept events whose text was cut."""


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
        rows = [_Row.of(given) for given in batch]
        columns = {name: _column(rows, name) for name in _COLUMNS}
        now_ms = int(now.timestamp() * 1000)
        columns["ts"] = pc.fill_null(columns["ts"], str(now_ms))
        # The live bound is narrower; nothing is kept that ingest would call the future.
        checked = check(EVENTS, columns, now + timedelta(seconds=self.max_lead_s))
        lists, list_faults = normal_ids(_column(rows, LIST_ID))
        found = {name: _listed(checked.field(name), name) for name in (*_COLUMNS, COLUMN, REASON)}
        judged = zip(
            rows,
            found.pop(COLUMN),
            found.pop(REASON),
            list_faults.to_pylist(),
            found["ts"],
            strict=True,
        )
        faults = [
            row.fault
            or _contract(row, field, reason)
            or _list(row, list_fault)
            or self._late(row, ts, now_ms)
            for row, field, reason, list_fault, ts in judged
        ]
        good = [not fault for fault in faults]
        fields = zip(*(found[name] for name in _COLUMNS), lists.to_pylist(), strict=True)
        told = zip(rows, faults, found["event"], strict=True)
        cut = enumerate(checked.field(CUT).to_pylist())
        return Taken(
            tuple(_event(*one) for one in compress(fields, good)),
            tuple(
                Refused(place, row.event_id, fault.field, fault.reason, kind)
                for place, (row, fault, kind) in enumerate(told)
                if fault
            ),
            tuple(place for place, texts in compress(cut, good) if texts),
        )

    def _late(self, row: "_Row", ts_ms: int, now_ms: int) -> "_Fault | None":
        """Of a time that a live shop does not take."""
        oldest = now_ms - int(self.max_age_days * 86_400_000)
        if oldest <= ts_ms <= now_ms + int(self.max_lead_s * 1000):
            return None
        return _Fault(
            "ts",
            f"found {row.shown('ts')}, expected a time from {self.max_age_days:g} days ago "
            f"to {self.max_lead_s:g} s ahead of our clock",
        )


@dataclass(frozen=True, slots=True)
class _Fault:
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Row:
    """One event as text, column by column, as a file would hold it."""

    given: Mapping[str, Any]
    texts: Mapping[str, str | None]
    fault: _Fault | None

    @classmethod
    def of(cls, given: Any) -> "_Row":
        if not isinstance(given, dict):
            return cls({}, {}, _Fault("", f"found {_shown(given)}, expected an object with fields"))
        unknown = next((name for name in given if name not in FIELDS), None)
        if unknown is not None:
            return cls(given, {}, _Fault(unknown[:_MAX_SHOWN], _no_such_field(unknown)))
        texts, fault = {}, None
        for name, value in given.items():
            try:
                texts[name] = _as_text(value)
            except ValueError as error:
                expected = _EXPECTED.get(name, _AN_ID)
                fault = fault or _Fault(name, f"found {_shown(value)}{error}, expected {expected}")
        return cls(given, texts, fault)

    @property
    def event_id(self) -> str | None:
        """As it was sent, to be named by."""
        text = self.texts.get("event_id")
        return text[:MAX_ID] if text else None

    def told(self, field: str, reason: str) -> str:
        """The contract's reason, with what was found and what was expected."""
        if reason == "missing":
            return f"missing, expected {_EXPECTED.get(field, _AN_ID)}"
        expected = _EXPECTED.get(field, "" if field == "event" else _AN_ID)
        return f"found {self.shown(field)}: {reason}" + (
            f", expected {expected}" if expected else ""
        )

    def shown(self, field: str) -> str:
        """A value as it came."""
        return _shown(self.given.get(field))


def _contract(row: _Row, field: str | None, reason: str) -> _Fault | None:
    return _Fault(field, row.told(field, reason)) if field else None


def _list(row: _Row, reason: str | None) -> _Fault | None:
    return _Fault(LIST_ID, row.told(LIST_ID, reason)) if reason else None


def _as_text(value: Any) -> str | None:
    """A JSON value as a file holds it: numbers are their digits.

    Raises:
        ValueError: No column can hold it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(", half of a character") from None
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_FLOAT_DIGITS:
        return str(int(value))
    return str(value)


def _shown(value: Any) -> str:
    """A JSON value for people; what may be long only by its kind."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _no_such_field(name: str) -> str:
    near = difflib.get_close_matches(name[:_MAX_SHOWN].lower(), FIELDS, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"there is no such field: {meant}expected are {', '.join(FIELDS)}"


def _column(rows: Sequence[_Row], name: str) -> pa.Array:
    return pa.array([row.texts.get(name) for row in rows], pa.string())


def _listed(column: pa.Array, name: str) -> list[Any]:
    if name == "ts":
        # To whole milliseconds, which is what logs and features hold.
        column = pc.floor_temporal(column, unit="millisecond").cast(pa.timestamp("ms", "UTC"))
        column = column.cast(pa.int64())
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
