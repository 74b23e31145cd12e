"""The tables of docs/search.md, of what ``benchmarks.search`` found."""

from collections.abc import Mapping
from typing import Any, Final

SHELVES: Final = {
    "tools": "tools, English",
    "fashion": "fashion, English",
    "captions": "captions, Chinese",
}
ROWS: Final = ("words", "meaning", "both")


def write_found(results: Mapping[str, Any]) -> str:
    """Write how often each way of searching finds what was meant."""
    mrr = results["found"]["mrr"]
    lines = ["| catalogue | queries | words | vectors | both |", "|---|---|---|---|---|"]
    for shelf, name in SHELVES.items():
        for sort, cell in mrr["both"][shelf].items():
            found = " | ".join(_cell(mrr[row][shelf][sort]) for row in ROWS)
            lines.append(f"| {name} | {sort} ({cell['queries']}) | {found} |")
    every = {r: [one["mean"] for s in SHELVES for one in mrr[r][s].values()] for r in ROWS}
    mean = " | ".join(f"**{sum(every[row]) / len(every[row]):.3f}**" for row in ROWS)
    empty = " | ".join(f"{results['found']['nothing found for nonsense'][row]:.2f}" for row in ROWS)
    lines.append(f"| all | mean of the above | {mean} |")
    lines.append(f"| all | letters drawn by chance: share with an empty answer | {empty} |")
    return "\n".join(lines)


def write_taste(results: Mapping[str, Any]) -> str:
    """Write what the shopper's own score adds."""
    found = results["taste"]
    lines = [f"| {found['queries']:,} shoppers who look with two words | MRR@10 |", "|---|---|"]
    lines += [
        f"| {name} | {cell['mean']:.3f} ± {cell['spread']:.3f} |"
        for name, cell in found["mrr"].items()
    ]
    return "\n".join(lines)


def write_pictures(results: Mapping[str, Any]) -> str:
    """Write what pictures find beside texts."""
    lines = ["| titles | queries | texts | texts and pictures |", "|---|---|---|---|"]
    for titles, sorts in results["pictures"]["mrr"]["reported"].items():
        for sort, cell in sorts.items():
            found = f"{cell['texts']:.3f} | {cell['texts and pictures']:.3f}"
            lines.append(f"| {titles} | {sort} | {found} |")
    return "\n".join(lines)


def write_speed(results: Mapping[str, Any]) -> str:
    """Write how long search takes, and what it holds."""
    speed = results["speed"]
    sizes = [name for name in speed if name.isdecimal()]
    lines = [
        "| " + " | ".join(["", *(f"{int(size):,} items" for size in sizes)]) + " |",
        "|---" * (1 + len(sizes)) + "|",
    ]
    for name, unit in (
        ("words ready s", "words ready, s"),
        ("vectors ready s", "vectors ready, s"),
        ("words MB", "memory of words, MB"),
        ("vectors MB", "memory of vectors, MB"),
    ):
        lines.append(f"| {unit} | " + " | ".join(f"{speed[s][name]:g}" for s in sizes) + " |")
    for name, text in (
        ("words ms", "a search by words and taste, ms, p50 (p99)"),
        ("words and vectors ms", "with the query encoded and its meaning compared"),
    ):
        cells = (speed[size][name] for size in sizes)
        lines.append(f"| {text} | " + " | ".join(f"{c['p50']:.1f} ({c['p99']:.1f})" for c in cells))
        lines[-1] += " |"
    return "\n".join(lines)


def write_live(results: Mapping[str, Any]) -> str:
    """Write how long search takes while items change."""
    live = results["live"]
    lines = [f"| live items beside {live['items']:,} | read once, ms | a search, ms, p50 (p99) |"]
    lines.append("|---|---|---|")
    for name, cell in live["ms"].items():
        read = f"{live['read ms'][name]:g}" if int(name) else ""
        lines.append(f"| {int(name):,} | {read} | {cell['p50']:.1f} ({cell['p99']:.1f}) |")
    return "\n".join(lines)


def _cell(cell: Mapping[str, float]) -> str:
    return f"{cell['mean']:.3f} ± {cell['spread']:.3f}"
