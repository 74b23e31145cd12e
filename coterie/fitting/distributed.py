"""Ray Train runs the epoch loop: several workers, retries, and resuming after a kill."""

import json
import logging
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from torch.nn.parallel import DistributedDataParallel

from coterie.data.dataset import TrainingSet
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.fitting.dataset_file import pack, pack_start, unpack, unpack_start
from coterie.fitting.runs import RayWorkers, run_identity
from coterie.local_ray import ray_at
from coterie.models import MODELS, Learned
from coterie.progress import Progress, silent
from coterie.training.checkpoint import newest_state, newest_state_at, write_state
from coterie.training.history import EpochRecord, TrainingHistory, TrainingState, Weights
from coterie.training.loop import LoopConfig, Start, Trainee, run_epochs

CHECKPOINTS = "checkpoint_[0-9]*"  # Ray's own naming, by time
SNAPSHOT = "checkpoint_manager_snapshot.json"  # Ray's list of them

LOOK_AT_BUCKET_S = 5.0
PRELOADED = ("ray.train.torch", "ray.data", "coterie.fitting.distributed")
"""What Ray's workers on this machine need: those that come first run Ray Train, and train last."""

log = logging.getLogger(__name__)


def train_distributed(
    model_name: str,
    config: Any,
    data: TrainingSet,
    workers: RayWorkers,
    progress: Progress = silent,
    start: Start | None = None,
) -> Learned:
    """Fit a learned model on Ray Train's workers; the same loop as ``model.fit`` runs here.

    Raises:
        BadInputError: The model learns no epochs, or ``run_name`` belongs to another training.
        UnavailableError: Workers died more often than ``retries``.
    """
    model = MODELS[model_name](config)
    if not isinstance(model, Learned):
        raise BadInputError(f"{model_name} has no epochs to distribute: fit it in this process")
    run = run_identity(model_name, config, data, start)
    if "://" not in workers.folder:  # whose states would have to be fetched first
        _newest(workers.folder, run)  # another training's run name is refused before Ray starts
    packed = f"{workers.folder}-data/{run}.npz"
    pack(data, packed)
    begun = "" if start is None else f"{workers.folder}-data/{run}.safetensors"
    if start is not None:
        model.trainee(data, torch.device("cpu")).start_from(start)  # refused here, not on workers
        pack_start(start, begun)
    make = partial(_model_trainee, model_name, config, packed, begun)
    weights, history = run_on_workers(make, config.loop, run, workers, model_name, progress)
    trainee = model.trainee(data, torch.device("cpu"))
    trainee.load_state_dict(weights)
    model.adopt(trainee, data)
    model.history = history
    return model


def run_on_workers(
    make: Callable[[torch.device], Trainee],
    loop: LoopConfig,
    run: str,
    workers: RayWorkers,
    what: str,
    progress: Progress = silent,
) -> tuple[Weights, TrainingHistory]:
    """Run the loop on Ray Train's workers: the best weights, and how it went.

    Args:
        make: Makes what learns, on a worker's device; pickled to get there.
        loop: How long and how fast.
        run: Digest of what is learned from what: only its own states are gone on from.
        workers: Who they are.
        what: What ``progress`` is told it is.
        progress: Told of every epoch that reaches storage.

    Raises:
        BadInputError: ``run_name`` belongs to another training, or a worker was given nonsense.
        UnavailableError: Workers died more often than ``retries``.
    """
    with cluster(workers), _watched(workers, what, loop.max_epochs, progress):
        _mend_snapshot(workers.folder)
        result = _run(_trainer(make, loop, run, workers))
        state = _newest(workers.folder, run)
    if state is None:
        raise UnavailableError(f"the workers left no state in {workers.folder}: is it shared?")
    return state.best_weights, TrainingHistory.from_json(json.loads(result.return_value))


def _model_trainee(
    model_name: str, config: Any, packed: str, begun: str, device: torch.device
) -> Trainee:
    """Make a model's trainee of what was packed, on a worker."""
    model: Learned = MODELS[model_name](config)
    trainee = model.trainee(unpack(packed), device)
    if begun:
        trainee.start_from(unpack_start(begun))
    return trainee


def _run(trainer: TorchTrainer) -> ray.train.Result:
    """Run a trainer, with Ray's errors as ours: what was wrong in a worker is wrong here."""
    try:
        with warnings.catch_warnings():
            # Ray Train copies Ray Data's settings, the deprecated ones too, and is told so.
            warnings.simplefilter("ignore", DeprecationWarning)
            return trainer.fit()
    except ray.train.TrainingFailedError as error:
        failures = getattr(error, "worker_failures", {})
        for failure in failures.values():
            cause = getattr(failure, "cause", failure)
            if isinstance(cause, BadInputError) or isinstance(failure, BadInputError):
                raise BadInputError(str(cause)) from error
        raise UnavailableError(f"training broke off: {error}") from error


