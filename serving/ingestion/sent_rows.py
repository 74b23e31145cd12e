"""JSON objects as a sender wrote them: columns that the contract's check reads, and faults."""

import difflib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.ids import MAX_ID, normal_ids
from coterie.data.json_lines import as_text
from coterie.schema import TIMESTAMP

MAX_SHOWN: Final = 60
_AN_ID: Final = f"text of 1 to {MAX_ID} characters, or a whole number"

Fault = tuple[str, str]
"""A field, and what is wrong with it."""


class SentRows:
    """The fields of rows as columns of text, as a file would hold them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
        self.rows = rows
        self.columns: dict[str, pa.Array] = {}
        self.faults: dict[str, pa.Array] = {}
        """Of values that no column holds, by column."""
        for name in fields:
            cells = [row.get(name) for row in rows]
            # What nobody sent is not looked at: checks cost by the column.
            if any(cell is not None for cell in cells):
                self._add(name, cells)

    def ids(self, name: str) -> tuple[list[str | None], list[str | None]]:
        """Read a column of ids that is none of the contract's, and what is wrong with each."""
        column = self.columns.get(name)
        if column is None:
            none: list[str | None] = [None] * len(self.rows)
            return none, none
        ids, wrong = normal_ids(column)
        if name in self.faults:
            wrong = pc.coalesce(self.faults[name], wrong)
        return ids.to_pylist(), wrong.to_pylist()

    def _add(self, name: str, cells: list[Any]) -> None:
        try:
            self.columns[name] = pa.array(cells, pa.string())
        except (TypeError, ValueError):  # not all of them are texts
            texts, faults = zip(*map(text_of, cells), strict=True)
            self.columns[name] = pa.array(texts, pa.string())
            self.faults[name] = pa.array(faults, pa.string())


def timed(found: pa.Array | None, length: int, now: datetime) -> pa.Array:
    """Fill in now where no time was sent."""
    if found is None:
        return pa.array([now] * length, TIMESTAMP)
    return pc.fill_null(found, now.isoformat())


def text_of(value: Any) -> tuple[str | None, str | None]:
    """Read a JSON value as a file would hold it, and say what is wrong with it."""
    text, fault = as_text(value)
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return None, "half of a character, expected whole ones"
    return text, fault


def odd(given: Any, fields: Sequence[str]) -> Fault | None:
    """Find what is wrong with an object before its values are looked at."""
    if not isinstance(given, dict):
        return "", f"found {shown(given)}, expected an object with {', '.join(fields)}"
    unknown = next((name for name in given if name not in fields), None)
    if unknown is None:
        return None
    near = difflib.get_close_matches(unknown[:MAX_SHOWN].lower(), fields, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    known = ", ".join(fields)
    return unknown[:MAX_SHOWN], f"there is no such field: {meant}expected are {known}"


def told(row: Mapping[str, Any], field: str, reason: str, known: Mapping[str, str]) -> Fault:
    """Add to the contract's reason what was found and what was expected.

    Args:
        row: As it was sent.
        field: At fault.
        reason: Why.
        known: What is expected of fields; of others, that they are ids.
    """
    expected = "" if ", expected" in reason else f", expected {known.get(field, _AN_ID)}"
    if row.get(field) is None:
        return field, f"{reason}{expected}"
    return field, f"found {shown(row[field])}: {reason}{expected}"


def shown(value: Any) -> str:
    """Write a JSON value for people; of what may be long, name its kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
