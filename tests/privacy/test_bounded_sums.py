import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coterie.privacy.noise import GRID_BITS, Noise
from coterie.privacy.sums import counts, had_together

NUM_ITEMS = 30
rows = st.lists(
    st.lists(st.integers(0, NUM_ITEMS - 1), unique=True, max_size=NUM_ITEMS), max_size=12
)
lengths = st.floats(1.0, 7.0)


def matrix(people):
    found = np.zeros((len(people), NUM_ITEMS), np.float32)
    for person, items in enumerate(people):
        found[person, items] = 1
    return sparse.csr_matrix(found)


@settings(max_examples=200, deadline=None)
@given(rows, st.lists(st.integers(0, NUM_ITEMS - 1), unique=True), lengths, st.data())
def test_one_person_more_changes_the_sums_by_no_more_than_is_said(people, items, length, data):
    place = data.draw(st.integers(0, len(people)))
    without, with_one = matrix(people), matrix([*people[:place], items, *people[place:]])
    assert np.linalg.norm(counts(with_one, length) - counts(without, length)) <= length
    together = had_together(with_one, length) - had_together(without, length)
    assert np.linalg.norm(together) <= length**2


def test_who_has_long_a_history_changes_them_by_all_but_a_rounding():
    nobody, one = matrix([[]]), matrix([list(range(NUM_ITEMS))])
    assert np.linalg.norm(counts(one, 3.0) - counts(nobody, 3.0)) == pytest.approx(3.0, rel=1e-3)
    assert np.linalg.norm(had_together(one, 3.0)) == pytest.approx(9.0, rel=2e-3)


def test_short_histories_count_whole():
    people = matrix([[0, 1], [1, 2], [1]])
    np.testing.assert_array_equal(counts(people, 2.0)[:4], [1, 3, 1, 0])
    np.testing.assert_array_equal(
        had_together(people, 2.0)[:3, :3], (people.T @ people).toarray()[:3, :3]
    )


def test_sums_lie_on_the_grid_of_the_noise_in_any_order_of_people():
    rng = np.random.default_rng(0)
    people = sparse.csr_matrix((rng.random((200, NUM_ITEMS)) < 0.4).astype(np.float32))
    together = had_together(people, 1.5)
    np.testing.assert_array_equal(together, had_together(people[::-1].tocsr(), 1.5))
    for found in (together, counts(people, 1.5), Noise.of(0).gaussian(1000, 0.3)):
        assert not np.modf(found * 2**GRID_BITS)[0].any()


@pytest.mark.parametrize("seed", [0, None])
def test_noise_is_normal_and_of_the_size_that_is_asked_for(seed):
    noise = Noise.of(seed).gaussian(200_000, 3.0)
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    assert noise.std() == pytest.approx(3.0, rel=0.015)
    assert np.mean(np.abs(noise) < 3.0) == pytest.approx(0.6827, abs=0.006)
    assert np.mean(noise > 9.0) == pytest.approx(0.00135, abs=0.0006)


@pytest.mark.parametrize("seed", [0, None])
def test_symmetric_noise_is_alike_in_all_directions_of_symmetric_matrices(seed):
    noise = Noise.of(seed).symmetric(400, 2.0)
    np.testing.assert_array_equal(noise, noise.T)
    assert np.diagonal(noise).std() == pytest.approx(2.0, rel=0.15)
    above = noise[np.triu_indices(400, 1)]
    assert above.std() == pytest.approx(2.0 / np.sqrt(2), rel=0.02)
    # No number stands in two places but its own mirror.
    assert len(np.unique(above)) > 0.999 * len(above)


def test_noise_is_new_each_time_unless_a_seed_is_given():
    assert (Noise.of(None).gaussian(8, 1.0) != Noise.of(None).gaussian(8, 1.0)).all()
    np.testing.assert_array_equal(Noise.of(5).gaussian(8, 1.0), Noise.of(5).gaussian(8, 1.0))
    assert (Noise.of(5).gaussian(8, 1.0) != Noise.of(6).gaussian(8, 1.0)).all()


def test_noise_without_a_seed_is_the_operating_systems(monkeypatch):
    asked = []

    def urandom(num):
        asked.append(num)
        return bytes(num)

    monkeypatch.setattr("coterie.privacy.noise.os.urandom", urandom)
    assert len(Noise.of(None).gaussian(5, 1.0)) == 5
    assert asked == [40]
