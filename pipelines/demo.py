"""``make demo``: from data to lists with reasons, and a shop to click in."""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coterie.access.at_home import own_key
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.release.manifest import MANIFEST
from pipelines.client import Client
from pipelines.demo_output import show_addresses, show_lists, show_metrics, show_step
from pipelines.parameters import TRAIN, write_help
from pipelines.processes import INTERRUPTED, StopRequestedError, child, stoppable

DATASETS: Final = ("beidian", "lastfm", "ciao", "douban_book", "split_csv")
HOST: Final = "127.0.0.1"
SHOWN_SHOPPERS: Final = 3

READY_S: Final = 300.0
"""How long serving may take to be ready, seconds."""
QUIET: Final = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TQDM_DISABLE": "1",
    # Threads of Torch that wait for each other leave the core to whoever has work: encoding took
    # 8 minutes instead of one where others used the machine as well.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Variables of our child processes: what a person should know they tell us, the rest their logs."""
SERVING: Final = {"COTERIE_ATTRIBUTION_S": "2", "COTERIE_ROLLOUT_INTERVAL_S": "0.5"}
"""Variables of the served shop: others wait minutes for a click, which a demo has not got."""
BASELINES: Final = "popularity item_knn ease social_linear social social_no_ties"
"""Models that the demo compares."""
CONTENT: Final = {"text": {"place": "default"}, "image": {"place": "default", "side": 96}}
"""What of a simulated shop's items is encoded: pictures as large as they are, so in 15 s of a core
instead of 50."""
BEFORE: Final = "-before"
"""Ends the version of the release that is served first."""
RUNS: Final = "runs"
"""Folder where runs of the pipeline leave their state."""
WORLD_FILE: Final = "world.npz"
"""File where the simulator leaves the truth of its shop."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What was asked for."""

    work: Path
    data: str = ""
    dataset: str = ""
    mapping: str = ""
    port: int = 8000
    once: bool = False
    arguments: tuple[str, ...] = ()
    """Parameters of the pipeline besides the source, NAME=VALUE."""
    users: int = 2_000
    items: int = 1_500
    events: int = 120_000
    """Size of the simulated shop."""


def run_demo(demo: Demo) -> None:
    """Make data, run the pipeline, serve and show lists; then wait for Ctrl-C unless ``once``.

    Raises:
        BadInputError: What was asked for cannot be done; nothing was started.
        UnavailableError: Serving did not come up.
    """
    _check(demo)
    started = time.monotonic()
    source = demo.data or _simulated(demo)
    outputs = _run_pipeline(demo, source)
    report = shutil.copyfile(outputs["report"], demo.work / "report.html")
    show_metrics(outputs["evaluation"])
    store, first = _released(demo, outputs)
    with _served(demo, outputs, f"{store}/{first}") as shop:
        show_lists(shop, SHOWN_SHOPPERS)
        if not demo.data:
            _roll_out(demo, shop, store, first)
        show_addresses(shop, str(report), demo.work, time.monotonic() - started)
        if not demo.once:
            with contextlib.suppress(StopRequestedError):
                _wait()
            print("\nStopping.", flush=True)


def _check(demo: Demo) -> None:
    """Find everything that can be wrong before the work starts."""
    if demo.dataset and demo.dataset not in DATASETS:
        raise BadInputError(f"DATASET is {demo.dataset!r}: expected one of {', '.join(DATASETS)}")
    if demo.dataset and not demo.data:
        raise BadInputError(f"DATASET={demo.dataset} needs DATA=<the folder with its files>")
    if demo.mapping and (demo.dataset or not demo.data):
        raise BadInputError("MAPPING needs DATA=<the folder that it explains>, and no DATASET")
    if demo.mapping and not Path(demo.mapping).is_file():
        raise BadInputError(f"MAPPING is {demo.mapping!r}, which is no file")
    if demo.data and "://" not in demo.data and not Path(demo.data).is_dir():
        raise BadInputError(f"DATA is {demo.data!r}, which is no folder")
    if not 0 <= demo.port <= 65535:
        raise BadInputError(f"PORT is {demo.port}: expected 1 to 65535")
    try:
        with socket.create_server((HOST, demo.port)):
            pass
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BadInputError(
            f"port {demo.port} cannot be used ({why}): choose another one, for example "
            f"make demo PORT={_free_port()}"
        ) from error


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _simulated(demo: Demo) -> str:
    """Write the raw tables of a simulated shop, and return their folder."""
    from coterie.data.simulate import ShopConfig, simulate

    config = ShopConfig(
        num_users=demo.users, num_items=demo.items, num_events=demo.events, pictures=True
    )
    raw = demo.work / "raw"
    with show_step("simulate"):
        simulate(config).write(str(raw))
    return str(raw)


def _run_pipeline(demo: Demo, source: str) -> dict[str, str]:
    """Run the pipeline, and return where each of its outputs is."""
    root = demo.work / "pipeline"
    command = [sys.executable, "-m", "pipelines.local", "--root", str(root), f"source={source}"]
    # A demo that was killed in training goes on there; one that ended well begins anew.
    checkpoints = (demo.work / "checkpoints").absolute()
    # The same epochs without Ray's processes around them: 14 s instead of 192 s.
    mapping = str(Path(demo.mapping).absolute()) if demo.mapping else ""
    command += [
        f"dataset={demo.dataset}",
        f"mapping={mapping}",
        f"checkpoints={checkpoints}",
        "workers=0",
    ]
    # LightGCN alone would take as long as all others together: ARGS="baselines=" has it.
    command += [f"status={(demo.work / RUNS).absolute()}", f"baselines={BASELINES}"]
    if not demo.data:
        # What was encoded for an earlier demo is not encoded again.
        content = {**CONTENT, "fetch": {"roots": [str(Path(source).absolute())], "web": False}}
        kept = (demo.work / "content").absolute()
        command += [f"content={json.dumps(content)}", f"content_store={kept}"]
    command += demo.arguments
    with child(command, QUIET) as running:
        if running.wait() != 0:
            # It said what was wrong.
            raise BadInputError("no release was made, so there is nothing to serve")
    shutil.rmtree(checkpoints, ignore_errors=True)
    outputs: dict[str, str] = json.loads((root / "result.json").read_text())
    return outputs


