"""Open a shop, choose on validation, fit again on all but test."""

from dataclasses import dataclass, replace
from typing import Any

from coterie.data.dataset import Dataset, Split, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.splits import choose
from coterie.models import MODELS, Learned, Model
from coterie.progress import Progress, silent
from coterie.workflow.settings import FitSettings


@dataclass(frozen=True, slots=True)
class Shop:
    """Clean tables, and what of them may be looked at when."""

    dataset: Dataset
    split: Split

    @classmethod
    def open(cls, clean: str) -> "Shop":
        """Load and split.

        Raises:
            BadInputError: The folder is not clean, or its events cannot be split.
        """
        dataset = load_dataset(clean)
        return cls(dataset, choose(dataset))


@dataclass(frozen=True, slots=True)
class Fitted:
    """One model, twice."""

    chosen: Model
    """Fitted on training events alone, stopped by validation."""
    final: Model
    """Fitted on training and validation, for as many epochs."""
    best_epoch: int
    """0 where the model has no epochs."""


def fit_twice(
    settings: FitSettings, shop: Shop, storage: str | None = None, progress: Progress = silent
) -> Fitted:
    """Choose on validation, then fit on all but test.

    Args:
        settings: What and where.
        shop: On what.
        storage: Folder for checkpoints: an interrupted fit goes on from there. None keeps none.
        progress: Called after every epoch.
    """
    config = settings.configure()
    chosen = _fit(settings, config, shop.split.for_validation(), storage, progress)
    best_epoch = 0
    if isinstance(chosen, Learned):
        best_epoch = chosen.history.best_epoch
        config = replace(config, loop=config.loop.for_refit(chosen.history))
    final = _fit(settings, config, shop.split.for_test(), storage, progress)
    return Fitted(chosen, final, best_epoch)


def _fit(
    settings: FitSettings,
    config: Any,
    data: TrainingSet,
    storage: str | None,
    progress: Progress,
) -> Model:
    model: Model = MODELS[settings.model](config)
    model.fit(data, progress)
    return model
