"""Ray Tune runs the trials of a study: Optuna says what to try next, ASHA what to stop early.

What then leads by less than seeds do is fitted again, with another seed: the runoff.
"""

import logging
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import ray
import ray.tune
import torch
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from coterie.data.dataset import TrainingSet
from coterie.fitting.dataset_file import pack
from coterie.local_ray import ray_at
from coterie.tuning.search import Replayable, decode, distributions, encode, quiet, told
from coterie.tuning.study import Study
from coterie.tuning.study_progress import Watch, unwatched
from coterie.tuning.trial_recorder import TrialRecorder
from coterie.tuning.trials import Bounds, Search, attempt, cores

WORK: Final = ".work"
"""In a study's folder, for the time of a run: what a killed one leaves, the next one clears."""
# Of 23 random configurations of the social model on Beidian, with whole curves, these two found
# the best in 96 % of 200 orders (.02 % of the score lost on average), in 31 % of the epochs. A
# first look after a 25th of the epochs, or one in two going on, found it in 77 to 78 %.
FIRST_LOOK: Final = 12
"""A trial may be stopped after one in so many of its epochs, at the earliest."""
REDUCTION: Final = 3
"""One trial of so many goes on after each look; each comes so many times later than the last."""
RETRIES: Final = 1
"""Of a trial whose process died: its machine may have gone, and its settings be as good as any."""
PRELOADED: Final = ("coterie.tuning.tune",)
"""What Ray's workers on this machine need."""
QUIET: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study's own lines are what is kept
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends this command as it does all others
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Ray's own state is pickled, and never read here
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run_study(
    study: Study,
    search: Search,
    data: TrainingSet,
    bounds: Bounds,
    watch: Watch = unwatched,
) -> None:
    """Add trials to an open study until a bound is reached, then fit its best few again.

    A process that dies loses the trials in flight. Optuna and ASHA are told of all others again,
    so a study that was broken off goes on as if nothing had happened. The runoff (see
    ``Study.rivals``) comes on top of the trials that were asked for, and within the time.

    Raises:
        BadInputError: The model's own settings cannot be fitted on these data.
        UnavailableError: The process that tried them died.
    """
    wanted = None if bounds.trials is None else max(0, bounds.trials - study.num_counted)
    recorder = TrialRecorder(study, search, bounds, watch)
    if wanted == 0 and not recorder.rivals:
        return
    work = (study.folder / WORK).absolute()
    shutil.rmtree(work, ignore_errors=True)
    try:
        pack(data, str(work / "data.npz"))
        with _quiet(), _cluster(bounds):
            if wanted != 0:
                _search(study, search, bounds, work, recorder).fit()
                recorder.cut()
            if recorder.rivals and not recorder.enough(repeat=1):
                _runoff(search, bounds, work, recorder).fit()
                recorder.cut()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    recorder.raise_if_hopeless()


def _search(
    study: Study, search: Search, bounds: Bounds, work: Path, recorder: TrialRecorder
) -> ray.tune.Tuner:
    """Set up the trials that are still wanted."""
    config = ray.tune.TuneConfig(
        search_alg=_searcher(study, search),
        scheduler=_scheduler(study, search),
        num_samples=-1 if bounds.trials is None else bounds.trials - study.num_counted,
    )
    return _tuner(search, bounds, work, recorder, config, repeat=0)


def _runoff(search: Search, bounds: Bounds, work: Path, recorder: TrialRecorder) -> ray.tune.Tuner:
    """Set up the rivals once more, each to its end."""
    rivals = [trial.changes for trial in recorder.rivals]
    config = ray.tune.TuneConfig(
        search_alg=_optuna(search, rivals, seed=0),
        scheduler=FIFOScheduler(),
        num_samples=len(rivals),
    )
    return _tuner(search, bounds, work, recorder, config, repeat=1)


def _tuner(
    search: Search,
    bounds: Bounds,
    work: Path,
    recorder: TrialRecorder,
    config: ray.tune.TuneConfig,
    repeat: int,
) -> ray.tune.Tuner:
    trial = partial(
        _try, search=search, packed=str(work / "data.npz"), bounds=bounds, repeat=repeat
    )
    resources = {"cpu": bounds.threads, "gpu": bounds.gpu_share}
    return ray.tune.Tuner(
        ray.tune.with_resources(trial, resources),
        tune_config=replace(
            config,
            metric="best",
            mode="max",
            max_concurrent_trials=bounds.at_once,
            reuse_actors=True,  # torch and the data are loaded once a process, not once a trial
        ),
        run_config=ray.tune.RunConfig(
            name=f"trials-{repeat}",
            storage_path=str(work),
            callbacks=[_Events(recorder, search, repeat)],
            stop=_Enough(recorder, repeat),
            failure_config=ray.tune.FailureConfig(max_failures=RETRIES),
            verbose=0,
        ),
    )


