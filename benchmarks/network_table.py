"""The tables of docs/network.md, of what ``benchmarks.network`` found."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
_SHARES: Final = {
    "truth": "truth",
    "ours": "cascade with background",
    "threshold": "linear threshold with background",
    "matched_pairs": "matched pairs",
    "shuffled_times": "shuffled times",
    "naive": "naive count",
}
_RANKS: Final = {
    "ours": "cascade with background",
    "threshold": "linear threshold with background",
    "credit_distribution": "credit shared out equally",
    "naive": "naive count",
}
_WAYS: Final = {
    "imm": "chosen for spread (IMM)",
    "followers": "most followers",
    "pagerank": "highest PageRank",
    "influence": "most purchases caused",
    "random": "at random",
}


_METHODS: Final = {
    "leiden": "Leiden",
    "louvain": "Louvain with refinement",
    "as they stand": "the same, people in no order",
}
_FIGURES: Final = {
    "cpu_s": "CPU seconds a seed",
    "modularity": "modularity",
    "stability": "stability",
}


def write_scale(results: Results) -> str:
    """Write CPU seconds of each stage by size of the network."""
    sizes = results["scale"]
    rows = [["stage, CPU seconds", *(f"{one['people']:,} people" for one in sizes)]]
    rows.append(["---"] * len(rows[0]))
    rows.append(["*ties*", *(f"*{one['ties']:,}*" for one in sizes)])
    for stage in sizes[-1]["stages"]:
        rows.append([stage, *(f"{one['stages'][stage]['cpu_s']:,.1f}" for one in sizes)])
    rows.append(["**all**", *(f"**{one['total']['cpu_s']:,.1f}**" for one in sizes)])
    rows.append(["memory, GiB", *(f"{one['total']['peak_gib']:.2f}" for one in sizes)])
    return _table(rows)


def write_libraries(results: Results) -> str:
    """Write what NetworKit and igraph cost."""
    found = results["libraries"]
    rows = [["", "CPU seconds"], ["---", "---"]]
    rows += [[name, f"{one['cpu_s']:.2f}"] for name, one in found["stages"].items()]
    rows += [[f"modularity by {name}", f"{one:.4f}"] for name, one in found["modularity"].items()]
    return _table(rows)


def write_shares(results: Results) -> str:
    """Write the share of purchases because of friends: the truth, and what each way says."""
    shops = _by_share(results)
    rows = [["", *(f"shop with {share:.0%}" for share in shops)]]
    rows.append(["---"] * len(rows[0]))
    for way, named in _SHARES.items():
        cells = [_mean([one["share"][way] for one in found]) for found in shops.values()]
        rows.append([named, *(f"{100 * cell:.1f} %" for cell in cells)])
    return _table(rows)


def write_ranks(results: Results) -> str:
    """Write how well people and ties are ranked by what they caused (Spearman)."""
    shops = {share: found for share, found in _by_share(results).items() if share > 0}
    heads = [f"{what}, {share:.0%}" for what in ("people", "ties") for share in shops]
    rows = [["", *heads], ["---"] * (len(heads) + 1)]
    for way, named in _RANKS.items():
        cells = [
            _mean([one["ranks"][way][what] for one in found])
            for what in ("people", "ties")
            for found in shops.values()
        ]
        rows.append([named, *(f"{cell:.3f}" for cell in cells)])
    return _table(rows)


def write_spread(results: Results) -> str:
    """Write how many people something reaches from 50 who are chosen in several ways."""
    found = results["spread"]
    rows = [[f"{found['people']} people", "reached", "95 %"], ["---"] * 3]
    for way, named in _WAYS.items():
        one = found["simulated"][way]
        rows.append([named, f"{one['people']:.1f}", f"± {1.96 * one['standard_error']:.1f}"])
    return _table(rows)


def write_ties(results: Results) -> str:
    """Write how well each way finds ties that were held out."""
    sets = results["ties"]
    heads = [f"{name}, {metric}" for name in sets for metric in ("AUC", "hits@20")]
    rows = [["", *heads], ["---"] * (len(heads) + 1)]
    for at, way in enumerate(next(iter(sets.values()))["ways"]):
        cells = [
            _with_p(one["ways"][way], metric, first=at == 0)
            for one in sets.values()
            for metric in ("auc", "hits@20")
        ]
        rows.append([way, *cells])
    return _table(rows)


def _with_p(cell: Mapping[str, Any], metric: str, first: bool) -> str:
    mean, low, high = cell[metric]
    p = cell[f"{metric} p"]
    told = "" if p is None or first else f", p {p:.2g}"
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]{told}"


def write_methods(results: Results) -> str:
    """Write what each way to find communities costs, and what it finds, by size of the network."""
    sizes = results["methods"].values()
    rows = [["", *(f"{one['people']:,} people" for one in sizes)], ["---"] * (len(sizes) + 1)]
    for key, named in _METHODS.items():
        for what, told in _FIGURES.items():
            if key != "as they stand" or what == "cpu_s":
                cells = (_range(one[key][what], 2 if what == "cpu_s" else 4) for one in sizes)
                rows.append([f"{named}: {told}", *cells])
    rows.append(["laying people out first, once", *(_range(one["sketch_cpu_s"]) for one in sizes)])
    return _table(rows)


def write_reads(results: Results) -> str:
    """Write what one read at random costs, by size of the network."""
    sizes = results["reads"]
    rows = [["nanoseconds a read", *(f"{one['people']:,} people" for one in sizes)]]
    rows.append(["---"] * len(rows[0]))
    for key, named in {"person_ns": "a number a person", "end_ns": "a number an end"}.items():
        rows.append([named, *(_range(one[key], 1) for one in sizes)])
    return _table(rows)


def _range(found: Any, digits: int = 2) -> str:
    if not isinstance(found, list):
        return f"{found:.{digits}f}"
    return f"{min(found):.{digits}f} to {max(found):.{digits}f}"


def write_use(results: Results) -> str:
    """Write how lists change with whom they draw on."""
    sets = results["use"]
    ways = next(iter(sets.values()))["ways"]
    rows = [["lists draw on", *(f"{name} ({one['split']})" for name, one in sets.items())]]
    rows.append(["---"] * len(rows[0]))
    for way in ways:
        rows.append([way, *(_use(one["ways"][way]) for one in sets.values())])
    rows.append(["*shoppers*", *(f"*{one['shoppers']:,}*" for one in sets.values())])
    return _table(rows)


def _use(cell: Mapping[str, Any]) -> str:
    if "left_out" in cell:
        return "undated"
    if not cell["change"]:
        return f"{cell['ndcg@20']:.4f}"
    return f"{cell['change']:+.1%} (p = {cell['p']:.2g})"


def write_strengths(results: Results) -> str:
    """Write how ``social`` changes with what it reads as weights of ties."""
    sets = {name: one["ties"] for name, one in results["strengths"].items() if "ties" in one}
    ways = dict.fromkeys(way for one in sets.values() for way in one["ways"])
    rows = [["weight of a tie", *(f"{name} ({one['split']})" for name, one in sets.items())]]
    rows.append(["---"] * len(rows[0]))
    for way in ways:
        rows.append([way, *(_changed(one["ways"][way]) for one in sets.values())])
    rows.append(["*shoppers*", *(f"*{one['shoppers']:,}*" for one in sets.values())])
    return _table(rows)


def write_newcomers(results: Results) -> str:
    """Write what communities and vectors add for people whom the model never saw."""
    ways = ("as given", "popularity", "community", "community against popularity", "nearest")
    rows = [["data", "items known", "people", *ways], ["---"] * (3 + len(ways))]
    for name, one in results["strengths"].items():
        for known, cell in one.get("newcomers", {}).items():
            told = (_changed(cell[way]) for way in ways)
            rows.append([name, known, f"{cell['people']:,}", *told])
    return _table(rows)


def _changed(cell: Mapping[str, Any]) -> str:
    if "left_out" in cell:
        return "undated"
    mean, low, high = cell["change"]
    if not (mean or low or high):
        return f"{cell['ndcg@20']:.4f}"
    return f"{mean:+.1%} [{low:+.1%}, {high:+.1%}], p {cell['p']:.2g}"


def _by_share(results: Results) -> dict[float, list[Mapping[str, Any]]]:
    shops: dict[float, list[Mapping[str, Any]]] = {}
    for one in results["influence"]:
        shops.setdefault(one["influence"], []).append(one)
    return shops


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
