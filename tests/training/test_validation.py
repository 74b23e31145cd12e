"""The score that training stops on is the one that evaluation reports."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import planted

from coterie.evaluation.protocols import evaluate_model
from coterie.models.ease import EASE
from coterie.training.validation import Validation

CPU = torch.device("cpu")


@pytest.mark.parametrize("rows", [7, 1000])
def test_it_equals_evaluations_ndcg(rows):
    shop = planted()
    model = EASE()
    model.fit(shop.data)
    validation = Validation(shop.data, CPU, rows=rows)
    ours = validation.ndcg(lambda users: torch.from_numpy(model.scores(users.numpy())))
    theirs = evaluate_model(model, shop.data, shop.data.validation, ks=(20,)).metrics["ndcg@20"]
    assert len(validation) == len(theirs)
    assert ours == pytest.approx(theirs.mean(), abs=1e-5)


def test_a_perfect_model_scores_one():
    data = planted().data
    truth = torch.zeros(data.num_users, data.num_items)
    truth[data.validation.user_idx, data.validation.item_idx] = 1.0
    assert Validation(data, CPU).ndcg(lambda users: truth[users]) == pytest.approx(1.0)


def test_items_had_before_take_no_place():
    data = planted().data
    had = torch.zeros(data.num_users, data.num_items)
    had[data.interactions.user_idx, data.interactions.item_idx] = 2.0
    had[data.validation.user_idx, data.validation.item_idx] = 1.0
    assert Validation(data, CPU).ndcg(lambda users: had[users]) == pytest.approx(1.0)


def test_nothing_held_out_says_nothing():
    data = planted().data
    assert Validation(replace(data, validation=None), CPU).ndcg(lambda users: users) is None
    empty = data.interactions.take(np.zeros(0, np.int64))
    assert Validation(replace(data, validation=empty), CPU).ndcg(lambda users: users) is None
