"""Whom to share with, lists for groups, and people to know, on public data.

    python -m benchmarks.together --data DIR
    python -m benchmarks.together --data DIR --sets beidian --parts invitees groups

The closed form of the social model, with the settings of ``benchmarks/results/accuracy.json``, is
fitted on train (weights are chosen on validation) and on train and validation (test is looked at
once). ``invitees``: a person had an item; who of their friends takes it in test? ``groups``:
friends who had something in common; how well does one list serve each, by what each takes in test?
``people``: ties that were held out; who finds them? Unit of intervals and paired tests: the person
who asks, or the group. Writes ``benchmarks/results/together.json``; ``benchmarks.pages`` the page.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.accuracy import RESULTS as ACCURACY
from benchmarks.accuracy import prepare
from benchmarks.together_groups import measure_groups
from benchmarks.together_invitees import measure_invitees
from benchmarks.together_people import measure_people
from benchmarks.together_world import ClosedForm, World, targets_of
from coterie.data.dataset import TrainingSet
from coterie.files import write_atomically
from coterie.models.social_linear import SocialLinearConfig
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change, renew
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "together.json"
SETS: Final = ("beidian", "lastfm", "ciao")
PARTS: Final = {
    "invitees": (measure_invitees, ("beidian", "lastfm")),
    "groups": (measure_groups, ("beidian",)),
    "people": (measure_people, SETS),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure set after set; print a line a way."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of public sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--work", default="var/accuracy", help="where tables are kept")
    asked = parser.parse_args(arguments)
    console = Console(width=160)
    for name in prepare(Path(asked.data), Path(asked.work), asked.sets):
        if name not in asked.sets:
            continue
        world = _world(name, Path(asked.work, name))
        for part in asked.parts:
            measure, sets = PARTS[part]
            if name not in sets:
                continue
            cell: dict[str, Any] = measure(world) | {
                "command": f"python -m benchmarks.together --data DIR --sets {name} --parts {part}",
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            }
            console.print(name, part, json.dumps(cell))
            found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            found.setdefault(part, {})[name] = cell
            write_atomically(RESULTS, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return 0


def _world(name: str, home: Path) -> World:
    split = CleanShop.open(str(home / "clean")).split
    before, after = map(_targets_alone, (split.for_validation(), split.for_test()))
    cell = json.loads(ACCURACY.read_text())["protocols"]["train+val"][name]["social_linear"]
    settings = flatten(renew("social_linear", cell["settings"]))
    config = change(SocialLinearConfig(), settings)
    return World(name, split, before, after, *(ClosedForm(config, one) for one in (before, after)))


def _targets_alone(data: TrainingSet) -> TrainingSet:
    """Leave out clicks: Beidian's say that a second friend shared what was bought anyway."""
    return replace(data, interactions=targets_of(data.interactions), validation=None)


if __name__ == "__main__":
    sys.exit(main())
