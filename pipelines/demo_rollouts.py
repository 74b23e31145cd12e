"""The demo's second half: live shoppers, a better release, and bad ones that nobody gets to see."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from coterie.errors import UnavailableError
from coterie.files import write_atomically
from pipelines.client import Client
from pipelines.faulty_releases.library import FAULTS, SHOWN, write_faulty
from pipelines.simulated_traffic import SimulatedTraffic

PLAN: Final = {
    "weights": [0.2, 0.5],
    "step_s": 3.0,
    "bake_s": 2.0,
    "min_samples": 60,
    "deadline_s": 180.0,
    "cooldown_s": 0.0,
}
"""A plan for minutes on a laptop: a shop's own steps take longer, and hundreds of answers."""
LONGEST_S: Final = 240.0
"""How long to wait for the end of a rollout, seconds."""
HELD: Final = frozenset({"paused", "inconclusive"})
"""Phases in which a rollout waits for a person."""
ENDED: Final = HELD | {"promoted", "rolled_back"}
"""Phases that a rollout does not leave by itself."""


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """What became of one rollout."""

    version: str
    about: str
    phase: str
    why: str
    seconds: float
    """From the rollout's start to its end."""
    restored_s: float | None
    """From the verdict to the moment at which stable alone was live; None where it was promoted."""
    lists: int
    """Lists that shoppers were shown meanwhile."""
    failed: int
    """Requests of shoppers that failed meanwhile."""


def roll_out_all(
    shop: Client, store: str, good: str, traffic: SimulatedTraffic
) -> list[RolloutResult]:
    """Roll out a good release of the store, then all bad ones made of it.

    Raises:
        UnavailableError: The app did not answer.
    """
    with ThreadPoolExecutor(1, "faults") as writer:
        # Ahead, while the rollouts before wait for time and shoppers to pass.
        written = [writer.submit(_write, store, good, fault) for fault in SHOWN]
        # What is live is a part of it, and was written after it.
        results = [roll_out(shop, good, "the better one", traffic, ["older_than_live"])]
        for fault, version in zip(SHOWN, written, strict=True):
            about = FAULTS[fault].about
            # Most differ too far from what is live to begin with. Here the next line of defence
            # shows.
            results.append(roll_out(shop, version.result(), about, traffic, ["all"]))
    return results


def _write(store: str, good: str, fault: str) -> str:
    version = f"{good}-{fault}"
    write_faulty(f"{store}/{good}", fault, f"{store}/{version}", version)
    return version


def roll_out(
    shop: Client,
    version: str,
    about: str,
    traffic: SimulatedTraffic,
    override: Sequence[str] = (),
) -> RolloutResult:
    """Roll out one release of the store, and wait for its end.

    Args:
        shop: The app.
        version: Of the release.
        about: What a person reads of it.
        traffic: Shoppers who come and go meanwhile.
        override: Figures of preflight that may exceed their limits.

    Raises:
        UnavailableError: The app did not answer, or the rollout did not end.
    """
    plan = {**PLAN, "override": list(override)} if override else PLAN
    lists, failed, began = traffic.lists, traffic.failed, time.time()
    body = {"release": version, "reason": f"demo: {about}", "who": "demo", "plan": plan}
    shop.post("/v1/admin/rollouts", body)
    lines = _await_end(shop, began, ENDED)
    last = lines[-1]
    if last["after"] in HELD:
        # The next one can begin only after it, and nobody is there to decide.
        told = {"reason": f"demo: {last['after']}", "who": "demo"}
        shop.post("/v1/admin/rollouts/rollback", told)
        _await_end(shop, began, ENDED - HELD)
    verdict = next((line for line in lines if line["after"] in ("rolling_back", "promoted")), last)
    rolled_back = last["after"] == "rolled_back"
    return RolloutResult(
        version,
        about,
        last["after"],
        verdict["why"],
        last["at"] - lines[0]["at"],
        last["at"] - verdict["at"] if rolled_back else None,
        traffic.lists - lists,
        traffic.failed - failed,
    )


def _await_end(shop: Client, began: float, ended: frozenset[str]) -> list[dict[str, Any]]:
    """Wait until the rollout that began at a time is in one of some phases.

    Returns:
        Its transitions, in order.
    """
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        told = shop.get("/v1/admin/rollouts/history", limit=50)["transitions"]
        lines = [line for line in reversed(told) if line["at"] >= began - 1.0]
        starts = [place for place, line in enumerate(lines) if line["after"] == "preflight"]
        lines = lines[starts[-1] :] if starts else []
        if lines and lines[-1]["after"] in ended:
            return lines
        time.sleep(0.3)
    raise UnavailableError(f"the rollout did not end within {LONGEST_S:.0f} s: see the audit log")


def show_results(results: Sequence[RolloutResult]) -> None:
    """Print a line for each rollout: what it was, what caught it, and what shoppers noticed."""
    table = Table("release", "verdict", "why", "after", "restored", "failed")
    for one in results:
        good = one.phase == "promoted"
        table.add_row(
            one.about,
            f"[green]{one.phase}[/]" if good else f"[red]{one.phase.replace('_', ' ')}[/]",
            # The audit log and the operations page have the whole of it.
            _short(one.why),
            f"{one.seconds:.0f} s",
            "" if one.restored_s is None else f"{one.restored_s:.1f} s",
            f"{one.failed} of {one.lists}",
        )
    Console().print(table)


def _short(why: str) -> str:
    """Leave out the test's numbers, a release's folder, and what to do about it."""
    parts = why.partition(", e-value")[0].split(": ")
    return ": ".join(part for part in parts[:3] if "/" not in part)


def write_results(results: Sequence[RolloutResult], file: Path) -> None:
    """Write the results of rollouts as JSON."""
    plain = [{name: getattr(one, name) for name in RolloutResult.__slots__} for one in results]
    write_atomically(file, json.dumps(plain, indent=1) + "\n")
