"""The results of ``benchmarks.together`` as tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.accuracy_figures import TITLES

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
_INVITEES: Final = {
    "chance": "by chance",
    "tie_strength": "strength of the tie",
    "node2vec": "nearness of both by node2vec",
    "friend_popularity": "length of the friend's history",
    "item_score": "the model's score of the item",
    "fit": "the same, beside their other scores",
    "shipped": "all of it, weights as shipped",
    "both": "all of it, weights chosen here",
}
_GROUPS: Final = {
    "popularity": "what most people had",
    "one_member": "one member's own list",
    "average": "average",
    "least_misery": "least misery",
    "fair": "fair",
    "each_alone": "*everybody their own list*",
}
_PEOPLE: Final = {
    "popularity": "most friends",
    "common_friends": "common friends",
    "adamic_adar": "Adamic-Adar",
    "taste": "taste",
    "shipped": "Adamic-Adar and taste, weight as shipped",
    "both": "the same, weight chosen here",
    "also_strangers": "the same, strangers too",
}


def write_invitees(results: Results) -> str:
    """Write how well ways find the friends who take an item."""
    return _table(
        results.get("invitees", {}),
        _INVITEES,
        {"auc": "AUC", "recall@1": "recall@1", "recall@3": "recall@3"},
    )


def write_groups(results: Results) -> str:
    """Write how satisfied members are."""
    return _table(
        results.get("groups", {}),
        _GROUPS,
        {
            "mean": "NDCG@20, mean",
            "least": "NDCG@20, the least happy",
            "least_wish": "by their own order, the least happy",
        },
    )


def write_people(results: Results) -> str:
    """Write how well ways find ties that were held out."""
    return _table(results.get("people", {}), _PEOPLE, {"auc": "AUC", "hits@20": "hits@20"})


def write_sizes(results: Results) -> str:
    """Write what was asked, and what was chosen on validation."""
    rows = [_row(["data", "part", "asked", "chosen on validation", "command"]), _row(["---"] * 5)]
    for part, of in results.items():
        for name, cell in of.items():
            rows.append(_row([TITLES.get(name, name), part, *_size(cell), f"`{cell['command']}`"]))
    return "\n".join(rows)


def _size(cell: Mapping[str, Any]) -> tuple[str, str]:
    if "questions" in cell:
        weights = cell["weights"]
        ties = ", ".join(f"{one:g}" for one in weights["strengths"])
        asked = f"{cell['questions']:,} items of {cell['people']:,} people"
        if "left_out" in cell:
            took, everybody = cell["left_out"]
            asked += f"; the least fit leaves out {took:.0%} of who took it, {everybody:.0%} of all"
        return asked, f"{weights['want']:g}, {weights['history']:g}; ties {ties}"
    if "groups" in cell:
        return f"{cell['groups']:,} groups", str(cell["chosen"]).replace("_", " ")
    asked = f"{cell['ties_of_test']:,} ties of {cell['askers']:,} people"
    return asked, f"taste {cell['taste_weight']:g}"


def _table(cells: Mapping[str, Any], ways: Mapping[str, str], figures: Mapping[str, str]) -> str:
    names = list(cells)
    heads = [f"{TITLES.get(name, name)}: {title}" for name in names for title in figures.values()]
    rows = [_row(["", *heads]), _row(["---"] * (1 + len(heads)))]
    for way, named in ways.items():
        rows.append(_row([named, *_figures(cells, way, figures)]))
    return "\n".join(rows)


def _figures(cells: Mapping[str, Any], way: str, figures: Mapping[str, str]) -> Iterator[str]:
    for cell in cells.values():
        for figure in figures:
            found = cell["test"].get(figure, {}).get(way)
            if found is None:
                yield ""
                continue
            text = f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
            p = found.get("p")
            yield text if p is None else f"{text}, p {p:.4f}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
