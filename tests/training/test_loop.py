"""The epoch loop: when it stops, what it leaves, and how it goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from coterie.errors import BadInputError
from coterie.training.checkpoint import CheckpointFolder
from coterie.training.history import TrainingHistory
from coterie.training.loop import LoopConfig, Trainee, run_epochs


class Walker(Trainee):
    """One number that walks towards 10; its validation scores are given."""

    def __init__(self, scores=None):
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1))
        self.scores = scores
        self.asked = 0

    def num_batches(self, world):
        return 3

    def batch(self, epoch, step, rank, world):
        return torch.tensor([10.0 + 0.1 * ((epoch * 7 + step) % 5)])

    def forward(self, batch):
        noise = torch.rand(1) * 0.01
        return (self.place + noise - batch).abs().sum()

    def validate(self):
        if self.scores is None:
            return None
        if callable(self.scores):
            return self.scores(float(self.place))
        self.asked += 1
        return self.scores[self.asked - 1]


class Lost(Walker):
    """Walked off the numbers."""

    def forward(self, batch):
        return super().forward(batch) * torch.nan


def test_it_stops_when_validation_has_not_improved_for_so_long():
    history = run_epochs(Walker([0.1, 0.3, 0.2, 0.3, 0.1, 0.9]), LoopConfig(patience=3, lr=0.1))
    assert len(history.epochs) == 5
    assert (history.best_epoch, history.best_score) == (2, 0.3)


def test_the_best_weights_are_left_not_the_last():
    walker = Walker([0.1, 0.3, 0.2, 0.1])
    run_epochs(walker, LoopConfig(max_epochs=4, patience=9, lr=0.1))
    after_two = Walker([0.1, 0.2])
    run_epochs(after_two, LoopConfig(max_epochs=2, patience=9, lr=0.1))
    assert float(walker.place.detach()) == float(after_two.place.detach())


def test_a_running_mean_is_validated_and_kept_while_steps_go_on_from_the_last_weights():
    seen = []
    walker, plain = Walker(lambda place: seen.append(place) or place), Walker(lambda place: place)
    config = LoopConfig(max_epochs=20, lr=0.1)
    run_epochs(walker, replace(config, ema_decay=0.9))
    walks = run_epochs(plain, config)
    assert float(walker.place.detach()) == seen[-1] == max(seen)
    # Steps of .1 towards 10: a mean over about ten of them lies about a unit behind.
    assert 0.4 < walks.best_score - seen[-1] < 1.2


def test_without_validation_it_learns_for_as_many_epochs_as_told():
    history = run_epochs(Walker(), LoopConfig(max_epochs=7, patience=1, lr=0.1))
    assert len(history.epochs) == 7
    assert (history.best_epoch, history.best_score) == (7, None)


def test_a_refit_takes_the_best_number_of_epochs():
    history = run_epochs(Walker([0.1, 0.3, 0.2]), LoopConfig(max_epochs=3, lr=0.1))
    assert LoopConfig(max_epochs=3).for_refit(history).max_epochs == 2


def test_the_last_epoch_is_validated_whatever_the_interval():
    config = LoopConfig(max_epochs=5, validate_every=3, lr=0.1)
    history = run_epochs(Walker([0.5, 0.6]), config)
    assert [record.score for record in history.epochs] == [None, None, 0.5, None, 0.6]
    assert history.best_epoch == 5


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("average", [0.0, 0.8])
def test_going_on_after_a_kill_ends_where_the_undisturbed_run_does(tmp_path, average):
    config = LoopConfig(max_epochs=6, patience=9, lr=0.1, seed=3, ema_decay=average)

    def score(place):
        return place / 20

    undisturbed = Walker(score)
    whole = run_epochs(undisturbed, config)

    def kill(record):
        if record.epoch == 4:
            raise KilledError

    with pytest.raises(KilledError):
        run_epochs(Walker(score), config, CheckpointFolder(tmp_path, "r"), on_epoch=kill)
    resumed = Walker(score)
    history = run_epochs(resumed, config, CheckpointFolder(tmp_path, "r"))
    assert history.resumed_from == 4
    assert [r.loss for r in history.epochs] == [r.loss for r in whole.epochs]
    assert float(resumed.place.detach()) == float(undisturbed.place.detach())


def test_a_finished_run_is_not_run_again(tmp_path):
    config = LoopConfig(max_epochs=3, lr=0.1)
    first = run_epochs(Walker(lambda place: place / 20), config, CheckpointFolder(tmp_path, "r"))
    walker = Walker([])
    again = run_epochs(walker, config, CheckpointFolder(tmp_path, "r"))
    assert again.epochs == first.epochs
    assert float(walker.place.detach()) > 0


def test_a_diverging_loss_says_so():
    with pytest.raises(BadInputError, match="lower lr"):
        run_epochs(Lost(), LoopConfig(max_epochs=3))


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run_epochs(Walker(), LoopConfig(max_epochs=2))
    np.testing.assert_array_equal(torch.rand(3), expected)


def test_history_survives_json():
    history = run_epochs(Walker([0.1, 0.3]), LoopConfig(max_epochs=2))
    assert TrainingHistory.from_json(history.as_json()) == history


@pytest.mark.parametrize(
    "wrong", [{"max_epochs": 0}, {"lr": 0.0}, {"patience": 0}, {"ema_decay": 1.0}]
)
def test_a_senseless_config_is_refused(wrong):
    with pytest.raises(BadInputError):
        LoopConfig(**wrong)


class Told(Walker):
    """Remembers which batches were made and which were learned from; one of them is broken."""

    def __init__(self, broken=None):
        super().__init__()
        self.broken, self.made, self.learned = broken, [], []

    def num_batches(self, world):
        return 20

    def batch(self, epoch, step, rank, world):
        if (epoch, step) == self.broken:
            raise BadInputError("this batch is broken")
        self.made.append((epoch, step))
        return torch.tensor([float(step)])

    def forward(self, batch):
        self.learned.append(int(batch))
        return (self.place - batch).abs().sum()


def test_every_batch_is_learned_from_once_and_in_order():
    told = Told()
    run_epochs(told, LoopConfig(max_epochs=2, lr=0.1))
    assert told.made == [(epoch, step) for epoch in range(2) for step in range(20)]
    assert told.learned == [*range(20), *range(20)]


def test_a_batch_that_cannot_be_made_ends_training_with_its_own_error():
    told = Told(broken=(1, 7))
    with pytest.raises(BadInputError, match="this batch is broken"):
        run_epochs(told, LoopConfig(max_epochs=2, lr=0.1))
    assert told.learned == [*range(20), *range(7)]
