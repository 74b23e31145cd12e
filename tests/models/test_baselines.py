"""What is particular to each baseline, against its formula written out."""

import numpy as np
import pytest
from synthetic import NUM_ITEMS, NUM_USERS, planted

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.models.ease import EASE, EASEConfig
from coterie.models.item_knn import ItemKNN, ItemKNNConfig
from coterie.models.lightgcn import LightGCNConfig
from coterie.models.popularity import Popularity
from coterie.schema import EVENT_KINDS, EventKind

USERS = np.arange(NUM_USERS)


def had(data):
    table = np.zeros((data.num_users, data.num_items))
    table[data.interactions.user_idx, data.interactions.item_idx] = 1.0
    return table


def fewer_users(data):
    kept = np.isin(data.interactions.user_idx, np.arange(60))
    return TrainingSet(data.interactions.take(kept), Ties.none(), 60, data.num_items)


@pytest.mark.parametrize("shrink", [lambda data: data, fewer_users], ids=["by items", "by users"])
def test_ease_is_its_closed_form_whichever_matrix_is_inverted(shrink):
    data = shrink(planted().data)
    x = had(data)
    p = np.linalg.inv(x.T @ x + 7.0 * np.eye(NUM_ITEMS))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0.0)
    model = EASE(EASEConfig(l2=7.0))
    model.fit(data)
    np.testing.assert_allclose(model.scores(np.arange(data.num_users)), x @ b, atol=1e-5)


def test_ease_refuses_a_matrix_that_would_not_fit():
    with pytest.raises(BadInputError, match="120 rows, allowed are 100"):
        EASE(EASEConfig(max_side=100)).fit(planted().data)


def test_item_knn_is_shrunk_cosine_over_the_nearest():
    data = planted().data
    x = had(data)
    norms = np.sqrt(x.sum(0))
    alike = x.T @ x / (norms[:, None] * norms[None, :] + 3.0)
    np.fill_diagonal(alike, 0.0)
    alike[alike < np.sort(alike, axis=1)[:, -5:-4] - 1e-9] = 0.0
    model = ItemKNN(ItemKNNConfig(neighbours=5, shrinkage=3.0, block=7))
    model.fit(data)
    np.testing.assert_allclose(model.scores(USERS), x @ alike.T, atol=1e-5)


def test_popularity_counts_shoppers_not_events():
    kinds = np.full(4, EVENT_KINDS.index(EventKind.PURCHASE), np.int8)
    kinds[3] = EVENT_KINDS.index(EventKind.VIEW)
    zeros = np.zeros(4, np.int64)
    events = Interactions(
        np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), kinds, np.ones(4, np.float32), zeros, zeros
    )
    model = Popularity()
    model.fit(TrainingSet(events, Ties.none(), 2, 3))
    assert model.scores(np.array([1])).tolist() == [[2.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: EASEConfig(l2=0.0),
        lambda: ItemKNNConfig(neighbours=0),
        lambda: ItemKNNConfig(shrinkage=-1.0),
        lambda: LightGCNConfig(temperature=0.0),
        lambda: LightGCNConfig(embedding_size=0),
    ],
)
def test_senseless_settings_are_refused(make):
    with pytest.raises(BadInputError):
        make()
