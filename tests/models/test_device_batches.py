"""Batches drawn where they are learned from: those of the host, in shapes that stay."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.models.device_batches import DeviceBatches
from coterie.models.exposure import EXPOSURE
from coterie.models.social_config import SocialConfig
from coterie.models.social_trainee import SocialTrainee
from coterie.training.loop import LoopConfig, run_epochs
from tests.synthetic import planted

CPU = torch.device("cpu")
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(scope="module")
def data():
    return replace(planted().data, validation=None)


def trainee_of(data, device=CPU, **config):
    config = {"embedding_size": 8, "batch_size": 32, **config}
    return SocialTrainee(SocialConfig(**config), data, device)


class Replayed:
    """Random numbers that the device drew, as numpy's generator would give them."""

    def __init__(self, drawn, ahead):
        self.kept = drawn.pop(0)
        self.ahead = [drawn.pop(0) for _ in range(3 * ahead)]
        self.friends, self.items = drawn.pop(0), drawn.pop(0) if drawn else None
        self.asked = [self.kept, *self.ahead, self.friends]

    def random(self, size):
        return self.asked.pop(0)[:size]

    def choice(self, num, size, replace):
        assert not replace
        assert len(self.items) == num
        return torch.tensor(self.items).topk(size).indices.numpy()


def drawn_batch(trainee, patch):
    """A head's batch of the device, and the random numbers in it."""
    drawn, plain = [], DeviceBatches._random

    def random(self, size):
        drawn.append(plain(self, size))
        return drawn[-1]

    patch.setattr(DeviceBatches, "_random", random)
    batches = trainee.device_batches()
    batches.begin(0)
    return batches.draw(), [one.numpy() for one in drawn]


def with_dislikes(data):
    kind = np.array(data.interactions.kind)
    kind[::7] = 7
    return replace(data, interactions=replace(data.interactions, kind=kind))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"softmax_items": 20},
        {"next_item_share": 0.5, "softmax_items": 20},
        {"use_times": False, "weak_event_weight": 0.3},
        {"dislike_weight": 0.5},
        {"friend_dropout": 1.0},
        {"use_ties": False, "softmax_items": 40},
    ],
    ids=lambda config: " ".join(config) or "usual",
)
@pytest.mark.parametrize("disliked", [False, True])
def test_the_same_draws_have_the_same_loss_and_gradients(data, config, disliked, monkeypatch):
    data = with_dislikes(data) if disliked else data
    if disliked:  # Targets then also count by how often lists showed them.
        data = replace(data, items=pa.table({EXPOSURE: 1.0 + np.arange(data.num_items) ** 2}))
    trainee = trainee_of(data, **config)
    torch.manual_seed(3)
    [there], drawn = drawn_batch(trainee, monkeypatch)
    users = trainee.order(0, 1)[:32]
    rng = Replayed(drawn, trainee.config.next_item_share > 0)
    shoppers = trainee.community.shoppers(users).counting(trainee.config.dislike_weight)
    here = trainee._batch_of(shoppers, rng)
    found = []
    for batch in (here, there):
        trainee.zero_grad()
        loss = trainee((batch,))
        loss.backward()
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in trainee.parameters()]
        found.append((loss.item(), [g.clone() for g in grads]))
    (loss, grads), (other_loss, other_grads) = found
    assert loss > 0
    assert other_loss == pytest.approx(loss, rel=1e-5)
    for one, other in zip(grads, other_grads, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-6)


def test_shapes_stay_from_batch_to_batch_and_everybody_comes(data):
    trainee = trainee_of(data, softmax_items=20)
    batches, seen = trainee.device_batches(), []
    shapes = batches.begin(0)
    first = None
    for _ in range(trainee.num_batches(1)):
        [batch] = batches.draw()
        tensors = [batch.people.item, batch.people.offsets, batch.people.person, batch.keep]
        found = [one.shape for one in (*tensors, batch.targets.row, batch.sample.items)]
        first = first or found
        assert found == first
        seen.append(int(batches._step))
    assert seen == [*range(1, trainee.num_batches(1) + 1)]
    assert trainee.device_batches().begin(1) == shapes
    assert not np.array_equal(trainee.order(0, 1), trainee.order(1, 1))


def test_a_batch_that_needs_more_room_has_it(data, monkeypatch):
    monkeypatch.setattr("coterie.models.device_batches._usual", lambda each, size: np.zeros(3))
    monkeypatch.setattr("coterie.models.device_batches._ROUND", 1)
    trainee = trainee_of(data)
    batches = trainee.device_batches()
    shapes = batches.begin(0)
    sizes = []
    for step in range(trainee.num_batches(1)):
        users = trainee.order(0, 1)[step * 32 : (step + 1) * 32]
        counts = np.diff(trainee.community.histories.offsets)
        sizes.append(int(counts[users].sum()))
    assert shapes.own == max(sizes)


def test_each_head_has_draws_of_its_own(data):
    batches = trainee_of(data, heads=2).device_batches()
    batches.begin(0)
    one, other = batches.draw()
    assert not torch.equal(one.keep, other.keep)


@ON_GPU
@pytest.mark.parametrize("heads", [1, 2])
def test_captured_steps_learn_as_well_as_those_of_the_host(data, heads, monkeypatch):
    data, device = planted().data, torch.device("cuda")
    loop = LoopConfig(max_epochs=8, lr=5e-3, ema_decay=0.9)
    scores = []
    for captured in (True, False):
        trainee = trainee_of(
            data, device, embedding_size=16, softmax_items=40, heads=heads, loop=loop
        )
        if not captured:
            monkeypatch.setattr(SocialTrainee, "device_batches", lambda self: None)
        history = run_epochs(trainee, loop)
        scores.append((history.epochs[-1].loss, history.best_score))
    assert scores[0][0] == pytest.approx(scores[1][0], rel=0.05)
    assert scores[0][1] == pytest.approx(scores[1][1], rel=0.1)


@ON_GPU
def test_a_captured_step_waits_for_nothing(data):
    device = torch.device("cuda")
    batches = trainee_of(data, device, softmax_items=40).device_batches()
    batches.begin(0)
    batches.draw()
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches.draw()
    finally:
        torch.cuda.set_sync_debug_mode("default")
