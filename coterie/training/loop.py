"""The epoch loop: plain torch, so that one process, Ray Train and a test all run the same code."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import torch
import torch.distributed
from torch import nn

from coterie.errors import BadInputError
from coterie.training.captured_steps import CapturedSteps, DrawnBatches
from coterie.training.history import (
    Checkpoints,
    EpochRecord,
    TrainingHistory,
    TrainingState,
    Weights,
)

BATCHES_AHEAD: Final = 4
"""Batches that are made while a step runs: memory of a few, and no step waits for one."""

Start = Mapping[str, torch.Tensor]
"""What a release has learned, and ``rows``: for each item its row there, -1 where it is new."""
Wrap = Callable[[nn.Module], nn.Module]


class Trainee(nn.Module):
    """What the loop trains: a module that also knows its data.

    ``forward(batch)`` returns the loss as a scalar tensor. Parameters and batches live on the
    same device, and nothing in ``batch`` or ``forward`` waits for it.
    """

    def num_batches(self, world: int) -> int:
        """Count the steps of an epoch that ``world`` workers share; the same for all of them."""
        raise NotImplementedError

    def batch(self, epoch: int, step: int, rank: int, world: int) -> Any:
        """Make one step's input for one of ``world`` workers, the same whenever it is asked for."""
        raise NotImplementedError

    def device_batches(self) -> DrawnBatches | None:
        """Give batches that are drawn on a GPU, if this trainee knows how to: its steps are then
        captured once and replayed. They need not be those of ``batch``, only as good."""
        return None

    def validate(self) -> float | None:
        """Measure NDCG@20 on the validation targets; None where there are none."""
        raise NotImplementedError

    def start_from(self, start: Start) -> None:  # noqa: ARG002 - those that can, do
        """Go on from what a release has learned, before the first epoch.

        Raises:
            BadInputError: This model cannot, or the release is of another shape.
        """
        raise BadInputError(
            "only the social model goes on from a release: fit this one from the start"
        )


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long and how fast to learn."""

    max_epochs: int = 100
    """Epochs at most; without validation exactly so many (an earlier ``best_epoch``, say)."""
    patience: int = 10
    """Validations without a better score after which training stops early."""
    validate_every: int = 1
    """Epochs from one validation to the next."""
    lr: float = 1e-3
    """Learning rate of AdamW."""
    weight_decay: float = 0.0
    """Decay of the weights in a step, decoupled (AdamW); 0 leaves them."""
    max_grad_norm: float = 0.0
    """Norm that longer gradients are scaled down to; 0 leaves them as they are."""
    ema_decay: float = 0.0
    """Decay of the running mean of the weights over steps (Polyak and Juditsky, 1992), which is
    validated and kept: steadier than the last step's weights. 0 keeps those."""
    seed: int = 0
    """Seed of weights, batches and what is hidden."""
    renamed: ClassVar[Mapping[str, str]] = {"average": "ema_decay"}
    """See ``coterie.renamed``."""

    def __post_init__(self) -> None:
        if min(self.max_epochs, self.patience, self.validate_every) < 1 or not self.lr > 0:
            raise BadInputError(f"epochs, patience and lr must be over 0, found {self}")
        if not 0 <= self.ema_decay < 1:
            raise BadInputError(f"ema_decay must be in [0, 1), found {self.ema_decay}")

    def for_refit(self, history: TrainingHistory) -> "LoopConfig":
        """Take as many epochs as were best on validation, to fit on all that is known."""
        return replace(self, max_epochs=max(1, history.best_epoch))


OnEpoch = Callable[[EpochRecord], None]


def run_epochs(
    trainee: Trainee,
    config: LoopConfig,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch | None = None,
    wrap: Wrap = lambda module: module,
    rank: int = 0,
    world: int = 1,
) -> TrainingHistory:
    """Train until validation stops getting better; leaves the best weights in ``trainee``.

    Args:
        trainee: On its device already.
        config: Same on every rank.
        checkpoints: Resumes from its newest state and saves one after every epoch.
        on_epoch: Called on every rank after every epoch, after the state was saved.
        wrap: Makes the module that steps go through, such as DistributedDataParallel.
        rank: Which of ``world`` workers this is. Over one, torch.distributed must be up.
        world: Workers that share every epoch.

    Raises:
        BadInputError: The loss is no longer finite.
    """
    device = next(trainee.parameters()).device
    drawn = trainee.device_batches() if device.type == "cuda" and world == 1 else None
    # Fused: one pass over weights, gradients and moments instead of one an operation, which took a
    # quarter of a step on Douban-Book.
    optimizer = torch.optim.AdamW(
        trainee.parameters(),
        lr=config.lr,
        weight_decay=config.weight_decay,
        fused=True,
        capturable=drawn is not None,
    )
    state = checkpoints.load() if checkpoints else None
    history, best = _resume(trainee, optimizer, state)
    mean = _Mean(trainee, config.ema_decay, state.average if state else {})
    mean.follow(len(history.epochs) * trainee.num_batches(world))
    step = _Step(wrap(trainee), optimizer, mean, config.max_grad_norm, device)
    epochs = _Epochs(trainee, step, drawn, rank, world)
    while len(history.epochs) < config.max_epochs and not _is_done(history, config):
        record = _run_epoch(epochs, mean, config, len(history.epochs))
        history = history.add(record)
        if history.best_epoch == record.epoch:
            with mean.in_place():
                best = _copy(trainee)
        if checkpoints and rank == 0:
            weights, moments = _copy(trainee), optimizer.state_dict()
            checkpoints.save(TrainingState(weights, best, mean.weights, moments, history))
        if on_epoch:
            on_epoch(record)
    trainee.load_state_dict(best)
    return history