def _released(demo: Demo, outputs: dict[str, str]) -> tuple[str, str]:
    """Publish the release, and return the store and the version in it that is served first.

    In a simulated shop the learned half of the model is served first: the whole model is better,
    and is rolled out when there are shoppers.
    """
    from coterie.release.store import ReleaseStore
    from pipelines.faulty_releases.library import write_learned_half

    store = str(demo.work / "releases")
    shutil.rmtree(store, ignore_errors=True)
    version = ReleaseStore(store).publish(outputs["bundle"]).version
    if demo.data:
        return store, version
    write_learned_half(f"{store}/{version}", f"{store}/{version}{BEFORE}", f"{version}{BEFORE}")
    return store, f"{version}{BEFORE}"


def _roll_out(demo: Demo, shop: Client, store: str, first: str) -> None:
    """Roll out the better release, then faulty ones, while shoppers come and go."""
    from coterie.data.simulate.world import World
    from pipelines.demo_rollouts import roll_out_all, show_results, write_results
    from pipelines.simulated_traffic import SimulatedTraffic

    world = World.load(demo.work / "raw" / WORLD_FILE)
    with show_step("rollouts"), SimulatedTraffic(shop, world) as traffic:
        results = roll_out_all(shop, store, first.removesuffix(BEFORE), traffic)
    show_results(results)
    write_results(results, demo.work / "rollouts.json")


@contextlib.contextmanager
def _served(demo: Demo, outputs: dict[str, str], release: str) -> Iterator[Client]:
    """Serve a release in a process of its own, and wait until it is ready to answer."""
    log = demo.work / "serving.log"
    command = [
        *(sys.executable, "-m", "serving.app", "--storefront"),
        *("--release", release, "--features", outputs["store"]),
        *("--shoppers", outputs["clean"], "--state", str(demo.work / "serving")),
        *("--host", HOST, "--port", str(demo.port)),
    ]
    if not demo.data:
        command += ["--pictures", str(demo.work / "raw")]
    own = {name: text for name, text in os.environ.items() if name != "COTERIE_KEYS"}
    given, token = own_key(demo.work / "serving", True, own)
    environment = {
        **QUIET,
        **SERVING,
        **given,
        "COTERIE_PIPELINE_STATUS": str(demo.work / RUNS),
    }
    client = Client(f"http://{HOST}:{demo.port}", token=token)
    # What an earlier demo rolled out is of releases that are no more.
    shutil.rmtree(demo.work / "serving" / "rollouts", ignore_errors=True)
    with log.open("w") as output, child(command, environment, output) as running:
        with show_step("serve"):
            _await_ready(client, running, log)
        _check_release(client, release)
        yield client


def _check_release(client: Client, bundle: str) -> None:
    """Refuse the answers of somebody else, who took the port while the pipeline ran."""
    with Path(bundle, MANIFEST).open("rb") as manifest:
        ours = hashlib.file_digest(manifest, "sha256").hexdigest()
    if client.ready_release() != ours:
        raise UnavailableError(
            f"{client.address} serves another release than ours: something else has taken the "
            f"port meanwhile; choose another one, for example make demo PORT={_free_port()}"
        )


def _await_ready(client: Client, running: Any, log: Path) -> None:
    last = time.monotonic() + READY_S
    while client.ready_release() is None:
        if running.poll() is not None:
            lines = [line for line in log.read_text().splitlines() if line.strip()]
            raise UnavailableError(
                f"serving ended: {lines[-1] if lines else 'without a word'} (log: {log})"
            )
        if time.monotonic() > last:
            raise UnavailableError(f"serving was not ready after {READY_S:.0f} s (log: {log})")
        time.sleep(0.2)


def _wait() -> None:
    while True:
        time.sleep(3600)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0, 1 after a failure, 130 after Ctrl-C during the work."""
    demo = _parse(arguments)
    try:
        with stoppable():
            run_demo(demo)
    except StopRequestedError:
        print("\nStopped before it was done.", file=sys.stderr)
        return INTERRUPTED
    except CoterieError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> Demo:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.demo",
        description=__doc__,
        epilog=write_help(TRAIN),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("var/demo"), help="where all goes")
    parser.add_argument("--data", default="", help="folder of tables (a simulated shop)")
    parser.add_argument("--dataset", default="", help="public data set that DATA holds")
    parser.add_argument("--mapping", default="", help="says what the files of DATA are")
    parser.add_argument("--port", type=int, default=8000, help="to serve on (%(default)s)")
    parser.add_argument("--once", action="store_true", help="end after the printout")
    parser.add_argument("--users", type=int, default=2_000, help="simulated (%(default)s)")
    parser.add_argument("--items", type=int, default=1_500, help="simulated (%(default)s)")
    parser.add_argument("--events", type=int, default=120_000, help="simulated (%(default)s)")
    parser.add_argument(
        "arguments", nargs="*", metavar="NAME=VALUE", help="parameters of the pipeline: see below"
    )
    options = vars(parser.parse_args(arguments))
    return Demo(**options | {"arguments": tuple(options["arguments"])})


if __name__ == "__main__":
    sys.exit(main())
