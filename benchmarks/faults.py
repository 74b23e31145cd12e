"""What catches each fault of a release, how soon, and how many shoppers had seen it by then.

    python -m benchmarks.faults                    # all of them: some ten minutes
    python -m benchmarks.faults --only sold-out    # some, kept beside what is known of the others
    python -m benchmarks.faults --home /tmp/shops  # shops are trained once, and read after that

Each fault of ``pipelines.faulty_releases``, each of ``benchmarks.faults_seams`` and some releases
that were trained again are rolled out, one after the other, over the same live release: by the
app's own router and list checks, with the real controller, its store and its metrics, on real
lists of a simulated shop. Clocks of the rollout are simulated; how long a list takes is not. A bad
release is followed until it is rolled back, or until as many shoppers have seen it as may not; a
harmless one to its end. Figures go to ``benchmarks/results/faults.json``, and from there into
``docs/rollout.md``.
"""

import argparse
import contextlib
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.faults_rollout import (
    MOST_EXPOSED,
    PATIENT,
    PLAN,
    REQUESTS_S,
    TriedRollout,
    Verdict,
)
from benchmarks.faults_seams import SEAMS
from benchmarks.faults_shop import Shop, make_shop, month_before, train, visited_by
from coterie.data.simulate import ShopConfig
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.rollout.figures import ALL
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import Plan
from pipelines.faulty_releases import data, harmless, staleness
from pipelines.faulty_releases.fault import Fault
from pipelines.faulty_releases.library import FAULTS

PREFLIGHT: Final = "preflight"
LARGE: Final = ShopConfig(num_users=4_000, num_items=600, num_events=160_000)
LARGE_LESS: Final = 5 / 6
"""The shop whose purchases judge lists: more people buy something, over more days."""
BY_QUALITY: Final = frozenset({"swapped-vectors"})
"""Faults of the library that show, if at all, in what people buy."""
RESULTS: Final = Path(__file__).parent / "results" / "faults.json"
Write = Callable[[Shop, Path], str]
"""Writes a release into a folder, under the folder's name as its version; returns its digest."""


@dataclass(frozen=True, slots=True)
class Case:
    """One release to roll out."""

    fault: Fault
    write: Write
    strangers: bool = False
    """Whether all who come are new to the shop."""
    large: bool = False
    """Whether it is rolled out in the larger shop, so that purchases may judge it."""
    plan: Plan = PLAN

    @property
    def harmless(self) -> bool:
        """Whether it must not be rolled back."""
        return self.fault.family == harmless.FAMILY


def cases() -> dict[str, Case]:
    """List all that is rolled out, by name."""
    copied = [*FAULTS.values(), *(fault for fault, _ in SEAMS.values()), *harmless.HARMLESS]
    found = [Case(fault, _copied(fault)) for fault in copied]
    found += [Case(fault, write) for fault, write in _TRAINED]
    by_quality = {*BY_QUALITY, *(fault.name for fault, _ in _TRAINED)} - {"more-data"}
    found = [
        replace(case, plan=PATIENT, large=True) if case.fault.name in by_quality else case
        for case in found
    ]
    strangers = replace(
        FAULTS["one-left"],
        name="one-left-for-strangers",
        about="one item alone is said to be in stock, where all shoppers are new",
    )
    found.append(Case(strangers, _copied(strangers), strangers=True))
    return {case.fault.name: case for case in found}


def _copied(fault: Fault) -> Write:
    return lambda shop, out: fault.write(shop.release, str(out), out.name)


def _tenth_of_data(shop: Shop, out: Path) -> str:
    return train(shop.home, out, out.name, shop.until, share=0.1).digest


def _month_old(shop: Shop, out: Path) -> str:
    return train(shop.home, out, out.name, month_before(shop)).digest


def _another_seed(shop: Shop, out: Path) -> str:
    return train(shop.home, out, out.name, shop.until, config={"loop.seed": 1}).digest


def _more_data(shop: Shop, out: Path) -> str:
    return train(shop.home, out, out.name).digest


_TRAINED: Final[tuple[tuple[Fault, Write], ...]] = (
    (
        Fault(
            "tenth-of-data",
            data.FAMILY,
            "trained on a tenth of the events",
            ("preflight", "missed_purchases", "score_out_of_range"),
        ),
        _tenth_of_data,
    ),
    (
        Fault(
            "month-old-data",
            staleness.FAMILY,
            "trained on events until a month ago",
            ("preflight", "missed_purchases"),
        ),
        _month_old,
    ),
    (Fault("another-seed", harmless.FAMILY, "trained again on another seed", ()), _another_seed),
    (Fault("more-data", harmless.FAMILY, "trained on a tenth more events", ()), _more_data),
)


