"""Fine-tune an encoder of texts: in this process or on Ray Train's workers, by the same loop."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from coterie.content.encoders import EncoderChoice
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.networks import TextNetwork, open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.trainee import EncoderTrainee
from coterie.fitting.fit import Here
from coterie.fitting.runs import RayWorkers
from coterie.imports import without_compiler
from coterie.progress import Progress, silent
from coterie.training.checkpoint import checkpoints_in
from coterie.training.history import EpochRecord, TrainingHistory
from coterie.training.loop import run_epochs


@dataclass(frozen=True, eq=False)
class FinetunedEncoder:
    """What learning came to."""

    network: TextNetwork
    """With the weights of the best epoch."""
    history: TrainingHistory
    frozen: float
    """NDCG@20 of held-out pairs before anything was learned."""

    @property
    def is_better(self) -> bool:
        """Whether held-out pairs are found better than by the frozen encoder."""
        return (self.history.best_score or 0.0) > self.frozen


def finetune(
    choice: EncoderChoice,
    pairs: ItemPairs,
    config: FinetuneConfig,
    where: Here | RayWorkers,
    progress: Progress = silent,
) -> FinetunedEncoder:
    """Fine-tune an encoder of texts on pairs of items.

    Args:
        choice: Which: ``default``, or a folder.
        pairs: What people had together, in training.
        config: What is learned, how long.
        where: This process, or Ray Train's workers, who have to reach the folder.
        progress: Told of every epoch.

    Raises:
        BadInputError: The encoder cannot be fine-tuned so.
        UnavailableError: A store does not answer, or workers died too often.
    """
    network = open_network(choice, config.lora_rank)
    device = torch.device("cpu" if isinstance(where, RayWorkers) else where.device)
    trainee = EncoderTrainee(network, pairs, config, device)
    trainee.eval()
    with torch.no_grad():
        frozen = trainee.validate() or 0.0
    run = finetuning_identity(network.base, pairs, config)
    if isinstance(where, RayWorkers):
        # Ray takes seconds to import: only who trains on workers waits for it.
        from coterie.fitting.distributed import run_on_workers

        packed = f"{where.folder}-data/{run}.npz"
        pairs.write(packed)
        make = partial(_trainee_of, choice, packed, config)
        weights, history = run_on_workers(make, config.loop, run, where, "fine-tuning", progress)
        trainee.load_state_dict(weights)
    else:
        history = _learn_here(trainee, config, where, run, progress)
    return FinetunedEncoder(network.cpu().eval(), history, frozen)


def finetuning_identity(base: str, pairs: ItemPairs, config: FinetuneConfig) -> str:
    """Hash what is learned from what by which encoder; how long does not count."""
    settings: dict[str, Any] = asdict(config)
    for name in ("max_epochs", "patience"):
        settings["loop"].pop(name)
    whole = json.dumps([base, pairs.digest(), settings], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _learn_here(
    trainee: EncoderTrainee, config: FinetuneConfig, where: Here, run: str, progress: Progress
) -> TrainingHistory:
    checkpoints = checkpoints_in(where.checkpoints, run) if where.checkpoints else None

    def tell(record: EpochRecord) -> None:
        progress("fine-tuning", record.epoch, config.loop.max_epochs)

    with without_compiler():
        return run_epochs(trainee, config.loop, checkpoints, tell)


def _trainee_of(
    choice: EncoderChoice, packed: str, config: FinetuneConfig, device: torch.device
) -> EncoderTrainee:
    """Make what learns, on a worker."""
    network = open_network(choice, config.lora_rank)
    return EncoderTrainee(network, ItemPairs.read(packed), config, device)
