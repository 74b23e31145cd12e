"""From the event log to the tables that pipelines read: Parquet, each event and change once."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.changed_tables import exported_changes
from coterie.data.changes import CHANGES, changes_as_table
from coterie.data.locks import EXPORT
from coterie.data.pseudonymous import renewed_changes
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.data.stores import is_local, open_store, reaching
from coterie.files import write_atomically
from coterie.schema import ERASED, EVENTS
from serving.events.event import Event
from serving.events.log import EventLog, LogBatch
from serving.telemetry.instruments import LogMetrics

MOST: Final = 50_000
"""Events and changes in a file: some megabytes, and a moment's memory."""
_RESTORED: Final = 500
"""Changes of one transaction."""


class Exporter:
    """Writes what the log has into files that are named after the events in them.

    The log plans a file before it is written, and forgets events after. So whoever goes on after a
    crash, or beside one who was only slow, writes the same file again.
    """

    def __init__(self, log: EventLog, folder: str, metrics: LogMetrics) -> None:
        """Take a folder of tables, as pipelines have for their source: local or of a store.

        Raises:
            BadInputError: Nothing installed knows this kind of path.
        """
        self._log, self._metrics = log, metrics
        self._fs, root = open_store(folder)
        self._root = root

    def export(self, least: int = 1, age_s: float = 0.0) -> int:
        """Write files as long as there is enough for one.

        Args:
            least: Events; fewer wait for more,
            age_s: but the log never has one for more than so many seconds before it is exported.

        Returns:
            Events and changes written.

        Raises:
            BadInputError: The store does not let us.
            LockTakenError: Another process exports.
            UnavailableError: Log or store do not answer.
        """
        written = files = 0
        with self._log.lock(EXPORT, wait_s=0.0):
            while batch := self._log.unexported(MOST, least, age_s):
                self._write(batch)
                self._log.mark_exported(batch)
                self._metrics.exported.inc(len(batch.entries))
                written, files = written + len(batch.entries), files + 1
                # A small file may be one that was left planned; a second one is the last there is.
                if len(batch) < MOST and files > 1:
                    break
        return written

    def _write(self, batch: LogBatch) -> None:
        # Each is the same file whoever writes it, so it does not matter between which two of them
        # somebody died.
        if batch.events:
            self._put(EVENTS.name, batch.name, as_table(batch.events))
        if batch.changes:
            self._put(CHANGES, batch.name, changes_as_table(batch.changes))

    def _put(self, folder: str, name: str, table: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        with reaching(f"{self._root}/{folder}"):
            put_file(self._fs, f"{self._root}/{folder}/{name}.parquet", content.getvalue())


def restore_changes(log: EventLog, folder: str, keys: PseudonymKeys = NO_KEYS) -> int:
    """Put exported changes back into a log that has lost them; one that is known changes nothing.

    Args:
        log: Where to.
        folder: Of tables, to which they were exported.
        keys: People are brought to the newest pseudonyms under them, where there are any.

    Returns:
        Changes that the log did not know.

    Raises:
        BadInputError: A file is none of an exporter's.
        UnavailableError: Log or store do not answer: do it again.
    """
    found = renewed_changes(exported_changes(folder), keys)
    changes = list({one.entry_id: one for one in found}.values())
    # Who is forgotten first: what older files say of them is left out then.
    restored = sum(log.append([one for one in changes if one.table == ERASED.name]))
    changes = [one for one in changes if one.table != ERASED.name]
    starts = range(0, len(changes), _RESTORED)
    return restored + sum(sum(log.append(changes[start : start + _RESTORED])) for start in starts)


def as_table(events: Sequence[Event]) -> pa.Table:
    """Put events into the contract's columns, and add their list, which ingest leaves out."""
    columns = {
        "event_id": [e.event_id for e in events],
        "user_id": [e.user_id for e in events],
        "item_id": [e.item_id for e in events],
        "event": [e.event.value for e in events],
        "value": [e.value for e in events],
        "text": [e.text for e in events],
        "ts": [datetime.fromtimestamp(e.ts_ms / 1000, UTC) for e in events],
        "referrer_user_id": [e.referrer_user_id for e in events],
        "invited_user_id": [e.invited_user_id for e in events],
    }
    schema = pa.schema([field for field in EVENTS.arrow if field.name in columns])
    lists = pa.array([e.list_id for e in events], pa.string())
    return pa.table(columns, schema=schema).append_column("list_id", lists)


def put_file(fs: Any, path: str, content: bytes) -> None:
    """Write a file that is whole, or not there."""
    if not is_local(fs):
        fs.pipe_file(path, content)  # one PUT, or a multipart upload that counts when it is ended
        return
    # Durable: the log forgets the events next.
    write_atomically(path, content)
