"""The table of docs/rollout.md on lists that take longer on a busy machine."""

from collections.abc import Mapping
from typing import Any

from coterie.rollout.plan import SIGNALS


def write_table(results: Mapping[str, Any]) -> str:
    """Write what counted for each arm of a release that is as fast, a line a load."""
    lines = [
        "| load of 2 cores | pairs | median list | the canary's took longer | stable's did | "
        "rolled back | by work alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results["loads"]:
        clock, work = one["clock"], one["work"]
        canary, stable = (f"{100 * n / one['pairs']:.1f} %" for n in clock["longer"])
        lines.append(
            f"| {one['load']:.0f} | {one['pairs']} | {clock['median_ms'][0]:.0f} ms | {canary} | "
            f"{stable} | {100 * clock['rolled_back']:.0f} % of {results['runs']} | "
            f"{work['longer'][0]} and {work['longer'][1]} pairs |"
        )
    return "\n".join(lines)


def write_harmless(_: Mapping[str, Any]) -> str:
    """Say what is harmless."""
    meant = SIGNALS["slower_lists"]
    return f"Harmless are {meant.harmless:.0%} of pairs, and {meant.limit:g} times stable's."