class _Mean:
    """The running mean of a trainee's weights; does nothing at a decay of 0."""

    def __init__(self, trainee: Trainee, decay: float, known: Weights):
        self._live, self._decay = dict(trainee.named_parameters()), decay
        device = next(trainee.parameters()).device
        self.weights = {name: tensor.to(device) for name, tensor in known.items()}
        # On the device: a captured step counts by itself.
        self._steps = torch.zeros((), dtype=torch.float64, device=device)
        if decay and not self.weights:
            self.weights = {name: p.detach().clone() for name, p in self._live.items()}

    def follow(self, steps: int) -> None:
        """Go on after so many steps of the optimiser."""
        self._steps.fill_(steps)

    @torch.no_grad()
    def step(self) -> None:
        """Follow one of the optimiser's steps. The first are forgotten sooner than later ones."""
        if not self.weights:
            return
        self._steps.add_(1)
        share = 1.0 - (self._steps / (self._steps + 10)).clamp_max(self._decay)
        for name, mean in self.weights.items():
            mean.lerp_(self._live[name].detach(), share.to(mean.dtype))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the trainee the mean as its weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, mean in self.weights.items():
            parameter = self._live[name]
            self.weights[name], parameter.data = parameter.data, mean


def _resume(
    trainee: Trainee, optimizer: torch.optim.Optimizer, state: TrainingState | None
) -> tuple[TrainingHistory, Weights]:
    if state is None:
        return TrainingHistory(), _copy(trainee)
    trainee.load_state_dict(state.weights)
    optimizer.load_state_dict(state.optimizer)
    return replace(state.history, resumed_from=len(state.history.epochs)), state.best_weights


def _is_done(history: TrainingHistory, config: LoopConfig) -> bool:
    return history.validations_since_best() >= config.patience


class _Step:
    """One step of the optimiser, and what all of an epoch's have lost."""

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        mean: _Mean,
        max_grad_norm: float,
        device: torch.device,
    ):
        self._module, self._optimizer, self._mean = module, optimizer, mean
        self._max_grad_norm, self.device = max_grad_norm, device
        self.total = torch.zeros((), device=device)
        """Sum of the losses; to be fetched once an epoch."""

    def train(self) -> None:
        self._module.train()
        self.total.zero_()

    def __call__(self, batch: Any) -> None:
        on_gpu = self.device.type == "cuda"
        # Weights in half precision that autocast keeps would outlive a captured step.
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=on_gpu, cache_enabled=not on_gpu
        ):
            loss = self._module(batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self._max_grad_norm > 0:
            nn.utils.clip_grad_norm_(self._module.parameters(), self._max_grad_norm)
        self._optimizer.step()
        self._mean.step()
        self.total += loss.detach().float()


class _Epochs:
    """Passes over the data of one worker, from batches of the host or of the device."""

    def __init__(
        self, trainee: Trainee, step: _Step, drawn: DrawnBatches | None, rank: int, world: int
    ):
        self.trainee, self.rank, self.world = trainee, rank, world
        self._step, self._drawn = step, drawn
        self._captured = CapturedSteps(drawn.draw, step) if drawn else None

    def run(self, epoch: int) -> float:
        """Pass over the data once; the mean loss is all that is ever fetched from the device."""
        self._step.train()
        steps = self.trainee.num_batches(self.world)
        if self._drawn and self._captured:
            self._captured.run(steps, self._drawn.begin(epoch))
        else:
            for batch in _batches(self.trainee, epoch, self.rank, self.world):
                self._step(batch)
        total = float(self._step.total)
        return _from_rank_0(total / max(1, steps), self.world, self._step.device)


def _run_epoch(epochs: _Epochs, mean: _Mean, config: LoopConfig, done: int) -> EpochRecord:
    started = time.perf_counter()
    # Seeded anew each epoch: a resumed run then draws what the undisturbed one would have.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed((config.seed * 1_000_003 + done) * 1_009 + epochs.rank)
        loss = epochs.run(done)
        if not math.isfinite(loss):
            raise BadInputError(
                f"the loss of epoch {done + 1} is {loss}: use a lower lr than {config.lr}"
            )
        with mean.in_place():
            score = _score(epochs.trainee, config, done, epochs.rank, epochs.world)
    return EpochRecord(done + 1, loss, score, time.perf_counter() - started)


def _batches(trainee: Trainee, epoch: int, rank: int, world: int) -> Iterator[Any]:
    """Yield an epoch's batches in order, the next ones made while a step runs.

    Beside a GPU the processor has nothing else to do; what it makes must not wait for a step.
    """
    ahead: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(1, "batches") as maker:
        for step in range(trainee.num_batches(world)):
            ahead.append(maker.submit(trainee.batch, epoch, step, rank, world))
            if len(ahead) > BATCHES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _score(trainee: Trainee, config: LoopConfig, done: int, rank: int, world: int) -> float | None:
    last = done + 1 == config.max_epochs
    if not last and (done + 1) % config.validate_every:
        return None
    trainee.eval()
    with torch.no_grad():
        score = trainee.validate() if rank == 0 else None
    # All ranks must stop together, so all go by what rank 0 saw; -1 says that it saw nothing.
    device = next(trainee.parameters()).device
    agreed = _from_rank_0(-1.0 if score is None else score, world, device)
    return None if agreed < 0 else agreed


def _from_rank_0(value: float, world: int, device: torch.device) -> float:
    if world == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.broadcast(shared, src=0)
    return float(shared)


def _copy(trainee: Trainee) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in trainee.state_dict().items()}
