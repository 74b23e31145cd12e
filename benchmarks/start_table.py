"""The tables of docs/performance.md on the start of the app."""

from collections.abc import Mapping
from typing import Any


def write_starts(results: Mapping[str, Any]) -> str:
    """Write what a start takes, for each code that was measured; medians, lowest and highest."""
    lines = ["| code | first list, s | CPU, s | memory, MiB |", "|---|---|---|---|"]
    for name, one in results["starts"].items():
        figures = (one[key] for key in ("first_list_s", "cpu_s", "memory_mib"))
        shown = (f"{f['median']:.1f} ({f['lowest']:.1f} to {f['highest']:.1f})" for f in figures)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def write_parts(results: Mapping[str, Any]) -> str:
    """Write where the processors' time of a start goes, seconds by part of the app."""
    starts = results["starts"]
    parts = {part: None for one in starts.values() for part in one["cpu_s_by_part"]}
    lines = [f"| CPU, s | {' | '.join(starts)} |", "|---|" + "---|" * len(starts)]
    for part in parts:
        spent = (one["cpu_s_by_part"].get(part, 0.0) for one in starts.values())
        lines.append(f"| {part} | {' | '.join(f'{seconds:.1f}' for seconds in spent)} |")
    return "\n".join(lines)
