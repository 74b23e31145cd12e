"""What lists showed, joined to what shoppers did with it: one table for those who analyse."""

import pyarrow.parquet as pq

from coterie.data.stores import open_store, reaching
from coterie.experiments.outcomes import read_exported_events
from coterie.files import atomic_file
from coterie.impressions.attribution import attributed
from coterie.impressions.table import read_impressions

FILE = "impressions.parquet"


def join_impressions(source: str, out: str, window_s: float, unnamed: bool = False) -> int:
    """Write one row an item shown, with what followed from it.

    Args:
        source: Folder of tables that events and impressions are exported to.
        out: Folder on this machine for ``impressions.parquet``.
        window_s: From when a list was shown to the last event that follows from it, seconds.
        unnamed: See ``coterie.impressions.attribution.attributed``.

    Returns:
        Rows.

    Raises:
        BadInputError: There are no impressions, or files are none of ours.
        UnavailableError: The store does not answer.
    """
    rows = attributed(read_impressions(source), read_exported_events(source), window_s, unnamed)
    fs, folder = open_store(out)
    with reaching(out):
        fs.makedirs(folder, exist_ok=True)
        with atomic_file(f"{folder}/{FILE}") as file:
            pq.write_table(rows, file, compression="zstd")
    return int(rows.num_rows)
