import numpy as np
import pyarrow as pa
import pytest
from synthetic import planted

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.fitting.runs import run_identity
from coterie.models.exposure import EXPOSURE, target_weights
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.offpolicy.feedback import examination, exposure
from coterie.offpolicy.impressions import ShownItems
from coterie.workflow.settings import change


def lists(num=60_000, places=5, items=30, seed=0):
    """Better items stand higher, so that a plain rate of clicks says too much of high places."""
    rng = np.random.default_rng(seed)
    pleases = np.linspace(0.6, 0.05, items)
    score = pleases + rng.gumbel(size=(num, items)) * 0.03
    item = np.argsort(-score, axis=1)[:, :places]
    looked = (1.0 + np.arange(places)) ** -0.7
    return item, (rng.random(item.shape) < pleases[item] * looked).astype(float), looked


def test_where_lists_are_looked_at_is_found_whatever_stands_there():
    item, clicked, looked = lists()
    np.testing.assert_allclose(examination(item, clicked)[1:], looked[1:], rtol=0.03)
    rate = clicked.mean(axis=0) / clicked[:, 0].mean()
    assert rate[-1] < 0.95 * looked[-1], "what stands low pleases less"
    with pytest.raises(BadInputError, match="no list was clicked"):
        examination(item, clicked * 0)


def test_what_is_looked_at_is_counted_by_where_it_stands():
    shown = ShownItems(
        np.array(["u", "v"], object),
        np.zeros(2, np.int64),
        np.array([[0, 1], [1, -1]]),
        np.ones((2, 2)),
        pa.array(["b", "gone"]),
        0,
    )
    found = exposure(shown, np.array([1, -1]), np.array([1.0, 0.5]), np.array([3.0, 4.0]))
    assert found.tolist() == [3.0, 5.0]


def shop(seen):
    data = planted().data
    items = pa.table({EXPOSURE: pa.array(seen, pa.float64())})
    return TrainingSet(data.interactions, data.ties, data.num_users, data.num_items, items=items)


@pytest.fixture(scope="module")
def data():
    return planted().data


def test_what_was_shown_often_counts_less_within_bounds(data):
    seen = [None] + [10.0] * (data.num_items - 3) + [1000.0, 0.5]
    found = target_weights(shop(seen), 0.5, 3.0)
    assert found[-1] == pytest.approx(found[0]), "what was never shown counts most"
    assert found[-2] < found[5] < found[-1]
    assert found[-1] / found[-2] <= 9.0001
    had = np.bincount(data.interactions.item_idx, minlength=data.num_items)
    assert target_weights(shop([1.0] * data.num_items), 0.5, 3.0).tolist() == pytest.approx(
        [1.0] * data.num_items
    )
    assert len(had) == data.num_items


@pytest.mark.parametrize("linear_weight", [0.0, 0.9])
def test_a_model_shows_less_of_what_was_shown_often(data, linear_weight):
    often = np.arange(data.num_items) % 2 == 0
    changes = {"loop.max_epochs": 3, "embedding_size": 16, "popularity_weight": 0.0}
    config = change(SocialConfig(), changes | {"linear_weight": linear_weight})
    found = []
    for seen in (np.ones(data.num_items), np.where(often, 100.0, 1.0)):
        model = SocialModel(config)
        model.fit(shop(seen.tolist()))
        scores = model.scores(np.arange(150))
        top = np.argsort(-scores, axis=1)[:, :10]
        found.append(often[top].mean())
    assert found[1] < found[0] - 0.1


def test_nothing_changes_without_a_log_or_with_a_power_of_0(data):
    assert (target_weights(data, 0.5, 3.0) == 1).all()
    seen = shop(np.arange(data.num_items, dtype=float).tolist())
    assert (target_weights(seen, 0.0, 3.0) == 1).all()
    assert EXPOSURE in SocialModel(SocialConfig()).item_columns
    assert EXPOSURE not in SocialModel(SocialConfig(exposure_power=0.0)).item_columns
    with pytest.raises(BadInputError, match="exposure_power must be in"):
        SocialConfig(exposure_clip=0.5)


def test_a_run_is_another_one_by_its_power_where_lists_tell_what_they_showed(data):
    seen = shop(np.arange(data.num_items, dtype=float).tolist())
    some, other = (SocialConfig(exposure_power=power) for power in (0.5, 0.25))
    assert run_identity("social", some, seen) != run_identity("social", other, seen)
    # What was begun before there was such a setting goes on.
    assert run_identity("social", some, data) == run_identity("social", other, data)
