"""What an event costs from a request's JSON to features that know of it, by part and by sinks.

    python -m benchmarks.events --before ../checkout-of-before

Requests of 20 events by as many shoppers, of 5,000 who have 50 recent items each, are checked as a
replica does, and ten of them at a time are written as a sink does: into the log, then into features
in Feast, both in SQLite files or both in a Redis of this machine (``appendfsync always``). Several
sinks are as many processes, each with a part of the shoppers. Costs are CPU time of the processes
that do the work, Redis counted apart, so that others on the machine hardly matter; rates are by the
clock. With ``--before`` the same work is done with another checkout's code, in turn. Figures go to
``benchmarks/results/events.json``: the median of the repeats, lowest and highest.

HTTP, Ray's calls and FastAPI are not in it.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

HERE: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = HERE / "benchmarks" / "results" / "events.json"
SHOPPERS, ITEMS, RECENT, BATCH, TOGETHER = 5000, 20_000, 50, 20, 10
START_MS: Final = 1_764_000_000_000
SINKS: Final = (1, 2, 4)
SEED: Final = 1


def cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fill(store: str) -> None:
    """Register the views, and give each shopper recent items."""
    from feast import FeatureStore

    from feature_repo.views import definitions
    from serving.features.online_store import FeastFeatures
    from serving.features.recent import RecentList

    FeatureStore(repo_path=store).apply(definitions())
    features, random = FeastFeatures(store), np.random.default_rng(SEED)
    times = tuple(START_MS - 1000 * n for n in range(RECENT))
    for first in range(0, SHOPPERS, 500):
        lists = []
        for _ in range(500):
            items = random.choice(ITEMS, RECENT, replace=False)
            lists.append(RecentList(tuple(f"item-{i:05d}" for i in items), (0,) * RECENT, times))
        features.push_recent([f"shopper-{first + n:05d}" for n in range(500)], lists, first + 1)


def requests(part: int, parts: int, count: int, begin: int) -> list[list[dict[str, Any]]]:
    """Make requests as apps send them, of the shoppers of one part."""
    random = np.random.default_rng(SEED + part + begin)
    users = random.integers(SHOPPERS // parts, size=(count, BATCH)) * parts + part
    items = random.integers(ITEMS, size=(count, BATCH))
    return [
        [
            {
                "event_id": f"web-{part}-{(begin + row) * BATCH + n}",
                "user_id": f"shopper-{users[row, n]:05d}",
                "item_id": f"item-{items[row, n]:05d}",
                "event": "click",
                "ts": START_MS + (begin + row) * BATCH + n,
                "list_id": "0123456789ab-3e8-000000000000",
            }
            for n in range(BATCH)
        ]
        for row in range(count)
    ]


def work(store: str, log: str, part: int, parts: int, seconds: float) -> dict[str, float]:
    """Check and write for so long, as one replica and its sink."""
    from serving.events.open import open_log
    from serving.features.online_store import FeastFeatures
    from serving.ingestion.intake import Intake
    from serving.ingestion.sink import Sink
    from serving.telemetry.metrics import ServingMetrics

    intake, now = Intake(3650.0, 300.0), datetime.now(UTC)
    sink = Sink(open_log(log), FeastFeatures(store), ServingMetrics())
    begin = round(time.time() * 10) % 10**9
    checking = writing = 0.0
    events, began, last = 0, 0.0, 0.0
    for turn in range(10**6):
        sent = requests(part, parts, TOGETHER, begin + turn * TOGETHER)
        first = cpu()
        batches = [intake.sort(one, now).kept for one in sent]
        second = cpu()
        receipts = sink.write(batches)
        third = cpu()
        assert all(one.applied and one.accepted == BATCH for one in receipts)
        last = time.perf_counter()
        if turn < 3:  # imports, connections
            began = last
            continue
        checking, writing = checking + second - first, writing + third - second
        events += TOGETHER * BATCH
        if last - began > seconds:
            break
    return {
        "check_us": checking / events * 1e6,
        "write_us": writing / events * 1e6,
        "events_a_second": events / (last - began),
    }


def told(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start this file with the code of a checkout."""
    return subprocess.Popen(
        # -P: or what stands beside this file would be taken for packages of the same names.
        [sys.executable, "-P", str(HERE / "benchmarks" / "events.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """Wait for what it found."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit("a part failed: see above")
    return json.loads(said.splitlines()[-1])


def once(checkout: Path, kind: str, sinks: int, seconds: float) -> dict[str, float]:
    """Measure one checkout, kind of store and number of sinks, beginning with nothing."""
    import redis
    import yaml

    from benchmarks.event_log import redis_server

    with TemporaryDirectory(dir=HERE) as name:
        home = Path(name)
        settings = yaml.safe_load((checkout / "feature_repo/feature_store.yaml").read_text())
        if kind == "sqlite":
            (home / "feature_store.yaml").write_text(yaml.safe_dump(settings))
            answer(told(checkout, "--fill", name))
            return together(checkout, name, f"sqlite://{home}/events.sqlite", sinks, seconds)
        with redis_server(home / "redis", "always") as url:
            place = url.removeprefix("redis://").partition("/")[0]
            settings["online_store"] = {"type": "redis", "connection_string": place}
            (home / "feature_store.yaml").write_text(yaml.safe_dump(settings))
            client: Any = redis.Redis.from_url(url)
            while not answers(client):
                time.sleep(0.05)
            answer(told(checkout, "--fill", name))
            before = redis_cpu(client)
            found = together(checkout, name, url, sinks, seconds)
            # Of warming up, too: a little too much.
            found["redis_us"] = (redis_cpu(client) - before) / client.xlen("{coterie:events}") * 1e6
            return found


def answers(client: Any) -> bool:
    """Tell whether a Redis is there."""
    import redis

    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def redis_version() -> str:
    """Ask this machine's Redis which it is."""
    command = ["redis-server", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.split("v=")[1].split()[0]


def redis_cpu(client: Any) -> float:
    """CPU seconds of a Redis."""
    used = client.info("cpu")
    return float(used["used_cpu_sys"] + used["used_cpu_user"])


def together(checkout: Path, store: str, log: str, sinks: int, seconds: float) -> dict[str, float]:
    """Let so many sinks work at once."""
    given = ["--store", store, "--log", log, "--parts", str(sinks), "--seconds", str(seconds)]
    started = [told(checkout, *given, "--part", str(part)) for part in range(sinks)]
    found = [answer(process) for process in started]
    rate = sum(one["events_a_second"] for one in found)
    costs = {
        name: sum(one[name] * one["events_a_second"] for one in found) / rate
        for name in ("check_us", "write_us")
    }
    return costs | {"events_a_second": rate}


def measure(before: Path | None, repeats: int, seconds: float) -> dict[str, Any]:
    """All figures, each repeat of all before the next."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(repeats):
        for kind in ("sqlite", "redis"):
            # A file has one writer.
            runs = [("now", HERE, sinks) for sinks in (SINKS if kind == "redis" else SINKS[:1])]
            if before:
                runs.insert(0, ("before", before, 1))
            for which, checkout, sinks in runs:
                row = found.setdefault(f"{kind}, {sinks} sinks, {which}", {})
                for name, value in once(checkout, kind, sinks, seconds).items():
                    row.setdefault(name, []).append(value)
                print(kind, sinks, which, {n: round(v[-1]) for n, v in row.items()}, flush=True)
    return {
        row: {
            name: {"median": statistics.median(v), "lowest": min(v), "highest": max(v)}
            for name, v in columns.items()
        }
        for row, columns in found.items()
    }


def main() -> None:
    """Measure, show, write; or do one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each")
    for name in ("--fill", "--store", "--log"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--part", "--parts"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.fill)
        print("{}")
        return
    if given.store:
        print(json.dumps(work(given.store, given.log, given.part, given.parts, given.seconds)))
        return
    before = given.before.resolve() if given.before else None
    content = {
        "figures": measure(before, given.repeats, given.seconds),
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine()},
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "redis": redis_version(),
        "seed": SEED,
        "repeats": given.repeats,
        "seconds": given.seconds,
        "command": "python -m benchmarks.events --before CHECKOUT",
    }
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
