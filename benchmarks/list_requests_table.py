"""The table of docs/performance.md on what a request costs a replica, stage by stage."""

from collections.abc import Mapping
from typing import Any


def write_table(results: Mapping[str, Any]) -> str:
    """Write microseconds of a request, a row a stage, a column a code and kind of list."""
    codes = results["codes"]
    columns = {
        f"{way}, {code}": codes[code][way] for way in next(iter(codes.values())) for code in codes
    }
    lines = [f"| CPU of a list, µs | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name in next(iter(columns.values())):
        told = " | ".join(f"{column[name]:,.0f}" for column in columns.values())
        lines.append(f"| {name} | {told} |")
    return "\n".join(lines)


def write_run(results: Mapping[str, Any]) -> str:
    """Write how it was measured."""
    return (
        f"`{results['command']}`: {results['machine']['cpus']} CPUs "
        f"({results['machine']['machine']}), load {results['load']:.0f}; {results['items']:,} "
        f"items, {results['lists']} lists of each kind, median of {results['turns']} turns."
    )
