"""A graph network: newcomers by ties, nothing told of what is to be found, bounded steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from synthetic import planted
from torch.utils._python_dispatch import TorchDispatchMode

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.graph.interactions import interaction_matrix
from coterie.graph.ties import tie_matrix
from coterie.models import is_releasable
from coterie.models.gatv2 import GATv2, GATv2Config, GATv2Trainee
from coterie.models.neighbour_trees import HAD, FanOut, NeighbourGraph, NeighbourLists
from coterie.schema import EVENT_KINDS
from coterie.training.loop import LoopConfig
from coterie.workflow.challenger import load_parameters

HERE = torch.device("cpu")
SMALL = GATv2Config(
    embedding_size=8,
    attention_heads=2,
    own_items=12,
    friends=4,
    items=6,
    buyers=2,
    batch_size=32,
    loop=LoopConfig(max_epochs=10, lr=3e-2),
)


def shop_of(pairs, ties, num_users, num_items):
    """A shop of purchases and ties that are named."""
    users, items = np.array(pairs).T
    n = len(users)
    bought = np.full(n, EVENT_KINDS.index("purchase"), np.int8)
    nan, none = np.full(n, np.nan, np.float32), np.full(n, -1)
    events = Interactions(users, items, bought, nan, np.arange(n), none)
    src, dst = np.array(ties).T
    m = len(src)
    known = Ties(src, dst, np.zeros(m, np.int8), np.ones(m, np.float32), np.zeros(m, np.int64))
    return TrainingSet(events, known, num_users, num_items)


def graph_of(data):
    had = interaction_matrix(data.interactions, data.num_users, data.num_items, binary=True)
    friends = tie_matrix(data.ties, data.num_users, undirected=True, weighted=False)
    return NeighbourGraph(had, friends, 0, HERE)


def test_who_comes_with_ties_alone_gets_the_taste_of_friends_without_training():
    shop = planted()
    new = shop.newcomers
    among = np.isin(shop.data.ties.src_idx, new) | np.isin(shop.data.ties.dst_idx, new)
    before = replace(shop.data, ties=shop.data.ties.take(~among))
    model = GATv2(SMALL)
    model.fit(before)
    lists = np.argsort(-model.scores(new), axis=1)[:, :10]
    without = shop.share_in_block(lists, new)
    model.serve(shop.data)
    lists = np.argsort(-model.scores(new), axis=1)[:, :10]
    assert shop.share_in_block(lists, new) > without + 0.4


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_nothing_is_told_of_what_is_to_be_found(hops):
    """Only shopper 0 had item 0; a friend, friends' friends and who had the same lead back."""
    pairs = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 1)]
    data = shop_of(pairs, [(0, 1), (1, 2), (0, 2)], 3, 4)
    trainee = GATv2Trainee(replace(SMALL, hops=hops, buyers=4, items=4), data, HERE)
    user, own = torch.tensor([0]), torch.tensor([[0, 1]])
    told = []
    for known in ([False, True], [True, True]):
        trees = graph_of(data).trees(
            user, (own, torch.tensor([known])), hops, trainee._config.fan_out(4), None
        )
        state = trainee.network(trees).square().sum()
        [of_items] = torch.autograd.grad(state, trainee.network.item_in)
        told.append(of_items.abs().sum(1) > 0)
    # Item 2 is what a friend had; nobody had item 3.
    assert told[0].tolist() == [False, True, hops > 1, False]
    assert told[1].tolist() == [True, True, hops > 1, False]


def test_a_step_knows_what_it_does_not_hide():
    trainee = GATv2Trainee(SMALL, planted().data, HERE)
    batch = trainee.batch(0, 0, 0, 1)
    told = (batch.trees.edges[HAD][0][1] > 0).reshape(batch.own.shape)
    assert torch.equal(told, batch.had & ~batch.hidden)
    assert batch.had[batch.hidden].all()
    share = float(batch.hidden.sum() / batch.had.sum())
    assert share == pytest.approx(0.5 + 0.5 * 0.2, abs=0.1)


