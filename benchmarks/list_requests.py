"""What one request for a list costs a replica, stage by stage, from the app's door to the body.

    python -m benchmarks.list_requests [--before CHECKOUT]

Makes the replica that Ray Serve would run (``serving.deployments.Api``) in a process of its own,
without Ray, HAProxy and the server around it, for the shop of ``benchmarks.serving`` with features
in SQLite, and asks its app for one list after another, with reasons and without. Each stage is
counted without those that it calls, in CPU time of the thread that answers, so what else runs on
the machine matters less; time in which Python looks for garbage is told apart, whatever it
interrupts. ``--before`` lets another checkout's code take turns with this one: compare within a
row. Figures go to ``benchmarks/results/list_requests.json``: the median of the turns.
"""

import argparse
import asyncio
import functools
import gc
import importlib
import inspect
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = HERE / "benchmarks" / "results" / "list_requests.json"
ITEMS, SHOPPERS, K = 20_000, 10_000, 20
WARM_UP, ASKED, TURNS = 80, 200, 3
WAYS: Final = {"without reasons": False, "with reasons": True}
GARBAGE: Final = "garbage looked for"
STAGES: Final = (
    ("rows read", "serving.features.stored_rows:SqliteFeatureRows.read"),
    ("rows decoded", "serving.features.online_store:FeastFeatures.with_friends"),
    ("changes looked for", "serving.features.live:LiveState.refresh"),
    ("friends drawn on", "serving.lists.shopper_features:ShopperFeatures.drawn_on"),
    ("features, else", "serving.lists.list_maker:ListMaker.gather"),
    ("histories as arrays", "serving.lists.served_items:ServedItems.shoppers"),
    ("shopper read", "coterie.recommend.score:Score.read"),
    ("queries", "coterie.recommend.score:Score.queries"),
    ("candidates found and scored", "coterie.recommend.retrieval:Retriever.find"),
    ("ranked", "coterie.recommend.recommender:Recommender.recommend"),
    ("items looked up", "serving.lists.list_maker:ListMaker._listed"),
    ("parts of scores", "coterie.recommend.recommender:Recommender.contributions"),
    ("reasons chosen and told", "serving.lists.list_maker:ListMaker._explain"),
    ("list put together", "serving.lists.list_maker:ListMaker.make"),
    ("list checked and counted", "serving.rollouts.router:ReleaseRouter._count"),
    ("what it shows counted", "serving.rollouts.showing:ListDelivery.show"),
    ("router, else", "serving.rollouts.router:ReleaseRouter.answer"),
    ("body", "serving.api.routes:_recommend"),
    ("request counted, log line", "serving.api.middleware:TelemetryMiddleware._record"),
    ("app, else", "serving.api.middleware:TelemetryMiddleware.__call__"),
)
"""What a request passes through, from within outwards: each is counted without those before it."""


class RequestClock:
    """Adds up the CPU time that stages take, without the stages that they call."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((*(name for name, _ in STAGES), GARBAGE), 0.0)
        self._inner: list[float] = [0.0]
        self._began = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all stages that this code has, and the search for garbage."""
        kept = []
        for name, place in STAGES:
            module, _, path = place.partition(":")
            *owners, method = path.split(".")
            try:
                owner = functools.reduce(getattr, owners, importlib.import_module(module))
                inside = vars(owner)[method]
            except (ModuleNotFoundError, AttributeError, KeyError):
                continue
            kept.append((owner, method, inside))
            setattr(owner, method, self._watched(name, inside))
        gc.callbacks.append(self._garbage)
        try:
            yield
        finally:
            gc.callbacks.remove(self._garbage)
            for owner, method, inside in kept:
                setattr(owner, method, inside)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        self._inner.append(0.0)
        began = time.thread_time()
        try:
            yield
        finally:
            took = time.thread_time() - began
            self.seconds[name] += took - self._inner.pop()
            self._inner[-1] += took

    def _watched(self, name: str, inside: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inside)
        def watched(*given: Any, **named: Any) -> Any:
            with self._timed(name):
                return inside(*given, **named)

        @functools.wraps(inside)
        async def awaited(*given: Any, **named: Any) -> Any:
            # One request at a time: nobody else works while this one waits.
            with self._timed(name):
                return await inside(*given, **named)

        return awaited if inspect.iscoroutinefunction(inside) else watched

    def _garbage(self, phase: str, _: Any) -> None:
        if phase == "start":
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        self.seconds[GARBAGE] += took
        self._inner[-1] += took


