"""How many events a second each event log takes, and how much memory one is.

    python -m benchmarks.event_log

Appends batches to a SQLite file and to a real Redis (``redis-server`` of this machine, one process,
over loopback) with each setting of ``appendfsync``, in turn, several times, from one process, as
the sink does. Every append is answered before the next begins, so with ``always`` and SQLite it is
on the disk. Figures go to ``benchmarks/results/event_log.json``: the median of the repeats, lowest
and highest.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis
from rich.console import Console
from rich.table import Table

from coterie.errors import UnavailableError
from coterie.schema import EventKind
from serving.events.event import Event
from serving.events.log import EventLog
from serving.events.open import open_log
from serving.events.redis_log import STREAM

RESULTS: Final = Path(__file__).parent / "results" / "event_log.json"
SIZES: Final = (1, 100, 500)
FSYNC: Final = ("always", "everysec")


def event(number: int) -> Event:
    """Make a click as an app sends it."""
    return Event(
        f"web-{number:012d}",
        f"shopper-{number % 5000:05d}",
        f"item-{number % 3000:05d}",
        EventKind.CLICK,
        1_764_000_000_000 + number,
        list_id="0123456789abcdef01234567",
    )


@contextlib.contextmanager
def redis_server(folder: Path, appendfsync: str) -> Iterator[str]:
    """URL of a Redis with the chart's settings."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    given += ["--appendonly", "yes", "--appendfsync", appendfsync]
    binary = shutil.which("redis-server")
    if not binary:
        sys.exit("no redis-server: Debian has it")
    server = subprocess.Popen([binary, *given], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def await_log(log: EventLog) -> None:
    """Until it answers."""
    for _ in range(200):
        with contextlib.suppress(UnavailableError):
            return log.ping()
        time.sleep(0.05)
    return log.ping()


def append(log: EventLog, size: int, first: int, seconds: float) -> tuple[int, float]:
    """Events appended, and how long it took."""
    number, began = first, time.perf_counter()
    while time.perf_counter() - began < seconds:
        log.append([event(n) for n in range(number, number + size)])
        number += size
    return number - first, time.perf_counter() - began


def measure(repeats: int, seconds: float) -> dict[str, Any]:
    """Rates by log and batch, and bytes an event."""
    rates: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        # Not in memory: it is the disk that is waited for.
        folder = Path(stack.enter_context(TemporaryDirectory(dir=".")))
        places = {"sqlite": f"sqlite://{folder}/events.sqlite"}
        for how in FSYNC:
            places[f"redis {how}"] = stack.enter_context(redis_server(folder / how, how))
        logs = {name: open_log(place) for name, place in places.items()}
        for log in logs.values():
            await_log(log)
        number = 0
        for _ in range(repeats):
            for size in SIZES:
                for name, log in logs.items():
                    count, took = append(log, size, number, seconds)
                    number += count
                    rates.setdefault(f"{name}, batches of {size}", []).append(count / took)
        memory = memory_of(places["redis always"])
        for log in logs.values():
            log.close()
    return {"events_a_second": rates, "memory": memory}


def memory_of(place: str) -> dict[str, float]:
    """Bytes an event that was neither pushed nor exported, and of its id alone."""
    client: Any = redis.Redis.from_url(place)
    used = client.info("memory")["used_memory"]
    count = client.xlen(STREAM)
    client.delete(STREAM)
    ids = client.info("memory")["used_memory"]
    empty = 1_000_000  # of a Redis that holds nothing, about
    return {"event": (used - empty) / count, "id": (ids - empty) / count, "events": count}


def show(found: dict[str, Any]) -> None:
    """Write a table for people."""
    table = Table("log", "events/s, median", "lowest", "highest", "of SQLite")
    rates = found["events_a_second"]
    for name, values in rates.items():
        size = name.partition(", ")[2]
        ratio = statistics.median(values) / statistics.median(rates[f"sqlite, {size}"])
        middle = [f"{f(values):,.0f}" for f in (statistics.median, min, max)]
        table.add_row(name, *middle, f"{ratio:.2f}")
    Console().print(table)
    Console().print({name: round(value) for name, value in found["memory"].items()})


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each")
    given = parser.parse_args()
    found = measure(given.repeats, given.seconds)
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]}
    version = subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True, check=True
    ).stdout
    found |= {
        "machine": machine,
        "redis": version.split("v=")[1].split()[0],
        "python": platform.python_version(),
        "repeats": given.repeats,
        "seconds": given.seconds,
    }
    show(found)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
