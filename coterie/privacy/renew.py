"""Brings files that the event consumer exported to the newest pseudonyms."""

import io
import re
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.changed_tables import changes_in
from coterie.data.changes import CHANGES, changes_as_table
from coterie.data.pseudonymous import (
    COMMUNITIES,
    EXPORTED_NAME,
    PERSON,
    PseudonymousRows,
    renewed_changes,
)
from coterie.data.pseudonyms import PseudonymKeys
from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.impressions.table import IMPRESSIONS
from coterie.schema import EVENTS

_EXPORTED: Final = re.compile(EXPORTED_NAME)


def renew(folder: str, keys: PseudonymKeys) -> int:
    """Rewrite exported files that hold ids, or pseudonyms under older keys.

    Args:
        folder: Of tables, to which the event consumer exports; local or of a store. Nothing may
            export to it meanwhile.
        keys: The newest last.

    Returns:
        Files that were rewritten.

    Raises:
        BadInputError: There is no key, or a file holds pseudonyms of another one.
        UnavailableError: The store does not answer.
    """
    if not keys:
        raise BadInputError("there is no pseudonym key, so there is nothing to renew to")
    fs, root = open_store(folder)
    renewed = 0
    for name in (EVENTS.name, CHANGES, IMPRESSIONS.name, COMMUNITIES):
        with reaching(folder):
            found = fs.find(f"{root}/{name}") if fs.exists(f"{root}/{name}") else []
            for path in sorted(one for one in found if _EXPORTED.search(one)):
                renewed += _renew_file(fs, path, name, keys)
    return renewed


def _renew_file(fs: Any, path: str, name: str, keys: PseudonymKeys) -> int:
    content = fs.cat_file(path)
    try:
        rows = pq.read_table(pa.BufferReader(content))
        after = _changes(content, path, keys) if name == CHANGES else _named(rows, keys)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    if after.equals(rows):
        return 0
    written = io.BytesIO()
    pq.write_table(after, written, compression="zstd")
    if is_local(fs):
        write_atomically(path, written.getvalue())
    else:
        fs.pipe_file(path, written.getvalue())
    return 1


def _named(rows: pa.Table, keys: PseudonymKeys) -> pa.Table:
    people = PseudonymousRows(keys)
    for place, name in enumerate(rows.column_names):
        if name.endswith(PERSON):
            rows = rows.set_column(place, rows.schema.field(name), people.newest(rows[name]))
    return rows


def _changes(content: bytes, path: str, keys: PseudonymKeys) -> pa.Table:
    return changes_as_table(renewed_changes(changes_in(content, path), keys))
