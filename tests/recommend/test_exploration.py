import numpy as np
import pytest

from coterie.recommend.exploration import UNIFORM, chances, choose, promised


def test_what_scores_as_the_place_does_is_clicked_as_usual_and_what_is_below_less():
    found = promised(np.array([3.0, 2.0, 1.0, -90.0, 90.0]), 2.0, 1.0, 0.1)
    assert found[1] == pytest.approx(0.1)
    assert found[2] == pytest.approx(0.1 / np.e)
    assert found[3] == pytest.approx(0.005)
    assert found[0] == found[4] == pytest.approx(0.2)
    assert (found[:4] > 0).all()


def test_chances_are_exact_and_leave_nothing_out():
    rng = np.random.default_rng(0)
    shown, clicked = np.array([500.0, 500, 0, 0]), np.array([50.0, 5, 0, 0])
    promise = np.array([0.05, 0.05, 0.05, 0.0])
    chance = chances(shown, clicked, promise, rng)
    assert chance.sum() == pytest.approx(1)
    assert chance[3] == 0
    assert chance[0] > chance[1] > 0.9 * UNIFORM / 3
    drawn = np.bincount(choose(np.tile(chance, (20_000, 1)), rng), minlength=4) / 20_000
    np.testing.assert_allclose(drawn, chance, atol=0.02)


def test_little_is_known_of_what_was_hardly_shown_so_it_is_tried():
    rng = np.random.default_rng(1)
    promise = np.full(2, 0.05)
    known, new = np.array([1000.0, 0.0]), np.array([50.0, 0.0])
    tried = np.mean([chances(known, new, promise, rng)[1] for _ in range(200)])
    assert 0.2 < tried < 0.7
    poor = np.mean([chances(known, np.array([150.0, 0.0]), promise, rng)[1] for _ in range(200)])
    assert poor < tried / 2


def test_a_better_score_is_tried_more():
    rng = np.random.default_rng(2)
    none = np.zeros((400, 2))
    found = chances(none, none, np.tile([0.1, 0.02], (400, 1)), rng).mean(axis=0)
    assert found[0] > 2 * found[1]
