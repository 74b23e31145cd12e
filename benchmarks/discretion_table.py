"""The discretion benchmark's results as tables."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.accuracy_figures import TITLES

WAYS: Final = {
    "served": "served",
    "no_one_sided": "no one-sided ties",
    "some_unnamed": "20 % not named",
    "half_unnamed": "half not named",
    "none_named": "nobody named",
    "none_named_two": "nobody named, from 2 on",
    "no_ties": "no ties at all",
}
FITS: Final = {"chosen": "chosen so", "learned": "learned so"}

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""


def write_table(results: Results) -> str:
    """Write a row for each way to draw lists, a column for each set."""
    sets = [(results["sets"][name], title) for name, title in _sets(results)]
    rows = [
        _row(["lists draw on", *(title for _, title in sets)]),
        _row(["---"] * (len(sets) + 1)),
        _row(["all friends", *(f"{cell['ways']['all']['ndcg@20']:.4f}" for cell, _ in sets)]),
    ]
    for way, named in WAYS.items():
        rows.append(_row([named, *(_change(cell["ways"][way]) for cell, _ in sets)]))
    rows.append(_row(["*shoppers, epochs*", *(_size(cell) for cell, _ in sets)]))
    return "\n".join(rows)


def _size(cell: Mapping[str, Any]) -> str:
    return f"*{cell['shoppers']:,}, {cell['epochs']}*"


def write_too_few(results: Results) -> str:
    """Write of each set and way what shoppers get who have too few friends who are not named."""
    head = ["data", "lists", "such shoppers", "on all friends", "as drawn"]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, title in _sets(results):
        for way, named in WAYS.items():
            cell = results["sets"][name]
            group = cell["ways"][way]["groups"].get("1-2")
            if group:
                share = f"{group['shoppers']:,} ({group['shoppers'] / cell['shoppers']:.0%})"
                figures = f"{group['all']:.4f}", f"{group['drawn']:.4f}"
                rows.append(_row([title, named, share, *figures]))
    return "\n".join(rows)


def write_fits(results: Results) -> str:
    """Write how models do that were fitted for the lists that they make."""
    head = ["data", "lists", "fitted with all", *FITS.values()]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, title in _sets(results):
        for way, named in WAYS.items():
            cell = results["sets"][name]["ways"][way]
            if "chosen" in cell:
                figures = [_change(cell[fit]) for fit in FITS]
                rows.append(_row([title, named, f"{cell['ndcg@20']:.4f}", *figures]))
    return "\n".join(rows)


def _sets(results: Results) -> list[tuple[str, str]]:
    return [(name, title) for name, title in TITLES.items() if name in results["sets"]]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _change(cell: Mapping[str, Any]) -> str:
    """Write a relative change with its interval; nothing where no list changed."""
    if cell.get("changed") == 0:
        return "none"
    mean, low, high = (f"{part:+.1%}" for part in cell["relative"])
    return f"{mean} [{low}, {high}]"