def try_out(shop: Shop, case: Case, folder: Path, plan: Plan = PLAN) -> Verdict:
    """Roll one release out by a plan, from a new folder: what a run before left there goes."""
    shutil.rmtree(folder, ignore_errors=True)
    release = folder / "releases" / case.fault.name
    digest = case.write(shop, release)
    people = visited_by(shop, strangers=1.0) if case.strangers else shop
    ref = ReleaseRef(digest, str(release))
    verdict = TriedRollout(people, ref, folder / "rollout", case.harmless, plan).run()
    return replace(verdict, why=verdict.why.replace(f"{folder}/releases/", ""))


def run(wanted: Iterable[str], kept: str | None = None) -> None:
    """Roll some cases out on one shop, and write down what became of each as soon as it is over.

    Args:
        wanted: Names of cases.
        kept: Folder where the shops are kept for the next time; None: they are not.
    """
    known = cases()
    with contextlib.ExitStack() as stack:
        home = kept or stack.enter_context(tempfile.TemporaryDirectory())
        shops: dict[bool, Shop] = {}
        for name in wanted:
            case, folder = known[name], Path(home, "rollouts", name)
            if case.large not in shops:
                size = (LARGE, LARGE_LESS) if case.large else ()
                name_of = "shop-large" if case.large else "shop-small"
                shops[case.large] = make_shop(Path(home, name_of), *size)
            began, shop = time.process_time(), shops[case.large]
            verdict = try_out(shop, case, folder, case.plan)
            behind = None
            if verdict.caught_by == PREFLIGHT:
                # A person may have overridden it, so what comes after has to be good by itself.
                behind = try_out(shop, case, folder, replace(case.plan, override=(ALL,)))
            shutil.rmtree(folder)
            right = verdict.phase == "promoted" if case.harmless else verdict.in_time
            found = {
                **verdict.as_json(),
                "as_it_should": right,
                "behind_preflight": behind and behind.as_json(),
                "cpu_s": round(time.process_time() - began, 1),
            }
            _show(name, found)
            _keep({name: found})


def _told(case: Case) -> dict[str, str]:
    fault = case.fault
    return {
        "name": fault.name,
        "family": fault.family,
        "about": fault.about,
        "why_missed": fault.why,
    }


def main(arguments: list[str] | None = None) -> None:
    """Roll all or some out, write and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="some alone; none: only write their words anew"
    )
    parser.add_argument(
        "--home", metavar="FOLDER", help="where shops are kept, and read the next time"
    )
    asked, known = parser.parse_args(arguments), cases()
    wanted = known if asked.only is None else asked.only
    unknown = set(wanted) - set(known)
    if unknown:
        raise BadInputError(f"no fault {', '.join(sorted(unknown))}: known are {', '.join(known)}")
    logging.disable(logging.CRITICAL)
    if wanted:
        run(wanted, asked.home)
    else:
        _keep({})


def _show(name: str, one: dict[str, Any]) -> None:
    seen = f"{one['exposed']} of {one['shoppers']} shoppers"
    told = f"{one['phase']:12} {one['caught_by'] or '-':20} {one['where']:12} {seen}"
    if one["behind_preflight"]:
        told += f", else by {one['behind_preflight']['caught_by'] or 'nothing'}"
    right = "[green]" if one["as_it_should"] else "[red]"
    console = Console(width=160, highlight=False)
    console.print(f"{right}{name:24}[/]{told}, {one['requests']} requests")


def _keep(found: dict[str, dict[str, Any]]) -> None:
    """Write what was found beside what is known of the others; what is no case any more goes."""
    known = cases()
    before = json.loads(RESULTS.read_text())["rollouts"] if RESULTS.exists() else []
    every = {one["name"]: one for one in before} | found
    every = {name: one | _told(known[name]) for name, one in every.items() if name in known}
    content = {
        "about": "each release rolled out over the same live one, in the app's router with the "
        "real controller: what caught it, after how many requests and simulated seconds, how many "
        "shoppers had seen a list of it; behind_preflight: with all of preflight's figures "
        "overridden",
        "plan": {
            name: getattr(PLAN, name) for name in ("weights", "step_s", "min_samples", "bake_s")
        },
        "requests_s": REQUESTS_S,
        "most_exposed": MOST_EXPOSED,
        "rollouts": [every[name] for name in known if name in every],
        "command": "python -m benchmarks.faults",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
