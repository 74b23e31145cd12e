"""What encoders made of items, as a view of the feature store: offline, and online where wanted.

Apart from the views of shoppers, which lists are made of: vectors may take an hour to come, and
serving has them from the release. Here they are for other programs of the shop.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView, Field
from feast.types import Array, Float32, String

from coterie.content.vectors import KINDS, ItemVectors, kinds_in
from coterie.data.vector_columns import vector_column
from coterie.progress import Progress, silent
from coterie.schema import ITEM_CONTENT_VIEW
from coterie.schema import TIMESTAMP as TIMESTAMP_TYPE
from feature_repo.entities import item
from feature_repo.handover import SharedStore, asking_feast, put_rows
from feature_repo.views import CREATED, TIMESTAMP, file_of, file_source

ROWS: Final = 20_000
"""Items at a time in memory and in a group of the file: 150 MB with texts and pictures."""
ONLINE_ROWS: Final = 500
"""Items of one write to the online store."""
_VECTOR: Final = pa.list_(pa.float32())


@dataclass(frozen=True, slots=True)
class HandedItems:
    """What became of a catalogue's vectors."""

    items: int
    online: bool
    newer: bool
    """Whether those of tables read later were there already, so that nothing was changed."""

    def in_words(self) -> str:
        """Say what a person should know.

        >>> HandedItems(1200, False, False).in_words()
        'vectors of 1,200 items handed over, offline alone'
        """
        if self.newer:
            return "no vectors were handed over: those of tables that were read later are there"
        where = "offline and online" if self.online else "offline alone"
        return f"vectors of {self.items:,} items handed over, {where}"


def item_content(offline: str = "", made_by: Mapping[str, str] | None = None) -> FeatureView:
    """Declare the view.

    Args:
        offline: Folder or URL of its file; the folder of the store if empty.
        made_by: Name and digest of the encoder of each kind, kept as tags of the view.
    """
    source = file_source(ITEM_CONTENT_VIEW, "vectors of items")
    if offline:
        source.file_options.uri = file_of(offline, ITEM_CONTENT_VIEW)
    vectors = [
        Field(
            name=vector_column(kind),
            dtype=Array(Float32),
            description=f"what the encoder of {kind} made of the item, of length 1; null: nothing",
        )
        for kind in KINDS
    ]
    return FeatureView(
        name=ITEM_CONTENT_VIEW,
        entities=[item],
        # With the id Feast need not look into a file that may not be there yet.
        schema=[Field(name="item_id", dtype=String), *vectors],
        source=source,
        online=True,
        tags=dict(made_by or {}),
        description="What an item says of itself, as vectors",
    )


def hand_over_items(
    content: str, shared: SharedStore, read_ms: int, online: bool = False, told: Progress = silent
) -> HandedItems | None:
    """Put the vectors that the content step left into the store that others read.

    Args:
        content: Its folder; nothing is done where it holds no vectors.
        shared: Where to.
        read_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        online: Bring them online as well: 4 KB an item of texts alone, 8 KB with pictures.
        told: How far it is.

    Raises:
        BadInputError: A file of vectors is damaged, or the store is not as it should be.
        UnavailableError: A part of the store does not answer.
    """
    vectors = {kind: ItemVectors.read(content, kind) for kind in kinds_in(content) if kind in KINDS}
    if not vectors:
        return None
    shared.check()
    url, read_s = file_of(shared.offline, ITEM_CONTENT_VIEW), read_ms // 1000
    with tempfile.TemporaryDirectory(prefix="coterie-items-") as folder:
        file = Path(folder, "items.parquet")
        count = _write(file, vectors, read_s)
        # To the second, as the times of what is there are told.
        if put_rows(file, url, read_s * 1000, shared.locks()):
            return HandedItems(count, online, newer=True)
    made_by = {kind: f"{one.encoder} {one.digest}" for kind, one in vectors.items()}
    with shared.open() as store:
        with asking_feast("register vectors of items in", str(store.config.registry.path)):
            store.apply([item, item_content(shared.offline, made_by)])
        if online:
            _bring_online(store, vectors, read_s, told)
    return HandedItems(count, online, newer=False)


def item_rows(vectors: Mapping[str, ItemVectors], ids: pa.Array, read_s: int) -> pa.Table:
    """Make the rows of some items; null where nothing is known of one, or a kind was left out.

    Args:
        vectors: By kind.
        ids: Of the items.
        read_s: When the shop's tables were read, seconds since 1970, UTC.
    """
    columns = {
        vector_column(kind): _lists(vectors[kind].for_items(ids))
        if kind in vectors
        else pa.nulls(len(ids), _VECTOR)
        for kind in KINDS
    }
    when = pa.repeat(pa.scalar(read_s * 1_000_000, pa.int64()).cast(TIMESTAMP_TYPE), len(ids))
    return pa.table({"item_id": ids, **columns, TIMESTAMP: when, CREATED: when})


def _lists(rows: np.ndarray) -> pa.Array:
    known = rows.any(axis=1)
    ends = np.concatenate([[0], np.cumsum(known * rows.shape[1])]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(ends), pa.array(rows[known].ravel()), mask=pa.array(~known)
    )


def _chunks(
    vectors: Mapping[str, ItemVectors], read_s: int, size: int
) -> Iterator[tuple[pa.Table, int]]:
    """Yield the rows of so many items at a time, with how many there are in all."""
    ids = pc.unique(pa.chunked_array([pa.array(one.item_ids) for one in vectors.values()]))
    for first in range(0, len(ids), size):
        yield item_rows(vectors, ids.slice(first, size), read_s), len(ids)


def _write(file: Path, vectors: Mapping[str, ItemVectors], read_s: int) -> int:
    """Write all rows, and count them."""
    none = item_rows(vectors, pa.array([], pa.string()), read_s)
    done = 0
    with pq.ParquetWriter(file, none.schema, compression="zstd") as writer:
        for rows, _ in _chunks(vectors, read_s, ROWS):
            writer.write_table(rows)
            done += len(rows)
    return done


def _bring_online(
    store: FeatureStore, vectors: Mapping[str, ItemVectors], read_s: int, told: Progress
) -> None:
    done = 0
    for rows, count in _chunks(vectors, read_s, ONLINE_ROWS):
        frame = pd.DataFrame({name: rows[name].to_pandas() for name in rows.column_names})
        with asking_feast(f"write {ITEM_CONTENT_VIEW} to", str(store.config.online_store.type)):
            store.write_to_online_store(ITEM_CONTENT_VIEW, frame)
        done += len(rows)
        told("vectors online", done, count)
