"""What lists showed, written beside exported events: off the way of a request, and bounded.

A list is put into a queue, which is all that its request waits for. A thread empties it now and
then into one Parquet file. It does so under the lock of exports, under which people are erased too:
so no file comes after an erasure that does not know of it.
"""

import io
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.locks import EXPORT
from coterie.data.stores import open_store, reaching
from coterie.errors import CoterieError
from coterie.experiments.assignment import bucket
from coterie.impressions.table import IMPRESSIONS, ShownList, impressions_table
from serving.events.log import EventLog
from serving.features.online_store import OnlineFeatures
from serving.ingestion.exporter import put_file
from serving.telemetry.instruments import ImpressionMetrics
from serving.telemetry.logs import LOGGER

MOST_WAITING: Final = 20_000
"""Lists that wait to be written, some 20 MB of 20 items each; more are left out, and counted."""
FULL: Final = 5_000
"""Lists after which a file is written, whatever its time."""
LOCK_S: Final = 10.0
"""Seconds that an erasure or an export is waited for."""
log: Final = logging.getLogger(LOGGER)


class ImpressionWriter:
    """Keeps what the lists of one replica showed, of a share of shoppers and all in experiments."""

    def __init__(
        self,
        folder: str,
        share: float,
        metrics: ImpressionMetrics,
        open_stores: Callable[[], tuple[EventLog, OnlineFeatures]],
        withdrawn: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """Begin with nothing; the thread is begun by ``start``.

        Args:
            folder: Of tables, as events are exported to.
            share: Of shoppers all of whose lists are kept.
            metrics: Where it is counted.
            open_stores: Opens the event log and features, for the thread alone.
            withdrawn: Who took back live that they may be used.

        Raises:
            BadInputError: Nothing installed knows this kind of path.
        """
        self._fs, root = open_store(folder)
        self._folder = f"{root}/{IMPRESSIONS.name}"
        self._share, self._metrics, self._open_stores = share, metrics, open_stores
        self._withdrawn = withdrawn
        self._waiting: deque[ShownList] = deque()
        self._stores: tuple[EventLog, OnlineFeatures] | None = None
        self._process, self._written = secrets.token_hex(4), 0
        self._wake, self._ended = threading.Event(), False
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None

    def keeps(self, user_id: str) -> bool:
        """Tell whether a shopper's lists are kept: the same ones' always, so all of theirs are."""
        return self._share > 0.0 and bucket(user_id, IMPRESSIONS.name) < self._share

    def note(self, shown: ShownList) -> None:
        """Keep a list; the request waits for no more than this."""
        if len(self._waiting) >= MOST_WAITING:
            self._metrics.dropped.inc()
            return
        self._waiting.append(shown)
        if len(self._waiting) >= FULL:
            self._wake.set()

    def start(self, every_s: float) -> None:
        """Write in a thread from now on, every so many seconds."""
        self._thread = threading.Thread(
            target=self._run, args=(every_s,), name="impressions", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(LOCK_S)

    def flush(self) -> int:
        """Write what waits; return rows.

        Raises:
            BadInputError: The store does not let us.
            LockTakenError: Another process exports or erases for too long.
            UnavailableError: Log, features or store do not answer. What waited still does.
        """
        with self._flushing:
            lists = [self._waiting[place] for place in range(len(self._waiting))]
            if not lists:
                return 0
            written = self._write(lists)
            for _ in lists:
                self._waiting.popleft()
        return written

    def _write(self, lists: list[ShownList]) -> int:
        self._stores = self._stores or self._open_stores()
        events, features = self._stores
        people = list(dict.fromkeys(one.user_id for one in lists))
        withdrawn = self._withdrawn()
        # As the shop's tables say, and then as it was said live.
        may = {
            user_id
            for user_id, (_, used) in zip(people, features.consents(people), strict=True)
            if used and user_id not in withdrawn
        }
        rows = impressions_table(one for one in lists if one.user_id in may)
        with events.lock(EXPORT, wait_s=LOCK_S):
            gone = events.suppressed()
            if gone:
                rows = rows.filter(pc.invert(gone.among(rows["user_id"])))
            if rows.num_rows:
                self._put(rows)
        self._metrics.written.inc(rows.num_rows)
        return int(rows.num_rows)

    def _put(self, rows: pa.Table) -> None:
        rows = rows.sort_by([(name, "ascending") for name in IMPRESSIONS.order])
        first, last = rows["shown_ts_ms"][0].as_py(), rows["shown_ts_ms"][-1].as_py()
        # As exported events are named, so that whoever rewrites exports knows them for ours.
        name = f"{self._process}-{first:015d}_{self._written:08d}-{last:015d}_{rows.num_rows:08d}"
        content = io.BytesIO()
        pq.write_table(rows, content, compression="zstd")
        with reaching(self._folder):
            put_file(self._fs, f"{self._folder}/{name}.parquet", content.getvalue())
        self._written += 1
        self._metrics.written_bytes.inc(content.tell())

    def _run(self, every_s: float) -> None:
        said, last = "", False
        while not last:
            self._wake.wait(every_s)
            self._wake.clear()
            last = self._ended
            try:
                self.flush()
                said = ""
            except Exception as error:
                # Whatever it is: what waits is bounded, and the next turn may go better.
                told = str(error) if isinstance(error, CoterieError) else type(error).__name__
                if said != (said := told):
                    log.warning("impressions wait: %s", told)
                if len(self._waiting) >= FULL:
                    threading.Event().wait(1.0)  # the queue is full, and would wake us at once
