"""The tables of docs/performance.md on what one list costs."""

from collections.abc import Mapping
from typing import Any

_CODES = ("before", "now")


def write_cost(results: Mapping[str, Any]) -> str:
    """Write the CPU time of a list, whole and by stages, for each code and size."""
    return _table(results, "CPU of a list, ms", _times, "{:.2f}")


def write_turns(results: Mapping[str, Any]) -> str:
    """Write what both codes of a run in turns took, and which part of the one the other takes."""
    codes = results["turns"]["codes"]
    before, now = codes["before"], codes["now"]
    lines = ["| CPU of a list, ms | before | now | now / before |", "|---|---|---|---|"]
    for name, ms in now.items():
        if ms or before[name]:
            shown = name if name.endswith(" reasons") else f"- {name}"
            lines.append(f"| {shown} | {before[name]:.2f} | {ms:.2f} | {ms / before[name]:.2f} |")
    return "\n".join(lines)


def write_large(results: Mapping[str, Any]) -> str:
    """Write what lists of small and large catalogues take, measured in one run."""
    sizes = results["large catalogues"]["sizes"]
    lines = ["| CPU of a list, ms | without reasons | with reasons | 256 at once, each |"]
    lines[0] += " all vectors read | share of the best items found |"
    lines.append("|---|" + "---|" * 5)
    for size, one in sizes.items():
        whole = (one["ms"][name]["p50"] for name in ("without reasons", "with reasons"))
        shown = (*whole, one["batch ms"], one["recall"]["ms by all vectors"])
        told = " | ".join(f"{ms:.2f}" for ms in shown)
        lines.append(f"| {int(size):,} items | {told} | {one['recall']['share']:.4f} |")
    return "\n".join(lines)


def write_memory(results: Mapping[str, Any]) -> str:
    """Write what an item takes in memory, for each code and size that was measured."""
    return _table(results, "bytes an item", lambda one: one.get("bytes an item", {}), "{:,}")


def _times(one: Mapping[str, Any]) -> dict[str, float]:
    whole = {name: spread["p50"] for name, spread in one["ms"].items()}
    stages = {f"- {name}": ms for name, ms in one["stages"].items() if ms}
    batch = {"256 at once, each": one["batch ms"]}
    recall = one.get("recall")
    return (
        whole
        | stages
        | batch
        | ({"share of the best items found": recall["share"]} if recall else {})
    )


def _table(results: Mapping[str, Any], title: str, figures_of: Any, form: str) -> str:
    columns = {
        f"{int(size):,} items, {code}": figures
        for code in _CODES
        for size, one in results[code]["sizes"].items()
        if (figures := figures_of(one))
    }
    columns = dict(sorted(columns.items(), key=lambda one: int(one[0].split()[0].replace(",", ""))))
    lines = [f"| {title} | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name in dict.fromkeys(name for of in columns.values() for name in of):
        shown = (form.format(of[name]) if name in of else "" for of in columns.values())
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)
