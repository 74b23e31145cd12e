import numpy as np
import pytest

from coterie.content.whitening import Whitening
from coterie.errors import BadInputError


@pytest.fixture
def flat():
    """Vectors that share one large direction, and vary a little in others."""
    spread = np.random.default_rng(0).normal(size=(500, 8)) * np.geomspace(1, 0.05, 8)
    return spread + 10 * np.eye(8)[0]


def test_whole_whitening_makes_all_directions_alike_and_half_of_it_less_unlike(flat):
    def ratio(power):
        fitted = Whitening.fit(flat, power)
        spread = (flat - fitted.mean) @ fitted.components.T * fitted.scale
        deviations = spread.std(axis=0)
        return deviations.max() / deviations.min()

    assert ratio(0.5) == pytest.approx(1, abs=1e-3)
    assert 1 < ratio(0.25) == pytest.approx(ratio(0.0) ** 0.5, rel=1e-3)


def test_what_all_share_no_longer_counts(flat):
    def mean_cosine(rows):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float((unit @ unit.T).mean())

    assert mean_cosine(flat) > 0.9
    assert mean_cosine(Whitening.fit(flat).apply(flat)) < 0.05


def test_what_is_unknown_stays_unknown_and_teaches_nothing(flat):
    with_holes = np.concatenate([flat, np.zeros((300, 8))])
    fitted = Whitening.fit(with_holes)
    assert fitted.mean == pytest.approx(flat.mean(axis=0), abs=1e-5)
    assert not fitted.apply(with_holes)[-1].any()
    assert np.linalg.norm(fitted.apply(flat), axis=1) == pytest.approx(1, abs=1e-5)


def test_only_directions_that_vary_are_kept():
    rows = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(
        size=(3, 12)
    )
    assert Whitening.fit(rows).apply(rows).shape == (50, 3)
    assert Whitening.fit(rows, components=2).apply(rows).shape == (50, 2)


def test_kept_statistics_spread_as_before(flat):
    fitted = Whitening.fit(flat)
    again = Whitening.of_tensors(fitted.tensors())
    assert again.apply(flat).tolist() == fitted.apply(flat).tolist()
    with pytest.raises(BadInputError, match="lacks"):
        Whitening.of_tensors({"mean": fitted.mean})
    with pytest.raises(BadInputError, match="do not fit"):
        Whitening.of_tensors({**fitted.tensors(), "mean": np.zeros(3, np.float32)})


@pytest.mark.parametrize(("rows", "power"), [(np.ones((1, 3)), 0.25), (np.eye(3), 0.7)])
def test_what_cannot_be_fitted_is_refused(rows, power):
    with pytest.raises(BadInputError):
        Whitening.fit(rows, power)
