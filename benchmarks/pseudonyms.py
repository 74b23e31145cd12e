"""What pseudonyms cost: ids a second in columns, seconds of an ingest, and of a request its door.

    python -m benchmarks.pseudonyms

Makes pseudonyms of a million ids, each there once, in parts as ingest reads them, under one key and
under two; ingests a shop of a million people with a key and without, in turn, each in a process of
its own; and lets a request in by its path. All is processor time, which other programs of a machine
change little. Figures go to ``benchmarks/results/pseudonyms.json``.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.pseudonymous import PseudonymousRows
from coterie.data.pseudonyms import VARIABLE, PseudonymKeys
from serving.ingestion.people_door import PeopleDoor

RESULTS: Final = Path(__file__).parent / "results" / "pseudonyms.json"
SECRETS: Final = ("of-no-shop-" * 4, "of-no-shop-either-" * 3)
_PART: Final = 1 << 16
_REQUESTS: Final = 20_000
_INGEST: Final = """
import os, resource, sys
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.pseudonyms import PseudonymKeys
ingest(*sys.argv[1:], IngestConfig(pseudonyms=PseudonymKeys.read(os.environ)))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def ids_a_second(num: int, keys: PseudonymKeys) -> float:
    """Make pseudonyms of so many ids, each once, and say how many a second."""
    ids = pc.binary_join_element_wise("shopper-", pa.array(np.arange(num)).cast(pa.string()), "")
    rows, began = PseudonymousRows(keys), time.process_time()
    for start in range(0, num, _PART):
        rows.newest(pa.chunked_array([ids.slice(start, _PART)]))
    return num / (time.process_time() - began)


def us_at_the_door(keys: PseudonymKeys) -> float:
    """Let requests in by their paths, and say how long one takes, in microseconds."""
    door = PeopleDoor(keys)
    scopes = [
        {"path_params": {"user_id": f"shopper-{n:06}"}, "state": {}} for n in range(_REQUESTS)
    ]
    began = time.process_time()
    for scope in scopes:
        if door:
            door.enter_path(scope)
    return (time.process_time() - began) / _REQUESTS * 1e6


def make_shop(folder: Path, num: int) -> None:
    """Write a shop in which each event and each tie is of somebody else."""
    rng, folder_ = np.random.default_rng(0), folder / "raw"
    folder_.mkdir()
    people = pc.binary_join_element_wise("shopper-", pa.array(np.arange(num)).cast(pa.string()), "")
    items = [f"item-{n}" for n in range(1000)]
    chosen = pa.array(items).take(pa.array(rng.integers(0, len(items), num)))
    events = {
        "event_id": pc.binary_join_element_wise("e", people, ""),
        "user_id": people,
        "item_id": chosen,
        "event": pa.repeat(pa.scalar("view"), num),
        "ts": pa.array(1_700_000_000 + rng.integers(0, 9_000_000, num)),
    }
    pq.write_table(pa.table(events), folder_ / "events.parquet")
    pq.write_table(pa.table({"item_id": items, "title": items}), folder_ / "items.parquet")
    ties = {
        "src_user_id": people.slice(0, num // 10),
        "dst_user_id": people.slice(num // 2, num // 10),
        "kind": pa.repeat(pa.scalar("follow"), num // 10),
    }
    pq.write_table(pa.table(ties), folder_ / "ties.parquet")


def ingest(folder: Path, secret: str) -> tuple[float, float]:
    """Ingest that shop in a process of its own: processor seconds, and most memory in MiB."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", _INGEST, str(folder / "raw"), str(folder / "clean")]
    done = subprocess.run(
        command,
        env=environment | ({VARIABLE: secret} if secret else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def measure(num: int, repeats: int) -> dict[str, Any]:
    """Measure all of it."""
    chains = {"one key": PseudonymKeys(SECRETS[:1]), "two keys": PseudonymKeys(SECRETS)}
    columns: dict[str, list[float]] = {name: [] for name in chains}
    door: dict[str, list[float]] = {name: [] for name in ("no key", *chains)}
    ingests: dict[str, list[tuple[float, float]]] = {"ids": [], "pseudonyms": []}
    with TemporaryDirectory() as folder:
        make_shop(Path(folder), num)
        for _ in range(repeats):
            for name, keys in chains.items():
                columns[name].append(ids_a_second(num, keys))
            for name, keys in {"no key": PseudonymKeys(), **chains}.items():
                door[name].append(us_at_the_door(keys))
            ingests["ids"].append(ingest(Path(folder), ""))
            ingests["pseudonyms"].append(ingest(Path(folder), SECRETS[0]))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, shared with other programs",
        "versions": {"python": platform.python_version(), "pyarrow": version("pyarrow")},
        "command": f"python -m benchmarks.pseudonyms --ids {num} --repeats {repeats}",
        "ids": num,
        "ids_a_second": {name: _spread(found) for name, found in columns.items()},
        "door_us": {name: _spread(found) for name, found in door.items()},
        "ingest_cpu_s": {name: _spread([s for s, _ in found]) for name, found in ingests.items()},
        "ingest_mib": {name: _spread([m for _, m in found]) for name, found in ingests.items()},
    }


def _spread(found: list[float]) -> dict[str, float]:
    named = {"least": min(found), "median": statistics.median(found), "most": max(found)}
    return {name: round(value, 3) for name, value in named.items()}


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    found = json.dumps(measure(options.ids, options.repeats), indent=1)
    print(found)
    RESULTS.write_text(found + "\n")


if __name__ == "__main__":
    main()
