"""What a step of LightGCN leaves out changes neither its loss nor what it learns."""

import numpy as np
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.models.lightgcn import LightGCNConfig, LightGCNTrainee, _hop_to
from coterie.schema import EVENT_KINDS


def trainee(layers=3):
    rng = np.random.default_rng(0)
    n = 400
    events = Interactions(
        rng.integers(0, 50, n),
        rng.integers(0, 30, n),
        np.full(n, EVENT_KINDS.index("purchase"), np.int8),
        np.full(n, np.nan, np.float32),
        np.arange(n),
        np.full(n, -1),
    )
    ties = Ties(
        rng.integers(0, 25, 60),
        rng.integers(25, 50, 60),
        np.zeros(60, np.int8),
        np.ones(60, np.float32),
        np.zeros(60, np.int64),
    )
    data = TrainingSet(events, ties, 50, 30)
    config = LightGCNConfig(
        embedding_size=8, layers=layers, negatives=10, batch_size=64, use_ties=True
    )
    return LightGCNTrainee(config, data, torch.device("cpu"))


def plainly(one, batch):
    """As the formula has it: all rows of all hops, and torch's own gradients."""
    layer = total = one.vectors
    dense = one._graph.to_dense()
    for _ in range(one._config.layers):
        layer = dense @ layer
        total = total + layer
    users, items = total[: one._num_users], total[one._num_users :]
    user, item, negative = batch
    cosine = torch.nn.functional.normalize
    asked = cosine(users[user], dim=1) / one._config.temperature
    items = cosine(items, dim=1)
    right = (asked * items[item]).sum(1, keepdim=True)
    wrong = (asked @ items[negative].T).masked_fill(negative[None] == item[:, None], -torch.inf)
    return torch.cat([right, wrong], dim=1).logsumexp(1).sub(right[:, 0]).mean()


def test_loss_and_gradients_are_those_of_the_formula():
    for layers in (1, 3):
        one = trainee(layers)
        batch = one.batch(0, 0, 0, 1)
        [ours] = torch.autograd.grad(one(batch), one.vectors)
        [wanted] = torch.autograd.grad(plainly(one, batch), one.vectors)
        torch.testing.assert_close(one(batch), plainly(one, batch))
        torch.testing.assert_close(ours, wanted)
        assert wanted.abs().max() > 0


def test_a_hop_to_some_nodes_is_those_rows_of_the_hop():
    one = trainee()
    nodes = torch.tensor([3, 0, 77, 3])
    torch.testing.assert_close(
        _hop_to(one._graph, nodes, one.vectors), (one._graph @ one.vectors)[nodes]
    )
