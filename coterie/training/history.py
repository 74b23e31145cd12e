"""What training came to, epoch by epoch, and the states that it can go on from."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import torch

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch came to."""

    epoch: int
    """Counted from 1."""
    loss: float
    score: float | None
    """On validation; None where nothing was validated."""
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """All epochs, and which of them the trainee's weights are from."""

    epochs: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0
    best_score: float | None = None
    resumed_from: int = 0
    """Epochs that an earlier process had done."""

    def add(self, record: EpochRecord) -> "TrainingHistory":
        """Add an epoch, which is the best if its score says so or none has a score."""
        epochs = (*self.epochs, record)
        if record.score is None:
            best = self.best_epoch if self.best_score is not None else record.epoch
            return replace(self, epochs=epochs, best_epoch=best)
        if self.best_score is None or record.score > self.best_score:
            return replace(self, epochs=epochs, best_epoch=record.epoch, best_score=record.score)
        return replace(self, epochs=epochs)

    def validations_since_best(self) -> int:
        """Count how often validation has looked since it last found a better score."""
        return sum(e.score is not None and e.epoch > self.best_epoch for e in self.epochs)

    def as_json(self) -> dict[str, Any]:
        """Convert the history to plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainingHistory":
        """Read a history back from :meth:`as_json`'s values."""
        epochs = tuple(EpochRecord(**record) for record in content["epochs"])
        return cls(**{**content, "epochs": epochs})


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that it takes to go on after an epoch as if nothing had happened."""

    weights: Weights
    best_weights: Weights
    average: Weights
    """The running mean; empty where there is none."""
    optimizer: dict[str, Any]
    history: TrainingHistory


class Checkpoints(Protocol):
    """Where states outlive the process; see ``coterie.training.checkpoint``."""

    def save(self, state: TrainingState) -> None:
        """Keep the state of rank 0 after an epoch."""

    def load(self) -> TrainingState | None:
        """Read the newest whole state; None at the very start. Every rank loads."""
