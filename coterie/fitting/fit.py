"""One way to fit any model: in this process or on workers, and again on all that is known."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from coterie.data.dataset import Split, TrainingSet
from coterie.errors import BadInputError
from coterie.fitting.runs import RayWorkers, run_identity
from coterie.imports import without_compiler
from coterie.models import MODELS, Learned, Model
from coterie.progress import Progress, silent
from coterie.training.checkpoint import checkpoints_in
from coterie.training.history import EpochRecord
from coterie.training.loop import Start, run_epochs


@dataclass(frozen=True, slots=True)
class Here:
    """This process trains."""

    checkpoints: str = ""
    """Folder or URL from which a run that was broken off goes on; none if empty."""
    device: str = "cpu"


def fit(
    data: TrainingSet,
    model_name: str,
    config: Any = None,
    where: Here | RayWorkers = Here(),
    progress: Progress = silent,
    start: Start | None = None,
) -> Model:
    """Fit a model of ``MODELS``; models that learn no epochs are fitted here in any case.

    Args:
        data: With ``validation``, learning stops early on it.
        model_name: A key of ``MODELS``.
        config: Of that model; None for its defaults.
        where: This process, or Ray Train's workers.
        progress: Told of every epoch.
        start: What to go on from; None begins anew.

    Raises:
        BadInputError: No such model, nothing to learn from, or it cannot go on from ``start``.
        UnavailableError: Workers died too often.
    """
    if model_name not in MODELS:
        raise BadInputError(f"no model {model_name!r}: there are {', '.join(MODELS)}")
    config = MODELS[model_name].config_class() if config is None else config
    model: Model = MODELS[model_name](config)
    data = data.with_item_columns(model.item_columns)
    if not isinstance(model, Learned):
        if start is not None:
            raise BadInputError(f"{model_name} learns no epochs, so it cannot go on from a release")
        model.fit(data, progress)
        return model
    if isinstance(where, RayWorkers):
        # Ray takes seconds to import: only who trains on workers waits for it.
        from coterie.fitting.distributed import train_distributed

        return train_distributed(model_name, config, data, where, progress, start)
    return _learn_here(model, data, where, progress, start)


def _learn_here(
    model: Learned, data: TrainingSet, where: Here, progress: Progress, start: Start | None
) -> Learned:
    total = model.config.loop.max_epochs
    checkpoints = None
    if where.checkpoints:
        run = run_identity(model.name, model.config, data, start)
        checkpoints = checkpoints_in(where.checkpoints, run)

    def tell(record: EpochRecord) -> None:
        progress(f"training {model.name}", record.epoch, total)

    trainee = model.trainee(data, torch.device(where.device))
    if start is not None:
        trainee.start_from(start)
    with without_compiler():
        model.history = run_epochs(trainee, model.config.loop, checkpoints, tell)
    model.adopt(trainee, data)
    return model


@dataclass(frozen=True, slots=True)
class FittedTwice:
    """A model as validation knows it, and the same fitted on validation's events as well."""

    chosen: Model
    """Fitted on train alone: what validation's figures are of."""
    final: Model
    """Fitted on train and validation, for as many epochs as were best: to test and release."""


def fit_twice(
    split: Split,
    model_name: str,
    config: Any = None,
    where: Here | RayWorkers = Here(),
    progress: Progress = silent,
    start: Start | None = None,
) -> FittedTwice:
    """Choose the number of epochs on validation, then fit on all that came before the test.

    Raises:
        BadInputError: As :func:`fit`.
        UnavailableError: As :func:`fit`.
    """
    with _up(where):
        chosen = fit(split.for_validation(), model_name, config, where, progress, start)
        return FittedTwice(chosen, refit(chosen, split, where, progress, start))


def _up(where: Here | RayWorkers) -> AbstractContextManager[None]:
    """Keep one Ray up for both fits: to start it takes seconds."""
    if isinstance(where, Here):
        return nullcontext()
    from coterie.fitting.distributed import cluster

    return cluster(where)


def refit(
    chosen: Model,
    split: Split,
    where: Here | RayWorkers = Here(),
    progress: Progress = silent,
    start: Start | None = None,
) -> Model:
    """Fit a chosen model's like on train and validation."""
    data = split.for_test()
    return fit(data, chosen.name, chosen_config(chosen), _for_refit(where), progress, start)


def chosen_config(chosen: Model) -> Any:
    """Make a model's config with all that validation chose, to fit again on other events."""
    return chosen.refit_config() if isinstance(chosen, Learned) else chosen.config


def _for_refit(where: Here | RayWorkers) -> Here | RayWorkers:
    """Name other states for the second fit, which learns from other data."""
    if isinstance(where, RayWorkers):
        return replace(where, run_name=f"{where.run_name}-final")
    return replace(where, checkpoints=where.checkpoints and f"{where.checkpoints}-final")
