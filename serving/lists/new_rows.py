"""Items that entered the shop after a release was made, as rows of that release."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from coterie.data.changes import RowState, values_of
from coterie.recommend.stand_ins import StandIns, extended
from coterie.release.bundle import Release
from serving.lists.search import Vectors

__all__ = ["StandIns", "catalogue_row", "grow"]


def grow(
    release: Release,
    rows: Sequence[Mapping[str, Any]],
    stand_ins: StandIns,
    meanings: Sequence[Vectors | None],
) -> Release:
    """Add rows to a release: what known items that are like a new one stand in for it.

    Args:
        release: With rows that were added before, if there are any.
        rows: Of the new items, as ``catalogue_row`` writes them.
        stand_ins: Of the items that the release was made with.
        meanings: Of each new item, how much each of these says what it says; None: nothing tells.
    """
    more = pa.Table.from_pylist(list(map(dict, rows)), release.catalogue.schema)
    catalogue = pa.concat_tables([release.catalogue, more])
    chosen = [
        stand_ins.weights(row.get("category"), row.get("brand"), meaning)
        for row, meaning in zip(rows, meanings, strict=True)
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


def catalogue_row(item_id: str, state: RowState) -> dict[str, Any]:
    """Write an item as a row of a catalogue."""
    said = values_of(state)
    ms = said.get("created_at")
    entered = datetime.now(UTC) if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    available = said.get("available") is not False
    return {"title": item_id, **said, "item_id": item_id, "available": available} | {
        "created_at": entered
    }
