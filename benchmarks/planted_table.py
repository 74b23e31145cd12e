"""The table of docs/content.md, of what ``benchmarks.planted`` found."""

from collections.abc import Mapping
from typing import Any, Final

_ROWS: Final = {
    "chance": "any other item (chance)",
    "title": "title alone, default encoder",
    "text": "text, default encoder",
    "image": "picture, default encoder",
    "both": "text and picture, both whitened",
    "hidden": "what the simulator hides (the best that can be)",
}


def write_table(results: Mapping[str, Any]) -> str:
    """Write the table of results."""
    lines = [
        "| nearest by | same shelf | same shelf and style | same maker | hidden cosine |",
        "|---|---|---|---|---|",
    ]
    for name, label in _ROWS.items():
        found = results["nearest"][name]
        numbers = (f"{found[one]:.3f}" for one in ("shelf", "style", "maker", "alike"))
        lines.append(f"| {label} | {' | '.join(numbers)} |")
    return "\n".join(lines)
