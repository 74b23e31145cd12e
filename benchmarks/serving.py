"""What the whole service does: lists a second, time of a list, processor and memory.

    python -m benchmarks.serving [--redis] [--before CHECKOUT] [--flame FOLDER --py-spy PROGRAM]

Starts the real app with two replicas for a made-up shop (``serving_shop``), asks it from this
process, and stops it. In turns, several times: a closed loop of four, with reasons and without.
Then an open loop at half of what the closed one reached. Beside it, in the same run, the same
deployment with a constant body of the same size (``serving_reference``): lists a second are told as
a share of that. Last, lists and events together (``serving_live``). ``--before`` measures an older
checkout in the same way, with that one's code. Figures go to ``benchmarks/results/serving.json``.
"""

import argparse
import contextlib
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.event_log import redis_server
from benchmarks.serving_flame import draw, stages
from benchmarks.serving_live import measure_live
from benchmarks.serving_load import (
    HOST,
    Answers,
    Connection,
    Processes,
    closed_loop,
    in_turn,
    open_loop,
)
from benchmarks.serving_shop import SEED, asked

RESULTS: Final = Path(__file__).parent / "results" / "serving.json"
HERE: Final = Path(__file__).parents[1]
K: Final = 20
CALLERS: Final = 4
REPLICAS: Final = 2
WARM_UP: Final = 150
"""Lists of each kind before anything is measured."""
VERSIONS: Final = ("ray", "fastapi", "feast", "torch", "numpy", "redis")


@dataclass(frozen=True)
class Plan:
    """How long, and of what size."""

    rounds: int
    seconds: float
    """Of each closed loop; an open one is twice as long."""
    items: int
    shoppers: int
    live_s: float


@contextlib.contextmanager
def started(command: Sequence[str], checkout: Path) -> Iterator[Processes]:
    """Run a program of a checkout until it says that it serves; stop it after."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(
        [sys.executable, "-P", *command],
        env=environment,
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            if not any(line.startswith("serving") for line in process.stdout):
                raise SystemExit(f"{shlex.join(command)} did not start")
            yield Processes(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()


def free_port() -> int:
    """Find a port that nobody has."""
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])


class Lists:
    """Asks for lists of the shop's shoppers."""

    def __init__(self, shoppers: int) -> None:
        self._draw = in_turn(asked(shoppers), SEED)
        self.bytes = 0

    def path(self, explain: bool) -> str:
        """Give the path of somebody's list."""
        told = "true" if explain else "false"
        return f"/v1/users/{self._draw()}/recommendations?k={K}&explain={told}"

    def plain(self, connection: Connection) -> None:
        """Ask for a list without reasons."""
        self.bytes = len(connection.get(self.path(explain=False)))

    def explained(self, connection: Connection) -> None:
        """Ask for a list with reasons."""
        self.bytes = len(connection.get(self.path(explain=True)))


def measure_lists(port: int, processes: Processes, plan: Plan, kinds: Sequence[str]) -> Any:
    """Measure each kind of list in turns, then each at half of its peak."""
    lists = Lists(plan.shoppers)
    asks = {kind: getattr(lists, kind) for kind in kinds}
    with Connection(port) as connection:
        for ask in asks.values():
            for _ in range(WARM_UP):
                ask(connection)
    told: dict[str, Any] = {kind: {"bytes": 0, "rates": []} for kind in kinds}
    whole = dict.fromkeys(kinds, Answers())
    cpu: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    for _ in range(plan.rounds):
        for kind, ask in asks.items():
            before, own = processes.cpu_s(), time.process_time()
            found = closed_loop(ask, port, CALLERS, plan.seconds)
            after = processes.cpu_s() | {"load generator": time.process_time() - own}
            for group, seconds in after.items():
                spent = seconds - before.get(group, 0.0)
                cpu[kind][group] = cpu[kind].get(group, 0.0) + spent
            whole[kind] += found
            told[kind]["rates"].append(round(found.rate, 1))
            told[kind]["bytes"] = lists.bytes
    for kind, ask in asks.items():
        number = len(whole[kind].seconds)
        per_list = {group: round(1000 * s / number, 3) for group, s in cpu[kind].items()}
        half = open_loop(ask, port, whole[kind].rate / 2, 2 * plan.seconds, SEED)
        told[kind] |= {"closed": whole[kind].told(), "cpu_ms_a_list": per_list}
        told[kind]["at_half"] = half.told()
    return told


