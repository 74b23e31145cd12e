"""How long ingest takes, and how much memory, beside bare reads of the same Parquet.

    python -m benchmarks.ingest

Makes a shop of so many events (Parquet, ten files, no bad row, one in a thousand there twice), and
in turn, several times, each in a process of its own: reads it with Daft and with DuckDB, groups it
by user with both, drops repeated event ids with both, and ingests it. Figures go to
``benchmarks/results/ingest.json``: seconds and peak memory of each run.

DuckDB is only measured where it is installed: pip install duckdb
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).parent / "results" / "ingest.json"
FILES: Final = 10
PEOPLE_SHARE, ITEMS_SHARE = 0.05, 0.01
"""Of the number of events."""

_DAFT = """
import os
os.environ |= {"DAFT_ANALYTICS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}
import daft
daft.set_runner_native()
events = daft.read_parquet(source + "/events/*.parquet")
"""
_DUCKDB = """
import duckdb
events = f"read_parquet('{source}/events/*.parquet')"
"""
WORK: Final = {
    "Daft, read": _DAFT + "sum(batch.num_rows for batch in events.to_arrow_iter())",
    "Daft, group by user": _DAFT
    + "events.groupby('user_id').agg(daft.col('item_id').list_agg()).collect()",
    "Daft, drop repeated ids, group by user": _DAFT
    + "events = events.distinct('event_id')\n"
    + "events.groupby('user_id').agg(daft.col('item_id').list_agg()).collect()",
    "Daft, drop repeated ids, sort, write": _DAFT
    + "events.distinct('event_id').sort(['ts', 'event_id']).write_parquet(out)",
    "DuckDB, read": _DUCKDB
    + "sum(len(b) for b in duckdb.sql(f'from {events}').to_arrow_reader(100_000))",
    "DuckDB, group by user": _DUCKDB
    + "duckdb.sql(f'select user_id, list(item_id) l from {events} group by 1').to_arrow_table()",
    "DuckDB, drop repeated ids, sort, write": _DUCKDB
    + "duckdb.sql(f'copy (select distinct on (event_id) * from {events} order by ts, event_id) "
    "to \\'{out}\\' (format parquet, compression zstd)')",
    "ingest": "from coterie.data.ingest import ingest\ningest(source, out)",
}
_TIMED = """
import resource, sys, time
source, out = sys.argv[1:]
began = time.perf_counter()
{work}
took = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(took, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
"""


def make_shop(folder: Path, events: int) -> None:
    """Write a shop whose rows are all good; the tail of each file repeats a thousandth of it."""
    rng = np.random.default_rng(0)
    people, items = int(events * PEOPLE_SHARE), int(events * ITEMS_SHARE)
    (folder / "events").mkdir(parents=True)
    kinds = pa.array(["view", "click", "share", "cart", "review", "rating", "purchase"])
    size = events // FILES
    for part in range(FILES):
        kind = rng.choice([0, 0, 0, 1, 1, 3, 6], size)
        number = np.arange(part * size, (part + 1) * size)
        number[-(size // 1000) :] = number[: size // 1000]
        table = pa.table(
            {
                "event_id": _ids("e", number),
                "user_id": _ids("user", rng.zipf(1.3, size) % people),
                "item_id": _ids("item", rng.integers(0, items, size)),
                "event": kinds.take(pa.array(kind)),
                "value": pa.array(rng.random(size) * 100, mask=kind != 6),
                "ts": pa.array(rng.integers(1_700_000_000, 1_730_000_000, size) * 1_000_000).cast(
                    pa.timestamp("us", "UTC")
                ),
            }
        )
        pq.write_table(table, folder / "events" / f"part-{part}.parquet", compression="zstd")
    numbers = np.arange(items)
    titles = pa.table({"item_id": _ids("item", numbers), "title": _ids("Item", numbers)})
    pq.write_table(titles, folder / "items.parquet")
    src = rng.integers(0, people, events // 10)
    dst = (src + 1 + rng.integers(0, people - 1, len(src))) % people
    ties = pa.table({"src_user_id": _ids("user", src), "dst_user_id": _ids("user", dst)})
    kind = pa.repeat(pa.scalar("follow"), len(src))
    pq.write_table(ties.append_column("kind", kind), folder / "ties.parquet")


def _ids(word: str, numbers: Any) -> pa.Array:
    return pc.binary_join_element_wise(word, pa.array(numbers).cast(pa.string()), "-")


def run(work: str, source: Path, out: Path) -> dict[str, float]:
    """Seconds, MiB at the peak, and seconds of processors, in a process of its own."""
    code = _TIMED.format(work=work)
    command = [sys.executable, "-c", code, str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{work}\n{done.stderr}")
    # DuckDB draws a bar before.
    seconds, memory, cpu = (float(word) for word in done.stdout.split()[-3:])
    return {"seconds": seconds, "mib": memory, "cpu_seconds": cpu}


def measure(events: int, repeats: int, names: list[str]) -> dict[str, list[dict[str, float]]]:
    """All of them in turn, so that what else the machine does falls on each alike."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    # Not in memory: it is the disk that is written to.
    with TemporaryDirectory(dir=".") as folder:
        source = Path(folder) / "raw"
        make_shop(source, events)
        for repeat in range(repeats):
            for name in names:
                found[name].append(run(WORK[name], source, Path(folder) / f"{repeat}-{len(name)}"))
    return found


def show(events: int, found: dict[str, list[dict[str, float]]]) -> None:
    """Write a table for people."""
    table = Table(f"{events:,} events", "seconds, median", "lowest", "highest", "MiB", "of ingest")
    ours = statistics.median(run["seconds"] for run in found["ingest"])
    for name, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        middle = [f"{f(seconds):.2f}" for f in (statistics.median, min, max)]
        memory = f"{max(run['mib'] for run in runs):,.0f}"
        table.add_row(name, *middle, memory, f"{statistics.median(seconds) / ours:.2f}")
    Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    versions = {"python": platform.python_version()}
    names = list(WORK)
    for package in ("pyarrow", "daft", "duckdb"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            names = [name for name in names if package not in name.lower()]
    found: dict[str, Any] = {
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine()},
        "versions": versions,
        "load": os.getloadavg()[0],
        "repeats": given.repeats,
        "runs": {},
    }
    for events in given.events:
        found["runs"][str(events)] = runs = measure(events, given.repeats, names)
        show(events, runs)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
