"""What a step of LightGCN costs, with hops as they are and as torch has them.

    python -m benchmarks.lightgcn_hops --data DIR --sets lastfm douban_book ciao_time

``torch``: all rows of every hop, and gradients by torch, which transposes the graph for each.
Steps of both take turns on one thread; CPU seconds, the least of three runs of six steps. Losses
of both are written, since they have to be the same. Writes ``results/lightgcn_hops.json``.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch

from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import convert
from coterie.data.splits import choose
from coterie.models.lightgcn import LightGCNConfig, LightGCNTrainee

RESULTS: Final = Path(__file__).parent / "results" / "lightgcn_hops.json"
STEPS: Final = 6
SOURCES: Final = {"ciao_time": "ciao"}


class PlainTrainee(LightGCNTrainee):
    """LightGCN as the formula has it."""

    def _hops(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        layer, total = self.vectors, self.vectors
        for _ in range(number):
            layer = self._graph @ layer
            total = total + layer
        return layer, total

    def _vectors_of(self, nodes: torch.Tensor) -> torch.Tensor:
        return self._hops(self._config.layers)[1][nodes]


def measure(data: Any, kind: type[LightGCNTrainee]) -> dict[str, float]:
    """Take some steps from the beginning."""
    trainee = kind(LightGCNConfig(), data, torch.device("cpu"))
    optimizer = torch.optim.Adam(trainee.parameters(), lr=5e-3)
    begun, loss = time.process_time(), torch.zeros(())
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = trainee(trainee.batch(0, step, 0, 1))
        loss.backward()
        optimizer.step()
    taken = (time.process_time() - begun) / STEPS
    return {"step_s": taken, "epoch_s": taken * trainee.num_batches(1), "loss": loss.item()}


def main() -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.sets:
        with tempfile.TemporaryDirectory(prefix="coterie-hops-") as folder:
            convert(SOURCES.get(name, name), f"{options.data}/{name}", f"{folder}/raw")
            ingest(f"{folder}/raw", f"{folder}/clean")
            data = choose(load_dataset(f"{folder}/clean")).for_validation()
        kinds = {"torch": PlainTrainee, "ours": LightGCNTrainee}
        runs = [{way: measure(data, kind) for way, kind in kinds.items()} for _ in range(3)]
        found[name] = {
            way: min((run[way] for run in runs), key=lambda one: one["step_s"]) for way in kinds
        }
        print(name, found[name])
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
