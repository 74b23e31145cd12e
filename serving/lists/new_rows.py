"""Items that entered the shop after a release was made, as rows of that release."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from coterie.data.changes import RowState, values_of
from coterie.recommend.stand_ins import StandIns, extended
from coterie.release.bundle import Release
from serving.lists.search import ItemSearch

__all__ = ["StandIns", "grow"]


def grow(
    release: Release, states: Mapping[str, RowState], stand_ins: StandIns, searcher: ItemSearch
) -> Release:
    """Add rows to a release: what known items that are like a new one stand in for it.

    Args:
        release: With rows that were added before, if there are any.
        states: Of the new items, by id.
        stand_ins: Of the items that the release was made with.
        searcher: Tells whose texts say the same, where the release has an encoder of texts.
    """
    rows = [_row(item_id, state) for item_id, state in states.items()]
    catalogue = pa.concat_tables(
        [release.catalogue, pa.Table.from_pylist(rows, release.catalogue.schema)]
    )
    chosen = [
        stand_ins.weights(
            row["category"],
            row["brand"],
            searcher.meanings(" ".join(filter(None, map(row.get, ("title", "brand", "category"))))),
        )
        for row in rows
    ]
    weights = sparse.csr_matrix(
        (
            np.concatenate([counts for _, counts in chosen]).astype(np.float64),
            np.concatenate([some for some, _ in chosen]),
            np.cumsum([0, *(len(some) for some, _ in chosen)]),
        ),
        (len(rows), len(release.popularity)),
    )
    nobody = np.zeros(len(rows), np.float32)
    return replace(
        release,
        parameters=extended(release.parameters, weights),
        popularity=np.concatenate([release.popularity, nobody]),
        catalogue=catalogue,
    )


def _row(item_id: str, state: RowState) -> dict[str, Any]:
    """Write an item as a row of a catalogue."""
    said = values_of(state)
    ms = said.get("created_at")
    entered = datetime.now(UTC) if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    available = said.get("available") is not False
    return {"title": item_id, **said, "item_id": item_id, "available": available} | {
        "created_at": entered
    }
