"""What it takes to read a shopper and all friends from Redis: round trips, and CPU on both sides.

    python -m benchmarks.feature_reads --before CHECKOUT

Starts a redis-server of this machine, writes features of a made-up shop (``serving_shop``: 50 own
entries, 30 friends with 20 each) into it, and an event log with one changed row, so that changed
ties are asked for as well. Then a process a code reads what a list draws on, as the router has it
read, of one shopper after another; with ``--before`` another checkout's code in turn with this
one's. Round trips are what Redis counts as reads of a connection; CPU is that of the process and of
Redis, so that others on the machine hardly matter. Figures go to
``benchmarks/results/feature_reads.json``: the median of the turns.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

HERE: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = HERE / "benchmarks" / "results" / "feature_reads.json"
SHOPPERS, READ, TURNS = 3_000, 500, 3


def read(store: str, log: str) -> dict[str, float]:
    """Read shoppers with the code that is imported here, and count what it took."""
    import redis

    from benchmarks.serving_shop import asked
    from serving.events.open import open_rows
    from serving.features.live import LiveFeatures, LiveState
    from serving.features.online_store import FeastFeatures
    from serving.lists.shopper_features import gather

    live = LiveState(open_rows(log))
    features = LiveFeatures(FeastFeatures(store), live)
    people: list[str] = asked(SHOPPERS)[:READ]
    client = redis.Redis.from_url(log)

    def once() -> None:
        for user_id in people:
            live.refresh()
            assert len(gather(features, user_id).friends) > 1

    once()  # connections, and rows that are decoded once
    asked_before, began = client.info(), time.process_time()
    once()
    took, after = time.process_time() - began, client.info()
    spent = sum(
        after[f"used_cpu_{kind}"] - asked_before[f"used_cpu_{kind}"] for kind in ("user", "sys")
    )
    trips = after["total_reads_processed"] - asked_before["total_reads_processed"] - 1
    commands = after["total_commands_processed"] - asked_before["total_commands_processed"] - 1
    return {
        "round trips": trips / READ,
        "commands": commands / READ,
        "replica us": 1e6 * took / READ,
        "redis us": 1e6 * spent / READ,
    }


def measure(codes: dict[str, Path]) -> dict[str, Any]:
    """Fill a Redis, and let the codes read from it in turns."""
    from benchmarks.event_log import await_log, redis_server
    from coterie.data.changes import Change
    from serving.events.open import open_log

    found: dict[str, list[dict[str, float]]] = {name: [] for name in codes}
    with TemporaryDirectory(prefix="coterie-reads-") as name:
        home = Path(name)
        with redis_server(home / "server", "everysec") as url:
            log = open_log(url)
            await_log(log)
            shop = [str(HERE / "benchmarks" / "serving_shop.py"), name, "--items", "2000"]
            shop += ["--shoppers", str(SHOPPERS), "--redis", url.split("/")[2]]
            _told(HERE, shop)
            log.append([Change("c1", "items", ("item-0",), 1, values={"price": 1.0})])
            for _ in range(TURNS):
                for code, checkout in codes.items():
                    given = [__file__, "--store", str(home / "redis"), "--log", url]
                    found[code].append(json.loads(_told(checkout, given).splitlines()[-1]))
    return {
        code: {what: round(float(np.median([one[what] for one in turns])), 2) for what in turns[0]}
        for code, turns in found.items()
    }


def _told(checkout: Path, command: list[str]) -> str:
    """Run a program with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    made = subprocess.run(
        [sys.executable, "-P", *command],
        env=environment,
        cwd=checkout,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return made.stdout


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feature_reads", description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout to measure in turns with this one")
    parser.add_argument("--store", help=argparse.SUPPRESS)
    parser.add_argument("--log", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.store:
        print(json.dumps(read(given.store, given.log)))
        return
    if not shutil.which("redis-server"):
        sys.exit("no redis-server: Debian has it")
    codes = {"before": given.before.resolve()} if given.before else {}
    found: dict[str, Any] = {
        "command": "python -m benchmarks.feature_reads" + " --before CHECKOUT" * bool(given.before),
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine()},
        "load": round(os.getloadavg()[0], 1),
        "versions": {n: version(n) for n in ("redis", "hiredis", "feast")},
        "shoppers": SHOPPERS,
        "read": READ,
        "turns": TURNS,
        "codes": measure(codes | {"now": HERE}),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
