"""The tables of whole models on sets with content, and of what was tried on validation alone."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.content_table import SETS

LABELS: Final = {
    "popularity": "popularity",
    "item_knn": "item-kNN",
    "ease": "EASE",
    "lightgcn": "LightGCN",
    "social": "`social`",
    "social with content": "`social` with content",
}
BASELINES: Final = ("item_knn", "ease", "lightgcn")


def write_models(results: Mapping[str, Any]) -> str:
    """Write each model's figures, beside the best baseline and, with content, beside without."""
    lines = [
        "| data | model | seeds | recall@20 | NDCG@20 | over the best baseline (p) | "
        "over `social` (p) | validation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, title in SETS.items():
        rows = results.get(name, {})
        known = {row: _ndcg(rows[row]) for row in BASELINES if row in rows}
        best = max(known, key=lambda row: known[row], default="")
        for row in [row for row in LABELS if row in rows]:
            cell = rows[row]
            recall = sum(cell["test"]["recall@20"]) / len(cell["test"]["recall@20"])
            beside = _over(cell, best) if row not in ("popularity", best) else ""
            content = _over(cell, "social") if row == "social with content" else ""
            lines.append(
                f"| {title} | {LABELS[row]} | {len(cell['test']['ndcg@20'])} | {recall:.4f} | "
                f"{_ndcg(cell):.4f} | {beside} | {content} | {cell['validation']:.4f} |"
            )
    return "\n".join(lines)


def write_known(results: Mapping[str, Any]) -> str:
    """Write what it does that content counts more for items that few people had."""
    lines = [
        "| data | powers that the halves chose | NDCG@20 alike for all | one power | (p) | "
        "a power a part | (p) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, title in SETS.items():
        if name not in results:
            continue
        cell = results[name]
        powers = (max(half["one power"]["powers"].values()) for half in cell["chosen"])
        told = [
            f"{cell['ndcg'][arm]:.4f} | {cell['against'][arm]['relative']:+.1%} "
            f"({cell['against'][arm]['p']:.3f})"
            for arm in ("one power", "a power a part")
        ]
        lines.append(
            f"| {title} | {', '.join(f'{power:g}' for power in powers)} | "
            f"{cell['ndcg']['alike']:.4f} | {' | '.join(told)} |"
        )
    return "\n".join(lines)


def _ndcg(cell: Mapping[str, Any]) -> float:
    values: list[float] = cell["test"]["ndcg@20"]
    return sum(values) / len(values)


def _over(cell: Mapping[str, Any], other: str) -> str:
    told = cell.get("against", {}).get(other)
    if told is None or told["relative"] is None:
        return ""
    return f"{told['relative'][0]:+.1%} ({told['p']:.3f})"
