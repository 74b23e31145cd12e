"""The tables of docs/rollout.md: what catches each fault, and what is let through as it should."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pipelines.faulty_releases import harmless

FIGURE: Final = re.compile(r"\b([a-z_]+) [-\d.e+]+ (?:%|times) \(at")
"""A figure that broke its limit, as preflight says it."""
Results = Mapping[str, Any]


def write_faults(results: Results) -> str:
    """Write what became of each fault: those that are caught in time, a line each."""
    lines = [
        "| fault | family | caught by | where | requests | seconds | shoppers who saw it | "
        "behind preflight |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in _bad(results):
        if one["as_it_should"]:
            lines.append(
                f"| {one['about']} | {one['family']} | {_caught_by(one)} | {one['where']} | "
                f"{one['requests']:,} | {one['seconds']:,.0f} | {one['exposed']:,} | "
                f"{_behind(one)} |"
            )
    return "\n".join(lines)


def _caught_by(one: Mapping[str, Any]) -> str:
    """Name the signal, or the figures of preflight whose limits it broke; files that are damaged
    break none."""
    figures = FIGURE.findall(one["why"]) if one["caught_by"] == "preflight" else []
    if one["caught_by"] == "preflight" and not figures:
        return "files and first lists"
    return ", ".join(f"`{name}`" for name in figures or [one["caught_by"]])


def _behind(one: Mapping[str, Any]) -> str:
    """Say what would have caught it had a person overridden the preflight's figures."""
    behind = one["behind_preflight"]
    if behind is None:
        return ""
    if behind["caught_by"] == "preflight":
        return "it cannot be overridden"
    return f"`{behind['caught_by']}`" if behind["caught_by"] else "nothing"


def write_missed(results: Results) -> str:
    """Write the faults that too many had seen, and why nothing caught them before."""
    lines = [
        f"| {one['about']} | {one['family']} | {one['why_missed']} |"
        for one in _bad(results)
        if not one["as_it_should"]
    ]
    if not lines:
        return "None of those that are in the library."
    return "\n".join(["| fault | family | why nothing catches it |", "|---|---|---|", *lines])


def write_harmless(results: Results) -> str:
    """Write what became of changes that are no faults."""
    lines = ["| change | what became of it | requests |", "|---|---|---|"]
    lines += [
        f"| {one['about']} | {one['phase'].replace('_', ' ')} | {one['requests']:,} |"
        for one in results["rollouts"]
        if one["family"] == harmless.FAMILY
    ]
    return "\n".join(lines)


def write_summary(results: Results) -> str:
    """Count them, in a sentence."""
    bad = _bad(results)
    caught = [one for one in bad if one["as_it_should"]]
    unseen = sum(one["exposed"] == 0 for one in caught)
    early = sum(one["caught_by"] == "preflight" for one in caught)
    return (
        f"Of {len(bad)} faults {len(caught)} are caught before {results['most_exposed']:.0%} of "
        f"shoppers have seen them: {early} by the preflight, {unseen - early} in shadow, "
        f"{len(caught) - unseen} in the first step. Not caught: {len(bad) - len(caught)}."
    )


def _bad(results: Results) -> list[Mapping[str, Any]]:
    return [one for one in results["rollouts"] if one["family"] != harmless.FAMILY]
