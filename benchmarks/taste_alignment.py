"""A taste in words as a second loss, as RLMRec has it: do aligned vectors list better?

    python -m benchmarks.taste_alignment --data DIR

RLMRec (Ren et al., 2024, arXiv:2310.15950), its contrastive form, over LightGCN and LastFM: beside
its own loss the model brings the vector of each shopper nearer to that of the shopper's profile in
words than to other shoppers' (InfoNCE, temperature .2, both sides by cosine, words through two
layers), and each artist's to that of the artist's text. Profiles are those of
``benchmarks.taste_profiles``, of training alone. What the loss counts is chosen by seed 0's
validation. Each seed draws another tenth as validation, learns as long as that gains, and looks at
test once a row. A seed's figures replace its own in ``benchmarks/results/taste_alignment.json``.
Small, since two busy cores did all of it.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from benchmarks.content_sets import Task, read_lastfm
from benchmarks.taste_profiles import LONGEST, Floats, of_length_1, profile_of
from coterie.content.sentences import SentenceEncoder
from coterie.data.dataset import TrainingSet
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.models.engagement import engagement
from coterie.models.lightgcn import LightGCN, LightGCNConfig, LightGCNTrainee
from coterie.training.loop import LoopConfig

RESULTS: Final = Path(__file__).parent / "results" / "taste_alignment.json"
WEIGHTS: Final = (0.1, 1.0)
"""What the second loss may count."""
TEMPERATURE: Final = 0.2
ALIGNED: Final = 512
"""Shoppers of a step that are aligned, and so many artists: each is wrong for all the others."""
SMALL: Final = LightGCNConfig(
    embedding_size=32,
    layers=2,
    negatives=512,
    batch_size=4_096,
    loop=LoopConfig(max_epochs=40, patience=2, validate_every=2, lr=1e-2),
)
K: Final = 20
SEEDS: Final = (0, 1, 2)
PLAIN, ALIGNED_TOO = "LightGCN", "LightGCN, aligned with profiles"


class AlignedTrainee(LightGCNTrainee):
    """LightGCN with a second loss: its vectors beside those of words."""

    def __init__(self, config: LightGCNConfig, data: TrainingSet, words: Floats, weight: float):
        """Take words' vectors of all users and then items, shape (users + items, size)."""
        super().__init__(config, data, torch.device("cpu"))
        self._words, self._weight = torch.from_numpy(words), weight
        size, mine = words.shape[1], config.embedding_size
        with torch.random.fork_rng():
            torch.manual_seed(config.loop.seed)
            self._brought = nn.Sequential(
                nn.Linear(size, (size + mine) // 2),
                nn.LeakyReLU(),
                nn.Linear((size + mine) // 2, mine),
            )
        self._drawn = torch.Generator().manual_seed(config.loop.seed)
        self._second = torch.zeros(())

    def _vectors_of(self, nodes: torch.Tensor) -> torch.Tensor:
        vectors = super()._vectors_of(nodes)
        sides = nodes < self._num_users
        self._second = self._alignment(nodes, vectors, sides) + self._alignment(
            nodes, vectors, ~sides
        )
        return vectors

    def _alignment(
        self, nodes: torch.Tensor, vectors: torch.Tensor, side: torch.Tensor
    ) -> torch.Tensor:
        rows = torch.nonzero(side)[:, 0]
        rows = rows[torch.randperm(len(rows), generator=self._drawn)[:ALIGNED]]
        own = F.normalize(vectors[rows], dim=1)
        words = F.normalize(self._brought(self._words[nodes[rows]]), dim=1)
        return F.cross_entropy(own @ words.T / TEMPERATURE, torch.arange(len(rows)))

    def forward(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Compute both losses."""
        own = super().forward(batch)
        return own + self._weight * self._second


class Aligned(LightGCN):
    """LightGCN, learned beside vectors of words."""

    def __init__(self, config: LightGCNConfig, words: Floats, weight: float) -> None:
        """Take words' vectors of users and items, and what the second loss counts."""
        super().__init__(config)
        self._words, self._weight = words, weight

    def trainee(self, data: TrainingSet, device: torch.device) -> LightGCNTrainee:  # noqa: ARG002
        """Make what is trained."""
        return AlignedTrainee(self.config, data, self._words, self._weight)


def measure(data: Path, seed: int, weight: float | None) -> dict[str, Any]:
    """Learn each row by validation, and look at test."""
    encoder = SentenceEncoder()
    said: list[str] = []

    def keep(texts: Sequence[str]) -> Floats:
        said.extend(texts)
        return np.zeros((len(texts), 1), np.float32)

    found = read_lastfm(data / "lastfm", keep, seed)
    items = of_length_1(encoder.encode([text[:LONGEST] for text in said]).vectors)
    table = found.validation.fit.items
    assert table is not None
    names = table["title"].to_pylist()
    tags = [[*filter(None, one.split(" , "))] for one in table["tags"].to_pylist()]
    words = {}
    for look, task in (("validation", found.validation), ("test", found.test)):
        own = [profile_of(one.indices.tolist(), names, tags) for one in engagement(task.fit)]
        words[look] = np.concatenate([encoder.encode(own).vectors, items])
    config = replace(SMALL, loop=replace(SMALL.loop, seed=seed))
    weights = WEIGHTS if weight is None else (weight,)
    plain = LightGCN(config)
    tried = {0.0: (_fitted(plain, found.validation), plain)}
    for one in weights:
        made = Aligned(config, words["validation"], one)
        tried[one] = (_fitted(made, found.validation), made)
        print(seed, one, tried[one][0], flush=True)
    weight = max(weights, key=lambda one: tried[one][0])
    rows: dict[str, Any] = {}
    for row, counts in ((PLAIN, 0.0), (ALIGNED_TOO, weight)):
        reached, model = tried[counts]
        again = model.refit_config()
        final = Aligned(again, words["test"], counts) if counts else LightGCN(again)
        rows[row] = {
            "validation": reached,
            "epochs": model.history.best_epoch,
            "test": _fitted(final, found.test),
        }
        print(seed, row, rows[row], flush=True)
    return {
        "weight": weight,
        "tried": {f"{w:g}": one for w, (one, _) in tried.items()},
        "rows": rows,
    }


def _fitted(model: LightGCN, task: Task) -> float:
    model.fit(task.fit)
    return round(evaluate_model(model, task.fit, task.held_out, ks=(K,)).mean(f"ndcg@{K}"), 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write each seed's results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in asked.seeds:
        began = time.process_time()
        chosen = results["seeds"]["0"]["weight"] if seed else None
        found = measure(asked.data, seed, chosen)
        found["cpu_seconds"] = round(time.process_time() - began)
        results |= {
            "k": K,
            "machine": f"{platform.machine()}, one thread",
            "versions": {n: version(n) for n in ("torch", "numpy", "scipy")},
            "command": "python -m benchmarks.taste_alignment --data DIR",
        }
        results.setdefault("seeds", {})[str(seed)] = found
        write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
