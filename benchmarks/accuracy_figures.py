"""Single figures of the accuracy benchmark, as a line of text quotes them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

PROTOCOL: Final = "train+val"
"""The fits that pages show: on training and validation."""
OURS: Final = ("social", "social_learned", "social_no_ties", "social_no_times", "social_linear")
TITLES: Final = {
    "beidian": "Beidian",
    "ciao": "Ciao",
    "ciao_time": "Ciao by time",
    "douban_book": "Douban-Book",
    "lastfm": "LastFM",
    "lastfm_by_time": "LastFM by time",
}
"""How people write the names of sets; others as their folder is called."""
Results = Mapping[str, Any]
Cells = Mapping[str, Any]


def cells_of(results: Results, name: str) -> Cells:
    """Find the cells of a set by the name of their rows."""
    cells: Cells = results["protocols"][PROTOCOL][name]
    return cells


def ndcg(cell: Mapping[str, Any]) -> float:
    """Average NDCG@20 on test over seeds."""
    return float(np.mean(cell["test"]["ndcg@20"]))


def best_baseline(cells: Cells) -> str | None:
    """Name the best row that is not ours; None where there is none."""
    others = [row for row in cells if row not in OURS]
    return max(others, key=lambda row: ndcg(cells[row]), default=None)


def quote_ndcg(results: Results, name: str, row: str) -> str:
    """Quote a row's NDCG@20."""
    return f"{ndcg(cells_of(results, name)[row]):.4f}"


def quote_gain(results: Results, name: str, row: str = "social") -> str:
    """Quote how far a row is above the best baseline, with its interval."""
    cells = cells_of(results, name)
    return write_change(cells[row]["against"][str(best_baseline(cells))])


def quote_gap(results: Results, name: str, row: str, other: str) -> str:
    """Quote how far a row is above another, with its interval."""
    return write_change(cells_of(results, name)[row]["against"][other])


def quote_lift(results: Results, name: str, kind: str = "all", label: str = "all shoppers") -> str:
    """Quote what ties add for a group of shoppers, with its interval."""
    return write_change(cells_of(results, name)["social_no_ties"]["lift"][kind][label])


def quote_shoppers(
    results: Results, name: str, kind: str = "all", label: str = "all shoppers"
) -> str:
    """Quote how many shoppers a group has on test."""
    return f"{cells_of(results, name)['social_no_ties']['lift'][kind][label]['shoppers']:,}"


def quote_newcomers(results: Results, name: str, row: str, known: str) -> str:
    """Quote the NDCG@20 of newcomers of whom so many items are known."""
    return f"{cells_of(results, name)[row]['newcomers'][known]['figures'][1]:.4f}"


def write_change(test: Mapping[str, Any]) -> str:
    """Write a relative difference: mean and, where it is known, 95 % interval."""
    mean, low, high = test["relative"]
    return f"{mean:+.1%}" if low is None else f"{mean:+.1%} [{low:+.1%}, {high:+.1%}]"


FIGURES: Final[dict[str, Callable[..., str]]] = {
    "ndcg": quote_ndcg,
    "gain": quote_gain,
    "gap": quote_gap,
    "lift": quote_lift,
    "shoppers": quote_shoppers,
    "newcomers": quote_newcomers,
}
"""By the first word of a mark; the others are arguments."""
