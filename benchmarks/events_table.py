"""The table of docs/performance.md on what an event costs."""

from collections.abc import Mapping
from typing import Any

_COLUMNS = {
    "check_us": "checked, µs",
    "write_us": "kept and applied, µs",
    "redis_us": "Redis, µs",
    "events_a_second": "events/s, all sinks",
}


def write_table(results: Mapping[str, Any]) -> str:
    """Write CPU an event by part, and events a second, for each store, code and number of sinks."""
    lines = [f"| | {' | '.join(_COLUMNS.values())} |", "|---|" + "---|" * len(_COLUMNS)]
    for name, row in results["figures"].items():
        shown = (f"{row[key]['median']:,.0f}" if key in row else "" for key in _COLUMNS)
        lines.append(f"| {_words(name)} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _words(name: str) -> str:
    """Name a row.

    >>> _words("redis, 2 sinks, now")
    'Redis, 2 sinks, now'
    >>> _words("sqlite, 1 sinks, before")
    'SQLite, 1 sink, before'
    """
    store, sinks, code = name.split(", ")
    named = {"sqlite": "SQLite", "redis": "Redis"}[store]
    return f"{named}, {'1 sink' if sinks.startswith('1 ') else sinks}, {code}"
