"""Walks go where they should, and vectors tell who belongs together."""

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.network.node2vec import Node2VecConfig, draw_walks, embed
from coterie.network.people import Network
from tests.network.test_network_structure import ties_of


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(3), 20)
    chance = np.where(truth[:, None] == truth, 0.4, 0.02)
    pairs = np.argwhere(np.triu(rng.random(chance.shape) < chance, 1))
    return Network.of(ties_of(pairs), 61), truth


def test_walks_follow_ties_and_begin_at_everybody_who_knows_somebody(planted):
    network, _ = planted
    walks = draw_walks(network, Node2VecConfig(walks=3, length=6))
    tied = network.known().toarray() > 0
    assert tied[walks[:, :-1], walks[:, 1:]].all()
    assert np.bincount(walks[:, 0], minlength=61).tolist() == [3] * 60 + [0]


@pytest.mark.parametrize(("p", "q"), [(4.0, 1.0), (0.25, 1.0), (1.0, 4.0), (1.0, 0.25)])
def test_steps_are_as_likely_as_the_paper_says(p, q):
    """From 0 by 1: back to 0, on to 2 whom 0 knows as well, or farther to 3."""
    network = Network.of(ties_of([[0, 1], [1, 2], [0, 2], [1, 3]]), 4)
    walks = draw_walks(network, Node2VecConfig(walks=20_000, length=3, p=p, q=q))
    asked = walks[(walks[:, 0] == 0) & (walks[:, 1] == 1), 2]
    weight = np.array([1 / p, 0, 1, 1 / q])
    shares = np.bincount(asked, minlength=4) / len(asked)
    np.testing.assert_allclose(shares, weight / weight.sum(), atol=0.015)


def test_vectors_of_a_group_are_alike(planted):
    network, truth = planted
    vectors = embed(network, Node2VecConfig(size=16, walks=10, length=10, epochs=4, batch=512))
    assert vectors.shape == (61, 16)
    assert not vectors[60].any(), "of who knows nobody, nothing is known"
    unit = vectors[:60] / np.linalg.norm(vectors[:60], axis=1, keepdims=True)
    alike = unit @ unit.T
    same = truth[:, None] == truth
    np.fill_diagonal(same, False)
    other = truth[:, None] != truth
    assert alike[same].mean() > alike[other].mean() + 0.3


def test_the_same_seed_gives_the_same_vectors(planted):
    network, _ = planted
    config = Node2VecConfig(size=4, walks=1, length=5, epochs=1)
    np.testing.assert_array_equal(embed(network, config), embed(network, config))


@pytest.mark.parametrize("changed", [{"size": 0}, {"length": 1}, {"p": 0.0}, {"q": -1.0}])
def test_settings_that_make_no_sense_are_refused(changed):
    with pytest.raises(BadInputError):
        Node2VecConfig(**changed)
