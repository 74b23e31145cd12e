"""A training run on two workers, as a process to be killed by a test."""

import sys
from dataclasses import replace

from synthetic import planted

from coterie.fitting.fit import fit
from coterie.fitting.runs import RayWorkers
from coterie.models.lightgcn import LightGCNConfig
from coterie.training.loop import LoopConfig

CONFIG = LightGCNConfig(
    embedding_size=16,
    batch_size=256,
    negatives=64,
    loop=LoopConfig(patience=10**6, lr=1e-2),
)


def for_epochs(epochs):
    """The same training, which ends after so many epochs."""
    return replace(CONFIG, loop=replace(CONFIG.loop, max_epochs=epochs))


if __name__ == "__main__":
    [storage] = sys.argv[1:]
    workers = RayWorkers(storage, "killed", count=2)
    # Without an end that it could come to before the test, on a busy machine, kills it.
    fit(planted().data, "lightgcn", for_epochs(10**6), workers)
