"""Communities that were planted are found, and agreement is told apart from chance."""

import numpy as np
import pytest

from coterie.network.agreement import adjusted_mutual_information
from coterie.network.communities import by_size, find_communities, participation
from coterie.network.partitions import CommunityMethod, part_what_is_apart
from coterie.network.people import Network
from tests.network.test_network_structure import ties_of


@pytest.fixture(scope="module")
def planted():
    """Four groups of 40, 30, 20 and 10, with ten times more ties within than between."""
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(4), (40, 30, 20, 10))
    chance = np.where(truth[:, None] == truth, 0.4, 0.02)
    pairs = np.argwhere(np.triu(rng.random(chance.shape) < chance, 1))
    return Network.of(ties_of(pairs), 102), truth


@pytest.mark.parametrize("method", CommunityMethod)
def test_planted_groups_are_found_and_numbered_by_size(planted, method):
    network, truth = planted
    found = find_communities(network, seeds=2, method=method)
    assert found.method is method
    assert found.sizes[:4].tolist() == [40, 30, 20, 10]
    np.testing.assert_array_equal(found.label[:100], truth)
    assert len(set(found.label[100:].tolist())) == 2, "who knows nobody is alone"
    assert found.stability == pytest.approx(1.0)
    assert 0.3 < found.modularity < 0.9


def test_a_higher_resolution_finds_smaller_groups(planted):
    network, _ = planted
    sizes = [find_communities(network, r, seeds=1).sizes[0] for r in (0.1, 1.0, 6.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_same_seeds_find_the_same(planted):
    network, _ = planted
    one, other = (find_communities(network, 2.0, seeds=2) for _ in range(2))
    np.testing.assert_array_equal(one.label, other.label)


def test_seeds_differ_where_nothing_is_planted():
    rng = np.random.default_rng(2)
    network = Network.of(ties_of(rng.integers(0, 200, (600, 2))), 200)
    assert find_communities(network, seeds=3).stability < 0.9
    assert len(set(find_communities(network, seeds=3).modularities)) > 1


def test_it_does_not_matter_for_what_is_found_how_people_are_laid_out(planted):
    network, truth = planted
    near = np.random.default_rng(3).integers(0, 30, network.num_people)
    np.testing.assert_array_equal(find_communities(network, near=near).label[:100], truth)


def test_a_community_that_does_not_hang_together_is_parted():
    network = Network.of(ties_of([[0, 1], [1, 2], [3, 4], [4, 5], [2, 6], [6, 3]]), 8)
    parted = by_size(part_what_is_apart(network, np.array([0, 0, 0, 0, 0, 0, 1, 1])))
    assert parted.tolist() == [0, 0, 0, 1, 1, 1, 2, 3]


def test_who_knows_people_of_several_groups_takes_part_in_them(planted):
    network = Network.of(ties_of([[0, 1], [0, 2], [0, 3], [0, 4], [1, 2]]), 6)
    shares = participation(network, np.array([0, 0, 0, 1, 1, 2]))
    assert shares[:2].tolist() == [0.5, 0.0]
    assert np.isnan(shares[5])


def test_agreement_beyond_chance():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 8, 400)
    assert adjusted_mutual_information(one, 7 - one) == pytest.approx(1.0)
    drawn = [adjusted_mutual_information(one, rng.permutation(one)) for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(0.0, abs=0.003)
    half = np.where(rng.random(400) < 0.5, one, rng.integers(0, 8, 400))
    assert 0.1 < adjusted_mutual_information(one, half) < 0.6


def test_agreement_is_that_of_the_paper_that_defined_it():
    """The example of scikit-learn's documentation, which follows Vinh et al."""
    assert adjusted_mutual_information(
        np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    ) == pytest.approx(0.298792, abs=1e-5)


def test_communities_are_numbered_by_size():
    assert by_size(np.array([7, 3, 3, 9, 9, 3])).tolist() == [2, 0, 0, 1, 1, 0]