def measure_app(
    checkout: Path, shop: Path, store: str, plan: Plan, flame: tuple[Path, str] | None
) -> dict[str, Any]:
    """Start the app of a checkout for a shop, and measure it."""
    port = free_port()
    with TemporaryDirectory(prefix="coterie-bench-", dir=shop) as state:
        command = ["-m", "serving.app", "--release", str(shop / "release")]
        command += ["--features", str(shop / store), "--port", str(port), "--state", state]
        with started([*command, "--replicas", str(REPLICAS)], checkout) as processes:
            found: dict[str, Any] = measure_lists(port, processes, plan, ("plain", "explained"))
            found["pss_mb"] = {g: round(mb) for g, mb in processes.pss_mb().items()}
            if flame is not None:
                found["stages"] = flames(port, processes, plan, found, shop, flame)
            if plan.live_s:
                found["live"] = measure_live(port, plan.live_s, plan.items, asked(plan.shoppers))
            found["pss_mb_after_events"] = {g: round(mb) for g, mb in processes.pss_mb().items()}
    return found


def flames(
    port: int, processes: Processes, plan: Plan, found: Any, work: Path, flame: tuple[Path, str]
) -> dict[str, Any]:
    """Sample a replica under load, draw where its time goes, and divide a list's among stages."""
    folder, program = flame
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    pid = processes.pids("replicas")[0]
    lists = Lists(plan.shoppers)
    for kind in ("plain", "explained"):
        raw = work / f"{kind}.txt"
        seconds = str(int(2 * plan.seconds))
        given = [program, "record", "--pid", str(pid), "--format", "raw", "--rate", "200"]
        with subprocess.Popen([*given, "--duration", seconds, "--output", str(raw)]) as sampling:
            time.sleep(1)
            closed_loop(getattr(lists, kind), port, CALLERS, 2 * plan.seconds)
            sampling.wait()
        if kind == "plain":
            draw(raw, folder / f"serving-{work.name}-{kind}.svg")
        whole = found[kind]["cpu_ms_a_list"]["replicas"]
        told[kind] = {name: round(whole * part, 3) for name, part in stages(raw).items()}
    return told


def measure_reference(checkout: Path, plan: Plan, size: int) -> dict[str, Any]:
    """Measure the same deployment with a constant body."""
    port = free_port()
    command = [str(HERE / "benchmarks" / "serving_reference.py"), "--port", str(port)]
    command += ["--bytes", str(size), "--replicas", str(REPLICAS)]
    with started(command, checkout) as processes:
        found: dict[str, Any] = measure_lists(port, processes, plan, ("plain",))["plain"]
    return found


def make_shop(folder: Path, checkout: Path, plan: Plan, redis: str = "") -> None:
    """Write the shop in the form of a checkout, unless it is there."""
    store = "redis" if redis else "sqlite"
    stamp = folder / f"{store}-{plan.items}-{plan.shoppers}.made"
    if stamp.exists() and not redis:
        return
    command = [str(HERE / "benchmarks" / "serving_shop.py"), str(folder)]
    command += ["--items", str(plan.items), "--shoppers", str(plan.shoppers)]
    command += ["--redis", redis] if redis else []
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, "-P", *command], check=True, env=environment)
    stamp.touch()


