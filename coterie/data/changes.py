"""Changes of a shop's ties, items and people as they happen, and the one rule that orders them.

A row is the last word on each of its fields, by time and then by the change's id. So the state that
changes lead to is the same in whatever order they come, and however often one comes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from coterie.schema import ERASED, ITEMS, TIES, UNDIRECTED_TIES, USERS, Table, TieKind

CHANGES: Final = "changes"
"""Folder of exported changes, beside the tables that they change."""
CHANGEABLE: Final[Mapping[str, Table]] = {
    table.name: table for table in (TIES, ITEMS, USERS, ERASED)
}
"""Tables whose rows may change live; events are added to, never changed. The last one is no table
of a shop's: it says who is forgotten."""
EXISTS: Final = ""
"""Field of a row's state that says whether there is such a row."""
STRENGTHS_FIELD: Final = "strengths"
"""Of a tie: its strength features when it was made. For lists alone; training measures anew."""
EXPORTED: Final = pa.schema(
    [
        pa.field("change_id", pa.string()),
        pa.field("table", pa.string()),
        pa.field("key", pa.list_(pa.string())),
        pa.field("ts_ms", pa.int64()),
        pa.field("exists", pa.bool_()),
        pa.field("values", pa.string()),
    ]
)
"""Columns of an exported change; ``values`` is a JSON object."""

REFERRED: Final = "referred:"
"""Begins the fields of a referral: one an event, so that it counts once however often it comes. The
value is its weight."""
MOST_REFERRED: Final = 20
"""Events of a pair that count: more say nothing new."""

RowKey = tuple[str, ...]
Stamped = tuple[Any, int, str]
"""A value, when it was said, and by which change."""
RowState = Mapping[str, Stamped]
"""What was last said of a row, by field; ``EXISTS`` is one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody says of one row of a table of the contract, checked."""

    change_id: str
    table: str
    """One of ``CHANGEABLE``."""
    key: RowKey
    """Values of the table's key columns."""
    ts_ms: int
    """Milliseconds since 1970, UTC: of two changes of a field the later one holds."""
    exists: bool | None = None
    """Whether there is such a row from now on; None: nothing is said of that."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What is said, by column; times in milliseconds since 1970."""

    @property
    def entry_id(self) -> str:
        """Id among all entries of a log: none of an event's, which hold no control characters."""
        return f"\x1f{self.table}\x1f{self.change_id}"

    @property
    def keys(self) -> tuple[RowKey, ...]:
        """Keys of the rows that it changes: both directions of an undirected tie."""
        if self.table == TIES.name and self.key[2] in UNDIRECTED_TIES:
            src, dst, kind = self.key
            return ((src, dst, kind), (dst, src, kind))
        return (self.key,)


def people_of(change: Change) -> RowKey:
    """Name the people whom a change speaks of."""
    if change.table == TIES.name:
        return change.key[:2]
    return change.key if change.table == USERS.name else ()


def tie_key(src: str, dst: str, kind: TieKind) -> RowKey:
    """Make the key of a tie: the same for both directions of an undirected one."""
    if kind in UNDIRECTED_TIES:
        src, dst = sorted((src, dst))
    return (src, dst, kind.value)


def merged(state: RowState | None, change: Change) -> dict[str, Stamped]:
    """Take one change into a row's state; the order in which changes come makes no difference."""
    found = dict(state or {})
    said = dict(change.values)
    if change.exists is not None:
        said[EXISTS] = change.exists
    for name, value in said.items():
        before = found.get(name)
        if before is None or (change.ts_ms, change.change_id) > (before[1], before[2]):
            found[name] = (value, change.ts_ms, change.change_id)
    return found


def states_of(changes: Iterable[Change]) -> dict[str, dict[RowKey, dict[str, Stamped]]]:
    """Take changes into the states of their rows, by table and key."""
    found: dict[str, dict[RowKey, dict[str, Stamped]]] = {name: {} for name in CHANGEABLE}
    for change in changes:
        rows = found[change.table]
        for key in change.keys:
            rows[key] = merged(rows.get(key), change)
    return found


def is_there(state: RowState) -> bool | None:
    """Tell whether changes say that there is such a row; None: they do not say."""
    said = state.get(EXISTS)
    return None if said is None else bool(said[0])


def values_of(state: RowState) -> dict[str, Any]:
    """Give what was last said of a row's columns."""
    return {name: said[0] for name, said in state.items() if name != EXISTS}


def weight_of(values: Mapping[str, Any]) -> float:
    """Read the weight of a tie: as it was said, or by how many events were referred."""
    referred = sorted(
        (float(value) for name, value in values.items() if name.startswith(REFERRED)), reverse=True
    )
    if referred:
        return sum(referred[:MOST_REFERRED])
    return float(values.get("weight") or 1.0)


def referral(event_id: str, user_id: str, referrer_id: str, ts_ms: int, weight: float) -> Change:
    """Make the change that an event is which somebody else brought a shopper to."""
    digest = hashlib.blake2b(event_id.encode(), digest_size=9).hexdigest()
    key = tie_key(user_id, referrer_id, TieKind.REFERRAL)
    said = {f"{REFERRED}{digest}": weight}
    # No sender can choose such an id: theirs hold no control characters.
    return Change(f"event\x1f{event_id}", TIES.name, key, ts_ms, True, said)


def state_to_json(state: RowState) -> str:
    """Write a row's state as stores keep it."""
    return json.dumps(state, ensure_ascii=False, sort_keys=True)


def state_from_json(text: str | bytes) -> dict[str, Stamped]:
    """Read a row's state as stores keep it."""
    return {name: (said[0], said[1], said[2]) for name, said in json.loads(text).items()}


def change_to_json(change: Change) -> str:
    """Write a change as logs keep it."""
    fields = {
        "change_id": change.change_id,
        "table": change.table,
        "key": change.key,
        "ts_ms": change.ts_ms,
        "exists": change.exists,
        "values": change.values,
    }
    return json.dumps(fields, ensure_ascii=False)


def change_of(fields: Mapping[str, Any]) -> Change:
    """Make a change of the fields that ``change_to_json`` wrote."""
    return Change(**{**fields, "key": tuple(fields["key"])})


def changes_as_table(changes: Sequence[Change]) -> pa.Table:
    """Put changes into the columns of ``EXPORTED``."""
    said = [
        {name: value for name, value in change.values.items() if name != STRENGTHS_FIELD}
        for change in changes
    ]
    return pa.table(
        {
            "change_id": [change.change_id for change in changes],
            "table": [change.table for change in changes],
            "key": [list(change.key) for change in changes],
            "ts_ms": [change.ts_ms for change in changes],
            "exists": [change.exists for change in changes],
            "values": [json.dumps(values, ensure_ascii=False) for values in said],
        },
        schema=EXPORTED,
    )
