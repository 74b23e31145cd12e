"""What every model promises; the conformance suite holds them to it."""

from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Floats, TrainingSet
from coterie.models.space import Tuning
from coterie.privacy.promise import Promise
from coterie.progress import Progress, silent
from coterie.recommend.terms import Parameters
from coterie.training.history import TrainingHistory
from coterie.training.loop import Trainee

Scores = npt.NDArray[np.float32]


@runtime_checkable
class Model(Protocol):
    """Fits on a training set, then scores every item for any of its users.

    A constructor takes the frozen config dataclass of its file and nothing else:
    ``EASE(EASEConfig(l2=300.0))``. The same seed and data give the same scores on CPU.
    """

    name: ClassVar[str]
    """What settings, files and the command line call it."""
    label: ClassVar[str]
    """What people read."""
    config_class: ClassVar[type[Any]]
    tuning: ClassVar[Tuning]
    config: Any

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of items that it reads: of ``schema.ITEMS``, or ``EXPOSURE``. A training set
        need not hold others, nor these."""

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """Learn from ``data``; early stopping, if any, looks at ``data.validation``.

        Raises:
            BadInputError: There is nothing to learn from.
        """

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """Score all items, shape (len(user_idx), num_items), higher is better.

        Seen items are *not* masked here. Users without any event get scores as well.

        Raises:
            BadInputError: Not fitted yet, or a row is no user of the training set.
        """


@runtime_checkable
class Inductive(Model, Protocol):
    """A model that needs no training for people it never saw: their history is enough."""

    def serve(self, data: TrainingSet) -> None:
        """Score the users of ``data`` from now on, with what was learned before.

        Args:
            data: Over the items that the model was fitted on.

        Raises:
            BadInputError: Not fitted yet.
        """


@runtime_checkable
class Releasable(Model, Protocol):
    """A model of which a release can be made: it scores as the recommender does."""

    parameters: Parameters
    """All that a release keeps of it, as ``coterie.recommend.score`` reads it."""

    def use(self, parameters: Parameters, data: TrainingSet) -> None:
        """Score the users of ``data`` with what was kept, without fitting."""


@runtime_checkable
class Bounded(Releasable, Protocol):
    """A releasable model that bounds what it tells of any one person."""

    popularity: Floats
    """How many people had each item, with noise, shape (items,): a release holds it in place of
    the true numbers."""
    promise: Promise | None
    """What was promised when it was fitted; None where nothing can be."""


@runtime_checkable
class Learned(Model, Protocol):
    """A model that learns in epochs, so that they may also run elsewhere, on several workers.

    Its config has a field ``loop``, a ``LoopConfig``. ``fit`` does the same as making a trainee,
    running the loop on it here, and adopting it.
    """

    history: TrainingHistory

    def trainee(self, data: TrainingSet, device: torch.device) -> Trainee:
        """Make what the loop trains, on ``device``; the same every time."""

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:
        """Score from now on with what ``trainee``, one of this model's, has learned."""

    def refit_config(self) -> Any:
        """Make the config with all that validation has chosen, to fit again on more events."""
