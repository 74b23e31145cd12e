"""A training run on two workers, as a process of its own: there to be killed by a test."""

import sys

from synthetic import planted

from coterie.fitting.fit import fit
from coterie.fitting.runs import RayWorkers
from coterie.models.lightgcn import LightGCNConfig
from coterie.training.loop import LoopConfig

CONFIG = LightGCNConfig(
    embedding_size=16,
    batch_size=256,
    negatives=64,
    loop=LoopConfig(max_epochs=6, patience=100, lr=1e-2),
)

if __name__ == "__main__":
    fit(planted().data, "lightgcn", CONFIG, RayWorkers(sys.argv[1], "killed", count=2))
