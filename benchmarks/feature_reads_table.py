"""The table of docs/performance.md on what it takes to read features from Redis."""

from collections.abc import Mapping
from typing import Any

_COLUMNS = {
    "round trips": "round trips",
    "replica us": "CPU of a replica, µs",
    "redis us": "CPU of Redis, µs",
}


def write_table(results: Mapping[str, Any]) -> str:
    """Write round trips and CPU a list, a row a code."""
    lines = [f"| | {' | '.join(_COLUMNS.values())} |", "|---|" + "---|" * len(_COLUMNS)]
    for name, row in results["codes"].items():
        lines.append(f"| {name} | {' | '.join(f'{row[key]:.0f}' for key in _COLUMNS)} |")
    return "\n".join(lines)
