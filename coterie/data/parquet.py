"""Tables as Parquet files of ours, always alike."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP: Final = 1 << 17


def write_table(data: pa.Table, file: Path) -> None:
    """Write Parquet whose bytes depend on nothing but ``data`` and the version of Arrow."""
    with table_writer(file, data.schema) as writer:
        writer.write_table(data, row_group_size=ROW_GROUP)


def table_writer(file: Path, schema: pa.Schema, unique: Collection[str] = ()) -> pq.ParquetWriter:
    """Open a table's file; write whole row groups of ``ROW_GROUP`` rows but for the last.

    Args:
        file: To write.
        schema: Of the table.
        unique: Columns whose values hardly repeat: a dictionary of them is made in vain.
    """
    repeated = [name for name in schema.names if name not in unique]
    return pq.ParquetWriter(
        file, schema, compression="zstd", store_schema=True, use_dictionary=repeated
    )
