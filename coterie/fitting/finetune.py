"""Fine-tune an encoder of texts: in this process or on Ray Train's workers, by the same loop."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import torch

from coterie.content.encoders import EncoderChoice
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.masked import MaskedTrainee
from coterie.finetuning.networks import TextNetwork, open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.trainee import EncoderTrainee
from coterie.fitting.dataset_file import digest_start, pack_start, unpack_start
from coterie.fitting.fit import Here
from coterie.fitting.runs import RayWorkers
from coterie.imports import without_compiler
from coterie.progress import Progress, silent
from coterie.training.checkpoint import checkpoints_in
from coterie.training.history import EpochRecord, TrainingHistory
from coterie.training.loop import LoopConfig, Start, Trainee, run_epochs

MASKED: Final = "masked"
"""Beside a run's states, those of its masked word pieces."""


@dataclass(frozen=True, slots=True)
class MaskedEpochs:
    """Epochs of masked word pieces, before any pair."""

    history: TrainingHistory
    """Its score is how likely hidden pieces of held-out texts are."""
    found: float
    """NDCG@20 of held-out pairs after them."""


@dataclass(frozen=True, eq=False)
class FinetunedEncoder:
    """What learning came to."""

    network: TextNetwork
    """With the weights of the best epoch."""
    history: TrainingHistory
    frozen: float
    """NDCG@20 of held-out pairs before anything was learned."""
    masked: MaskedEpochs | None = None
    """What masked word pieces came to; None where they were left out."""

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
    """Fine-tune an encoder of texts: on masked word pieces if asked to, then on pairs of items.

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
    words = MaskedTrainee(network, pairs, config, device) if config.masked_epochs else None
    trainee = EncoderTrainee(network, pairs, config, device)
    frozen = _found(trainee)
    begun, masked = None, None
    if words is not None:
        loop = replace(config.loop, max_epochs=config.masked_epochs)
        run = finetuning_identity(network.base, pairs, config, MASKED)
        job = _Job(MaskedTrainee, choice, pairs, config, run)
        history = job.run(words, loop, _beside(where), progress, "masked pieces")
        begun = trainee.state_dict()
        masked = MaskedEpochs(history, _found(trainee))
    run = finetuning_identity(network.base, pairs, config, digest_start(begun) if begun else "")
    job = _Job(EncoderTrainee, choice, pairs, config, run, begun)
    history = job.run(trainee, config.loop, where, progress, "fine-tuning")
    return FinetunedEncoder(network.cpu().eval(), history, frozen, masked)


def finetuning_identity(
    base: str, pairs: ItemPairs, config: FinetuneConfig, begun: str = ""
) -> str:
    """Hash what is learned from what by which encoder; how long does not count.

    Args:
        base: Digest of the encoder.
        pairs: What is learned from.
        config: How.
        begun: What else tells the run: what it goes on from, or that it is of masked pieces.
    """
    settings: dict[str, Any] = asdict(config)
    settings.pop("masked_epochs")
    for name in ("max_epochs", "patience"):
        settings["loop"].pop(name)
    whole = json.dumps([base, pairs.digest(), settings, begun], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class _Job:
    """One of the two things that an encoder learns, here or on workers."""

    kind: type[MaskedTrainee] | type[EncoderTrainee]
    choice: EncoderChoice
    pairs: ItemPairs
    config: FinetuneConfig
    identity: str
    begun: Start | None = None
    """Weights to begin with; None begins as the encoder was."""

    def run(
        self,
        trainee: MaskedTrainee | EncoderTrainee,
        loop: LoopConfig,
        where: Here | RayWorkers,
        progress: Progress,
        what: str,
    ) -> TrainingHistory:
        """Run the loop, and leave the best weights in ``trainee``."""
        if isinstance(where, RayWorkers):
            return self._on_workers(trainee, loop, where, progress, what)
        checkpoints = (
            checkpoints_in(where.checkpoints, self.identity) if where.checkpoints else None
        )

        def tell(record: EpochRecord) -> None:
            progress(what, record.epoch, loop.max_epochs)

        with without_compiler():
            return run_epochs(trainee, loop, checkpoints, tell)

    def _on_workers(
        self,
        trainee: MaskedTrainee | EncoderTrainee,
        loop: LoopConfig,
        where: RayWorkers,
        progress: Progress,
        what: str,
    ) -> TrainingHistory:
        # Ray takes seconds to import: only who trains on workers waits for it.
        from coterie.fitting.distributed import run_on_workers

        packed = f"{where.folder}-data/{self.identity}"
        self.pairs.write(f"{packed}.npz")
        if self.begun is not None:
            pack_start(self.begun, f"{packed}.safetensors")
        make = partial(
            _trainee_of, self.kind, self.choice, packed, self.config, self.begun is not None
        )
        weights, history = run_on_workers(make, loop, self.identity, where, what, progress)
        trainee.load_state_dict(weights)
        return history


def _trainee_of(
    kind: type[MaskedTrainee] | type[EncoderTrainee],
    choice: EncoderChoice,
    packed: str,
    config: FinetuneConfig,
    goes_on: bool,
    device: torch.device,
) -> Trainee:
    """Make what learns, on a worker, of what was packed."""
    network = open_network(choice, config.lora_rank)
    trainee = kind(network, ItemPairs.read(f"{packed}.npz"), config, device)
    if goes_on:
        trainee.load_state_dict(unpack_start(f"{packed}.safetensors"))
    return trainee


def _found(trainee: EncoderTrainee) -> float:
    """Find held-out pairs as the encoder is now: NDCG@20."""
    trainee.eval()
    with torch.no_grad():
        return trainee.validate() or 0.0


def _beside(where: Here | RayWorkers) -> Here | RayWorkers:
    """Keep the states of masked pieces apart from those of pairs."""
    if isinstance(where, RayWorkers):
        return replace(where, run_name=f"{where.run_name}-{MASKED}")
    return replace(where, checkpoints=where.checkpoints and f"{where.checkpoints}/{MASKED}")