async def measure(shop: Path, state: str) -> dict[str, dict[str, float]]:
    """Make a replica, ask it, and say what each stage takes, in microseconds a list."""
    settings = {"RELEASE": shop / "release", "FEATURES": shop / "sqlite", "STATE": state}
    os.environ |= {f"COTERIE_{name}": str(value) for name, value in settings.items()}
    from benchmarks.serving_shop import asked
    from coterie.release.bundle import load_release
    from coterie.rollout.live import Live, ReleaseRef
    from serving import deployments
    from serving.settings import read_settings

    read_settings().metrics_folder.mkdir(parents=True)
    deployments._sink_handles = lambda settings: []  # noqa: ARG005
    digest = load_release(str(shop / "release")).digest
    replica = deployments.Api()
    app = replica.__serve_build_asgi_app__()
    await replica.reconfigure(Live(ReleaseRef(digest, str(shop / "release"))).as_json())
    people = asked(SHOPPERS)
    found = {}
    for way, explain in WAYS.items():
        told = str(explain).lower()
        query, other = f"k={K}&explain={told}", f"explain={told}&k={K}"
        for user_id in people[:WARM_UP]:
            await _ask(app, user_id, query)
        began = time.thread_time()
        for user_id in people[WARM_UP : WARM_UP + ASKED]:
            await _ask(app, user_id, query)
        whole = time.thread_time() - began
        clock = RequestClock()
        with clock.watching():
            # Routes remember what answered a query string: that was not watched.
            for user_id in people[WARM_UP + ASKED : WARM_UP + 2 * ASKED]:
                await _ask(app, user_id, other)
        spent = {"whole": whole, **clock.seconds}
        found[way] = {name: round(1e6 * seconds / ASKED, 1) for name, seconds in spent.items()}
    return found


async def _ask(app: Any, user_id: str, query: str) -> None:
    path = f"/v1/users/{user_id}/recommendations"
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    assert sent[1]["body"]


def make_shop(folder: Path) -> Path:
    """Write the shop, unless an earlier run left it there."""
    made = folder / "made"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", str(HERE / "benchmarks" / "serving_shop.py"), str(folder)]
        sizes = ["--items", str(ITEMS), "--shoppers", str(SHOPPERS)]
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        subprocess.run([*command, *sizes], env=environment, check=True)
        made.touch()
    return folder


def in_turns(codes: dict[str, Path], shop: Path, turns: int) -> dict[str, Any]:
    """Let codes measure in turns; of each figure the median of the turns counts."""
    found: dict[str, list[Any]] = {name: [] for name in codes}
    for _ in range(turns):
        for code, checkout in codes.items():
            environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-P", __file__, "--shop", str(shop)]
            told = subprocess.run(
                command, env=environment, cwd=checkout, check=True, stdout=subprocess.PIPE
            )
            found[code].append(json.loads(told.stdout.splitlines()[-1]))
    return {
        code: {
            way: {name: _median([one[way][name] for one in of]) for name in of[0][way]}
            for way in WAYS
        }
        for code, of in found.items()
    }


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.list_requests", description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout to measure in turns with this one")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--work", type=Path, default=HERE / "var" / "bench-requests")
    parser.add_argument("--shop", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.shop:
        with TemporaryDirectory(prefix="coterie-requests-") as state:
            print(json.dumps(asyncio.run(measure(given.shop, state))))
        return
    codes = {"before": given.before.resolve()} if given.before else {}
    shop = make_shop(given.work.absolute())
    measured = in_turns(codes | {"now": HERE}, shop, given.turns)
    told = " --before CHECKOUT" * bool(given.before) + f" --turns {given.turns}"
    found = {
        "command": f"python -m benchmarks.list_requests{told}",
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine()},
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "items": ITEMS,
        "shoppers": SHOPPERS,
        "lists": ASKED,
        "turns": given.turns,
        "codes": measured,
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
