"""What models of sequence have in common: they score from a shopper's own history, in its order.

They cannot be released: attention and gates do not split a score into what each event added, and
a reason is such a split.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.engagement import check_users
from coterie.models.sequence_trainee import SequenceNetwork, SequenceTrainee
from coterie.models.sequence_windows import OrderedHistories, Windows
from coterie.progress import Progress, silent
from coterie.training.history import TrainingHistory
from coterie.training.loop import Trainee, run_epochs

_AT_ONCE: Final = 512
"""Shoppers that are read at once: bounds memory."""
_CPU: Final = torch.device("cpu")


class SequenceModel:
    """A ``base.Learned`` and ``base.Inductive`` model, but for the network that reads."""

    name: ClassVar[str]
    make_reader: Callable[[Any], nn.Module]
    """Makes the network of a config: vectors in order, shape (b, t, size), to states like them."""
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any):
        self.config = config
        self.history = TrainingHistory()
        self._network: SequenceNetwork | None = None
        self._newest: Windows | None = None

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """See ``base.Model.fit``; in this process, on the CPU."""
        trainee = self.trainee(data, _CPU)
        total = self.config.loop.max_epochs
        self.history = run_epochs(
            trainee,
            self.config.loop,
            on_epoch=lambda record: progress(self.name, record.epoch, total),
        )
        self.adopt(trainee, data)

    def trainee(self, data: TrainingSet, device: torch.device) -> SequenceTrainee:
        """See ``base.Learned``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.loop.seed)
            reader = type(self).make_reader(self.config)
            network = SequenceNetwork(self.config, data.num_items, reader)
        return SequenceTrainee(self.config, data, network, device)

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:
        """See ``base.Learned``."""
        assert isinstance(trainee, SequenceTrainee)
        self._network = copy.deepcopy(trainee.network).to(_CPU).eval()
        self.serve(data)

    def refit_config(self) -> Any:
        """See ``base.Learned``."""
        return replace(self.config, loop=self.config.loop.for_refit(self.history))

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``: who has no history gets what histories begin with."""
        if self._network is None:
            raise BadInputError("the model is not fitted: call fit first")
        known = len(self._network.bias)
        if data.num_items != known:
            raise BadInputError(f"fitted on {known} items, found {data.num_items}: fit again")
        histories = OrderedHistories.of(data)
        self._newest = Windows(histories, histories.newest(self.config.max_history), _CPU)

    @torch.no_grad()
    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``; logits of what comes next."""
        check_users(user_idx, 0 if self._newest is None else len(self._newest))
        assert self._network is not None
        assert self._newest is not None
        scores = np.zeros((len(user_idx), len(self._network.bias)), np.float32)
        for begin in range(0, len(user_idx), _AT_ONCE):
            rows = torch.from_numpy(user_idx[begin : begin + _AT_ONCE])
            windows = self._newest.take(rows)
            scores[begin : begin + _AT_ONCE] = self._network.scores_after(*windows).numpy()
        return scores
