"""Figures of structure, held against networkx and against networks whose answer is known."""

import networkx as nx
import numpy as np
import pytest

from coterie.data.dataset import Ties
from coterie.errors import BadInputError
from coterie.network import assortativity
from coterie.network.bridges import bridges
from coterie.network.growth import growth
from coterie.network.people import Network
from coterie.network.structure import core_numbers, pagerank


def ties_of(pairs, weight=None, since=None):
    src, dst = np.array(pairs, np.int64).reshape(-1, 2).T
    ones = np.ones(len(src))
    return Ties(
        src,
        dst,
        np.zeros(len(src), np.int8),
        (ones if weight is None else np.asarray(weight)).astype(np.float32),
        np.zeros(len(src), np.int64) if since is None else np.asarray(since, np.int64),
    )


@pytest.fixture(scope="module")
def drawn():
    """A network of 60 people in several parts, with ties both ways and one way."""
    rng = np.random.default_rng(3)
    pairs = np.unique(rng.integers(0, 60, (90, 2)), axis=0)
    pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs % 20 < 17).all(axis=1)]
    both = np.concatenate([pairs, pairs[:20, ::-1]])
    weight = rng.uniform(0.5, 3, len(both))
    # A self-tie and a tie that is told twice change nothing but a weight.
    return Network.of(ties_of([*both.tolist(), [4, 4]], [*weight, 1.0]), 60)


@pytest.fixture(scope="module")
def other(drawn):
    known = nx.Graph()
    known.add_nodes_from(range(60))
    known.add_edges_from(zip(drawn.one.tolist(), drawn.other.tolist(), strict=True))
    return known


def test_pagerank_is_that_of_networkx(drawn):
    followed = nx.DiGraph()
    followed.add_nodes_from(range(60))
    ties = drawn.ties
    for one, other, weight in zip(ties.src_idx, ties.dst_idx, ties.weight, strict=True):
        followed.add_edge(int(one), int(other), weight=float(weight))
    for weighted in (True, False):
        told = nx.pagerank(followed, tol=1e-12, max_iter=500, weight="weight" if weighted else None)
        expected = [told[person] for person in range(60)]
        np.testing.assert_allclose(pagerank(drawn, weighted), expected, atol=1e-7)


def test_cores_and_bridges_are_those_of_networkx(drawn, other):
    assert core_numbers(drawn).tolist() == [nx.core_number(other)[p] for p in range(60)]
    found = bridges(drawn)
    told = {tuple(sorted(pair)) for pair in nx.bridges(other)}
    assert set(zip(drawn.one[found].tolist(), drawn.other[found].tolist(), strict=True)) == told
    assert 0 < found.sum() < len(found), "the network must have ties of both kinds"


def test_assortativity_is_that_of_networkx(drawn, other):
    expected = nx.degree_pearson_correlation_coefficient(other)
    assert assortativity.by_degree(drawn) == pytest.approx(expected)
    group = np.random.default_rng(0).integers(0, 3, 60)
    nx.set_node_attributes(other, dict(enumerate(group.tolist())), "group")
    expected = nx.attribute_assortativity_coefficient(other, "group")
    assert assortativity.by_group(drawn, group) == pytest.approx(expected)


def test_a_long_line_is_bridges_alone_and_a_circle_has_none():
    line = [[i, i + 1] for i in range(300)]
    assert bridges(Network.of(ties_of(line), 301)).all()
    assert not bridges(Network.of(ties_of([*line, [300, 0]]), 301)).any()


def test_reciprocity_and_pairs_count_each_once():
    network = Network.of(ties_of([[0, 1], [1, 0], [1, 2], [1, 2]], [1, 3, 2, 2]), 4)
    assert len(network.ties) == 3
    assert network.mutual.tolist() == [True, True, False]
    assert (network.one.tolist(), network.other.tolist()) == ([0, 1], [1, 2])
    assert network.weight.tolist() == [3, 4]
    assert network.degree.tolist() == [1, 2, 1, 0]


def test_growth_counts_ties_from_when_they_are():
    pairs = [[0, 1], [2, 3], [1, 2], [3, 2]]
    network = Network.of(ties_of(pairs, since=[0, 100, 300, 300]), 4)
    first, last = growth(network, 2)
    assert (first.ts_ms, first.ties, first.people, first.largest_part) == (100, 2, 4, 0.5)
    assert first.mean_degree == 1.0
    assert (last.ts_ms, last.ties, last.mean_degree, last.largest_part) == (300, 4, 1.5, 1.0)
    assert growth(Network.of(ties_of([[0, 1]]), 2)) == []


@pytest.mark.parametrize(
    ("pairs", "weight", "said"),
    [
        ([], None, "tied to anybody"),
        ([[0, 0]], None, "tied to anybody"),
        ([[0, 1]], [0.0], "weight"),
    ],
)
def test_what_is_no_network_is_refused(pairs, weight, said):
    with pytest.raises(BadInputError, match=said):
        Network.of(ties_of(pairs, weight), 3)
