"""The table of docs/off-policy.md on what ten nights of learning from lists do."""

from collections.abc import Mapping
from typing import Any, Final

_NIGHTS: Final = (1, 5, 10)
_FIGURES: Final = {
    "clicks": ("clicks", ",.0f"),
    "ndcg": ("NDCG against true taste", ".3f"),
    "gini": ("Gini of what is shown", ".2f"),
    "covered": ("catalogue shown", ".0%"),
}


def write_table(results: Mapping[str, Any]) -> str:
    """Write what lists were like after some nights, and clicks of all."""
    nights = [f"night {night}" for night in _NIGHTS]
    lines = [
        f"| events count | figure | {' | '.join(nights)} | all {results['loops']} nights |",
        "|---|---|" + "---|" * (len(nights) + 1),
    ]
    for way, found in results["ways"].items():
        for name, (title, form) in _FIGURES.items():
            values = found[name]
            whole = sum(values) if name == "clicks" else sum(values) / len(values)
            cells = [format(values[night - 1], form) for night in _NIGHTS]
            lines.append(f"| {way} | {title} | {' | '.join(cells)} | {format(whole, form)} |")
    return "\n".join(lines)
