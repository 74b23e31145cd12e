"""Cascades on networks whose answer is known, and whom to begin with."""

from itertools import combinations

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.network import spread
from coterie.network.maximise import choose_seeds
from coterie.network.spread import Cascade, expected_spread, reach, waves


def line(chance, n=5):
    return Cascade.of(np.arange(n - 1), np.arange(1, n), np.full(n - 1, chance), n)


def test_what_is_certain_reaches_all_behind_and_nobody_before():
    run, person = reach(line(1.0), np.array([0, 1]), np.array([2, 4]), np.random.default_rng(0))
    assert run.tolist() == [0, 0, 0, 1]
    assert person.tolist() == [2, 3, 4, 4]
    run, person = reach(
        line(1.0).reversed(), np.array([0]), np.array([2]), np.random.default_rng(0)
    )
    assert person.tolist() == [0, 1, 2]
    assert [wave.tolist() for wave in waves(line(1.0), np.array([1]))] == [[1], [2], [3], [4]]


def test_runs_in_several_blocks_reach_what_they_reach_in_one(monkeypatch):
    runs, seeds = np.repeat(np.arange(50), 2), np.tile([0, 3], 50)
    monkeypatch.setattr(spread, "_CELLS", 35)
    run, person = reach(line(1.0), runs, seeds, np.random.default_rng(0))
    assert run.tolist() == np.repeat(np.arange(50), 5).tolist()
    assert person.tolist() == list(range(5)) * 50


def test_the_expected_spread_of_a_line_is_a_geometric_sum():
    mean, error = expected_spread(line(0.5), np.array([0]), runs=4_000)
    assert mean == pytest.approx(1 + 0.5 + 0.25 + 0.125 + 0.0625, abs=4 * error)
    assert 0 < error < 0.05


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    pairs = np.unique(rng.integers(0, 14, (40, 2)), axis=0)
    return Cascade.of(pairs[:, 0], pairs[:, 1], rng.uniform(0.05, 0.6, len(pairs)), 14)


def test_chosen_people_reach_nearly_as_many_as_the_best_choice(drawn):
    seeds = choose_seeds(drawn, 2, eps=0.2)
    assert seeds.complete
    assert len(set(seeds.people.tolist())) == 2
    means = {
        pair: expected_spread(drawn, np.array(pair), runs=800)[0]
        for pair in combinations(range(14), 2)
    }
    assert means[tuple(sorted(seeds.people.tolist()))] > 0.95 * max(means.values())
    assert min(means.values()) < 0.5 * max(means.values()), "the choice must matter"
    assert seeds.spread[1] == pytest.approx(max(means.values()), rel=0.1)


def test_a_bound_that_would_take_too_many_sets_is_not_claimed(drawn):
    seeds = choose_seeds(drawn, 2, eps=0.1, max_sets=500)
    assert (seeds.sets, seeds.complete) == (500, False)


@pytest.mark.parametrize(("k", "eps"), [(0, 0.3), (15, 0.3), (2, 0.0), (2, 0.7)])
def test_what_cannot_be_chosen_is_refused(drawn, k, eps):
    with pytest.raises(BadInputError, match="choose 1 to 14 people"):
        choose_seeds(drawn, k, eps)
