"""The table of graph models in the appendix, written from the benchmark's file."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
ORDER: Final = (
    "popularity",
    "lightgcn with ties",
    "gatv2, 1 hop",
    "gatv2, 2 hops",
    "gatv2, 3 hops",
    "hgt, 2 hops",
    "social",
)
TWO_HOPS: Final = "gatv2, 2 hops"


def write_table(results: Results) -> str:
    """Write NDCG@20 of shoppers with a history and of newcomers, and seconds, by set and model."""
    head = ["set", "model", "with a history", "newcomers", "lr", "epochs", "s an epoch"]
    rows = [head, ["---"] * len(head)]
    for name, found in results["sets"].items():
        for row in (row for row in ORDER if row in found["rows"]):
            one = found["rows"][row]
            learned = one["epoch_s"] is not None
            rows.append(
                [
                    name,
                    row,
                    _spread(one["known"]),
                    _spread(one["newcomers"]),
                    f"{one['lr']:g}" if learned else "",
                    str(one["epochs"]) if learned else "",
                    f"{one['epoch_s']:.2f}" if learned else "",
                ]
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_sets(results: Results) -> str:
    """Say how large the sets are."""
    return "; ".join(
        f"{name}: {one['shoppers']:,} shoppers, {one['items']:,} items, {one['events']:,} events "
        f"to train on, {one['ties']:,} ties, at most {one['epochs_at_most']} epochs"
        for name, one in results["sets"].items()
    )


def write_gaps(results: Results) -> str:
    """Say by how much ``gatv2`` with two hops is apart from the others that learn."""
    lines = []
    for name, found in results["sets"].items():
        rows = found["rows"]
        if TWO_HOPS not in rows:
            continue
        ours = rows[TWO_HOPS]
        parts = [
            f"{other} {_gap(ours, rows[other], 'known')} and {_gap(ours, rows[other], 'newcomers')}"
            for other in ORDER[1:]
            if other in rows and other != TWO_HOPS
        ]
        lines.append(f"- {name}: over {'; over '.join(parts)}.")
    return "\n".join(lines)


def write_blend(results: Results) -> str:
    """Write what a graph network adds to ``social`` on validation, seed by seed."""
    head = ["set", "graph network", "shoppers", "social alone", "gain by seed", "95 % intervals"]
    rows = [[*head, "shares chosen"], ["---"] * (len(head) + 1)]
    for name, graphs in results["sets"].items():
        for graph, seeds in graphs.items():
            for group, label in (("known", "with a history"), ("newcomers", "newcomers")):
                found = [seed[group] for seed in seeds]
                rows.append(
                    [
                        f"{name}, {label}",
                        graph,
                        f"{found[0]['shoppers']:,}",
                        _spread([one["alone"] for one in found]),
                        "; ".join(f"{one['gain']:+.4f}" for one in found),
                        "; ".join(
                            f"{one['interval'][0]:+.4f} to {one['interval'][1]:+.4f}"
                            for one in found
                        ),
                        "; ".join(", ".join(f"{s:g}" for s in one["shares"]) for one in found),
                    ]
                )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_estimates(results: Results) -> str:
    """Write how far estimates of reasons are off, by network and number of steps."""
    head = ["graph network", "steps", "gap, median", "gap, worst tenth", "rank correlation"]
    head += ["same first item", "three items: by estimates", "by leaving out", "by chance"]
    rows = [[*head, "ms an answer"], ["---"] * (len(head) + 1)]
    for graph, found in results["models"].items():
        for steps in sorted(found["steps"], key=int):
            one = found["steps"][steps]
            rows.append(
                [
                    graph,
                    steps,
                    f"{100 * one['gap_median']:.2f} %",
                    f"{100 * one['gap_worst_tenth']:.2f} %",
                    f"{one['rank']:.2f}",
                    f"{100 * one['same_first']:.0f} %",
                    f"{one['falls']:.3f}",
                    f"{one['falls_check']:.3f}",
                    f"{one['falls_chance']:.3f}",
                    f"{1000 * one['cpu_s']:.0f}",
                ]
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _gap(ours: Mapping[str, Any], other: Mapping[str, Any], figure: str) -> str:
    return f"{100 * (np.mean(ours[figure]) / np.mean(other[figure]) - 1):+.0f} %"


def _spread(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.4f}"
