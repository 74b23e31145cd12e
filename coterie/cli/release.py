"""``coterie release``: what is in releases, before anything is rolled out."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console

from coterie.cli import show
from coterie.cli.figures_view import figures_table
from coterie.errors import BadInputError


def diff(options: argparse.Namespace) -> None:
    """Compare two releases as preflight does."""
    from coterie.release.difference import compare_releases
    from coterie.rollout.figures import judge_figures
    from coterie.rollout.plan import Plan

    plan = Plan.of({"preflight": _limits(options.limits)})
    live, canary = (_folder(one, options.store) for one in (options.live, options.canary))
    figures = compare_releases(lambda: live, lambda: canary)
    unread = [one for one in figures if one.name == "live_unread" and one.value]
    if unread:
        raise BadInputError(unread[0].examples[0])
    judged = judge_figures(figures, dict(plan.preflight))
    if options.json:
        told = {"live": live, "canary": canary, "figures": [asdict(one) for one in judged]}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    console = Console()
    console.print(figures_table([asdict(one) for one in judged]))
    bad = [one for one in judged if one.verdict == "bad"]
    for one in bad:
        console.print(f"{one.name}: {one.about}", highlight=False, markup=False)
    show.say(
        f"Preflight would refuse {canary}, where {live} is live"
        if bad
        else f"Preflight would let {canary} pass, where {live} is live"
    )


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {"diff": diff}


def _limits(given: list[str]) -> dict[str, float]:
    limits = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            limits[name] = float(value)
        except ValueError as error:
            raise BadInputError(
                f"--limits {one}: expected NAME=NUMBER, such as titles_changed=0.5"
            ) from error
    return limits


def _folder(release: str, store: str) -> str:
    """Find where a release lies: a version of a store, a folder or URL, or what train wrote."""
    from coterie.cli.commands import release_folder
    from coterie.release.store import ReleaseStore

    if store and "/" not in release and not Path(release).exists():
        return ReleaseStore(store).folder(release)
    return release_folder(release)
