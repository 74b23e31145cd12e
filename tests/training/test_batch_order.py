"""Which rows each worker learns from."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import BadInputError
from coterie.training.batch_order import BatchOrder

CPU = torch.device("cpu")


@given(st.integers(1, 60), st.integers(1, 25), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_an_epoch_shows_every_row_to_some_worker(num_rows, batch_size, world):
    order = BatchOrder(num_rows, batch_size, 0, CPU)
    shown = [
        order.rows(1, step, rank, world)
        for step in range(order.num_batches(world))
        for rank in range(world)
    ]
    assert set(torch.cat(shown).tolist()) == set(range(num_rows))
    assert len({len(rows) for rows in shown}) == 1


def test_workers_share_the_batch_that_one_would_have_had():
    alone = BatchOrder(50, 10, 0, CPU).rows(2, 3, 0, 1)
    shared = [BatchOrder(50, 10, 0, CPU).rows(2, 3, rank, 2) for rank in range(2)]
    assert torch.equal(torch.cat(shared), alone)


def test_the_order_depends_on_seed_and_epoch_alone():
    first = BatchOrder(50, 50, 0, CPU)
    earlier, later = first.rows(0, 0, 0, 1).tolist(), first.rows(1, 0, 0, 1).tolist()
    assert earlier != later
    assert BatchOrder(50, 50, 0, CPU).rows(1, 0, 0, 1).tolist() == later
    assert BatchOrder(50, 50, 1, CPU).rows(0, 0, 0, 1).tolist() != earlier


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(BadInputError):
        BatchOrder(0, 10, 0, CPU)
