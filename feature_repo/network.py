"""Where shoppers stand in the network, as a view of the feature store.

Apart from the views that lists are made of: communities of a large shop take minutes, and nothing
that answers a shopper waits for them. They are for other programs of the shop.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView, Field
from feast.types import Float64, Int64, String

from coterie.data.locks import PUSH
from coterie.data.suppressed import Suppressed
from coterie.network.columns import PEOPLE_FILE
from coterie.progress import Progress, silent
from coterie.schema import (
    NETWORK_COMMUNITY,
    NETWORK_CORE,
    NETWORK_PAGERANK,
    SHOPPER_NETWORK_VIEW,
)
from coterie.schema import TIMESTAMP as TIMESTAMP_TYPE
from feature_repo.entities import user
from feature_repo.handover import SharedStore, asking_feast, put_rows
from feature_repo.views import CREATED, TIMESTAMP, file_of, file_source

ONLINE_ROWS: Final = 500
"""Shoppers of one write to the online store, for which pushes of serving wait."""
_PATIENCE_S: Final = 60.0
"""For so long pushes and erasures are waited for."""
COLUMNS: Final = (NETWORK_COMMUNITY, NETWORK_PAGERANK, NETWORK_CORE)


@dataclass(frozen=True, slots=True)
class HandedNetwork:
    """What became of the columns of people."""

    shoppers: int
    online: bool
    newer: bool
    """Whether those of tables read later were there already, so that nothing was changed."""

    def in_words(self) -> str:
        """Say what a person should know.

        >>> HandedNetwork(1200, True, False).in_words()
        'where 1,200 shoppers stand in the network was handed over, offline and online'
        """
        if self.newer:
            return "no network was handed over: that of tables that were read later is there"
        where = "offline and online" if self.online else "offline alone"
        return f"where {self.shoppers:,} shoppers stand in the network was handed over, {where}"


def shopper_network(offline: str = "") -> FeatureView:
    """Declare the view.

    Args:
        offline: Folder or URL of its file; the folder of the store if empty.
    """
    source = file_source(SHOPPER_NETWORK_VIEW, "where shoppers stand in the network")
    if offline:
        source.file_options.uri = file_of(offline, SHOPPER_NETWORK_VIEW)
    return FeatureView(
        name=SHOPPER_NETWORK_VIEW,
        entities=[user],
        schema=[
            # With the id Feast need not look into a file that may not be there yet.
            Field(name="user_id", dtype=String),
            Field(
                name=NETWORK_COMMUNITY,
                dtype=Int64,
                description="number of the community, 0 is the largest; not the same from one "
                "run to the next",
            ),
            Field(
                name=NETWORK_PAGERANK,
                dtype=Float64,
                description="share of walks along ties that are at the shopper; all sum to 1",
            ),
            Field(
                name=NETWORK_CORE,
                dtype=Int64,
                description="largest k of a group, each of whom knows k of it, with the shopper",
            ),
        ],
        source=source,
        online=True,
        description="Where a shopper stands in the network",
    )


def hand_over_network(
    folder: str, shared: SharedStore, read_ms: int, online: bool = False, told: Progress = silent
) -> HandedNetwork:
    """Put the columns of people that the network step left into the store that others read.

    Whoever was erased since the tables were read is left out.

    Args:
        folder: Of the step.
        shared: Where to.
        read_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        online: Bring them online as well.
        told: How far it is.

    Raises:
        BadInputError: The store is not as it should be, or people stand under another key than
            those of serving.
        UnavailableError: A part of the store does not answer.
    """
    shared.check()
    shared.agree_on_key(str(Path(folder, PEOPLE_FILE)))
    url, read_s = file_of(shared.offline, SHOPPER_NETWORK_VIEW), read_ms // 1000
    rows = network_rows(str(Path(folder, PEOPLE_FILE)), read_s, shared.suppressed())
    with tempfile.TemporaryDirectory(prefix="coterie-network-") as near:
        file = Path(near, "network.parquet")
        pq.write_table(rows, file, compression="zstd")
        # To the second, as the times of what is there are told.
        if put_rows(file, url, read_s * 1000, shared.locks()):
            return HandedNetwork(len(rows), online, newer=True)
    with shared.open() as store:
        with asking_feast("register the network in", str(store.config.registry.path)):
            store.apply([user, shopper_network(shared.offline)])
        if online:
            _bring_online(store, rows, shared, told)
    return HandedNetwork(len(rows), online, newer=False)


def network_rows(people: str, read_s: int, gone: Suppressed) -> pa.Table:
    """Make the rows of all shoppers but those who are gone.

    Args:
        people: File that the network step left.
        read_s: When the shop's tables were read, seconds since 1970, UTC.
        gone: Who was erased.
    """
    rows = pq.read_table(people, columns=["user_id", *COLUMNS])
    rows = _without(rows, gone)
    when = pa.repeat(pa.scalar(read_s * 1_000_000, pa.int64()).cast(TIMESTAMP_TYPE), len(rows))
    return rows.append_column(TIMESTAMP, when).append_column(CREATED, when)


def _bring_online(store: FeatureStore, rows: pa.Table, shared: SharedStore, told: Progress) -> None:
    locks = shared.locks()
    for at in range(0, len(rows), ONLINE_ROWS):
        # An erasure removes rows under this lock, so it comes before the look or after the write.
        with locks.lock(PUSH, wait_s=_PATIENCE_S):
            left = _without(rows.slice(at, ONLINE_ROWS), shared.suppressed())
            if len(left):
                _write_online(store, left.to_pandas())
        told("network online", min(at + ONLINE_ROWS, len(rows)), len(rows))


def _write_online(store: FeatureStore, frame: pd.DataFrame) -> None:
    with asking_feast(f"write {SHOPPER_NETWORK_VIEW} to", str(store.config.online_store.type)):
        store.write_to_online_store(SHOPPER_NETWORK_VIEW, frame)


def _without(rows: pa.Table, gone: Suppressed) -> pa.Table:
    return rows.filter(pc.invert(gone.among(rows["user_id"]))) if gone else rows
