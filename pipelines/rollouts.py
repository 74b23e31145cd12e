"""The demo's second half: live shoppers, a better release, and bad ones that nobody gets to see."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from coterie.errors import UnavailableError
from coterie.files import write_atomically
from pipelines.client import Client
from pipelines.crowd import Crowd
from pipelines.planted import FAULTS, plant

PLAN: Final = {
    "weights": [0.2, 0.5],
    "step_s": 3.0,
    "bake_s": 2.0,
    "min_samples": 60,
    "deadline_s": 180.0,
    "cooldown_s": 0.0,
}
"""A laptop's: a shop's own steps take minutes and hundreds of answers."""
ABOUT: Final = {
    "not-numbers": "its vectors are not numbers",
    "shuffled-items": "ids on other items' vectors",
    "slow": "ten times slower",
    "raising": "raises for whoever bought something",
    "same-list": "one list for everybody",
}
LONGEST_S: Final = 240.0
ENDED: Final = frozenset({"promoted", "rolled_back", "paused", "inconclusive"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rollout."""

    version: str
    about: str
    phase: str
    why: str
    seconds: float
    """From its start to its end."""
    restored_s: float | None
    """From the verdict to the moment at which stable alone was live; None where it was promoted."""
    lists: int
    """Shown to shoppers meanwhile."""
    failed: int
    """Of their requests."""


def roll_out_all(shop: Client, store: str, good: str, crowd: Crowd) -> list[Outcome]:
    """Roll out a good release of the store, then all bad ones made of it.

    Raises:
        UnavailableError: The app did not answer.
    """
    outcomes = [roll_out(shop, good, "the better one", crowd)]
    for fault in FAULTS:
        version = f"{good}-{fault}"
        plant(f"{store}/{good}", fault, f"{store}/{version}", version)
        outcomes.append(roll_out(shop, version, ABOUT[fault], crowd))
    return outcomes


def roll_out(shop: Client, version: str, about: str, crowd: Crowd) -> Outcome:
    """Roll out one release of the store, and wait for its end.

    Raises:
        UnavailableError: The app did not answer, or the rollout did not end.
    """
    lists, failed, began = crowd.lists, crowd.failed, time.time()
    body = {"release": version, "reason": f"demo: {about}", "who": "demo", "plan": PLAN}
    shop.post("/v1/admin/rollouts", body)
    lines = _await_end(shop, began)
    last = lines[-1]
    verdict = next((line for line in lines if line["after"] in ("rolling_back", "promoted")), last)
    rolled_back = last["after"] == "rolled_back"
    return Outcome(
        version,
        about,
        last["after"],
        verdict["why"],
        last["at"] - lines[0]["at"],
        last["at"] - verdict["at"] if rolled_back else None,
        crowd.lists - lists,
        crowd.failed - failed,
    )


def _await_end(shop: Client, began: float) -> list[dict[str, Any]]:
    """Transitions of the rollout that began then, oldest first, once it has ended."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        told = shop.get("/v1/admin/rollouts/history", limit=50)["transitions"]
        lines = [line for line in reversed(told) if line["at"] >= began - 1.0]
        starts = [place for place, line in enumerate(lines) if line["after"] == "preflight"]
        lines = lines[starts[-1] :] if starts else []
        if lines and lines[-1]["after"] in ENDED:
            return lines
        time.sleep(0.3)
    raise UnavailableError(f"the rollout did not end within {LONGEST_S:.0f} s: see the audit log")


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """A line a rollout: what it was, what caught it, and what shoppers noticed."""
    table = Table("release", "verdict", "why", "after", "restored", "failed")
    for one in outcomes:
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
    """Without the test's numbers, a release's folder, and what to do about it."""
    parts = why.partition(", e-value")[0].split(": ")
    return ": ".join(part for part in parts[:3] if "/" not in part)


def keep_outcomes(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write outcomes as JSON."""
    plain = [{name: getattr(one, name) for name in Outcome.__slots__} for one in outcomes]
    write_atomically(file, json.dumps(plain, indent=1) + "\n")