def measure(checkout: Path, work: Path, plan: Plan, given: argparse.Namespace) -> dict[str, Any]:
    """Measure a checkout with each store that is asked for, and its reference."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    flame = (given.flame, given.py_spy) if given.flame else None
    make_shop(work, checkout, plan)
    found: dict[str, Any] = {"commit": _commit(checkout)}
    found["sqlite"] = measure_app(checkout, work, "sqlite", plan, flame)
    if given.redis:
        with redis_server(work / "server", "everysec") as url:
            time.sleep(1)
            make_shop(work, checkout, plan, url.removeprefix("redis://").partition("/")[0])
            found["redis"] = measure_app(checkout, work, "redis", plan, None)
    return found


def _command(given: argparse.Namespace) -> str:
    """Write the command without the paths of a machine."""
    told = ["python -m benchmarks.serving"] + ["--redis"] * given.redis
    told += ["--before CHECKOUT"] * bool(given.before) + ["--flame docs/images"] * bool(given.flame)
    sizes = ("rounds", "seconds", "live_seconds", "items", "shoppers")
    told += [f"--{name.replace('_', '-')} {getattr(given, name):g}" for name in sizes]
    return " ".join(told)


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def show(found: dict[str, Any]) -> None:
    """Write a table for people."""
    table = Table("", "lists/s", "of reference", "p50, p99 at half, ms", "CPU a list, ms")
    rate = found["reference"]["closed"]["a_second"]
    rows = {"constant body": found["reference"]}
    for name in ("now", "before"):
        for store in ("sqlite", "redis"):
            for kind in ("plain", "explained"):
                if row := found.get(name, {}).get(store, {}).get(kind):
                    rows[f"{name}, {store}, {kind}"] = row
    for name, row in rows.items():
        spent = {g: ms for g, ms in row["cpu_ms_a_list"].items() if g != "load generator"}
        half, share = row["at_half"], row["closed"]["a_second"] / rate
        cpu = f"{sum(spent.values()):.2f} ({spent.get('replicas', 0):.2f} replicas)"
        times = f"{half['p50_ms']}, {half['p99_ms']}"
        lowest, middle, highest = (f(row["rates"]) for f in (min, statistics.median, max))
        told = f"{middle:.0f} ({lowest:.0f} to {highest:.0f})"
        table.add_row(name, told, f"{share:.0%}", times, cpu)
    Console().print(table)
    for name in ("now", "before"):
        if name in found:
            Console().print(
                name, found[name]["sqlite"].get("live"), found[name]["sqlite"]["pss_mb"]
            )


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--redis", action="store_true", help="features in Redis, too")
    parser.add_argument("--before", type=Path, help="an older checkout, measured as well")
    parser.add_argument("--flame", type=Path, help="folder for flame graphs; needs py-spy")
    parser.add_argument("--py-spy", default="py-spy", help="the program")
    parser.add_argument("--work", type=Path, default=HERE / "var" / "bench-serving")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each closed loop")
    parser.add_argument("--live-seconds", type=float, default=20.0, help="of lists and events")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--shoppers", type=int, default=50_000)
    given = parser.parse_args()
    plan = Plan(given.rounds, given.seconds, given.items, given.shoppers, given.live_seconds)
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]}
    work = given.work.absolute()
    found: dict[str, Any] = {
        "command": _command(given),
        "machine": machine,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in VERSIONS},
        "seed": SEED,
        "items": given.items,
        "shoppers": given.shoppers,
        "replicas": REPLICAS,
        "callers": CALLERS,
    }
    parts: dict[str, Callable[[], Any]] = {
        "now": lambda: measure(HERE, work / "now", plan, given),
        "reference": lambda: measure_reference(
            HERE, plan, found["now"]["sqlite"]["plain"]["bytes"]
        ),
    }
    if given.before:
        parts["before"] = lambda: measure(given.before.absolute(), work / "before", plan, given)
    for name, part in parts.items():
        found[name] = part()
        # At once: what comes later may fail, on a machine that others use.
        given.out.write_text(json.dumps(found, indent=2) + "\n")
    show(found)


if __name__ == "__main__":
    main()
