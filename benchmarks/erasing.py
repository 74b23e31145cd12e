"""What it costs to look for one person in all rows of an online store on Redis.

    python -m benchmarks.erasing

Fills a real Redis (``redis-server`` of this machine, over loopback) with rows of friends as Feast
writes them, and with as many hashes of changed ties as a tenth of the shoppers would have, and
erases somebody whom a hundred others name. Client and server take turns, so their processor times
add up to the wall time of an idle machine; wall time is told beside. Figures go to
``benchmarks/results/erasing.json``.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis
import yaml  # type: ignore[import-untyped]
from feast import FeatureStore
from rich.console import Console

import feature_repo
from benchmarks.event_log import await_log, redis_server
from coterie import schema
from coterie.data.redis_scripts import ScriptedRedis
from feature_repo.views import definitions
from serving.events.open import open_log
from serving.events.redis_erasure import remove_rows
from serving.events.redis_rows import REST, ties_hash
from serving.features.erased_rows import RedisErasedRows
from serving.features.online_store import FeastFeatures

RESULTS: Final = Path(__file__).parent / "results" / "erasing.json"
FRIENDS: Final = 20
NAMING: Final = 100
"""People who have the erased one as a friend."""
WHO: Final = "shopper-of-whom-nothing-stays"
_AT_ONCE: Final = 5000


def opened(folder: Path, place: str) -> FeastFeatures:
    """Open features on a Redis."""
    settings = yaml.safe_load(
        (Path(feature_repo.__file__).parent / "feature_store.yaml").read_text()
    )
    address = place.removeprefix("redis://").partition("/")[0]
    settings["online_store"] = {"type": "redis", "connection_string": address}
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    FeatureStore(repo_path=str(folder)).apply(definitions())
    return FeastFeatures(str(folder))


def fill(rows: RedisErasedRows, client: Any, first: int, end: int) -> None:
    """Write rows of friends, some of which name WHO, and hashes of changed ties."""
    from feast.protos.feast.types.Value_pb2 import FloatList, Int64List, StringList, Value

    def row(ids: list[str]) -> dict[str, bytes]:
        values: dict[str, Any] = {}
        for name, width in schema.FRIEND_WIDTHS.items():
            count = len(ids) * width
            if name == schema.FRIEND_IDS:
                values[name] = Value(string_list_val=StringList(val=ids))
            elif name in (schema.FRIEND_STRENGTHS, schema.FRIEND_WEIGHTS):
                values[name] = Value(float_list_val=FloatList(val=[0.25] * count))
            else:
                values[name] = Value(int64_list_val=Int64List(val=[1] * count))
        return {rows._fields[name]: value.SerializeToString() for name, value in values.items()}

    usual = row([f"shopper-{n:07d}" for n in range(FRIENDS)])
    naming = row([*(f"shopper-{n:07d}" for n in range(FRIENDS - 1)), WHO])
    for start in range(first, end, _AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for n in range(start, min(start + _AT_ONCE, end)):
            key = rows._key(f"shopper-{n:07d}") + rows._project
            pipe.hset(key, mapping=naming if n < NAMING else usual)
            if n % 10 == 0:
                pipe.hset(ties_hash(f"shopper-{n:07d}"), f"shopper-{n + 1:07d}{REST}follow", "{}")
        pipe.execute()


def processor_s(client: Any) -> tuple[float, float]:
    """Seconds of the processor: of this process, and of the server."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    told = client.info("cpu")
    server = told["used_cpu_user_main_thread"] + told["used_cpu_sys_main_thread"]
    return mine.ru_utime + mine.ru_stime, float(server)


def timed(client: Any, work: Any) -> dict[str, float]:
    """Do something, and tell what it cost."""
    began, before = time.perf_counter(), processor_s(client)
    found = work()
    after, wall = processor_s(client), time.perf_counter() - began
    mine, server = (b - a for a, b in zip(before, after, strict=True))
    return {"found": found, "client_s": mine, "server_s": server, "wall_s": wall}


def measure(counts: list[int], repeats: int) -> list[dict[str, Any]]:
    """Erase WHO from stores of several sizes, some times each."""
    found = []
    with TemporaryDirectory() as home, redis_server(Path(home) / "redis", "no") as place:
        log = open_log(place)
        await_log(log)
        client: Any = redis.Redis.from_url(place)
        rows = RedisErasedRows(opened(Path(home), place))
        asked, filled = ScriptedRedis(place), 0
        for count in counts:
            fill(rows, client, filled, count)
            filled = count
            runs: dict[str, list[dict[str, float]]] = {"friends": [], "ties": []}
            for _ in range(repeats):
                fill(rows, client, 0, NAMING)
                runs["friends"].append(timed(client, lambda: rows.remove_from_others(WHO)))
                runs["ties"].append(timed(client, lambda: remove_rows(asked, WHO)))
            assert all(run["found"] == NAMING for run in runs["friends"])
            memory = client.info("memory")["used_memory"]
            found.append({"shoppers": count, "keys": client.dbsize(), "bytes": memory, **runs})
        log.close()
    return found


def main() -> None:
    """Measure, write, and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erasing")
    parser.add_argument("--shoppers", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", default=str(RESULTS))
    given = parser.parse_args()
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "python": sys.version}
    found: dict[str, Any] = {
        "command": "python -m benchmarks.erasing " + " ".join(sys.argv[1:]),
        "machine": machine,
        "friends": FRIENDS,
        "naming": NAMING,
        "stores": measure(given.shoppers, given.repeats),
    }
    Path(given.out).write_text(json.dumps(found, indent=1) + "\n")
    for store in found["stores"]:
        for part in ("friends", "ties"):
            told = {
                name: f"{statistics.median(run[name] for run in store[part]):.2f}"
                for name in ("client_s", "server_s", "wall_s")
            }
            Console().print(f"{store['shoppers']:,} shoppers, {part}: {told}")


if __name__ == "__main__":
    main()
