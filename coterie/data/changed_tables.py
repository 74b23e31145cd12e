"""Changes that were made live, over the tables that a shop hands in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.changes import (
    CHANGEABLE,
    CHANGES,
    EXISTS,
    EXPORTED,
    REFERRED,
    Change,
    RowKey,
    RowState,
    is_there,
    states_of,
    values_of,
    weight_of,
)
from coterie.data.pseudonymous import renewed_changes
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.data.spill import sorted_by
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import TIES, Table

States = Mapping[str, Mapping[RowKey, RowState]]
"""By table and key."""
_SEPARATOR: Final = "\x1f"


def read_changes(source: str, keys: PseudonymKeys = NO_KEYS) -> States:
    """Read what was changed live of the tables in a folder; each change once, however often it is
    there, and people by their newest pseudonyms where there are keys. See ``exported_changes``."""
    return states_of(renewed_changes(exported_changes(source), keys))


def exported_changes(source: str) -> list[Change]:
    """Read the changes that lie beside the tables in a folder, as often as they are there.

    Args:
        source: Folder of tables, local or of a store; its ``changes/`` holds what the event
            consumer exported.

    Raises:
        BadInputError: A file is none of the consumer's.
        UnavailableError: The store does not answer.
    """
    fs, root = open_store(source)
    with reaching(source):
        found = fs.find(f"{root}/{CHANGES}") if fs.exists(f"{root}/{CHANGES}") else []
        names = sorted(n for n in found if PurePosixPath(n).name[0] not in "._")
        return [change for name in names for change in changes_in(fs.cat_file(name), name)]


def changes_in(content: bytes, name: str) -> list[Change]:
    """Read the changes of an exported file.

    Args:
        content: Its bytes.
        name: What errors call it.

    Raises:
        BadInputError: It is none of the consumer's.
    """
    try:
        rows = pq.read_table(pa.BufferReader(content), schema=EXPORTED).to_pylist()
        return [_change(row) for row in rows]
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{name} holds no changes as the event consumer exports them ({error}): take it out of "
            f"{CHANGES}/, or export again"
        ) from error


def _change(row: Mapping[str, Any]) -> Change:
    table, key, values = CHANGEABLE[row["table"]], tuple(row["key"]), json.loads(row["values"])
    unknown = {
        name
        for name in set(values) - set(table.arrow.names)
        if table is not TIES or not name.startswith(REFERRED)
    }
    if len(key) != len(table.key) or unknown:
        raise ValueError(f"a change of {table.name} has key {key} and fields {sorted(values)}")
    return Change(row["change_id"], table.name, key, row["ts_ms"], row["exists"], values)


def changed(table: Table, rows: pa.Table, states: Mapping[RowKey, RowState]) -> pa.Table:
    """Bring clean rows to what changes made of them.

    Args:
        table: Of the contract.
        rows: Clean, each key once.
        states: Of the rows that changed, by key.

    Returns:
        Clean rows in the table's order: those of deleted keys are gone, new ones are there.
    """
    if not states:
        return rows
    at = pc.index_in(_keys(table, rows), value_set=pa.array(map(_SEPARATOR.join, states)))
    untouched = rows.filter(pc.is_null(at))
    touched = rows.filter(pc.is_valid(at)).to_pylist()
    before = {tuple(row[name] for name in table.key): row for row in touched}
    after = [_row(table, key, state, before.get(key)) for key, state in states.items()]
    there = pa.Table.from_pylist([row for row in after if row is not None], table.arrow)
    return sorted_by(pa.concat_tables([untouched, there]), list(table.order))


def _keys(table: Table, rows: pa.Table) -> pa.ChunkedArray:
    columns = [rows[name] for name in table.key]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _SEPARATOR)


def _row(
    table: Table, key: RowKey, state: RowState, before: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Make the row of a key; None where there is none."""
    there = is_there(state)
    if there is False or (there is None and before is None):
        return None
    said = {name: value for name, value in values_of(state).items() if name in table.arrow.names}
    if table is TIES and any(name.startswith(REFERRED) for name in state):
        said["weight"] = weight_of(values_of(state))
    row = dict(before or {}) | said | dict(zip(table.key, key, strict=True))
    for name, value in table.where_not_said.items():
        row[name] = value if row.get(name) is None else row[name]
    if table is TIES and row.get("since") is None and EXISTS in state:
        row["since"] = state[EXISTS][1]
    return {name: _timed(table, name, row.get(name)) for name in table.arrow.names}


def _timed(table: Table, name: str, value: Any) -> Any:
    is_time = pa.types.is_timestamp(table.arrow.field(name).type)
    if is_time and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC)
    return value


def num_changed(states: States) -> dict[str, int]:
    """Count changed rows by table."""
    return {name: len(rows) for name, rows in states.items() if rows}
