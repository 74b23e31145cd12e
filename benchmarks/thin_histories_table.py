"""The tables of the appendix on thin histories, written from the benchmark's file."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
NAMES: Final = {
    "none": "nothing added",
    "dropped": "the thin left out of training",
    "popular": "what is popular",
    "friends": "what friends had",
    "ease": "EASE's own lists",
    "regression": "the GAN's network, by distance alone",
    "gan": "GAN",
    "gan near": "GAN and distance",
    "true": "what was taken, given back",
    "reweighted negatives": "harder negatives weigh more",
    "perturbed vectors": "vectors moved against the loss",
}
"""In this order."""


def write_table(results: Results) -> str:
    """Write each set's rows: NDCG@20 of the thin on validation and test, and by how much apart."""
    lines = [
        "| set | row | entries or strength | truly had | thin, validation | thin, test | "
        "over nothing added | others | over nothing added |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results["sets"].items():
        for row, label in NAMES.items():
            if row in found["rows"]:
                lines.append(f"| {name} | {label} | {_cells(found['rows'][row])} |")
    return "\n".join(lines)


def write_sets(results: Results) -> str:
    """Say how large the sets are, and how many of a set's shoppers are thin."""
    return "; ".join(
        f"{name}: {one['shoppers']:,} shoppers, {one['thin']:,} of them thin, {one['items']:,} "
        f"items, {one['events']:,} events, {one['ties']:,} ties, {one['epochs']} epochs"
        for name, one in results["sets"].items()
    )


def _cells(cell: Mapping[str, Any]) -> str:
    strength, test = cell["strength"], cell["test"]
    right = cell.get("truly_had")
    told = [
        strength,
        "" if right is None else f"{right:.1%}",
        f"{cell['validation'][strength]['thin']:.4f}",
    ]
    for group in ("thin", "others"):
        told += [_spread(test[group]), _apart(cell, group)]
    return " | ".join(told)


def _apart(cell: Mapping[str, Any], group: str) -> str:
    if "against" not in cell:
        return ""
    against = cell["against"][group]
    mean, low, high = against["relative"]
    chance = "" if against["p"] is None else f", p = {against['p']:.2g}"
    return f"{mean:+.1%} ({low:+.1%} to {high:+.1%}){chance}"


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return f"{mean} ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else mean
