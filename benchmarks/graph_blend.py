"""Whether a graph network adds to ``social``: both scores mixed, by seed, on validation alone.

    python -m benchmarks.graph_blend --data DIR --sets simulated lastfm

Models, sizes, rates and epochs are those of ``benchmarks.graph_models`` (``gatv2`` and ``hgt`` of
two hops). A tenth of the shoppers are kept out of training whole, as there. Scores of both models
are brought to one spread; half of the validation shoppers choose the share of the graph network,
the other half say what it gains, and then the other way round, so nobody judges what they chose.
Newcomers have a share of their own, found in the same way. Test is not looked at. A graph network
is worth a term where all seeds gain, and gain more than by ``social`` of another seed, the control
(``social again``): two of anything are steadier than one. Writes seed by seed into
``benchmarks/results/graph_blend.json``, and goes on where it was stopped.
"""

import argparse
import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.graph_models import EPOCHS, RESULTS, ROWS, read_split
from coterie.data.dataset import Interactions, Split, TrainingSet
from coterie.evaluation.newcomers import Newcomers
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import fit
from coterie.models import MODELS
from coterie.models.base import Scores
from coterie.workflow.settings import change

KEPT: Final = RESULTS.with_name("graph_blend.json")
AGAIN: Final = "social again"
GRAPHS: Final = ("gatv2, 2 hops", "hgt, 2 hops", AGAIN)
SHARES: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
SEEDS: Final = 3
Doubles = npt.NDArray[np.float64]


class Mixed:
    """Two models' scores in one, of the same shoppers again and again."""

    def __init__(self, social: Any, network: Any, users: npt.NDArray[np.int64]):
        each = [
            np.concatenate([m.scores(u) for u in np.array_split(users, 20)])
            for m in (social, network)
        ]
        self._scores = [scores / max(float(scores[:500].std()), 1e-9) for scores in each]
        self._row = np.full(int(users.max()) + 1, -1)
        self._row[users] = np.arange(len(users))
        self.share = 0.0
        """Of the network."""

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """Add up, each in units of its own spread, shape (len(user_idx), items)."""
        social, network = (scores[self._row[user_idx]] for scores in self._scores)
        return np.asarray((1 - self.share) * social + self.share * network, np.float32)


def gain(shares: Doubles, seed: int) -> dict[str, Any]:
    """Choose a share on one half of the shoppers and judge it on the other, both ways.

    Args:
        shares: NDCG@20 of each share and shopper, shape (len(SHARES), shoppers); the first is
            without the graph network.
        seed: Of the halves.
    """
    order = np.random.default_rng(seed).permutation(shares.shape[1])
    halves = np.array_split(order, 2)
    gains, chosen = np.zeros(shares.shape[1]), []
    for choosing, judging in (halves, halves[::-1]):
        best = int(np.argmax(np.round(shares[:, choosing].mean(axis=1), 6)))
        gains[judging] = shares[best, judging] - shares[0, judging]
        chosen.append(SHARES[best])
    draws = np.random.default_rng(0).integers(0, len(gains), (1000, len(gains)))
    low, high = np.percentile(gains[draws].mean(axis=1), [2.5, 97.5])
    return {
        "shoppers": len(gains),
        "alone": round(float(shares[0].mean()), 5),
        "gain": round(float(gains.mean()), 5),
        "interval": [round(float(low), 5), round(float(high), 5)],
        "shares": chosen,
    }


def measure(split: Split, dataset: str, graph: str, seed: int) -> dict[str, Any]:
    """Fit both models without the newcomers, and say what the second adds to the first."""
    newcomers = Newcomers.choose(split.for_validation(), split.val)
    assert newcomers is not None
    new = np.isin(split.val.user_idx, newcomers.held_out.user_idx)
    data = newcomers.without
    social = fitted(dataset, "social", data, seed)
    again = graph == AGAIN
    network = fitted(dataset, "social" if again else graph, data, seed + SEEDS * again)

    def ndcg(held_out: Interactions) -> Doubles:
        mixed, found = Mixed(social, network, np.unique(held_out.user_idx)), []
        for mixed.share in SHARES:
            judged = evaluate_model(mixed, data, held_out, ks=(20,))
            found.append(np.asarray(judged.metrics["ndcg@20"], np.float64))
        return np.stack(found)

    return {
        "known": gain(ndcg(split.val.take(~new)), seed),
        "newcomers": gain(ndcg(newcomers.held_out), seed),
    }


def fitted(dataset: str, row: str, data: TrainingSet, seed: int) -> Any:
    """Fit a row of ``benchmarks.graph_models`` with the rate and the epochs that it found."""
    name, settings = ROWS[row]
    found = json.loads(RESULTS.read_text())["sets"][dataset]["rows"][row]
    config = change(MODELS[name].config_class(), settings)
    loop = replace(config.loop, max_epochs=found["epochs"], lr=found["lr"], seed=seed)
    return fit(data, name, replace(config, loop=loop))


def main(arguments: list[str] | None = None) -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for dataset in asked.sets:
        split = read_split(dataset, asked.data)
        for graph in asked.graphs:
            found = list(_results().get("sets", {}).get(dataset, {}).get(graph, []))
            for seed in range(len(found), SEEDS):
                found.append(measure(split, dataset, graph, seed))
                _keep(dataset, graph, found)
                print(dataset, graph, seed, found[-1], flush=True)


def _results() -> dict[str, Any]:
    return dict(json.loads(KEPT.read_text())) if KEPT.exists() else {}


def _keep(dataset: str, graph: str, found: list[dict[str, Any]]) -> None:
    results = _results()
    results["command"] = "python -m benchmarks.graph_blend --data DIR"
    results["machine"] = f"{platform.machine()}, one thread"
    results["versions"] = {p: version(p) for p in ("torch", "torch-geometric")}
    results.setdefault("sets", {}).setdefault(dataset, {})[graph] = found
    write_atomically(KEPT, json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