def _try(params: dict[str, Any], search: Search, packed: str, bounds: Bounds, repeat: int) -> None:
    """Run one trial in a process of Ray's."""
    changes = decode(search.space, params)
    device = "cuda" if bounds.use_gpu else "cpu"
    attempt(search, changes, packed, ray.tune.report, device, bounds.threads, repeat)


def _optuna(search: Search, firsts: Sequence[Mapping[str, Any]], seed: int) -> OptunaSearch:
    """Make a search that proposes what is given, then whatever it finds."""
    return OptunaSearch(
        distributions(search.space),
        metric="best",
        mode="max",
        points_to_evaluate=[encode(search.space, first) for first in firsts],
        sampler=Replayable(seed),
    )


def _searcher(study: Study, search: Search) -> OptunaSearch:
    """Make Optuna's search, told of what was tried; the defaults come first."""
    firsts = [first for first in (search.defaults, *search.starts) if not study.of(first)]
    searcher = _optuna(search, firsts, study.plan.seed)
    for trial in study.searched:
        if trial.counts:
            searcher.add_evaluated_point(encode(search.space, trial.changes), told(trial))
    return searcher


def _scheduler(study: Study, search: Search) -> TrialScheduler:
    """Choose ASHA for models that learn in epochs; others tell nothing before they are done."""
    return Halving(search, study) if search.max_epochs > 1 else FIFOScheduler()


class Halving(ASHAScheduler):  # type: ignore[misc]
    """ASHA that knows the trials of earlier runs, and lets what is tried first finish.

    That is the model's own settings and those that a few trials would not find: ones that leave
    much out learn slowly, and were best on LastFM in the end.
    """

    def __init__(self, search: Search, study: Study):
        super().__init__(
            time_attr="epoch",
            max_t=search.max_epochs,
            grace_period=max(1, search.max_epochs // FIRST_LOOK),
            reduction_factor=REDUCTION,
            stop_last_trials=False,
        )
        firsts = (search.defaults, *search.starts)
        self._spared = [encode(search.space, first) for first in firsts]
        self._last = search.max_epochs
        for number, trial in enumerate(study.searched):
            known, best = SimpleNamespace(trial_id=f"known-{number}"), 0.0
            for epoch, score in trial.curve if trial.counts else ():
                best = max(best, score)
                self._brackets[0].on_result(known, epoch, best)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stop or go on; after the last epoch there is nothing left to save."""
        decision: str = super().on_trial_result(tune_controller, trial, result)
        spared = trial.config in self._spared or result.get("epoch") == self._last
        return TrialScheduler.CONTINUE if spared else decision


class _Here:
    """Stays in this process: Ray pickles all that it is handed, into a file that nobody reads."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Events(_Here, ray.tune.Callback):  # type: ignore[misc]
    """What Ray Tune tells of trials, in the process that started them."""

    def __init__(self, recorder: TrialRecorder, search: Search, repeat: int):
        self._recorder, self._space, self._repeat = recorder, search.space, repeat

    def on_trial_start(self, trial: Any, **_: Any) -> None:
        """Record a trial's start, from its first epoch on, in its second process too."""
        self._recorder.started(trial.trial_id, decode(self._space, trial.config), self._repeat)

    def on_trial_result(self, trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Record what a trial reports."""
        self._recorder.reported(trial.trial_id, result)

    def on_trial_complete(self, trial: Any, **_: Any) -> None:
        """Record a trial that came to its end, or was stopped."""
        self._recorder.ended(trial.trial_id)

    def on_trial_error(self, trial: Any, **_: Any) -> None:
        """Record a trial whose process died for good: errors of ours do not reach Ray."""
        words = (trial.get_error() or "").strip().splitlines()
        self._recorder.died(trial.trial_id, words[-1].strip() if words else "no reason was given")


class _Enough(_Here, ray.tune.Stopper):  # type: ignore[misc]
    """Ends all trials when time is up."""

    def __init__(self, recorder: TrialRecorder, repeat: int):
        self._recorder, self._repeat = recorder, repeat

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002
        """Tell whether one trial should end: never, that is the scheduler's to say."""
        return False

    def stop_all(self) -> bool:
        """Tell after every event whether all trials should end."""
        return self._recorder.enough(self._repeat)


@contextmanager
def _cluster(bounds: Bounds) -> Iterator[None]:
    """Start Ray for the time of a run, unless the caller has it up already."""
    cpus = max(cores(), bounds.at_once * bounds.threads)
    gpus = torch.cuda.device_count() if bounds.use_gpu else 0
    with ray_at(bounds.address, PRELOADED, logging.CRITICAL, num_cpus=cpus, num_gpus=gpus):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray Tune's words, files and signal handlers for a while."""
    environment = {name: os.environ.get(name) for name in QUIET}
    levels = {name: logging.getLogger(name).level for name in ("ray.tune", "ray.air")}
    here = threading.current_thread() is threading.main_thread()
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGUSR1)} if here else {}
    os.environ.update(QUIET)
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with quiet():
            yield
    finally:
        for name, value in environment.items():
            _restore(name, value)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