def test_a_draw_is_of_different_neighbours_and_all_where_there_are_few():
    rng = np.random.default_rng(0)
    dense = np.zeros((3, 50), np.float32)
    dense[1, :4] = 1
    dense[2] = 1
    lists = NeighbourLists(csr_matrix(dense), 0, HERE)
    seen = set()
    for seed in rng.integers(0, 1000, 40):
        found, there = lists.draw(torch.arange(3), 8, torch.Generator().manual_seed(int(seed)))
        assert there.sum(1).tolist() == [0, 4, 8]
        assert sorted(found[1][there[1]].tolist()) == [0, 1, 2, 3]
        assert len(set(found[2].tolist())) == 8
        seen |= set(found[2].tolist())
    assert seen == set(range(50))
    first, again = (lists.draw(torch.arange(3), 8, None)[0] for _ in range(2))
    assert torch.equal(first, again)


def test_a_tree_is_no_larger_for_who_knows_and_had_more():
    """A hub of 300 ties and items costs what the shopper with one of each does."""
    hub = [(0, item) for item in range(300)] + [(user, user) for user in range(1, 301)]
    data = shop_of(hub, [(0, user) for user in range(1, 301)], 301, 301)
    graph, fan_out = graph_of(data), FanOut(own=12, friends=4, items=6, buyers=2)
    sizes = []
    for user in (0, 300):
        users = torch.tensor([user])
        own = graph.own_items(users, fan_out.own, None)
        trees = graph.trees(users, own, 3, fan_out, None)
        sizes.append((trees.shopper_sizes, trees.item_sizes))
        known = sum(int((edges[1] > 0).sum()) for edges in trees.edges[HAD])
        assert known > 0
    assert sizes[0] == sizes[1]
    # Items: own; of four friends; of a friend each of these, and of two buyers each own item.
    assert sizes[0] == ((1, 4, 4 + 24, 0), (0, 12, 24, 28 * 6))


class WaitingMode(TorchDispatchMode):
    """Refuses what makes a processor wait for a GPU: values and shapes that come from data."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "_unique2", "masked_select"), name
        if name == "index":
            assert all(one is None or one.dtype != torch.bool for one in args[1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("hops", [2, 3])
def test_no_step_waits_for_the_device(hops):
    config = replace(SMALL, hops=hops, negatives=50)
    trainee = GATv2Trainee(config, planted().data, HERE)
    trainee.batch(0, 0, 0, 1)  # Puts the epoch in its order.
    with WaitingMode():
        trainee(trainee.batch(0, 1, 0, 1)).backward()
    assert all(part.grad is not None for part in trainee.parameters())


@pytest.mark.gpu
def test_a_step_on_a_gpu_learns_without_waiting():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    trainee = GATv2Trainee(SMALL, planted().data, torch.device("cuda"))
    trainee(trainee.batch(0, 0, 0, 1)).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autocast("cuda", torch.bfloat16):
            loss = trainee(trainee.batch(0, 1, 0, 1))
        loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(loss)


def test_a_softmax_over_a_sample_is_that_over_all_on_average():
    data = planted().data
    full = GATv2Trainee(SMALL, data, HERE)
    drawn = GATv2Trainee(replace(SMALL, negatives=60), data, HERE)
    with torch.no_grad():
        wanted = float(torch.stack([full(full.batch(0, s, 0, 1)) for s in range(3)]).mean())
        found = [drawn(drawn.batch(e, s, 0, 1)) for e in range(4) for s in range(5)]
    assert float(torch.stack(found).mean()) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"hops": 0}, "over 0"),
        ({"attention_heads": 3}, "divide"),
        ({"entry_dropout": 1.0}, "under 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, what):
    with pytest.raises(BadInputError, match=what):
        replace(SMALL, **wrong)


@pytest.mark.parametrize("name", ["gatv2", "hgt"])
def test_no_release_is_made_of_a_graph_network(name, tmp_path):
    assert not is_releasable(name)
    with pytest.raises(BadInputError, match="only the social or bounded model can be released"):
        load_parameters(str(tmp_path))
