"""The same list for everybody: what every other model has to beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import TrainingSet
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.models.space import Tuning
from coterie.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class PopularityConfig:
    """Popularity has nothing to choose."""


class Popularity:
    """An item's score is the number of shoppers who had it."""

    name: ClassVar[str] = "popularity"
    label: ClassVar[str] = "Popularity"
    config_class: ClassVar[type[PopularityConfig]] = PopularityConfig
    tuning: ClassVar[Tuning] = Tuning()
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: PopularityConfig = PopularityConfig()):
        self.config = config
        self._num_users = 0
        self._popularity = np.zeros(0, np.float32)

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:  # noqa: ARG002
        """Count shoppers an item."""
        self._popularity = np.asarray(engagement(data).sum(axis=0), np.float32).ravel()
        self._num_users = data.num_users

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        check_users(np.zeros(0, np.int64), self._num_users)
        self._num_users = data.num_users

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._num_users)
        return np.tile(self._popularity, (len(user_idx), 1))
