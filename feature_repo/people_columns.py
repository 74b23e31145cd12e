"""Columns of people that a study made, into the store that other programs of the shop read.

Apart from the views that lists are made of: a study of a large shop takes minutes, and nothing that
answers a shopper waits for it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView

from coterie.data.locks import PUSH
from coterie.data.suppressed import Suppressed
from coterie.progress import Progress
from coterie.schema import TIMESTAMP as TIMESTAMP_TYPE
from feature_repo.entities import user
from feature_repo.handover import SharedStore, asking_feast, put_rows
from feature_repo.views import CREATED, TIMESTAMP, file_of

ONLINE_ROWS: Final = 500
"""Shoppers of one write to the online store, for which pushes of serving wait."""
_PATIENCE_S: Final = 60.0
"""For so long pushes and erasures are waited for."""


@dataclass(frozen=True, slots=True)
class HandedColumns:
    """What became of columns of people."""

    shoppers: int
    newer: bool
    """Whether those of tables read later were there already, so that nothing was changed."""


def hand_over_columns(
    people: str,
    view: FeatureView,
    shared: SharedStore,
    read_ms: int,
    online: bool,
    told: Progress,
    what: str,
) -> HandedColumns:
    """Put the columns of a view into the store that others read.

    Whoever was erased since the tables were read is left out.

    Args:
        people: File that a study left, with ``user_id`` and the columns of the view.
        view: Declared with its file in the shared store.
        shared: Where to.
        read_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        online: Bring them online as well.
        told: How far it is.
        what: The columns are called by whoever watches.

    Raises:
        BadInputError: The store is not as it should be, or people stand under another key than
            those of serving.
        UnavailableError: A part of the store does not answer.
    """
    shared.check()
    shared.agree_on_key(people)
    url, read_s = file_of(shared.offline, view.name), read_ms // 1000
    columns = tuple(feature.name for feature in view.features)
    rows = people_rows(people, columns, read_s, shared.suppressed())
    with tempfile.TemporaryDirectory(prefix="coterie-columns-") as near:
        file = Path(near, "people.parquet")
        pq.write_table(rows, file, compression="zstd")
        # To the second, as the times of what is there are told.
        if put_rows(file, url, read_s * 1000, shared.locks()):
            return HandedColumns(len(rows), newer=True)
    with shared.open() as store:
        with asking_feast(f"register the {what} in", str(store.config.registry.path)):
            store.apply([user, view])
        if online:
            _bring_online(store, view.name, rows, shared, told, what)
    return HandedColumns(len(rows), newer=False)


def people_rows(people: str, columns: tuple[str, ...], read_s: int, gone: Suppressed) -> pa.Table:
    """Make the rows of all shoppers but those who are gone.

    Args:
        people: File that a study left.
        columns: To keep.
        read_s: When the shop's tables were read, seconds since 1970, UTC.
        gone: Who was erased.
    """
    rows = _without(pq.read_table(people, columns=["user_id", *columns]), gone)
    when = pa.repeat(pa.scalar(read_s * 1_000_000, pa.int64()).cast(TIMESTAMP_TYPE), len(rows))
    return rows.append_column(TIMESTAMP, when).append_column(CREATED, when)


def _bring_online(
    store: FeatureStore, view: str, rows: pa.Table, shared: SharedStore, told: Progress, what: str
) -> None:
    locks = shared.locks()
    for at in range(0, len(rows), ONLINE_ROWS):
        # An erasure removes rows under this lock, so it comes before the look or after the write.
        with locks.lock(PUSH, wait_s=_PATIENCE_S):
            left = _without(rows.slice(at, ONLINE_ROWS), shared.suppressed())
            if len(left):
                _write_online(store, view, left.to_pandas())
        told(f"{what} online", min(at + ONLINE_ROWS, len(rows)), len(rows))


def _write_online(store: FeatureStore, view: str, frame: pd.DataFrame) -> None:
    with asking_feast(f"write {view} to", str(store.config.online_store.type)):
        store.write_to_online_store(view, frame)


def _without(rows: pa.Table, gone: Suppressed) -> pa.Table:
    return rows.filter(pc.invert(gone.among(rows["user_id"]))) if gone else rows
