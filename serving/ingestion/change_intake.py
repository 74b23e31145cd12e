"""Changes of ties, items and people as they come in: which are kept, and what is wrong with others.

The rules are the contract's, in the very check that ingest has.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from coterie.data.changes import Change, tie_key
from coterie.data.checks import COLUMN, NOTED, REASON, check
from coterie.data.ids import normal_ids
from coterie.errors import BadInputError
from coterie.schema import ITEMS, TIES, TIMESTAMP, USERS, Column, Table, TieKind
from serving.ingestion.intake import ERASED, USER_ID, Intake
from serving.ingestion.sent_rows import Fault, SentRows, odd, told

CHANGE_ID: Final = "change_id"
TS: Final = "ts"
OP: Final = "op"
_STAMP: Final = Table("change", (Column(TS, TIMESTAMP),), (TS,))
_EXPECTED: Final = {
    "kind": "one of " + ", ".join(TieKind),
    "weight": "a number over 0",
    "since": "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    "created_at": "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    TS: "ISO 8601 like 2026-01-31T12:00:00Z, or Unix time",
    "price": "a number from 0 up",
    "available": "true or false",
    "may_be_named": "true or false",
    "may_be_used": "true or false",
    "title": "text",
    "description": "text",
    "category": "a path like Home/Kitchen/Pans",
    "brand": "text",
    "tags": "words, commas between",
    "image_uri": "an address",
    "audio_uri": "an address",
}


class Op(StrEnum):
    """What becomes of a row."""

    PUT = "put"
    """It is as said, whatever it was; what is not said is not known."""
    PATCH = "patch"
    """What is said is so, and the rest stays."""
    DELETE = "delete"


_OPS: Final[Mapping[str, frozenset[Op]]] = {
    TIES.name: frozenset({Op.PUT, Op.DELETE}),
    ITEMS.name: frozenset(Op),
    USERS.name: frozenset({Op.PATCH}),
}


def fields_of(table: Table) -> tuple[str, ...]:
    """Name the fields that a change of a table may have."""
    return (*table.arrow.names, CHANGE_ID, TS, OP)


@dataclass(frozen=True, slots=True)
class UnfitChange:
    """One change that does not fit."""

    index: int
    field: str
    """Empty where it is the change as a whole."""
    reason: str


@dataclass(frozen=True, slots=True)
class SortedChanges:
    """Changes, sorted into those that are kept and those that are refused."""

    kept: tuple[Change, ...]
    refused: tuple[UnfitChange, ...]


@dataclass(frozen=True, slots=True)
class ChangeIntake:
    """What a shop takes at any moment."""

    intake: Intake
    """What it takes of events: when they may have happened holds for changes, too."""

    def sort(self, table: Table, batch: Sequence[Any], now: datetime) -> SortedChanges:
        """Tell the changes of a table that fit from those that do not.

        Args:
            table: One of ``CHANGEABLE``.
            batch: JSON values, at least one; ``op`` says what becomes of each row.
            now: Nothing happens after it.
        """
        fields = fields_of(table)
        unlike = [odd(given, fields) or _wrong_op(table, given) for given in batch]
        rows = [{} if fault else given for given, fault in zip(batch, unlike, strict=True)]
        ops = [_op(table, row) for row in rows]
        sent = SentRows([_whole(table, row, op) for row, op in zip(rows, ops, strict=True)], fields)
        length = len(batch)
        none = pa.nulls(length, pa.string())
        columns = {name: sent.columns.get(name, none) for name in table.arrow.names}
        checked = check(table, columns, now, sent.faults)
        stamps = check(_STAMP, {TS: sent.columns.get(TS, none)}, now, sent.faults)
        ids, wrong_ids = normal_ids(sent.columns.get(CHANGE_ID, none))
        values = checked.to_pylist()
        judged = zip(unlike, rows, values, stamps.to_pylist(), wrong_ids.to_pylist(), strict=True)
        faults = [
            fault or self._fault(row, found, stamp, wrong_id, now) or self._enter(table, found)
            for fault, row, found, stamp, wrong_id in judged
        ]
        made = zip(rows, ops, values, stamps.to_pylist(), ids.to_pylist(), faults, strict=True)
        return SortedChanges(
            tuple(_change(table, *one) for *one, fault in made if not fault),
            tuple(UnfitChange(index, *fault) for index, fault in enumerate(faults) if fault),
        )

    def _enter(self, table: Table, values: dict[str, Any]) -> Fault | None:
        """Let in whom a change names, in place; refuse what is said of who was erased."""
        gone, door = self.intake.door.known(self.intake.gone), self.intake.door
        for name in (one for one in table.key if one.endswith(USER_ID)):
            if values[name] in gone:
                return name, ERASED
            try:
                values[name] = door.enter(values[name])
            except BadInputError as error:
                return name, str(error)
        return None

    def _fault(
        self,
        row: Mapping[str, Any],
        values: Mapping[str, Any],
        stamp: Mapping[str, Any],
        wrong_id: str | None,
        now: datetime,
    ) -> Fault | None:
        if values[REASON]:
            return told(row, values[COLUMN], values[REASON], _EXPECTED)
        if values[NOTED]:
            # Files take for a no what cannot be read; who asks over HTTP can still be told.
            return told(row, values[COLUMN], "no yes and no no", _EXPECTED)
        if wrong_id:
            return told(row, CHANGE_ID, wrong_id, _EXPECTED)
        if isinstance(given := row.get(CHANGE_ID), str) and not given.strip():
            # Taken for none, it would let the same change in again.
            return told(row, CHANGE_ID, "missing", _EXPECTED)
        if stamp[REASON]:
            return told(row, TS, stamp[REASON], _EXPECTED)
        if stamp[TS] is None:
            return None
        return self.intake.untimely(row, _ms(stamp[TS]), _ms(now))


def _op(table: Table, row: Mapping[str, Any]) -> Op:
    given = row.get(OP)
    return Op(given) if given else (Op.PATCH if table is USERS else Op.PUT)


def _wrong_op(table: Table, given: Mapping[str, Any]) -> Fault | None:
    op, known = given.get(OP), sorted(_OPS[table.name])
    if op is None or op in known:
        return None
    return OP, f"found {str(op)[:60]!r}, expected one of {', '.join(known)}"


def _whole(table: Table, row: Mapping[str, Any], op: Op) -> Mapping[str, Any]:
    """Fill in what a whole row must have, and a change of a part of it need not."""
    if table is ITEMS and op is not Op.PUT and row.get("title") is None:
        return {**row, "title": "-"}
    if table is TIES and row.get("kind") is None:
        return {**row, "kind": TieKind.FRIEND.value}
    return row


def _change(
    table: Table,
    row: Mapping[str, Any],
    op: Op,
    values: Mapping[str, Any],
    stamp: Mapping[str, Any],
    change_id: str | None,
) -> Change:
    ts_ms = 0 if stamp[TS] is None else _ms(stamp[TS])
    change_id = change_id or uuid.uuid4().hex
    names = [name for name in table.arrow.names if name not in table.key]
    said = {name: values[name] for name in names if op is Op.PUT or row.get(name) is not None}
    if op is Op.PATCH and table is ITEMS:
        # A null says that nothing is known from now on.
        said |= {name: values[name] for name in names if name in row and name != "title"}
    said = {n: _ms(value) if isinstance(value, datetime) else value for n, value in said.items()}
    key = tuple(values[name] for name in table.key)
    if table is TIES:
        key = tie_key(values["src_user_id"], values["dst_user_id"], TieKind(values["kind"]))
    exists = {Op.PUT: True, Op.DELETE: False, Op.PATCH: True if table is USERS else None}[op]
    return Change(change_id, table.name, key, ts_ms, exists, {} if op is Op.DELETE else said)


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
