"""How long it takes from the start of the app to its first list, by phase and by process.

    make demo ONCE=1
    python -m benchmarks.start --demo var/demo --before /path/to/another/checkout

Starts ``python -m serving.app`` on what the demo left, as often as it is told, asks for a list
until there is one, and looks at all processes meanwhile: what each spent of the processors, and how
much memory they share. With ``--before``, the code of another checkout is started in turn with
ours. Where others use the machine, seconds of a core tell more than seconds. Figures go to
``benchmarks/results/start.json``: medians, lowest and highest.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
import ray
from rich.console import Console
from rich.table import Table

from benchmarks.live_changes import PATIENCE_S
from serving.launch.haproxy import QUIET_PORTS

RESULTS: Final = Path(__file__).parent / "results" / "start.json"
ROOT: Final = Path(__file__).parents[1]
LOOK_S: Final = 0.1
LONGEST_S: Final = 300.0
PARTS: Final = {
    "serving.app": "the app",
    "local_ray.template": "template of workers",
    "idle_agent": "Ray's watchers",
    "dashboard": "Ray's watchers",
    "Dashboard": "Ray's watchers",
    "monitor.py": "Ray's watchers",
    "runtime_env": "Ray's watchers",
    "RuntimeEnv": "Ray's watchers",
    "gcs_server": "Ray",
    "raylet": "Ray",
    "ServeController": "Serve's controller",
    "SERVE_CONTROLLER": "Serve's controller",
    "Proxy": "proxies",
    "PROXY": "proxies",
    "haproxy": "proxies",
    ":Api": "replica of lists",
    "#Api": "replica of lists",
    ":EventSink": "replica of events",
    ":RolloutController": "replica of rollouts",
}
"""Parts of the app by words of their processes' first 200 letters, the first that fits."""
OTHER: Final = "other workers"
PHASES: Final = ("checks", "Ray", "Serve", "replicas", "first list")


class Watch:
    """Looks at a process and all that descend from it."""

    def __init__(self, pid: int) -> None:
        self._root, self._seen = psutil.Process(pid), dict[tuple[int, float], tuple[str, float]]()
        self.began: dict[str, float] = {}
        """When the first process of each part was seen, by ``time.perf_counter``."""

    def look(self) -> None:
        """Note what each process spent until now."""
        for one in [self._root, *self._root.children(recursive=True)]:
            with suppress(psutil.Error):
                key, spent = (one.pid, one.create_time()), one.cpu_times()
                before = self._seen.get(key, (OTHER, 0.0))[0]
                part = _part_of(" ".join(one.cmdline()))
                part = before if part == OTHER else part
                self._seen[key] = part, spent.user + spent.system
                self.began.setdefault(part, time.perf_counter())

    def spent(self) -> dict[str, float]:
        """Seconds of a core by part."""
        parts: dict[str, float] = {}
        for part, seconds in self._seen.values():
            parts[part] = parts.get(part, 0.0) + seconds
        return parts

    def memory(self) -> float:
        """MiB that all processes take together, each shared page counted once."""
        family, pages = [self._root, *self._root.children(recursive=True)], 0
        for one in family:
            with suppress(psutil.Error):
                pages += one.memory_full_info().pss
        return pages / 2**20


def _part_of(command: str) -> str:
    return next((part for word, part in PARTS.items() if word in command[:200]), OTHER)


def _answers(url: str) -> int:
    """Status of an answer; 0 for none."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def start_once(root: Path, demo: Path, port: int) -> dict[str, Any]:
    """Start the code of a checkout once, and end it after its first list."""
    outputs = json.loads((demo / "pipeline" / "result.json").read_text())
    version = json.loads((Path(outputs["bundle"]) / "manifest.json").read_text())["version"]
    state, url = Path(tempfile.mkdtemp(prefix="coterie-start-")), f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "serving.app", "--port", str(port), "--state", str(state)]
    command += ["--release", str(demo / "releases" / version), "--features", outputs["store"]]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    began, marks = time.perf_counter(), dict[str, float]()
    with (
        (state / "log").open("w") as log,
        subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log) as process,
    ):
        watch = Watch(process.pid)
        while "first list" not in marks:
            watch.look()
            if process.poll() is not None or time.perf_counter() - began > LONGEST_S:
                sys.exit(f"it did not start: {(state / 'log').read_text()[-2000:]}")
            if "Serve" not in marks and _answers(f"{url}/readyz"):
                marks["Serve"] = time.perf_counter()
            if "Serve" in marks and _answers(f"{url}/readyz") == 200:
                marks["replicas"] = time.perf_counter()
                if _answers(f"{url}/v1/users/nobody/recommendations") == 200:
                    marks["first list"] = time.perf_counter()
            time.sleep(LOOK_S)
        watch.look()
        memory = watch.memory()
        process.send_signal(signal.SIGINT)
    shutil.rmtree(state)
    marks |= {"checks": watch.began["Ray"], "Ray": watch.began["Serve's controller"]}
    return {
        "at": {name: marks[name] - began for name in PHASES},
        "cpu": watch.spent(),
        "mib": memory,
    }


def summed_up(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of several starts; of all seconds and of all CPU also the lowest and the highest."""
    whole = [sum(run["cpu"].values()) for run in runs]
    parts = {part for run in runs for part in run["cpu"]}
    middle = {p: statistics.median(run["cpu"].get(p, 0.0) for run in runs) for p in parts}
    return {
        "starts": len(runs),
        "first_list_s": _spread([run["at"]["first list"] for run in runs]),
        "cpu_s": _spread(whole),
        "memory_mib": _spread([run["mib"] for run in runs]),
        "phase_ends_s": {
            name: round(statistics.median(run["at"][name] for run in runs), 2) for name in PHASES
        },
        "cpu_s_by_part": {
            part: round(seconds, 2)
            for part, seconds in sorted(middle.items(), key=lambda one: -one[1])
        },
    }


def _spread(values: list[float]) -> dict[str, float]:
    ends = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, 2) for name, value in ends.items()}


def show(found: Mapping[str, Any]) -> None:
    """Print a line for each checkout."""
    table = Table("code", "first list, s", "CPU, s", "memory, MiB")
    for name, one in found.items():
        figures = (one[key] for key in ("first_list_s", "cpu_s", "memory_mib"))
        table.add_row(
            name, *(f"{f['median']:.1f} ({f['lowest']:.1f} to {f['highest']:.1f})" for f in figures)
        )
    Console().print(table)


def main() -> None:
    """Start each checkout in turn, and write what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("var/demo"), help="what make demo left")
    parser.add_argument("--before", type=Path, help="another checkout, started in turn with ours")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    checkouts = {**({"before": given.before.absolute()} if given.before else {}), "now": ROOT}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
    load = os.getloadavg()[0]
    for number in range(given.repeats):
        for name, root in checkouts.items():
            runs[name].append(start_once(root, given.demo.absolute(), QUIET_PORTS[number]))
    found = {name: summed_up(some) for name, some in runs.items()}
    show(found)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "ray": ray.__version__}
    machine |= {"load_before": round(load, 1), "load_after": round(os.getloadavg()[0], 1)}
    command = f"python -m benchmarks.start --repeats {given.repeats}" + " --before" * bool(
        given.before
    )
    RESULTS.write_text(
        json.dumps({"command": command, "machine": machine, "starts": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
