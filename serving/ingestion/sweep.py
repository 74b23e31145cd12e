"""Exported files, without people who were erased since, and without events that are too old."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.changes import CHANGES
from coterie.data.locks import EXPORT
from coterie.data.pseudonymous import COMMUNITIES, EXPORTED_NAME
from coterie.data.stores import open_store, reaching
from coterie.data.suppressed import NOBODY, REFERRING, Suppressed, people_in
from coterie.impressions.table import IMPRESSIONS
from coterie.schema import EVENTS, TIES, USERS
from serving.events.log import EventLog
from serving.ingestion.exporter import put_file

_OURS: Final = re.compile(EXPORTED_NAME)
_PEOPLE_OF: Final = {TIES.name: 2, USERS.name: 1}
"""How many parts of a change's key are people."""


class Sweeper:
    """Rewrites exported files when somebody was erased, or what they hold is too old."""

    def __init__(self, log: EventLog, folder: str) -> None:
        """Take a folder that is exported to.

        Raises:
            BadInputError: Nothing installed knows this kind of path.
        """
        self._log = log
        self._fs, self._root = open_store(folder)
        self._swept = NOBODY

    def sweep(self) -> int:
        """Take out who was erased since the last time; all of them after a start.

        Returns:
            Rows that were removed, or lost a name.

        Raises:
            BadInputError: The store does not let us.
            LockTakenError: Another process exports.
            UnavailableError: Log or store do not answer.
        """
        gone = self._log.suppressed()
        if not gone or gone is self._swept:
            return 0
        with self._log.lock(EXPORT, wait_s=0.0):
            names = EVENTS.name, CHANGES, IMPRESSIONS.name, COMMUNITIES
            swept = sum(self._sweep(name, gone) for name in names)
        self._swept = gone
        return swept

    def aged_files(self) -> list[str]:
        """Name the files of what people did and saw, which is kept for a time."""
        return [*self.files(), *self.files(IMPRESSIONS.name)]

    def files(self, name: str = EVENTS.name) -> list[str]:
        """Name the files that exporters wrote into a folder of tables, oldest first."""
        folder = f"{self._root}/{name}"
        with reaching(folder):
            found = self._fs.find(folder) if self._fs.exists(folder) else []
            return sorted(one for one in found if _OURS.search(one))

    def remove_older(self, paths: Sequence[str], oldest_ms: int) -> int:
        """Take events and impressions of before a time out of files; return how many there were.

        Args:
            paths: Of ``aged_files()``; one that is not there any more has none.
            oldest_ms: Milliseconds since 1970.

        Raises:
            BadInputError: The store does not let us.
            LockTakenError: Another process exports.
            UnavailableError: Log or store do not answer.
        """
        oldest = datetime.fromtimestamp(oldest_ms / 1000, UTC)
        removed = 0
        with self._log.lock(EXPORT, wait_s=0.0), reaching(self._root):
            for path in paths:
                removed += self._remove_older(path, oldest) if self._fs.exists(path) else 0
        return removed

    def _remove_older(self, path: str, oldest: datetime) -> int:
        with self._fs.open(path, "rb") as file:
            metadata = pq.ParquetFile(file).metadata
        names = metadata.schema.to_arrow_schema().names
        # Impressions hold their time as a number, which events do not.
        name: str = "ts"
        limit: Any = oldest
        if "shown_ts_ms" in names:
            name, limit = "shown_ts_ms", int(oldest.timestamp() * 1000)
        if _earliest(metadata, name) >= limit:
            return 0
        rows = pq.read_table(pa.BufferReader(self._fs.cat_file(path)))
        left = rows.filter(pc.greater_equal(rows[name], pa.scalar(limit, rows[name].type)))
        removed: int = rows.num_rows - left.num_rows
        if removed:
            self._put(path, left)
        return removed

    def _sweep(self, name: str, gone: Suppressed) -> int:
        with reaching(self._root):
            return sum(self._sweep_file(path, name, gone) for path in self.files(name))

    def _sweep_file(self, path: str, name: str, gone: Suppressed) -> int:
        rows = pq.read_table(pa.BufferReader(self._fs.cat_file(path)))
        num_named = 0
        if name == EVENTS.name:
            left, num_named = _events(rows, gone)
        elif name == CHANGES:
            left = _changes(rows, gone)
        else:
            left = rows.filter(pc.invert(gone.among(rows["user_id"])))
        swept: int = rows.num_rows - left.num_rows + num_named
        if swept or left.num_rows == 0:
            self._put(path, left)
        return swept

    def _put(self, path: str, left: pa.Table) -> None:
        """Write what is left of a file; a file of nothing goes."""
        if left.num_rows == 0:
            self._fs.rm_file(path)
            return
        content = io.BytesIO()
        pq.write_table(left, content, compression="zstd")
        put_file(self._fs, path, content.getvalue())


def _earliest(metadata: pq.FileMetaData, name: str) -> Any:
    """Read the earliest time of a column from the end of a file; where that tells none, time's
    beginning."""
    place = metadata.schema.to_arrow_schema().get_field_index(name)
    parts = [metadata.row_group(n).column(place).statistics for n in range(metadata.num_row_groups)]
    if not all(part is not None and part.has_min_max for part in parts):
        return datetime.min.replace(tzinfo=UTC) if name == "ts" else 0
    never = datetime.max.replace(tzinfo=UTC) if name == "ts" else 1 << 62
    return min((part.min for part in parts), default=never)


def _events(rows: pa.Table, gone: Suppressed) -> tuple[pa.Table, int]:
    for name in people_in(EVENTS):
        rows = rows.filter(pc.invert(gone.among(rows[name])))
    num_named = 0
    for name in REFERRING:
        named = gone.among(rows[name])
        num_named += pc.sum(named).as_py() or 0
        without: Any = pc.if_else(named, None, rows[name].combine_chunks())
        rows = rows.set_column(rows.column_names.index(name), name, without)
    return rows, num_named


def _changes(rows: pa.Table, gone: Suppressed) -> pa.Table:
    keys = zip(rows["table"].to_pylist(), rows["key"].to_pylist(), strict=True)
    left = [not any(one in gone for one in key[: _PEOPLE_OF.get(table, 0)]) for table, key in keys]
    return rows.filter(pa.array(left, pa.bool_()))
