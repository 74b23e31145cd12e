"""What comparisons of two releases' columns are made of: differences, shares, and examples."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.rollout.figures import SHOWN_EXAMPLES, ComparedFigure

_CUT: Final = 40
_FEW: Final = 20
"""Of fewer items a correlation says nothing."""
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Columns = tuple[pa.ChunkedArray, pa.ChunkedArray]
"""The same column of live and of the canary, a row an item that both have."""


def differ(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Mask:
    """Find where two columns differ; nothing and nothing are the same."""
    same = pc.fill_null(pc.equal(before, after), False)
    neither = pc.and_(pc.is_null(before), pc.is_null(after))
    return ~np.asarray(pc.or_(same, neither).to_numpy(), np.bool_)


def floats(column: pa.ChunkedArray) -> Floats:
    """Read numbers, NaN where nothing is said or no finite number is."""
    values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), np.float64).copy()
    values[~np.isfinite(values)] = np.nan
    return values


def share(mask: Mask) -> float:
    """Give the share of a mask that is set; 0 of nothing."""
    return float(mask.mean()) if len(mask) else 0.0


def ratio(canary: float, live: float) -> float | None:
    """Divide; None where live has nothing."""
    return canary / live if live else None


def some(ids: pa.Array | pa.ChunkedArray, mask: Mask) -> tuple[str, ...]:
    """Name the first items that a mask is set for."""
    rows = np.flatnonzero(mask)[:SHOWN_EXAMPLES]
    return tuple(short(one) for one in ids.take(pa.array(rows)).to_pylist())


def moved(columns: Sequence[pa.ChunkedArray], mask: Mask) -> tuple[str, ...]:
    """Say from what to what the first values changed that a mask is set for."""
    rows = pa.array(np.flatnonzero(mask)[:SHOWN_EXAMPLES])
    before, after = (column.take(rows).to_pylist() for column in columns)
    return tuple(f"{short(a)} → {short(b)}" for a, b in zip(before, after, strict=True))


def short(value: Any) -> str:
    """Write a value in a few characters."""
    text = (
        f"{value:.6g}" if isinstance(value, float) else "nothing" if value is None else str(value)
    )
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"


def count_traded(name: str, columns: Columns) -> ComparedFigure:
    """Count the items whose value is one that another item had: it is right, and elsewhere."""
    there = pc.is_in(columns[1], value_set=pc.unique(columns[0]).drop_null())
    found = differ(*columns) & np.asarray(there.to_numpy(), np.bool_)
    return ComparedFigure(name, share(found), examples=moved(columns, found))


def count_changed(name: str, columns: Columns) -> ComparedFigure:
    """Count the items that have another value; None where live says nothing."""
    if columns[0].null_count == len(columns[0]):
        return ComparedFigure(name, None)
    found = differ(*columns)
    return ComparedFigure(name, share(found), examples=moved(columns, found))


def count_gone(name: str, columns: Columns, ids: pa.Array) -> ComparedFigure:
    """Count the items that had a value and have none, of those that had; None where none had."""
    had = np.asarray(columns[0].is_valid().to_numpy(), np.bool_)
    found = had & np.asarray(columns[1].is_null().to_numpy(), np.bool_)
    told = float(found.sum()) / float(had.sum()) if had.any() else None
    return ComparedFigure(name, told, examples=some(ids, found))


def rank_correlation(before: Floats, after: Floats) -> float | None:
    """Correlate the ranks of the same items' numbers; None where that tells nothing."""
    ranks = [
        np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (before, after)
    ]
    # Of a handful of items, or of a shop where all are alike, nothing can be said.
    if len(before) < _FEW or not ranks[0].std():
        return None
    if not ranks[1].std():
        return 0.0
    return max(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 0.0)
