"""Models of sequence: what histories are cut into, and that their order is what they learn."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.evaluation.protocols import evaluate_model
from coterie.models import COMPARED, MODELS
from coterie.models.sequence_trainee import SequenceTrainee
from coterie.models.sequence_windows import OrderedHistories, Windows
from coterie.schema import EVENT_KINDS, EventKind
from coterie.training.loop import LoopConfig

SEQUENCES = ("sasrec", "gru4rec")
CPU = torch.device("cpu")
NUM_ITEMS, NUM_USERS, LENGTH = 60, 500, 10


def purchases(users, items, times) -> Interactions:
    n = len(users)
    kind = np.full(n, EVENT_KINDS.index(EventKind.PURCHASE), np.int8)
    value, nobody = np.full(n, np.nan, np.float32), np.full(n, -1)
    order = np.argsort(times, kind="stable")
    events = Interactions(
        np.asarray(users), np.asarray(items), kind, value, np.asarray(times), nobody
    )
    return events.take(order)


@functools.cache
def followers() -> tuple[TrainingSet, Interactions]:
    """A shop in which each item has one that follows it, most of the time; and what came next."""
    rng = np.random.default_rng(3)
    follows = np.roll(rng.permutation(NUM_ITEMS), 1)
    walks = np.zeros((NUM_USERS, LENGTH + 1), np.int64)
    for walk in walks:
        left = set(range(NUM_ITEMS))
        walk[0] = rng.integers(NUM_ITEMS)
        for place in range(1, LENGTH + 1):
            left.discard(int(walk[place - 1]))
            following = int(follows[walk[place - 1]])
            jumps = place < LENGTH and rng.random() < 0.3
            # What was had is not shown again, so it is never what came next.
            walk[place] = rng.choice(sorted(left)) if jumps or following not in left else following
    users = np.repeat(np.arange(NUM_USERS), LENGTH)
    times = np.tile(np.arange(LENGTH), NUM_USERS) + 1
    seen = purchases(users, walks[:, :LENGTH].ravel(), times)
    last = np.full(NUM_USERS, LENGTH + 1)
    return (
        TrainingSet(seen, Ties.none(), NUM_USERS, NUM_ITEMS),
        purchases(np.arange(NUM_USERS), walks[:, LENGTH], last),
    )


def shuffled(data: TrainingSet) -> TrainingSet:
    """The same histories, each in another order."""
    seen = data.interactions
    times = np.random.default_rng(5).permutation(len(seen))
    return replace(data, interactions=purchases(seen.user_idx, seen.item_idx, times))


def small(name: str, **settings):
    loop = LoopConfig(max_epochs=12, lr=1e-2)
    return MODELS[name](
        replace(MODELS[name].config_class(embedding_size=32, loop=loop, batch_size=64), **settings)
    )


def reached(model, data: TrainingSet, wanted: Interactions) -> float:
    return float(evaluate_model(model, data, wanted, ks=(5,)).metrics["ndcg@5"].mean())


@functools.cache
def fitted(name: str):
    model = small(name)
    model.fit(followers()[0])
    return model


@pytest.mark.parametrize("name", SEQUENCES)
def test_who_goes_by_the_last_item_gets_the_one_that_follows(name):
    data, wanted = followers()
    blind = {other: MODELS[other]() for other in ("popularity", "ease")}
    for model in blind.values():
        model.fit(data)
    found = {other: reached(model, data, wanted) for other, model in blind.items()}
    ours = reached(fitted(name), data, wanted)
    assert ours > 0.75
    assert ours > 5 * found["popularity"]
    assert ours > 1.5 * found["ease"]


@pytest.mark.parametrize("name", SEQUENCES)
def test_histories_in_another_order_say_less(name):
    data, wanted = followers()
    before = reached(fitted(name), data, wanted)
    fitted(name).serve(shuffled(data))
    try:
        after = reached(fitted(name), data, wanted)
    finally:
        fitted(name).serve(data)
    assert after < 0.5 * before


def test_no_place_sees_what_comes_behind_it():
    data, _ = followers()
    for name in SEQUENCES:
        network = small(name).trainee(data, CPU).network.eval()
        tokens = torch.arange(8)[None]
        other = tokens.clone()
        other[0, 5:] = 30
        with torch.no_grad():
            torch.testing.assert_close(network(tokens)[0, :5], network(other)[0, :5])
            assert not torch.allclose(network(tokens)[0, 5:], network(other)[0, 5:])


def test_each_item_is_to_be_foreseen_once_whatever_the_length_of_its_history():
    counts = np.array([0, 1, 3, 4, 5, 11])
    users = np.repeat(np.arange(len(counts)), counts)
    items = np.concatenate([np.arange(n) for n in counts])
    data = TrainingSet(
        purchases(users, items, np.arange(len(users)) + 1), Ties.none(), len(counts), 20
    )
    histories = OrderedHistories.of(data)
    windows = Windows(histories, histories.to_learn(4), CPU)
    tokens, there = windows.take(torch.arange(len(windows)))
    assert tokens.shape[1] == 5
    asked = tokens[:, 1:][there[:, 1:]]
    assert sorted(asked.tolist()) == sorted(items.tolist())
    before = tokens[:, :-1][there[:, 1:]]
    # The beginning, or the item before.
    assert torch.equal(before, torch.where(asked == 0, 20, asked - 1))
    newest, there = Windows(histories, histories.newest(4), CPU).take(torch.tensor([0, 2, 5]))
    assert [row[seen].tolist() for row, seen in zip(newest, there, strict=True)] == [
        [20],
        [20, 0, 1, 2],
        [7, 8, 9, 10],
    ]


def test_an_item_that_was_had_twice_stands_where_it_came_last():
    data = TrainingSet(purchases([0, 0, 0], [1, 2, 1], [1, 2, 3]), Ties.none(), 1, 3)
    assert OrderedHistories.of(data).token.tolist() == [3, 2, 1]


@pytest.mark.parametrize("name", SEQUENCES)
def test_shapes_that_stay_have_the_same_loss(name):
    """As on a GPU, where a step may not wait to learn how much of it is padding."""
    trainee = small(name, max_history=7).trainee(followers()[0], CPU).eval()
    assert isinstance(trainee, SequenceTrainee)
    batch = trainee.batch(0, 0, 0, 1)
    assert not batch[1].all()
    stays, fits = (trainee.loss(*batch, shapes_stay=stay) for stay in (True, False))
    torch.testing.assert_close(stays, fits)


@pytest.mark.parametrize("name", SEQUENCES)
def test_settings_that_make_no_sense_are_refused(name):
    make = MODELS[name].config_class
    for wrong in ({"embedding_size": 0}, {"dropout": 1.0}, {"max_history": 0}):
        with pytest.raises(BadInputError, match="found"):
            make(**wrong)
    with pytest.raises(BadInputError, match="again"):
        fitted(name).serve(replace(followers()[0], num_items=NUM_ITEMS + 1))


def test_heads_share_an_embedding_evenly():
    with pytest.raises(BadInputError, match="evenly"):
        MODELS["sasrec"].config_class(embedding_size=30, heads=4)


def test_they_are_compared_when_they_are_named():
    assert not set(SEQUENCES) & set(COMPARED)
