"""The content benchmark's results as tables."""

from collections.abc import Mapping
from typing import Any, Final

SETS: Final = {
    "tiktok": "TikTok",
    "amazon_industrial": "Amazon Industrial",
    "lastfm": "LastFM",
    "lastfm_by_time": "LastFM by time",
    "yelp_core40": "Yelp",
    "simulated": "Simulated shop",
}
ROWS: Final = (
    "popularity",
    "EASE",
    "words alone",
    "text alone",
    "image alone",
    "audio alone",
    "content alone",
    "taste",
    "taste and words",
    "taste and text",
    "taste and image",
    "taste and audio",
    "taste and content",
    "taste and friends",
    "taste, content and friends",
    "the same, turned down counts as a visit",
)
RULES: Final = ("random", "popular category", "category mean", "own categories")
MIXED: Final = ("mixed", "mixed, mapped")
HAD_THEY_BEEN_KNOWN: Final = "had they been known"
"""What is reached of cold items where their events are learned from: no guess reaches more."""


def write_tables(results: Mapping[str, Any]) -> str:
    """Write what each part adds, and what cold items get."""
    there = {name: title for name, title in SETS.items() if name in results}
    tables = [_warm(results, there), _cold(results, there), _groups(results, there)]
    return "\n\n".join(table for table in tables if table)


def _warm(results: Mapping[str, Any], there: Mapping[str, str]) -> str:
    rows = [
        "| data | parts | recall | NDCG | over taste (p) | fitted on training alone | validation |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, title in there.items():
        cells = results[name]["rows"]
        for row in [row for row in ROWS if row in cells]:
            cell = cells[row]
            over = cell.get("over_taste")
            told = "" if over is None else f"{over:+.1%} ({cell['p']:.3f})"
            early = cell.get("train_alone")
            alone = f"{early['recall']:.4f}, {early['ndcg']:.4f}" if early else ""
            rows.append(
                f"| {title} @{results[name]['k']} | {row} | {cell['recall']:.4f} | "
                f"{cell['ndcg']:.4f} | {told} | {alone} | {cell['validation']:.4f} |"
            )
    return "\n".join(rows)


def _cold(results: Mapping[str, Any], there: Mapping[str, str]) -> str:
    rows = ["| data | cold items ranked by | recall | NDCG |", "|---|---|---|---|"]
    for name, title in there.items():
        cold = results[name].get("cold", {})
        kinds = [row for row in cold if row not in (*RULES, *MIXED)]
        for row in (*[rule for rule in RULES if rule in cold], *kinds):
            rows.append(
                f"| {title} | {row} | {cold[row]['recall']:.4f} | {cold[row]['ndcg']:.4f} |"
            )
        for row in [row for row in MIXED if row in cold]:
            mixed = cold[row]
            change = mixed["known_with_cold"] / mixed["known_without_cold"] - 1
            rows.append(
                f"| {title} | lists {row} | | cold {mixed['cold']:.4f}; known "
                f"{mixed['known_with_cold']:.4f}, {change:+.1%} by cold items beside them |"
            )
    return "\n".join(rows)


def _groups(results: Mapping[str, Any], there: Mapping[str, str]) -> str:
    """Write which targets lists hold, by whether a friend had them; nothing where no set tells."""
    known = {name: results[name]["groups"] for name in there if results[name].get("groups")}
    if not known:
        return ""
    groups = [*next(iter(known.values()))["targets"]]
    rows = ["| data | of the targets, lists hold | " + " | ".join(groups) + " |"]
    rows.append("|---" * (2 + len(groups)) + "|")
    for name, measured in known.items():
        for row, cells in measured.items():
            told = [f"{cells[g]:,}" if row == "targets" else f"{cells[g]:.4f}" for g in groups]
            shown = "(how many there are)" if row == "targets" else row
            rows.append(f"| {there[name]} | {shown} | {' | '.join(told)} |")
    return "\n".join(rows)
