"""What lists showed to one person, read file by file: for who asks what is kept of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.stores import open_store, reaching
from coterie.impressions.table import IMPRESSIONS, parquet_files

MOST_FILES: Final = 200
"""Looked into at a time."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A part of what a person was shown."""

    rows: pa.Table
    """Of ``IMPRESSIONS``, whole lists."""
    next: str | None
    """Name of the last file that was looked into; None: there are no more."""


def shown_to(
    source: str, user_ids: Sequence[str], after: str, limit: int, most_files: int = MOST_FILES
) -> ShownPage:
    """Read what lists showed to a person.

    Args:
        source: Folder of tables that impressions are exported to.
        user_ids: What stands for the person, or stood for them.
        after: Name of the last file that was looked into; empty: begin.
        limit: Rows after which no further file is looked into.
        most_files: Files after which none is.

    Raises:
        UnavailableError: The store does not answer.
    """
    fs, root = open_store(source)
    wanted = pa.array(list(user_ids), pa.string())
    rows, num, last = [IMPRESSIONS.arrow.empty_table()], 0, None
    with reaching(source):
        fs.invalidate_cache()
        found = {PurePosixPath(p).name: p for p in parquet_files(fs, f"{root}/{IMPRESSIONS.name}")}
        names = sorted(name for name in found if name > after)
        for name in names[:most_files]:
            try:
                content = fs.cat_file(found[name])
            except FileNotFoundError:  # it grew too old, or was rewritten, meanwhile
                continue
            whole = pq.ParquetFile(pa.BufferReader(content))
            last = name
            theirs = pc.is_in(whole.read(["user_id"])["user_id"], value_set=wanted)
            if pc.any(theirs).as_py():
                rows.append(_whole(whole.read()).filter(theirs))
                num += rows[-1].num_rows
            if num >= limit:
                break
    more = last is not None and last != names[-1]
    return ShownPage(pa.concat_tables(rows), last if more else None)


def _whole(rows: pa.Table) -> pa.Table:
    """Add the columns that an older file lacks."""
    for one in IMPRESSIONS.columns:
        if one.name not in rows.column_names:
            rows = rows.append_column(one.name, pa.nulls(rows.num_rows, one.type))
    return rows.select(IMPRESSIONS.arrow.names).cast(IMPRESSIONS.arrow)