def _trainer(
    make: Callable[[torch.device], Trainee], loop: LoopConfig, run: str, workers: RayWorkers
) -> TorchTrainer:
    return TorchTrainer(
        _work,
        train_loop_config={"make": make, "loop": loop, "run": run, "folder": workers.folder},
        scaling_config=ScalingConfig(num_workers=workers.count, use_gpu=workers.use_gpu),
        run_config=RunConfig(
            name=workers.run_name,
            storage_path=workers.storage,
            failure_config=FailureConfig(max_failures=workers.retries),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )


def _work(job: dict[str, Any]) -> str:
    """Train in one of Ray's workers; what rank 0 returns is the run's history as JSON."""
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    trainee = job["make"](get_device())
    reporter = _Reporter(job["folder"], job["run"])
    history = run_epochs(
        trainee,
        job["loop"],
        checkpoints=reporter,
        on_epoch=reporter.report,
        # Without ties the social model leaves the weights of ties unused.
        wrap=lambda module: DistributedDataParallel(module, find_unused_parameters=True),
        rank=rank,
        world=world,
    )
    return json.dumps(history.as_json())


class _Reporter:
    """The loop's checkpoints, kept by Ray: saved by rank 0, reported by all."""

    def __init__(self, folder: str, run: str):
        self._folder, self._run = folder, run
        self._state: TrainingState | None = None

    def save(self, state: TrainingState) -> None:
        """Hold the state until the report, which every rank makes."""
        self._state = state

    def report(self, record: EpochRecord) -> None:
        """Report an epoch to Ray, and wait until the state of rank 0 is in storage."""
        metrics = {"epoch": record.epoch, "loss": record.loss, "score": record.score}
        if self._state is None:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as beside:
            folder = Path(beside) / "state"
            write_state(folder, self._state, self._run)
            ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))

    def load(self) -> TrainingState | None:
        """Read the newest whole state, the same for every rank."""
        return _newest(self._folder, self._run)


def _newest(folder: str, run: str) -> TrainingState | None:
    """Read the newest whole state of those that are there.

    Ray's own list of them is a moment behind, and may not be there yet after a kill.
    """
    if "://" in folder:
        return newest_state_at(folder, CHECKPOINTS, run)
    return newest_state(Path(folder).glob(CHECKPOINTS), run)


@contextmanager
def cluster(workers: RayWorkers) -> Iterator[None]:
    """Start Ray for the time of a run, unless the caller has it up already."""
    # A report returns when the controller has next looked. At its own pace, every 2 s, epochs of a
    # third of a second took 1.7 s each.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.1")
    interrupt = signal.getsignal(signal.SIGINT)
    gpus = workers.count if workers.use_gpu else 0
    resources = {"num_cpus": workers.count, "num_gpus": gpus}
    try:
        with ray_at(workers.address, PRELOADED, logging.ERROR, **resources):
            yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Ray Train puts its own in place


@contextmanager
def _watched(workers: RayWorkers, what: str, total: int, progress: Progress) -> Iterator[None]:
    """Tell ``progress`` of every epoch that reaches storage."""
    done = threading.Event()
    # Each look at a bucket is a request or two.
    pause_s = LOOK_AT_BUCKET_S if "://" in workers.storage else 0.5

    def look() -> None:
        last = -1
        while not done.wait(pause_s):
            epochs = _epochs_in(workers.folder)
            if epochs > last:
                last = epochs
                progress(what, epochs, total)

    watcher = threading.Thread(target=look, daemon=True)
    if progress is not silent:
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher.ident:
            watcher.join()


def _epochs_in(folder: str | Path) -> int:
    """Count the newest state's epochs; 0 where none is, or none can be seen right now."""
    newest = 0
    fs, within = open_store(str(folder))
    with suppress(CoterieError), reaching(str(folder)):
        fs.invalidate_cache()
        for state in fs.glob(f"{within}/{CHECKPOINTS}/state.json"):
            with suppress(OSError, ValueError, KeyError):  # being written or deleted
                newest = max(newest, len(json.loads(fs.cat_file(state))["history"]["epochs"]))
    return newest


def _mend_snapshot(folder: str) -> None:
    """Move aside a list of checkpoints that Ray would refuse to start from.

    Ray writes it in place, so a kill can leave half of it or names of states already deleted;
    another version of Ray wrote it in another form. The states themselves vouch for themselves.
    """
    snapshot = Path(folder) / SNAPSHOT
    if "://" in folder or not snapshot.exists():
        return
    try:
        content = json.loads(snapshot.read_text())
        named = [entry["checkpoint_dir_name"] for entry in content["checkpoint_results"]]
        missing = [name for name in named if not (Path(folder) / name).exists()]
        if content["ray_version"] == ray.__version__ and not missing:
            return
        reason = f"written by Ray {content['ray_version']}, naming {len(missing)} lost checkpoints"
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error)
    log.warning("Ray's list of checkpoints is of no use (%s): starting it anew", reason)
    snapshot.rename(snapshot.with_suffix(".damaged"))
