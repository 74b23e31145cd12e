"""How far estimates of why a graph network lists an item are off.

    python -m benchmarks.graph_estimates --data DIR

On the simulated shop of ``benchmarks.graph_models``, with its rates and epochs: of ``SHOPPERS``
shoppers the item at the top of their list is explained by integrated gradients of some steps. The
gap is what contributions do not tell of the difference that they should add up to, as a share of
it. Leaving out each item is the check: rank correlation (Spearman) of contributions with how much
the score falls without each, how often both name the same item first, and how much of the score's
difference three items take away, chosen by estimates, by leaving out each, and by chance. CPU
seconds an answer. Writes ``benchmarks/results/graph_estimates.json``.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.graph_blend import fitted
from benchmarks.graph_models import RESULTS, read_split
from coterie.files import write_atomically
from coterie.models.graph_estimates import Explained, estimate, left_out

KEPT: Final = RESULTS.with_name("graph_estimates.json")
GRAPHS: Final = ("gatv2, 2 hops", "hgt, 2 hops")
SHOPPERS: Final = 20
STEPS: Final = (8, 32)
CHOSEN: Final = 3


def measure(model: Any, users: np.ndarray) -> dict[str, Any]:
    """Explain the best item of each shopper, at each number of steps."""
    network, graph = model.served()
    rng, found = np.random.default_rng(0), dict[str, list[list[float]]]()
    begun, check_s = time.process_time(), 0.0
    for user in users.tolist():
        item = int(model.scores(np.array([user]))[0].argmax())
        begun = time.process_time()
        falls = left_out(network, graph, user, item)
        check_s += time.process_time() - begun
        if len(falls) <= CHOSEN:
            continue
        shown = Explained(network, graph, user, item)
        for steps in STEPS:
            begun = time.process_time()
            one = estimate(network, graph, user, item, steps)
            took = time.process_time() - begun
            first = np.argsort(-one.contribution)[:CHOSEN]
            chosen = (first, np.argsort(-falls)[:CHOSEN], rng.permutation(len(falls))[:CHOSEN])
            found.setdefault(str(steps), []).append(
                [
                    one.relative_gap,
                    float(np.nan_to_num(spearmanr(one.contribution, falls).statistic)),
                    float(first[0] == falls.argmax()),
                    *(_fall(shown, rows, one.score) for rows in chosen),
                    took,
                ]
            )
    names = ("gap", "rank", "same_first", "falls", "falls_check", "falls_chance", "cpu_s")
    return {
        "shoppers": len(found[str(STEPS[0])]),
        "check_cpu_s": round(check_s / len(users), 4),
        "steps": {
            steps: {
                "gap_median": round(float(np.median([row[0] for row in rows])), 5),
                "gap_worst_tenth": round(float(np.quantile([row[0] for row in rows], 0.9)), 5),
                **dict(zip(names[1:], np.mean(rows, axis=0)[1:].round(4).tolist(), strict=True)),
            }
            for steps, rows in found.items()
        },
    }


def _fall(shown: Explained, chosen: np.ndarray, score: float) -> float:
    """Measure how much the score falls without some items together."""
    rows = shown.rows[torch.from_numpy(chosen)]
    with torch.no_grad():
        return score - float(shown.score(shown.told, shown.without(*rows.tolist())))


def main(arguments: list[str] | None = None) -> None:
    """Measure each graph network."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    data = read_split("simulated", asked.data).for_validation()
    users = np.random.default_rng(0).choice(
        np.unique(data.interactions.user_idx), SHOPPERS, replace=False
    )
    for graph in asked.graphs:
        results = dict(json.loads(KEPT.read_text())) if KEPT.exists() else {}
        results["command"] = "python -m benchmarks.graph_estimates --data DIR"
        results["machine"] = f"{platform.machine()}, one thread"
        results["versions"] = {p: version(p) for p in ("torch", "torch-geometric")}
        model = fitted("simulated", graph, data, 0)
        results.setdefault("models", {})[graph] = measure(model, users)
        write_atomically(KEPT, json.dumps(results, indent=1, sort_keys=True) + "\n")
        print(graph, results["models"][graph], flush=True)


if __name__ == "__main__":
    main()
