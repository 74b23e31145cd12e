"""What one trial of a study does, in whatever process: a config, a fit, its score on validation."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import unpack
from coterie.models import MODELS, Learned
from coterie.models.space import Space
from coterie.training.history import EpochRecord
from coterie.training.loop import run_epochs
from coterie.training.validation import Validation

Configure = Callable[[Mapping[str, Any]], Any]
"""Fields by dotted name to a model's whole config."""
Report = Callable[[dict[str, Any]], None]
"""Takes ``best``, and of models with epochs ``epoch`` and ``score``; may end the trial."""


@dataclass(frozen=True, slots=True)
class Search:
    """What every trial of a study has in common."""

    model: str
    configure: Configure
    space: Space
    defaults: Mapping[str, Any]
    """The model's own values of the space's fields: the first trial, which nothing stops."""
    max_epochs: int = 0
    """Of one trial; 0 where the model does not learn in epochs."""
    starts: tuple[Mapping[str, Any], ...] = ()
    """Configurations that are tried next, before the search chooses any."""
    seeds: Mapping[str, int] = field(default_factory=dict)
    """Fields of the config that are seeds of learning, and what they are in the search; empty
    where the same settings always come to the same."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be spent; whichever bound comes first."""

    trials: int | None = None
    """In the study, with those of earlier runs."""
    seconds: float | None = None
    """From now on."""
    parallel: int = 0
    """Trials at once; 0 for one on every GPU, or on every two cores."""
    use_gpu: bool = False
    """One GPU for each trial, or a share where more run at once than there are."""
    address: str = "local"
    """Of the Ray cluster: ``local`` starts one for this run, ``auto`` joins the one we are on."""

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise BadInputError("a study without end: bound its trials, its time or both")
        given = [bound for bound in (self.trials, self.seconds) if bound is not None]
        if min(given) <= 0 or self.parallel < 0:
            raise BadInputError(f"trials and time must be over 0, found {self}")
        if self.use_gpu and self.address == "local" and not torch.cuda.is_available():
            raise BadInputError("no GPU was found here: tune on the CPU, or where there is one")

    @property
    def at_once(self) -> int:
        """Trials that run side by side."""
        if self.parallel:
            return self.parallel
        return max(1, torch.cuda.device_count() if self.use_gpu else cores() // 2)

    @property
    def gpu_share(self) -> float:
        """Of a GPU, for each trial."""
        if not self.use_gpu:
            return 0.0
        here = torch.cuda.device_count() if self.address == "local" else self.at_once
        return min(1.0, here / self.at_once)

    @property
    def threads(self) -> int:
        """Cores of each trial."""
        return max(1, cores() // self.at_once)


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def attempt(
    search: Search,
    changes: Mapping[str, Any],
    packed: str,
    report: Report,
    device: str = "cpu",
    threads: int = 1,
    repeat: int = 0,
) -> None:
    """Run one trial: report after every validation, and once more at its end.

    What one configuration does wrong is no reason to end a study, so it is reported as ``failed``.

    Args:
        search: The study's.
        changes: Fields of the space.
        packed: Training set, as ``dataset_file.pack`` wrote it; read once a process.
        report: The last report says ``finished``, or ``failed`` and why.
        device: That the model learns on.
        threads: That torch may use.
        repeat: How often the same was fitted before; its seeds come that much later.
    """
    torch.set_num_threads(threads)
    seeds = {name: seed + repeat for name, seed in search.seeds.items()}
    try:
        model = MODELS[search.model](search.configure({**changes, **seeds}))
        data = _training_set(packed)
        if _learns(model):
            _learn(model, data, device, report)
        else:
            model.fit(data)
        score = _measure(model, data)
    except BadInputError as error:
        report({"best": 0.0, "failed": str(error)})
    except Exception as error:
        report({"best": 0.0, "failed": f"{type(error).__name__}: {error}", "fault": True})
    else:
        report({"best": score, "finished": True})


def _learns(model: Any) -> bool:
    return isinstance(model, Learned)


def _learn(model: Learned, data: TrainingSet, device: str, report: Report) -> None:
    """Run training's own loop, and report epoch by epoch."""
    best = 0.0

    def tell(record: EpochRecord) -> None:
        nonlocal best
        if record.score is not None:
            best = max(best, record.score)
            report({"epoch": record.epoch, "score": record.score, "best": best})

    trainee = model.trainee(data, torch.device(device))
    model.history = run_epochs(trainee, model.config.loop, on_epoch=tell)
    model.adopt(trainee, data)


def _measure(model: Any, data: TrainingSet) -> float:
    """Measure NDCG@20 of the whole model, of which what learns in epochs may be a part."""
    score = Validation(data, torch.device("cpu")).ndcg(
        lambda users: torch.from_numpy(model.scores(users.numpy()))
    )
    if score is None:
        raise BadInputError(
            "validation holds nothing that its shoppers did not have already: there is nothing to "
            "choose by"
        )
    return score


@lru_cache(maxsize=1)
def _training_set(packed: str) -> TrainingSet:
    return unpack(packed)
